//! A repository of 200 MB is pushed and cloned through the gateway, and the gateway buffers none of it on disk.

use crate::browser::{colleague, lan};
use crate::podman::Lab;
use crate::routes::GATEWAY;

/// Commits twenty incompressible files of 10 MB. They are never checked out: a sandbox keeps all files in memory.
const COMMIT: &str = r"
git init -q --bare -b main /tmp/there && cd /tmp/there
git config user.name Ada && git config user.email ada@example.org
git config core.compression 0 && git config core.bigFileThreshold 1m
for number in $(seq 10 29); do
    printf '100644 blob %s\tfile%s\n' $(head -c 10000000 /dev/urandom | git hash-object -w --stdin) $number
done >/tmp/list
git update-ref refs/heads/main $(git mktree </tmp/list | xargs git commit-tree -m 'Two hundred megabytes')
";

/// Prints the commit, and a digest of all content.
const WHAT: &str =
    "git rev-parse main; git ls-tree --name-only main | sed 's/^/main:/' | git cat-file --batch | sha256sum";

#[test]
fn large_git_push_and_clone_use_no_gateway_disk() {
    let lab = lan("git", &["forge"]);
    lab.start_container("forge", "--label flatnet.stream=true flatnet-test/forge");
    lab.start_container("app", "");
    lab.becomes(&["forge.flatnet.internal / forge:80 running", "app.flatnet.internal / app:80 running"]);
    lab.sh("podman exec forge git init -q --bare -b main /srv/git/big.git").succeeds();

    colleague(&lab, COMMIT).succeeds();
    let url = "http://forge.flatnet.internal/git/big.git";
    colleague(&lab, &format!("cd /tmp/there; git push -q {url} main")).succeeds();
    colleague(&lab, &format!("git clone -q --bare {url} /tmp/back")).succeeds();

    let sent = colleague(&lab, &format!("cd /tmp/there; {WHAT}")).succeeds().stdout;
    colleague(&lab, &format!("cd /tmp/back; {WHAT}")).prints_exactly(&sent);
    lab.sh("podman exec forge du -sm /srv/git/big.git | awk '{ print ($1 > 190) }'").prints_exactly("1");
    assert_eq!(spooled(&lab), 0);
    // Control: nginx buffers an upload to a service without `stream`, and logs a warning.
    colleague(&lab, "head -c 1000000 /dev/zero | curl -sS -o /dev/null -T - http://app.flatnet.internal/x")
        .succeeds();
    assert_eq!(spooled(&lab), 1);
}

/// The number of bodies that nginx buffered in temporary files. It logs a warning for each.
fn spooled(lab: &Lab) -> usize {
    let log = lab.sandbox.read(&format!("{GATEWAY}/logs/error.log"));
    log.lines().filter(|line| line.contains("buffered to a temporary file")).count()
}
