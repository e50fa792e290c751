//! `flatnet dns` and other servers: which is asked, what is believed, what is kept.

use std::time::{Duration, Instant};

use crate::dns::World;

const FIRST: &str = "127.1.0.1";
const SECOND: &str = "127.1.0.2";

fn world(servers: &[(&str, &str)]) -> World {
    let world = World::with("--log");
    world.servers(servers);
    world
}

fn asked(world: &World) -> Vec<String> {
    let text = world.sh("cat /tmp/asked; : >/tmp/asked").succeeds().stdout;
    text.lines().map(|line| line.rsplit_once(' ').unwrap_or_default().0.to_owned()).collect()
}

#[test]
fn other_names_are_forwarded_by_udp_and_tcp() {
    let world = world(&[(FIRST, "good")]);
    for (words, wanted, line) in [
        ("example.org", "NOERROR 192.0.2.1", "UDP example.org 1"),
        ("+tcp example.net", "NOERROR 192.0.2.1", "TCP example.net 1"),
        ("ExAmple.com AAAA", "NOERROR 192.0.2.1", "UDP ExAmple.com 28"),
        ("none.example.org", "NXDOMAIN", "UDP none.example.org 1"),
        ("com NS", "NOERROR 192.0.2.1", "UDP com 2"),
        (". NS", "NOERROR 192.0.2.1", "UDP  2"),
    ] {
        world.answers("web", words, wanted);
        assert_eq!(asked(&world), [format!("{FIRST} {line}")], "{words}");
    }
    // Names of containers, and words that are none, are nobody else's business.
    for words in ["web", "web AAAA", "nobody", "nobody AAAA", "x.direct.flatnet.internal TXT", "-x 10.87.1.9"]
    {
        world.dig("web", words);
    }
    assert_eq!(asked(&world), Vec::<String>::new());
    let said = world.said();
    assert!(said.contains(&format!("web (10.87.1.2) example.com AAAA: forwarded to {FIRST} (")), "{said}");
    // Truncated: by TCP the client gets all of it.
    let count =
        world.sh("ip netns exec web dig +short @10.87.1.1 large.example.org | wc -l").succeeds().stdout;
    assert_eq!(count.trim(), "100");
    assert_eq!(
        asked(&world),
        ["UDP", "TCP"].map(|transport| format!("{FIRST} {transport} large.example.org 1"))
    );
}

#[test]
fn answers_are_kept_and_forgotten() {
    let world = world(&[(FIRST, "good")]);
    let ask = |words: &str, wanted: &str, count: usize| {
        world.answers("web", &format!("+nocookie {words}"), wanted);
        assert_eq!(asked(&world).len(), count, "{words}");
    };
    ask("example.org", "NOERROR 192.0.2.1", 1);
    ask("example.org", "NOERROR 192.0.2.1", 0);
    ask("EXAMPLE.org", "NOERROR 192.0.2.1", 0);
    // The answer has the spelling of its own question.
    world.sh("ip netns exec web dig +nocookie +noall +answer @10.87.1.1 eXaMple.org").prints("eXaMple.org.");
    ask("+tcp example.org", "NOERROR 192.0.2.1", 0);
    ask("example.org AAAA", "NOERROR 192.0.2.1", 1);
    ask("+dnssec example.org", "NOERROR 192.0.2.1", 1);
    ask("+cdflag example.org", "NOERROR 192.0.2.1", 1);
    ask("none.example.org", "NXDOMAIN", 1);
    ask("none.example.org", "NXDOMAIN", 0);
    ask("0.example.org", "NOERROR 192.0.2.1", 1);
    ask("0.example.org", "NOERROR 192.0.2.1", 1);
    // A cookie is for one client.
    world.answers("web", "+cookie=0123456789abcdef example.org", "NOERROR 192.0.2.1");
    assert_eq!(asked(&world).len(), 1);
    // TTLs count down.
    ask("2.example.org", "NOERROR 192.0.2.1", 1);
    world.sandbox.eventually("ip netns exec web dig +nocookie +noall +answer @10.87.1.1 2.example.org | grep -P '\\t1\\tIN' || ip netns exec web dig +nocookie +noall +answer @10.87.1.1 2.example.org | grep -P ' 1\\s+IN'");
    // What other servers said is forgotten with them.
    world.sh("true >/tmp/asked").succeeds();
    world.ask_of(&[FIRST, "127.1.0.9"]);
    ask("example.org", "NOERROR 192.0.2.1", 1);
    let counters = world.end();
    assert!(counters["cached"].as_u64() >= Some(6), "{counters}");
}

#[test]
fn resolver_never_asks_itself() {
    let world = world(&[(SECOND, "good")]);
    world.ask_of(&["10.87.1.1", SECOND]);
    world.answers("web", "example.org", "NOERROR 192.0.2.2");
    world.ask_of(&["10.87.1.1"]);
    world.answers("web", "example.net", "SERVFAIL");
    world.sh("rm /etc/resolv.conf || : >/etc/resolv.conf").succeeds();
    world.answers("web", "example.net", "SERVFAIL");
    assert_eq!(world.end()["failures"], 2);
}

#[test]
fn next_server_is_asked_if_one_fails() {
    for (kind, first_is_asked) in [("silent", true), ("refused", true), ("failing", true), ("absent", false)]
    {
        let world = World::with("--log");
        let servers: &[(&str, &str)] =
            if first_is_asked { &[(FIRST, kind), (SECOND, "good")] } else { &[(SECOND, "good")] };
        world.servers(servers);
        world.ask_of(&[FIRST, SECOND]);
        for transport in ["+notcp", "+tcp"] {
            world.answers(
                "web",
                &format!("{transport} {}.example.org", &transport[1..]),
                "NOERROR 192.0.2.2",
            );
        }
        // The one that answered is asked first for a while.
        asked(&world);
        world.answers("web", "third.example.org", "NOERROR 192.0.2.2");
        assert_eq!(asked(&world), [format!("{SECOND} UDP third.example.org 1")], "{kind}");
    }
}

#[test]
fn failure_is_told_when_nobody_answers() {
    let began = Instant::now();
    for (kinds, wanted) in [
        ([(FIRST, "silent"), (SECOND, "silent")], "SERVFAIL"),
        ([(FIRST, "refused"), (SECOND, "refused")], "SERVFAIL"),
        ([(FIRST, "refused"), (SECOND, "failing")], "SERVFAIL"),
        // A slow one is waited for.
        ([(FIRST, "slow"), (SECOND, "failing")], "NOERROR 192.0.2.1"),
    ] {
        let world = world(&kinds);
        for transport in ["+notcp", "+tcp"] {
            world.answers("web", &format!("{transport} {}.example.org", &transport[1..]), wanted);
        }
    }
    assert!(began.elapsed() < Duration::from_secs(300));
}

#[test]
fn lies_are_not_believed() {
    let world = world(&[(FIRST, "lying")]);
    world.answers("web", "example.org", "NOERROR 192.0.2.1");
    world.answers("web", "example.net", "NOERROR 192.0.2.1");
    let counters = world.end();
    assert_eq!((&counters["wrong_answers"], &counters["forwarded"]), (&10.into(), &2.into()), "{counters}");
}

#[test]
fn each_question_has_its_own_port_and_id() {
    let world = World::with("--rate 0");
    world.servers(&[(FIRST, "good")]);
    world.sh("for i in $(seq 40); do dig +short @10.87.1.1 n$i.example.org; done >/dev/null").succeeds();
    let ports = world.sh("awk '{print $NF}' /tmp/asked | sort -u | wc -l").succeeds().stdout;
    let ports: u32 = ports.trim().parse().unwrap();
    assert!(ports > 35, "{ports} ports for 40 questions");
}

/// 1000 questions of one client, to which nobody answers: the resolver answers others meanwhile, and keeps no more than it may.
#[test]
fn flood_of_unanswered_questions_is_bounded() {
    let world = World::with("--rate 0");
    world.servers(&[(FIRST, "silent")]);
    let flood = r#"
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(1000):
    name = b"n%03d" % number
    client.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0\4" + name + b"\7example\0\0\1\0\1", ("10.87.1.1", 53))
"#;
    world.sandbox.sh_with_stdin("ip netns exec web python3 -B -", flood).succeeds();
    world.answers("web", "db", "NOERROR 10.87.1.3");
    world.sh("test $(ls /proc/$(cat /tmp/dns.pid)/fd | wc -l) -lt 300").succeeds();
    let counters = world.end();
    let counter = |name: &str| counters[name].as_u64().unwrap_or_default();
    assert_eq!(counter("queries") - counter("local") - counter("crowded"), 128, "{counters}");
    assert!(counter("crowded") > 500, "{counters}");
}
