/* The lower bound: runs the commands that Flatnet would run, in the same order, and nothing else.
 *
 *   bare run PLAN          carry out PLAN
 *   bare peak COMMAND..    run COMMAND and print on stderr the peak memory (KiB) of it or of any program it ran,
 *                          whichever is largest
 *
 * A line of PLAN is HOW, FILE (its standard input) and a program's path with its arguments, separated by tabs:
 *   start       go on while it runs
 *   commit      the same, but at the end wait for nft's line of the commit, as Flatnet does, and not for the program's end
 *   wait        wait for its end, and for that of nothing else
 *   gone=LINK   wait until LINK has gone from /sys/class/net, as Flatnet does, and not for the program's end
 * At the end all that were started by `start` are waited for. The exit status is 1 when one of them failed.
 *
 * In C, linked statically, since a shell's own forks cost more than what is to be measured.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORDS = 64, MAX_STARTED = 16, LOOK_AGAIN_NS = 300000, MAX_LOOKS = 20000 };

static char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};

static void give_up(const char *what)
{
    perror(what);
    exit(2);
}

/* Its output goes to `output`, unless that is negative. */
static pid_t start(char **words, const char *input, int output)
{
    posix_spawn_file_actions_t files;
    pid_t pid;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, input, O_RDONLY, 0);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&files, output, 1);
    if (posix_spawn(&pid, words[0], &files, NULL, words, environment) != 0)
        give_up(words[0]);
    return pid;
}

static int failed(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) < 0)
        give_up("waitpid");
    return status != 0;
}

/* Returns 1 when the link is still there after 6 s or more. */
static int await_absence(const char *link)
{
    char path[64];
    const struct timespec pause = {0, LOOK_AGAIN_NS};
    snprintf(path, sizeof path, "/sys/class/net/%s", link);
    for (int looks = 0; looks < MAX_LOOKS; looks++) {
        if (access(path, F_OK) != 0)
            return 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}

/* Returns 1 when the program fails, or has printed no commit after 6 s or more. */
static int await_commit(pid_t pid, int output)
{
    char text[8192];
    int status;
    const struct timespec pause = {0, LOOK_AGAIN_NS};
    for (int looks = 0; looks < MAX_LOOKS; looks++) {
        ssize_t length = pread(output, text, sizeof text - 1, 0);
        text[length < 0 ? 0 : length] = 0;
        if (strstr(text, "# new generation") != NULL)
            return 0;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return status != 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}

static int run(const char *plan)
{
    char line[8192];
    pid_t started[MAX_STARTED];
    int count = 0, bad = 0, output = -1;
    pid_t committing = 0;
    FILE *file = fopen(plan, "re");
    if (file == NULL)
        give_up(plan);
    while (fgets(line, sizeof line, file) != NULL) {
        char *words[MAX_WORDS + 1] = {NULL};
        int length = 0;
        for (char *word = strtok(line, "\t\n"); word != NULL && length < MAX_WORDS; word = strtok(NULL, "\t\n"))
            words[length++] = word;
        int commits = strcmp(words[0], "commit") == 0;
        if (commits && (output = memfd_create("output", MFD_CLOEXEC)) < 0)
            give_up("memfd_create");
        pid_t pid = start(words + 2, words[1], commits ? output : -1);
        if (commits)
            committing = pid;
        else if (strcmp(words[0], "wait") == 0)
            bad |= failed(pid);
        else if (strncmp(words[0], "gone=", 5) == 0)
            bad |= await_absence(words[0] + 5);
        else
            started[count++] = pid;
    }
    for (int i = 0; i < count; i++)
        bad |= failed(started[i]);
    if (committing != 0)
        bad |= await_commit(committing, output);
    return bad;
}

static int peak(char **command)
{
    pid_t pid;
    int status;
    struct rusage used;
    extern char **environ;
    if (posix_spawn(&pid, command[0], NULL, NULL, command, environ) != 0)
        give_up(command[0]);
    if (wait4(pid, &status, 0, &used) < 0)
        give_up("wait4");
    fprintf(stderr, "%ld\n", used.ru_maxrss);
    return status != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "run") == 0)
        return run(argv[2]);
    if (argc > 2 && strcmp(argv[1], "peak") == 0)
        return peak(argv + 2);
    fputs("usage: bare run PLAN | bare peak COMMAND..\n", stderr);
    return 2;
}
