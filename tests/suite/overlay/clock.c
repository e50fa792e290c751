// Runs a command whose wall clock is wrong: clock FILE COMMAND..
// FILE has the seconds by which it is ahead, and may change meanwhile. libfaketime cannot do it, because Nebula is written in Go and calls no
// C library; and a namespace of time has no wall clock. The command's vDSO is hidden, so that it asks the kernel, and the answer is changed.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORD sizeof(long)

// Threads between the call and its answer, and where the answer will be.
static struct { pid_t thread; unsigned long answer; } asking[1024];

static long ahead(const char *path) {
    long seconds = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%ld", &seconds) != 1) seconds = 0;
    if (file != NULL) fclose(file);
    return seconds;
}

static long peek(pid_t thread, unsigned long at) { return ptrace(PTRACE_PEEKDATA, thread, at, NULL); }

static void child(char **command) {
    // clock_gettime(CLOCK_REALTIME) stops for the parent; all other calls are the kernel's alone.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_REALTIME, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) perror("clock: seccomp");
    else execvp(command[0], command), perror(command[0]);
    _exit(127);
}

static void hide_vdso(pid_t thread, unsigned long stack) {
    unsigned long at = stack + WORD * (peek(thread, stack) + 2); // argc, the arguments, 0
    while (peek(thread, at) != 0) at += WORD;                    // the environment
    for (at += WORD; peek(thread, at) != AT_NULL; at += 2 * WORD)
        if (peek(thread, at) == AT_SYSINFO_EHDR) ptrace(PTRACE_POKEDATA, thread, at, AT_IGNORE);
}

static void remember(pid_t thread, unsigned long answer) {
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++)
        if (asking[i].thread == 0 || asking[i].thread == thread) {
            asking[i].thread = thread;
            asking[i].answer = answer;
            return;
        }
    abort();
}

static void change(pid_t thread, long seconds) {
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++)
        if (asking[i].thread == thread) {
            ptrace(PTRACE_POKEDATA, thread, asking[i].answer, peek(thread, asking[i].answer) + seconds);
            asking[i].thread = 0;
        }
}

// Deals with a stop, and returns the signal with which the thread goes on.
static int handle(pid_t thread, int status, const char *path, int *next) {
    struct __ptrace_syscall_info info = {0};
    ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info);
    int signal = WSTOPSIG(status), event = status >> 16;
    if (event == PTRACE_EVENT_EXEC) hide_vdso(thread, info.stack_pointer);
    if (event == PTRACE_EVENT_SECCOMP) {
        remember(thread, info.seccomp.args[1]);
        *next = PTRACE_SYSCALL;
    }
    if (signal == (SIGTRAP | 0x80)) change(thread, ahead(path));
    // A new thread begins with SIGSTOP.
    return event != 0 || signal == (SIGTRAP | 0x80) || signal == SIGSTOP ? 0 : signal;
}

int main(int count, char **arguments) {
    if (count < 3) return 2;
    pid_t first = fork();
    if (first == 0) child(arguments + 2);
    int status, result = 1;
    waitpid(first, &status, __WALL);
    ptrace(PTRACE_SETOPTIONS, first, NULL,
           PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
               PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    ptrace(PTRACE_CONT, first, NULL, 0);
    for (pid_t thread; (thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (thread == first && WIFEXITED(status)) result = WEXITSTATUS(status);
        if (!WIFSTOPPED(status)) continue;
        int next = PTRACE_CONT, signal = handle(thread, status, arguments[1], &next);
        ptrace(next, thread, NULL, signal);
    }
    return result;
}
