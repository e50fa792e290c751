//! What users do all day with rootless Podman: compose, restarts, migrations, several networks, name servers.

use crate::podman::IMAGE;
use crate::rootless::{Users, on_both_podmans};

on_both_podmans!(
    compose_of_a_user_works,
    container_finds_name_servers_and_this_host,
    options_restarts_and_networks_of_a_user_work,
);

const COMPOSE: &str = "\
services:
  one: {image: IMAGE, networks: [flatnet]}
  two: {image: IMAGE, networks: [flatnet], depends_on: [one]}
networks:
  flatnet: {external: true}
";

fn compose_of_a_user_works(users: &Users) {
    users.sandbox.write("/home/alice/compose/docker-compose.yml", &COMPOSE.replace("IMAGE", IMAGE));
    users.sh("chown -R alice: /home/alice/compose").succeeds();
    let compose = |words: &str| users.sh(&format!("as alice sh -c 'cd compose && podman-compose {words}'"));
    compose("up -d").succeeds();
    users
        .sh("as alice podman exec compose_two_1 timeout 5 wget -qO- http://one/cgi-bin/who")
        .prints("10.87.1.");
    compose("down -t 0").succeeds();
    users.sh("flatnet ps --json | jq length").prints_exactly("0");
}

fn container_finds_name_servers_and_this_host(users: &Users) {
    let look = |file: &str| {
        let run = format!("as alice podman run --rm --network flatnet {IMAGE} cat {file}");
        users.sh(&run).succeeds().stdout
    };
    let servers = |text: &str| {
        let words = text.lines().filter_map(|line| line.strip_prefix("nameserver "));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(servers(&look("/etc/resolv.conf"))[0], "10.87.1.1");
    let hosts = look("/etc/hosts");
    let this_host = hosts.lines().find(|line| line.contains("host.containers.internal")).unwrap_or_default();
    assert!(this_host.starts_with("10.87.1.1\t") || this_host.starts_with("10.87.1.1 "), "{hosts}");
    // Without names: this host's servers. Podman's own for users, 169.254.1.1, does not answer on this network.
    users.sh("sed -i '/^names:/,/^[^ #]/{s/enabled: true/enabled: false/}' /etc/flatnet/flatnet.yaml; flatnet up; grep -A3 ^names: /etc/flatnet/flatnet.yaml").prints("enabled: false");
    assert_eq!(servers(&look("/etc/resolv.conf"))[0], "192.0.2.53");
}

fn options_restarts_and_networks_of_a_user_work(users: &Users) {
    for options in
        ["--userns keep-id", "--userns auto", "--uidmap 0:1:1000", "--ip 10.87.1.200", "--dns 192.0.2.9"]
    {
        users
            .sh(&format!("as alice podman run --rm --network flatnet {options} {IMAGE} hostname -i"))
            .prints("10.87.1.");
    }
    let web = users.run("alice", "web", "--network-alias shop");
    users.sh("as alice podman restart -t 0 web").succeeds();
    assert_eq!(users.address("alice", "web"), web);
    // It stops all containers and the process that holds the user's namespaces.
    users.sh("as alice podman system migrate; as alice podman start web").succeeds();
    assert_eq!(users.address("alice", "web"), web);
    // A logout: all of the user's processes are killed, and the directory of the session is emptied.
    users
        .sh("pkill -KILL -u alice; while pgrep -u alice; do sleep 0.05; done; find /run/user/$(id -u alice) -mindepth 1 -delete; as alice podman start web")
        .succeeds();
    assert_eq!(users.address("alice", "web"), web);
    users.sh("as alice podman rename web other; as alice podman restart -t 0 other").succeeds();
    users.sh("flatnet names").prints("other.alice");
    users.sh("as alice podman network create second").succeeds();
    users
        .sh("as alice podman network connect second other; as alice podman network disconnect flatnet other")
        .succeeds();
    users.sh("flatnet ps --json | jq length").prints_exactly("0");
    users.sh("as alice podman network connect flatnet other").succeeds();
    users.sh("as alice podman rm -f -t 0 other; flatnet ps --json | jq length").prints("0");
}
