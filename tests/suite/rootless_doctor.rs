//! The doctor's check of the service for users' rootless Podman, and remedies for users' containers.

use crate::doctor::{Break, Mend, each_is_found_and_mended};
use crate::rootless::{Users, on_both_podmans};

on_both_podmans!(remedies_for_a_users_container_work; alone: rootless_problems_are_found_and_fixed);

/// Problems of the service and of its users.
pub(crate) const BREAKS: &[Break] = &[
    Break::new(
        "rootless",
        "failure",
        "rm /var/lib/flatnet-serve/socket",
        "the service's socket /var/lib/flatnet-serve/socket is missing",
        Mend::Printed,
    ),
    Break::new(
        "rootless",
        "failure",
        "pkill -KILL -f '[s]erve --listen'; sleep 0.3",
        "nobody listens at the service's socket",
        Mend::Printed,
    ),
    Break::new(
        "rootless",
        "failure",
        "chmod 600 /var/lib/flatnet-serve/socket",
        "with mode 600, but must belong to root:flatnet with mode 660",
        Mend::Printed,
    ),
    Break::new(
        "rootless",
        "failure",
        "gpasswd --delete alice flatnet",
        "user alice is not in the group flatnet",
        Mend::Printed,
    ),
    Break::new("rootless", "failure", "groupdel flatnet", "this host has no group flatnet", Mend::Printed),
    Break::new("rootless", "failure", "mv /var/lib/cni /root/cni", "/var/lib/cni is missing", Mend::Printed),
    Break::new(
        "rootless",
        "failure",
        "sed -i /alice/d /etc/subuid /etc/subgid",
        "user alice has no subordinate IDs in /etc/subuid",
        Mend::Printed,
    ),
    Break::new(
        "rootless",
        "failure",
        "sed -i 's/^    alice:/    gone: {}\\n    alice:/' /etc/flatnet/flatnet.yaml",
        "`rootless.users` lists gone, and this host has no such user",
        Mend::ByHand("sed -i '/^    gone:/d' /etc/flatnet/flatnet.yaml"),
    ),
    Break::new(
        "rootless",
        "failure",
        "useradd -o -u $(id -u alice) alias; sed -i 's/^    alice:/    alias: {}\\n    alice:/' /etc/flatnet/flatnet.yaml",
        "and the service knows that number as alice",
        Mend::ByHand(
            "sed -i '/^    alias:/d' /etc/flatnet/flatnet.yaml; sed -i /^alias:/d /etc/passwd /etc/shadow /etc/group",
        ),
    ),
];

fn rootless_problems_are_found_and_fixed(users: &Users) {
    each_is_found_and_mended(&users.sandbox, BREAKS);
    // After all that, the service works.
    users.run("alice", "web", "");
    users
        .sh("flatnet doctor --json | jq -r '.findings[] | select(.id == \"rootless\") | .what'")
        .prints_exactly("the service listens, for alice, bob");
}

fn remedies_for_a_users_container_work(users: &Users) {
    users.run("alice", "web", "");
    users.sh("ip netns attach inside $(pgrep -u alice -f '[h]ttpd' | head -1); ip netns add elsewhere; ip -n inside link set eth0 netns elsewhere").succeeds();
    let find = "{ flatnet doctor --json || true; } | jq -r '.findings[] | .commands // [] | .[]' | grep podman | sort -u";
    let command = users.sh(find).succeeds().stdout;
    assert!(command.starts_with("setsid --wait runuser -u alice -- sh -c"), "{command}");
    users.sh(&format!("ip netns del inside; {command}")).succeeds();
    users.sandbox.eventually("flatnet doctor");
}
