//! `flatnet dns` on real sockets: who is answered what, from which file, and who is not.

use crate::sandbox::{Output, Sandbox};

/// Where the files of names are.
pub(crate) const NAMES: &str = "/run/flatnet-dns";
/// A network's file without its containers.
const HEAD: &str = "\
version 1
network flatnet
listen 10.87.1.1
subnet 10.87.1.0/24
client 192.168.50.0/30
zone direct.flatnet.internal
domain flatnet.internal 10.87.1.1
host gateway 10.87.1.1
";

/// A host with a bridge's address, two containers and a machine of the LAN, each in a namespace; and a resolver.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
}

impl World {
    /// The resolver runs with these `options`, for containers `web` and `db`.
    pub(crate) fn with(options: &str) -> Self {
        let world = Self::without_resolver();
        world.names(
            "flatnet",
            &format!("{HEAD}name 10.87.1.2 {} eth0 web\nname 10.87.1.3 {} eth0 db\n", id('a'), id('b')),
        );
        world.start(options);
        world
    }

    pub(crate) fn without_resolver() -> Self {
        let sandbox = Sandbox::podman4().start();
        let link = |name: &str, own: &str, address: &str| {
            format!(
                "ip netns add {name}; ip link add to-{name} type veth peer name eth0 netns {name}
                 ip link set to-{name} up; ip -n {name} link set eth0 up; ip -n {name} link set lo up
                 ip addr add {own} dev to-{name}; ip -n {name} addr add {address} dev eth0
                 ip -n {name} route add default via {}\n",
                own.split('/').next().unwrap_or_default()
            )
        };
        let script =
            link("web", "10.87.1.1/24", "10.87.1.2/24") + &link("lan", "192.168.50.1/24", "192.168.50.2/24");
        sandbox.sh(&script).succeeds();
        crate::drive::install(&sandbox);
        Self { sandbox }
    }

    /// Replaces a file of names as Flatnet does.
    pub(crate) fn names(&self, network: &str, text: &str) {
        self.sandbox.write(&format!("{NAMES}/.new"), text);
        self.sandbox.sh(&format!("mv {NAMES}/.new {NAMES}/{network}")).succeeds();
    }

    /// Starts the resolver and waits until it answers.
    pub(crate) fn start(&self, options: &str) {
        self.run(options);
        self.sandbox.eventually("grep -q 'answers for' /tmp/dns.err");
    }

    fn run(&self, options: &str) {
        self.sandbox
            .sh(&format!(
                "setsid flatnet dns {options} >/tmp/dns.out 2>/tmp/dns.err </dev/null & echo $! >/tmp/dns.pid"
            ))
            .succeeds();
    }

    /// Starts name servers: pairs of address and kind, in the order of resolv.conf.
    pub(crate) fn servers(&self, servers: &[(&str, &str)]) {
        let words: String = servers.iter().map(|(address, kind)| format!(" {address} {kind}")).collect();
        self.sandbox
            .sh(&format!(
                "setsid python3 -B /usr/local/lib/drive/dns_server.py{words} >/dev/null 2>&1 </dev/null &"
            ))
            .succeeds();
        let addresses: Vec<&str> = servers.iter().map(|(address, _)| *address).collect();
        for address in &addresses {
            self.sandbox.eventually(&format!("ss -Hltn | grep -q ' {address}:53 '"));
        }
        self.ask_of(&addresses);
    }

    /// Lets this host's resolv.conf name these servers.
    pub(crate) fn ask_of(&self, servers: &[&str]) {
        let text: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
        self.sandbox.write("/etc/resolv.conf", &text);
    }

    pub(crate) fn sh(&self, script: &str) -> Output {
        self.sandbox.sh(script)
    }

    /// What `dig` gets in a namespace: status and answers, or that it gets none.
    pub(crate) fn dig(&self, netns: &str, words: &str) -> String {
        let at = if netns.is_empty() { String::new() } else { format!("ip netns exec {netns} ") };
        let dig = format!("{at}dig +tries=1 +timeout=4 +noall +comments +answer @10.87.1.1 {words} || true");
        let said = self.sh(&dig).succeeds().stdout;
        let status = said.split("status: ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("none");
        let records = said.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
        let data = |line: &str| line.split_whitespace().skip(4).collect::<Vec<_>>().join(" ");
        let mut data: Vec<String> = records.map(data).collect();
        data.sort();
        [&[status.to_owned()], &data[..]].concat().join(" ")
    }

    #[track_caller]
    pub(crate) fn answers(&self, netns: &str, words: &str, wanted: &str) {
        assert_eq!(self.dig(netns, words), wanted, "{netns}: dig {words}\n{}", self.said());
    }

    pub(crate) fn said(&self) -> String {
        self.sh("cat /tmp/dns.err /tmp/dns.out").succeeds().stdout
    }

    /// A counter, as it is written when the resolver ends.
    pub(crate) fn end(&self) -> serde_json::Value {
        self.sh(
            "kill $(cat /tmp/dns.pid); while kill -0 $(cat /tmp/dns.pid) 2>/dev/null; do sleep 0.05; done",
        )
        .succeeds();
        serde_json::from_str(&self.sandbox.read("/run/flatnet-dns-state/counters.json")).unwrap()
    }
}

pub(crate) fn id(letter: char) -> String {
    letter.to_string().repeat(64)
}

#[test]
fn containers_are_answered_by_udp_and_tcp() {
    let world = World::with("--log");
    for transport in ["+notcp", "+tcp"] {
        for (words, wanted) in [
            ("web", "NOERROR 10.87.1.2"),
            ("DB.Direct.flatnet.internal", "NOERROR 10.87.1.3"),
            ("bbbbbbbbbbbb", "NOERROR 10.87.1.3"),
            ("db AAAA", "NOERROR"),
            ("nobody", "NXDOMAIN"),
            ("nobody.direct.flatnet.internal", "NXDOMAIN"),
            ("anything.flatnet.internal", "NOERROR 10.87.1.1"),
            ("-x 10.87.1.3", "NOERROR db.direct.flatnet.internal."),
            ("-x 10.87.1.4", "NXDOMAIN"),
        ] {
            world.answers("web", &format!("{transport} {words}"), wanted);
        }
    }
    let said = world.said();
    assert!(said.contains("web (10.87.1.2) db.direct.flatnet.internal A: 10.87.1.3 ("), "{said}");
    assert!(said.contains("web (10.87.1.2) nobody A: no such name ("), "{said}");
    // Several questions on one connection, sent at once.
    let dig = "ip netns exec web dig +tcp +keepopen +noall +answer @10.87.1.1 web db web";
    world.sh(&format!("{dig} | awk '{{print $NF}}'")).prints_exactly("10.87.1.2\n10.87.1.3\n10.87.1.2");
    let counters = world.end();
    assert_eq!(
        (&counters["queries"], &counters["local"], &counters["failures"]),
        (&21.into(), &21.into(), &0.into()),
        "{counters}"
    );
}

/// Promise 7: right at the first question.
#[test]
fn name_is_right_as_soon_as_its_file_is() {
    let world = World::with("--rate 0");
    let script = format!(
        r#"
import os, socket, struct
question = b"\0\1\1\0\0\1\0\0\0\0\0\0\3new\0\0\1\0\1"
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.connect(("10.87.1.1", 53))
head = open("{NAMES}/flatnet").read()
wrong = 0
for number in range(1000):
    host = 10 + number % 200
    with open("{NAMES}/.new", "w") as file:
        file.write(head + f"name 10.87.1.{{host}} {{'c' * 64}} eth0 new\n" if number % 10 else head)
    os.rename("{NAMES}/.new", "{NAMES}/flatnet")
    client.send(question)
    answer = client.recv(512)
    wrong += answer[3] & 15 != 3 if number % 10 == 0 else answer[-1] != host
print(wrong)
"#
    );
    world.sandbox.sh_with_stdin("ip netns exec web python3 -B -", &script).prints_exactly("0");
}

#[test]
fn others_are_not_answered() {
    let world = World::with("");
    let lan = |address: &str| format!("-b {address} web");
    world.sh("ip -n lan addr add 192.168.50.5/24 dev eth0").succeeds();
    // A gateway of the configuration, this host itself by any of its addresses; nobody else, by UDP and TCP.
    world.answers("lan", &lan("192.168.50.2"), "NOERROR 10.87.1.2");
    for (netns, words, wanted) in [
        ("lan", "-b 192.168.50.5 web".to_owned(), "none"),
        ("lan", "+tcp -b 192.168.50.5 web".to_owned(), "none"),
        ("", "web".to_owned(), "NOERROR 10.87.1.2"),
        ("", "-b 192.168.50.1 web".to_owned(), "NOERROR 10.87.1.2"),
        ("", "+tcp web".to_owned(), "NOERROR 10.87.1.2"),
    ] {
        world.answers(netns, &words, wanted);
    }
    let counters = world.end();
    assert_eq!(
        (&counters["queries"], counters["foreign"].as_u64() >= Some(2)),
        (&4.into(), true),
        "{counters}"
    );
}

#[test]
fn client_that_asks_too_much_is_limited() {
    let world = World::with("--rate 5");
    let ask = "ip netns exec web dig +short +tries=1 +timeout=1 @10.87.1.1 db || true";
    let answered = world
        .sh(&format!("for i in $(seq 15); do ({ask}) & done | grep -c 10.87.1.3; wait"))
        .succeeds()
        .stdout;
    let answered: u32 = answered.trim().parse().unwrap();
    assert!((10..15).contains(&answered), "{answered} of 15 at once");
    // Others are not limited by what one does.
    world.answers("", "db", "NOERROR 10.87.1.3");
    assert!(world.end()["limited"].as_u64() > Some(0));
}

#[test]
fn networks_come_go_and_move() {
    let world = World::with("");
    world.sandbox.sh("ip addr add 10.88.0.1/24 dev lo").succeeds();
    let lab = "version 1\nnetwork lab\nlisten 10.88.0.1\nsubnet 10.88.0.0/24\nzone lab.internal\nname 10.88.0.2 c eth0 other\n";
    world.names("lab", lab);
    world
        .sandbox
        .eventually("dig +short +tries=1 +timeout=1 @10.88.0.1 other.lab.internal | grep -x 10.88.0.2");
    // A container of one network finds the names of the others.
    world.answers("web", "other", "NOERROR 10.88.0.2");
    world.answers("web", "other.lab.internal", "NOERROR 10.88.0.2");
    // Before the address is there: ADD of another network may be on its way.
    world.names("lab", &lab.replace("10.88.0.1", "10.88.0.9"));
    world.sandbox.eventually("ss -Hlun | grep -q ' 10.88.0.9:53 ' && ! ss -Hlun | grep ' 10.88.0.1:53 '");
    world.sandbox.sh(&format!("rm {NAMES}/lab")).succeeds();
    world.sandbox.eventually("! ss -Hlun | grep ' 10.88.0.9:53 '");
    world.answers("web", "other", "NXDOMAIN");
    // The directory itself is lost and comes again.
    world.sandbox.sh(&format!("cp -r {NAMES} /tmp/kept; rm -r {NAMES}")).succeeds();
    world.sandbox.eventually("! ss -Hlun | grep ':53 '");
    world.sandbox.sh(&format!("cp -r /tmp/kept {NAMES}")).succeeds();
    world
        .sandbox
        .eventually("ip netns exec web dig +short +tries=1 +timeout=1 @10.87.1.1 web | grep -x 10.87.1.2");
}

#[test]
fn broken_file_leaves_the_names_before_it() {
    let world = World::with("");
    world.names("flatnet", "version 1\nnetwork flatnet\nlisten 10.87.1.1; flush ruleset\n");
    world.answers("web", "db", "NOERROR 10.87.1.3");
    let said = world.said();
    let says = "/flatnet: line 3: \"10.87.1.1;\" is not a valid address. Run `flatnet up`";
    assert!(said.contains(&format!("flatnet: warning: {NAMES}{says}")), "{said}");
    world.names("lab", "version 2\nnetwork lab\n");
    world.sandbox.eventually("grep -q 'lab: version 2 is not supported' /tmp/dns.err");
    world.names("flatnet", &format!("{HEAD}a later version's line\nname 10.87.1.7 d eth0 db\n"));
    world.answers("web", "db", "NOERROR 10.87.1.7");
}

#[test]
fn resolver_keeps_one_capability_and_no_root() {
    let world = World::with("");
    let status = world.sh("cat /proc/$(cat /tmp/dns.pid)/status").succeeds().stdout;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let nobody = world.sh("id -u nobody").succeeds().stdout.trim().to_owned();
    assert_eq!(field("Uid:"), [nobody.as_str(); 4].join(" "), "{status}");
    for (name, wanted) in [
        ("Groups:", ""),
        ("CapInh:", "0000000000000000"),
        ("CapPrm:", "0000000000000400"),
        ("CapEff:", "0000000000000400"),
        ("CapAmb:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
        ("Threads:", "1"),
    ] {
        assert_eq!(field(name), wanted, "{name} {status}");
    }
    // It binds the port of a network that comes later, too.
    world.names("lab", "version 1\nnetwork lab\nlisten 10.88.0.1\nsubnet 10.88.0.0/24\nzone lab.internal\n");
    world.sandbox.eventually("grep -q 'answers for lab at 10.88.0.1' /tmp/dns.err");
    assert_ne!(world.sh("stat -c %U /run/flatnet-dns-state").succeeds().stdout.trim(), "root");
    world.end();
    // A user of its own, where there is one.
    world.sh("useradd --system flatnet-dns").succeeds();
    world.start("");
    world.sh("ps -o user:20= -p $(cat /tmp/dns.pid)").prints_exactly("flatnet-dns");
    world.end();
    world.sh("stat -c %U /run/flatnet-dns-state").prints_exactly("flatnet-dns");
    // It takes no directory that is somebody else's.
    let said =
        world.sh("timeout 2 flatnet dns --counters /etc/counters.json || test $? = 124").succeeds().stderr;
    assert!(
        said.contains("warning: /etc is not the resolver's: user 0 owns it. Give it a directory"),
        "{said}"
    );
    world.sh("stat -c %U /etc; ! ls /etc/counters.json 2>/dev/null").prints_exactly("root");
    // Without root it says what it lacks.
    world.sh("timeout 2 setpriv --reuid 1000 --regid 1000 --clear-groups flatnet dns --counters /tmp/none/counters.json || test $? = 124").succeeds();
    let unprivileged = "timeout 2 setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all --bounding-set=-all flatnet dns --counters /tmp/none";
    let said = world.sh(&format!("{unprivileged} || test $? = 124")).succeeds().stderr;
    assert!(
        said.contains("cannot listen at 10.87.1.1:53 (UDP): it lacks CAP_NET_BIND_SERVICE. Run it as root"),
        "{said}"
    );
}

#[test]
fn taken_port_is_named_and_tried_again() {
    let world = World::without_resolver();
    world.names("flatnet", &format!("{HEAD}name 10.87.1.2 {} eth0 web\n", id('a')));
    world.names("lab", "version 1\nnetwork lab\nlisten 127.0.9.9\nsubnet 10.88.0.0/24\nzone lab.internal\nname 10.88.0.2 c eth0 other\n");
    let hold = "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('10.87.1.1', 53)); time.sleep(600)";
    world
        .sh(&format!("setsid python3 -c \"{hold}\" </dev/null >/dev/null 2>&1 & echo $! >/tmp/hold.pid"))
        .succeeds();
    world.sandbox.eventually("ss -Hlun | grep -q ' 10.87.1.1:53 '");
    world.run("");
    world.sandbox.eventually("grep -q 'answers for lab' /tmp/dns.err");
    let said = world.said();
    let line = "flatnet: warning: the resolver of flatnet cannot listen at 10.87.1.1:53 (UDP): another program listens there. ";
    assert_eq!(said.matches(line).count(), 1, "{said}");
    assert!(said.contains("`ss -lunp 'sport = :53'`") && said.contains("(FLAT-E111)"), "{said}");
    world.sh("dig +short @127.0.9.9 other.lab.internal").prints_exactly("10.88.0.2");
    world.sh("kill $(cat /tmp/hold.pid)").succeeds();
    world.sandbox.eventually("grep -q 'answers for flatnet' /tmp/dns.err");
    world.answers("web", "web", "NOERROR 10.87.1.2");
    assert_eq!(world.said().matches(line).count(), 1, "it is told once");
}

/// What systemd does with a service whose descriptors it stores: it starts the resolver half a second after it ended.
const SERVICE_MANAGER: &str = r#"
import os, socket, threading, time
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind("/tmp/notify")
os.chmod("/tmp/notify", 0o777)
stored = {}
def receive():
    while True:
        text, descriptors, _, _ = socket.recv_fds(notify, 4096, 16)
        words = dict(line.split("=", 1) for line in text.decode().splitlines())
        if "FDSTORE" in words:
            assert words["FDPOLL"] == "0", words
            old, stored[words["FDNAME"]] = stored.get(words["FDNAME"], []), descriptors
        elif "FDSTOREREMOVE" in words:
            old = stored.pop(words["FDNAME"], [])
        else:
            open("/tmp/ready", "w").write(text.decode())
            old = []
        for descriptor in old:
            os.close(descriptor)
threading.Thread(target=receive, daemon=True).start()
while True:
    kept = sum(stored.values(), [])
    child = os.fork()
    if child == 0:
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, 100 + number)
        for number in range(len(kept)):
            os.dup2(100 + number, 3 + number, inheritable=True)
        os.closerange(3 + len(kept), 200)
        words = {"NOTIFY_SOCKET": "/tmp/notify", "LISTEN_FDS": str(len(kept)), "LISTEN_PID": str(os.getpid())}
        os.execvpe("flatnet", ["flatnet", "dns"], {**os.environ, **(words if kept else {"NOTIFY_SOCKET": "/tmp/notify"})})
    open("/tmp/dns.pid", "w").write(str(child))
    os.waitpid(child, 0)
    time.sleep(0.5)
"#;

/// Asks a hundred questions a second for three seconds, and once more each that got no answer within one.
const LOAD: &str = r#"
import socket, struct, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect(("10.87.1.1", 53))
def ask(number):
    client.send(struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + b"\3web\0" + struct.pack(">2H", 1, 1))
answered = set()
def receive(until):
    while (left := until - time.monotonic()) > 0:
        client.settimeout(left)
        try:
            answer = client.recv(512)
        except TimeoutError:
            return
        assert answer.endswith(bytes([10, 87, 1, 2])), answer
        answered.add(int.from_bytes(answer[:2]))
begin = time.monotonic()
for number in range(300):
    ask(number)
    receive(begin + 0.01 * (number + 1))
receive(time.monotonic() + 1)
for number in set(range(300)) - answered:
    ask(number)
receive(time.monotonic() + 1)
print(len(answered), "answered")
"#;

#[test]
fn questions_wait_while_systemd_restarts_the_resolver() {
    let world = World::without_resolver();
    let web = format!("{HEAD}name 10.87.1.2 {} eth0 web\n", id('a'));
    world.names("flatnet", &web);
    world.sandbox.write("/tmp/manager.py", SERVICE_MANAGER);
    world.sh("setsid python3 -B /tmp/manager.py >/tmp/dns.out 2>/tmp/dns.err </dev/null &").succeeds();
    world.sandbox.eventually("grep -q READY=1 /tmp/ready");
    for transport in ["+notcp", "+tcp"] {
        for round in 0..3 {
            world.sh("kill -KILL $(cat /tmp/dns.pid)").succeeds();
            world.answers("web", &format!("{transport} web"), "NOERROR 10.87.1.2");
            world.sandbox.eventually("kill -0 $(cat /tmp/dns.pid)");
            assert!(!world.said().contains("warning"), "round {round}: {}", world.said());
        }
    }
    // Under load: a question that was read by the killed process is asked again after a second, as C libraries do.
    world.sandbox.write("/tmp/load.py", LOAD);
    world
        .sh("ip netns exec web python3 -B /tmp/load.py & sleep 1; kill -KILL $(cat /tmp/dns.pid); wait $!")
        .prints_exactly("300 answered");
    // A network that is gone leaves no socket in the store, neither while the resolver runs nor while it does not.
    let closed = "! ss -Hlnut | grep -q ' 10.87.1.1:53 '";
    world.sh(&format!("rm {NAMES}/flatnet")).succeeds();
    world.sandbox.eventually(closed);
    world.names("flatnet", &web);
    world.sandbox.eventually("ss -Hlnut | grep -q ' 10.87.1.1:53 '");
    world.answers("web", "web", "NOERROR 10.87.1.2");
    world.sh(&format!("kill -KILL $(cat /tmp/dns.pid); rm {NAMES}/flatnet")).succeeds();
    world.sandbox.eventually(closed);
}

/// Descriptors that are for another process are not taken.
#[test]
fn sockets_for_others_are_not_taken() {
    let world = World::without_resolver();
    world.names("flatnet", HEAD);
    world
        .sh("(LISTEN_FDS=2 LISTEN_PID=1 timeout 2 flatnet dns 2>&1 </dev/null || true) | grep 'answers for flatnet'")
        .succeeds();
}
