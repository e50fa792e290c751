//! Rootless Podman of two users, alice and bob, for real: what works for them, and what each of them cannot do.
//!
//! `as USER COMMAND` runs a command in a session of the user (`ops/lib/rootless_users.sh`).

use crate::podman::{Flavour, IMAGE};
use crate::sandbox::{Output, Sandbox};

/// What the users may have.
const ROOTLESS: &str = "\
rootless:
  users:
    alice: {addresses: 3, ips: [10.87.1.200]}
    bob: {addresses: 2, ips: [10.87.1.201]}
";

/// A host whose users alice and bob may attach containers, and carol may not.
pub(crate) struct Users {
    pub(crate) sandbox: Sandbox,
}

/// Makes a test of each scenario for Podman 4 and 5; for Podman 5 alone of those after `alone`, which do not depend on how Podman calls Flatnet.
macro_rules! on_both_podmans {
    ($($scenario:ident),+; alone: $($alone:ident),+ $(,)?) => {
        mod podman4 {
            $(#[test] fn $scenario() { super::$scenario(&$crate::rootless::Users::of($crate::podman::Flavour::Cni)); })+
        }
        mod podman5 {
            $(#[test] fn $scenario() { super::$scenario(&$crate::rootless::Users::of($crate::podman::Flavour::Netavark)); })+
            $(#[test] fn $alone() { super::$alone(&$crate::rootless::Users::of($crate::podman::Flavour::Netavark)); })+
        }
    };
    ($($scenario:ident),+ $(,)?) => {
        mod podman4 {
            $(#[test] fn $scenario() { super::$scenario(&$crate::rootless::Users::of($crate::podman::Flavour::Cni)); })+
        }
        mod podman5 {
            $(#[test] fn $scenario() { super::$scenario(&$crate::rootless::Users::of($crate::podman::Flavour::Netavark)); })+
        }
    };
}
pub(crate) use on_both_podmans;

on_both_podmans!(
    container_of_a_user_is_reached_like_any_other,
    address_stays_over_stop_start_and_removal,
    user_gets_no_more_than_allowed,
    user_cannot_touch_what_is_anothers,
    pods_ports_and_networks_of_a_user_work,
    ended_session_frees_what_was_the_users,
    service_is_started_for_each_connection,
);

impl Users {
    pub(crate) fn of(flavour: Flavour) -> Self {
        let builder = if flavour == Flavour::Cni { Sandbox::podman4() } else { Sandbox::trixie() };
        let sandbox = builder.image("busybox").start();
        crate::drive::install(&sandbox);
        let users = Self { sandbox };
        users.sh("/usr/local/lib/flatnet-test/rootless_users.sh alice,bob busybox; useradd -m carol; flatnet init").succeeds();
        users.sh(&format!("cat >>/etc/flatnet/flatnet.yaml <<'EOF'\n{ROOTLESS}EOF\n")).succeeds();
        for user in ["alice", "bob"] {
            users.sh(&format!("flatnet init --rootless {user}")).prints("after a new login").succeeds();
            if flavour == Flavour::Netavark {
                users.sh(&format!("as {user} podman network create -d flatnet flatnet")).succeeds();
            }
        }
        if flavour == Flavour::Netavark {
            users.sh("podman network create -d flatnet flatnet").succeeds();
        }
        users.sandbox.eventually("[[ -S /var/lib/flatnet-serve/socket ]]");
        users
    }

    pub(crate) fn sh(&self, script: &str) -> Output {
        self.sandbox.sh(script)
    }

    /// Starts a container of `user`; returns its address.
    #[track_caller]
    pub(crate) fn run(&self, user: &str, name: &str, options: &str) -> String {
        self.sh(&format!("as {user} podman run -d --name {name} --network flatnet {options} {IMAGE}"))
            .succeeds();
        self.address(user, name)
    }

    #[track_caller]
    pub(crate) fn address(&self, user: &str, name: &str) -> String {
        let format = "{{.NetworkSettings.Networks.flatnet.IPAddress}}";
        self.sh(&format!("as {user} podman inspect {name} --format '{format}'"))
            .succeeds()
            .stdout
            .trim()
            .to_owned()
    }

    /// Sends a message as `user`, from inside the user's own namespaces.
    pub(crate) fn ask(&self, user: &str, message: &str, paths: &str) -> Output {
        self.sh(&format!(
            "as {user} podman unshare python3 -B /usr/local/lib/drive/asker.py '{message}' {paths}"
        ))
    }
}

pub(crate) fn attach(id: &str, ips: &str) -> String {
    format!(
        r#"{{"version":1,"network":"flatnet","call":{{"attach":{{"id":{{"container_id":"{id}","if_name":"eth0"}},"netns":"/run/user/1/netns/x","descriptor":DESCRIPTOR,"name":"web","aliases":[],"ips":[{ips}]}}}}}}"#
    )
}

fn container_of_a_user_is_reached_like_any_other(users: &Users) {
    let web = users.run("alice", "web", "--network-alias www");
    assert_eq!(web, "10.87.1.2");
    users.sh(&format!("curl -sS -m 3 http://{web}/cgi-bin/who")).prints("10.87.1.1");
    users.sh(&format!("podman run -d --name rootful --network flatnet {IMAGE}")).succeeds();
    let bobs = users.run("bob", "web", "");
    // Both addresses are seen as they are.
    for (from, to, as_who) in [
        ("podman exec rootful", &web, "10.87.1.3"),
        ("as alice podman exec web", &"10.87.1.3".to_owned(), web.as_str()),
        ("as bob podman exec web", &web, bobs.as_str()),
    ] {
        users.sh(&format!("{from} timeout 5 wget -qO- http://{to}/cgi-bin/who")).prints(as_who);
    }
    // A user's own names come first and are short; others' have the user's name.
    for (from, name, address) in [
        ("podman exec rootful", "web.alice.direct.flatnet.internal", web.as_str()),
        ("as alice podman exec web", "web", &web),
        ("as alice podman exec web", "www", &web),
        ("as alice podman exec web", "rootful", "10.87.1.3"),
        ("as alice podman exec web", "web.bob.direct.flatnet.internal", &bobs),
        ("as bob podman exec web", "web", &bobs),
        ("as bob podman exec web", "web.alice.direct.flatnet.internal", &web),
        ("as bob podman exec web", "www", "NXDOMAIN"),
    ] {
        let answer = users.sh(&format!("{from} nslookup {name} 2>&1 || true")).succeeds().stdout;
        assert!(
            answer.lines().any(|line| line.contains(address) && !line.contains('#')),
            "{from} {name}: {answer}"
        );
    }
    let ps = users.sh("flatnet ps").succeeds().stdout;
    assert!(ps.contains("web.alice") && ps.contains("web.bob") && ps.contains("rootful"), "{ps}");
    users.sh("flatnet doctor").prints("nothing is wrong");
    users
        .sh("as alice podman rm -f -t 0 web; as bob podman rm -f -t 0 web; podman rm -f -t 0 rootful")
        .succeeds();
    users.sh("flatnet ps --json | jq length").prints_exactly("0");
    users.sh("flatnet down; nft list tables; ip -br link | grep -c fn || true").prints("0");
}

fn address_stays_over_stop_start_and_removal(users: &Users) {
    let first = users.run("bob", "first", "");
    let web = users.run("alice", "web", "");
    users.sh("as alice podman stop -t 0 web; as bob podman rm -f -t 0 first").succeeds();
    // Bob's container of the same name gets neither alice's name nor her address.
    assert_eq!(users.run("bob", "web", ""), "10.87.1.4", "never used ones come first");
    users.sh("as alice podman start web").succeeds();
    assert_eq!(users.address("alice", "web"), web);
    users.sh("as alice podman rm -f -t 0 web").succeeds();
    assert_eq!(users.run("alice", "web", ""), web, "by its name");
    assert_eq!(users.run("bob", "first", ""), first, "by its name");
}

fn user_gets_no_more_than_allowed(users: &Users) {
    for number in 1..=3 {
        users.run("alice", &format!("c{number}"), "");
    }
    let fourth = format!("as alice podman run -d --name c4 --network flatnet {IMAGE}");
    users.sh(&fourth).fails().complains("user alice has 3 containers attached, which is as many as allowed");
    // Others are not affected, and a container that has ended makes room, with or without a word.
    users.run("bob", "c1", "");
    users.sh("as alice podman rm -f -t 0 c1; as alice podman rm -f c4").succeeds();
    users.sh(&fourth).succeeds();
    users.sh("as alice podman rm -f -t 0 c4 c2").succeeds();
    for (user, ip, allowed) in
        [("alice", "200", true), ("alice", "201", false), ("bob", "201", true), ("bob", "77", false)]
    {
        let run = users.sh(&format!(
            "as {user} podman run --rm --name ip --network flatnet --ip 10.87.1.{ip} {IMAGE} hostname -i"
        ));
        if allowed {
            run.succeeds();
        } else {
            run.fails()
                .complains(&format!("address 10.87.1.{ip} is not among those that user {user} may request"));
            users.sh(&format!("as {user} podman rm -f ip")).succeeds();
        }
    }
    // A MAC of the user's choice is not taken.
    users.sh(&format!(
        "as alice podman run -d --name mac --network flatnet --mac-address 02:aa:00:00:00:01 {IMAGE}"
    ));
    users.sh("flatnet ps | grep -c 02:aa || true").prints_exactly("0");
}

fn user_cannot_touch_what_is_anothers(users: &Users) {
    users.run("alice", "web", "");
    users
        .sh(&format!("podman run -d --name rootful --network flatnet {IMAGE}; ip netns add roots; mkfifo -m 666 /tmp/pipe"))
        .succeeds();
    let before = users.sh("flatnet ps --json; nft list ruleset; ip -br link").succeeds().stdout;
    let attach_it = attach("c1", "");
    let id = |name: &str| {
        users
            .sh(&format!(
                "flatnet ps --all --json | jq -r '.[] | select(.name == \"{name}\") | .container_id'"
            ))
            .stdout
            .trim()
            .to_owned()
    };
    let rootful = users
        .sh("podman inspect rootful --format '{{.NetworkSettings.SandboxKey}}'")
        .stdout
        .trim()
        .to_owned();
    for (message, paths, code) in [
        // Namespaces that are none, this host's, root's, or not network namespaces.
        (&attach_it, "", "FLAT-E031"),
        (&attach_it, "/etc/passwd", "FLAT-E032"),
        (&attach_it, "/dev/null", "FLAT-E032"),
        (&attach_it, "/tmp/pipe", "FLAT-E032"),
        (&attach_it, "/proc/self/ns/mnt", "FLAT-E023"),
        (&attach_it, "/run/netns/roots", "FLAT-E023"),
        (&attach_it, rootful.as_str(), "FLAT-E023"),
        (&attach_it.replace("DESCRIPTOR", "-1"), "", "FLAT-E006"),
        (&attach_it.replace("DESCRIPTOR", "\"1/../../ns/net\""), "", "FLAT-E006"),
        // An address of another's, and a path by which commands would find root's namespace.
        (&attach("c1", "\"10.87.1.2\""), "/proc/self/ns/net", "FLAT-E023"),
        (&attach_it.replace("/run/user/1/netns/x", "/run/netns/roots"), "/proc/self/ns/net", "FLAT-E023"),
        // Things that are not in the protocol.
        (&attach_it.replace("\"aliases\"", "\"config\":\"/home/bob/x.yaml\",\"aliases\""), "", "FLAT-E006"),
        (&attach_it.replace("\"c1\"", "\"../c1\""), "", "FLAT-E006"),
        (&"@65537".to_owned(), "", "FLAT-E006"),
        (&"[[[[".to_owned(), "", "FLAT-E006"),
    ] {
        let answer = users.ask("bob", message, paths);
        assert!(answer.stdout.contains(code), "{paths} {code}: {answer}");
    }
    // The host's own namespace, from outside of Podman's.
    let host =
        users.sh(&format!("as bob python3 -B /usr/local/lib/drive/asker.py '{attach_it}' /proc/self/ns/net"));
    host.prints("FLAT-E033");
    // Another's container is not detached by its ID, in any form.
    for container in
        [id("web.alice"), id("rootful"), id("web.alice").rsplit('.').next().unwrap_or_default().to_owned()]
    {
        assert!(container.len() > 30, "{container}");
        let detach = format!(
            r#"{{"version":1,"network":"flatnet","call":{{"detach":{{"container_id":"{container}","if_name":"eth0"}}}}}}"#
        );
        users.ask("bob", &detach, "").prints("done");
    }
    users
        .sh(&format!("as carol python3 -B /usr/local/lib/drive/asker.py '{attach_it}'"))
        .fails()
        .complains("PermissionError");
    users.sh("usermod -aG flatnet carol").succeeds();
    users
        .sh(&format!("as carol python3 -B /usr/local/lib/drive/asker.py '{attach_it}' /proc/self/ns/net"))
        .prints("user carol may not attach containers to flatnet");
    // Leases, receipts and locks are root's.
    for folder in ["/var/lib/flatnet", "/run/flatnet", "/run/flatnet-serve"] {
        users.sh(&format!("as bob ls {folder}")).fails().complains("Permission denied");
    }
    let after = users.sh("flatnet ps --json; nft list ruleset; ip -br link").succeeds().stdout;
    assert_eq!(without_counters(&after), without_counters(&before));
    // One user's connections that say nothing keep nobody else out.
    let mut idle = users.sandbox.spawn("as bob python3 -B /usr/local/lib/drive/asker.py --idle 40");
    let web = users.run("alice", "web2", "");
    assert!(web.starts_with("10.87.1."), "{web}");
    let _ = idle.wait();
    users.sh("flatnet doctor").prints("nothing is wrong");
}

fn pods_ports_and_networks_of_a_user_work(users: &Users) {
    users.sh(&format!("as alice podman pod create --name pod --network flatnet -p 8080:80 --infra-image {IMAGE} --infra-command 'sleep 1000'")).succeeds();
    users.sh(&format!("as alice podman run -d --pod pod --name inside {IMAGE}")).succeeds();
    // Podman publishes ports of rootless containers itself.
    users.sandbox.eventually("curl -sS -m 3 http://127.0.0.1:8080/cgi-bin/who");
    users.sh("nft list ruleset | grep -c 8080 || true").prints_exactly("0");
    users.sh("flatnet ps").prints("pod");
    users.sh("as alice podman pod rm -f -t 0 pod; as alice podman network create other").succeeds();
    users.sh(&format!("as alice podman run -d --name web --network other {IMAGE}")).succeeds();
    users.sh("as alice podman network connect --alias shop flatnet web; flatnet ps").prints("web.alice");
    users
        .sh(&format!(
            "as alice podman run --rm --network flatnet {IMAGE} timeout 5 wget -qO- http://shop/cgi-bin/who"
        ))
        .succeeds();
    users
        .sh("as alice podman network disconnect flatnet web; flatnet ps --json | jq length")
        .prints_exactly("0");
    users.sh("as alice podman rm -f -t 0 web >&2; flatnet ps --json | jq length").prints_exactly("0");
}

/// Logging out ends all processes of the user. A container that lives is never taken for dead, even without its link.
fn ended_session_frees_what_was_the_users(users: &Users) {
    users.run("alice", "web", "");
    users.run("bob", "web", "");
    let link =
        users.sh("flatnet ps --json | jq -r '.[] | select(.name == \"web.alice\") | .host_link'").stdout;
    users.sh(&format!("ip link del {link}")).succeeds();
    users.sh("flatnet gc; flatnet ps --all").prints("web.alice");
    users.sh("flatnet repair; as alice podman exec web timeout 5 wget -qO- http://web.bob.direct.flatnet.internal/cgi-bin/who").succeeds();
    users
        .sh("pkill -KILL -u alice; while pgrep -u alice; do sleep 0.05; done; sleep 0.2; flatnet gc")
        .succeeds();
    let ps = users.sh("flatnet ps").succeeds().stdout;
    assert!(!ps.contains("web.alice") && ps.contains("web.bob"), "{ps}");
    users.sh("flatnet init --rootless bob --remove").prints("for that bob stays in the group");
    users.sh(&format!("as bob podman run -d --name two --network flatnet {IMAGE}")).fails();
    users
        .sh("as bob podman rm -f -t 0 web two >&2; grep -c bob /etc/flatnet/flatnet.yaml || true")
        .prints_exactly("0");
    users.sh("flatnet init --rootless bob --remove").prints("gpasswd --delete bob flatnet");
}

/// As systemd does for a socket unit with `Accept=yes`: nothing runs between two requests.
fn service_is_started_for_each_connection(users: &Users) {
    users
        .sh("kill $(pgrep -f '[f]latnet serve --listen'); while pgrep -f '[f]latnet serve'; do sleep 0.05; done")
        .succeeds();
    users.sh("! [[ -e /var/lib/flatnet-serve/socket ]]").succeeds();
    let listening = "systemd-socket-activate --accept --inetd --seqpacket --listen /var/lib/flatnet-serve/socket flatnet serve";
    let systemd = users.sandbox.spawn(&format!("exec {listening}"));
    users
        .sandbox
        .eventually("chgrp flatnet /var/lib/flatnet-serve/socket; chmod 660 /var/lib/flatnet-serve/socket");
    let web = users.run("alice", "web", "");
    users.sh(&format!("curl -sS -m 3 http://{web}/cgi-bin/who")).prints("10.87.1.1");
    users
        .sh("! pgrep -f '^[f]latnet serve'; as alice podman rm -f -t 0 web >&2; flatnet ps --json | jq length")
        .prints_exactly("0");
    // Without the service nobody gets anything, and the message says where to look.
    users.sh("rm /var/lib/flatnet-serve/socket").succeeds();
    users
        .sh(&format!("as alice podman run --rm --network flatnet {IMAGE} true"))
        .fails()
        .complains("flatnet init --rootless");
    drop(systemd);
}

fn without_counters(text: &str) -> String {
    let is_counter = |word: &&str| !["packets", "bytes"].contains(word) && word.parse::<u64>().is_err();
    text.lines()
        .map(|line| line.split(' ').filter(is_counter).collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn initialisation_is_repeatable_and_taken_back() {
    let sandbox = Sandbox::podman4().start();
    sandbox
        .sh("useradd -m alice; useradd -m bob; flatnet init; cp /etc/flatnet/flatnet.yaml /tmp/before")
        .succeeds();
    let first = sandbox.sh("flatnet init --rootless alice --addresses 4").succeeds().stdout;
    for told in [
        "groupadd --system flatnet",
        "usermod --append --groups flatnet alice",
        "/etc/flatnet/flatnet.yaml",
        "runuser -u alice -- install",
    ] {
        assert!(first.contains(told), "{told}: {first}");
    }
    sandbox
        .sh("tail -3 /etc/flatnet/flatnet.yaml")
        .prints_exactly("rootless:\n  users:\n    alice: {addresses: 4}");
    sandbox.sh("stat -c '%U %a' /home/alice/.config/cni/net.d/flatnet.conflist").prints_exactly("alice 644");
    sandbox.sh("flatnet init --rootless alice").prints("Nothing was to be done");
    sandbox
        .sh("flatnet init --rootless bob; grep -c '^    alice:\\|^    bob:' /etc/flatnet/flatnet.yaml")
        .prints("2");
    // A link of the user's leads root nowhere.
    sandbox
        .sh("useradd -m carol; as_carol() { runuser -u carol -- \"$@\"; }; as_carol mkdir -p /home/carol/.config/cni; as_carol ln -s /etc/flatnet /home/carol/.config/cni/net.d; flatnet init --rootless carol")
        .fails()
        .complains("Permission denied");
    sandbox
        .sh("ls /etc/flatnet; grep -c carol /etc/flatnet/flatnet.yaml /etc/group || true")
        .prints_exactly("flatnet.yaml\n/etc/flatnet/flatnet.yaml:0\n/etc/group:1");
    sandbox.sh("flatnet init --rootless nobody-of-this-name").fails().complains("this host has no user");
    sandbox.sh("flatnet init --rootless root").fails().complains("is root");
    sandbox.sh("flatnet init --rootless alice --remove; flatnet init --rootless bob --remove").succeeds();
    sandbox
        .sh("diff /tmp/before /etc/flatnet/flatnet.yaml; id alice | grep -c flatnet || true")
        .prints_exactly("0");
    sandbox.sh("ls /home/alice/.config/cni/net.d").prints_exactly("");
    // What runs as the user meanwhile, and may be taken over by the user, is not at root's terminal.
    let conflist = "/home/alice/.config/cni/net.d/flatnet.conflist";
    let at_a_terminal = "script -qec 'flatnet init --rootless alice' /dev/null </dev/null";
    sandbox
        .sh(&format!("runuser -u alice -- mkfifo {conflist}; {at_a_terminal} >/dev/null & until pgrep -u alice -x head >/dev/null; do sleep 0.01; done; ps -o tty= $(pgrep -u alice -x head); pkill -u alice; wait || true"))
        .prints_exactly("?");
    // Nor does root read all of a user's file, whatever its size.
    sandbox.sh(&format!("rm {conflist}; runuser -u alice -- truncate -s 1G {conflist}")).succeeds();
    sandbox.sh("ulimit -v 800000; flatnet init --rootless alice").prints("-- install").succeeds();
}
