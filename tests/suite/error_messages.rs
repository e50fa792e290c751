//! Every error that a container runtime can get, caused for real. The message says what failed, why, what was undone
//! and the remedy, in this order, with the right code.

use flatnet::error::Kind;
use serde_json::{Value, json};

use crate::cni::{CONFIG, Call, host, host_link};
use crate::cni_failures::fake;
use crate::errors::looks_like;
use crate::ruleset_text::install_newer_nft;
use crate::sandbox::Sandbox;

/// Short time limits, which keep the tests of timeouts short.
const LIMITS: &str = "limits: {command_seconds: 1, lock_seconds: 1}";

struct Case {
    kind: Kind,
    call: Call,
    /// Parts of the message; `..` stands for any text between them.
    says: &'static str,
    /// The script that causes the failure, before the call.
    breaks: String,
    /// The script that fixes the cause, after the call.
    mends: String,
}

/// A failure that needs no change of the host.
fn case(kind: Kind, call: Call, says: &'static str) -> Case {
    Case { kind, call, says, breaks: "true".to_owned(), mends: "true".to_owned() }
}

/// ADD fails because of this configuration.
fn configured(kind: Kind, yaml: &str, says: &'static str) -> Case {
    let write = format!("printf '%s\\n' '{LIMITS}' '{yaml}' >{CONFIG}");
    case(kind, add(), says).broken_by(&write).mended_by(MEND)
}

impl Case {
    fn broken_by(self, script: &str) -> Self {
        Self { breaks: script.to_owned(), ..self }
    }

    fn mended_by(self, script: &str) -> Self {
        Self { mends: script.to_owned(), ..self }
    }

    fn run(&self, sandbox: &Sandbox) {
        let Self { kind, call, says, breaks, mends } = self;
        sandbox.sh(breaks).succeeds();
        let said = call.run(sandbox).fails();
        let code = kind.code();
        assert!(said.contains(&format!("({code}")), "{kind:?} is {code}: {said}");
        assert!(looks_like(&said, says), "{kind:?} does not say {says:?}: {said}");
        sandbox.sh(mends).succeeds();
    }
}

/// A host with one container, `db c2`, that requested its address, MAC and port; and the container's result.
fn ready() -> (Sandbox, Value) {
    let sandbox = host(&format!("{LIMITS}\n"));
    sandbox.sh(&format!("cp {CONFIG} /tmp/good.yaml; flatnet up")).succeeds();
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    let result = Call::add("c2")
        .var("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=db;IP=10.87.1.9;MAC=02:aa:00:00:00:01")
        .conf("runtimeConfig", ports())
        .run(&sandbox)
        .succeeds();
    (sandbox, result)
}

fn ports() -> Value {
    json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
}

fn add() -> Call {
    Call::add("c1")
}

fn asking(arguments: &str) -> Call {
    add().var("CNI_ARGS", arguments)
}

/// Restores the configuration, and applies it.
const MEND: &str = "cp -p /tmp/good.yaml /etc/flatnet/flatnet.yaml; flatnet up >/dev/null";

#[test]
fn runtime_input_errors_are_explained() {
    let (sandbox, _) = ready();
    let two = json!({"ips": ["10.87.1.20", "10.87.1.21"]});
    let never_added = Call::check("c1", &json!({"cniVersion": "1.0.0"}));
    let bad_mac = json!({"cni": {"mac": "zz"}});
    let nobody = "setpriv --reuid 65534 --clear-groups";
    for one in [
        case(
            Kind::Version,
            add().version("9.9.9"),
            "cniVersion \"9.9.9\" is not supported. Write one of 0.1.0",
        ),
        case(Kind::Unsupported, add().conf("runtimeConfig", two), "10.87.1.20, 10.87.1.21..Give --ip once"),
        case(
            Kind::UnknownContainer,
            never_added,
            "container c1 (eth0) is not attached to flatnet. Start the container again; `flatnet ps`",
        ),
        case(Kind::Environment, asking("COLOUR=blue"), "CNI_ARGS: unknown key COLOUR. Add IgnoreUnknown=1"),
        case(
            Kind::Decode,
            add().stdin("{"),
            "is not JSON: EOF while parsing..jq . /etc/cni/net.d/flatnet.conflist",
        ),
        case(Kind::BadValue, add().conf("args", bad_mac), "\"zz\" is not a valid MAC address..of the form"),
        case(Kind::Conflist, add().conf("name", json!("")), "has no field name..then run `flatnet init`"),
        case(
            Kind::Netns,
            add().netns("/run/netns/none"),
            "cannot open the network namespace /run/netns/none: No such..podman logs",
        ),
        case(Kind::NotANetns, add().netns("/dev/null"), "/dev/null is not a network..`ip netns add NAME`"),
        case(Kind::OwnNetns, add().netns("/proc/1/ns/net"), "this host's own..without `--network host`"),
        case(Kind::NotAllowed, add().through(nobody), "cannot open..: Permission denied..Use sudo"),
    ] {
        one.run(&sandbox);
    }
}

#[test]
fn container_request_errors_are_explained() {
    let (sandbox, _) = ready();
    for one in [
        case(
            Kind::AddressTaken,
            asking("IgnoreUnknown=1;K8S_POD_NAME=web;IP=10.87.1.9"),
            "container web c1 (eth0) cannot be attached: address 10.87.1.9 is held by db c2 (eth0). Stop that",
        ),
        case(
            Kind::AddressRefused,
            asking("IP=10.87.1.1"),
            "container c1 (eth0) cannot be attached: address 10.87.1.1 is the bridge's own. Request a free address of 10.87.1.0/24",
        ),
        case(
            Kind::MacTaken,
            asking("MAC=02:aa:00:00:00:01"),
            "address 02:aa:00:00:00:01 is held by db c2 (eth0). Request another",
        ),
        case(
            Kind::PortTaken,
            add().conf("runtimeConfig", ports()),
            "port 8080->80/tcp is already published by db c2 (eth0). Publish another port",
        ),
        case(
            Kind::PortReserved,
            add().conf(
                "runtimeConfig",
                json!({"portMappings": [{"hostPort": 61000, "containerPort": 80, "protocol": "tcp"}]}),
            ),
            "port 61000->80/tcp is in masquerade_ports 61000-65535, which is reserved for outgoing connections. Publish a port outside",
        ),
        case(
            Kind::InterfaceExists,
            add(),
            "interface eth0 already exists in /run/netns/c1..another interface name",
        )
        .broken_by("ip -n c1 link add eth0 type bridge")
        .mended_by("ip -n c1 link del eth0"),
    ] {
        one.run(&sandbox);
    }
}

#[test]
fn configuration_errors_are_explained() {
    let (sandbox, _) = ready();
    let without_nft = "tools: {nft: /nowhere/nft}";
    let unsafe_nft = "cp /usr/sbin/nft /opt/nft; chmod 777 /opt/nft";
    sandbox.sh(unsafe_nft).succeeds();
    for one in [
        case(
            Kind::ConfigMissing,
            add(),
            "no configuration at /etc/flatnet/flatnet.yaml: No such file..`flatnet init`",
        )
        .broken_by(&format!("rm {CONFIG}"))
        .mended_by(MEND),
        configured(
            Kind::ConfigSyntax,
            "brigde: x",
            "flatnet.yaml:2:1: unknown field `brigde`..Fix the file; `flatnet config schema`",
        ),
        configured(Kind::ConfigValue, "mtu: 40", "flatnet.yaml:2: mtu: 40 is not between.. Write"),
        case(
            Kind::ConfigUnsafe,
            add(),
            "mode 0666..`chown root:root /etc/flatnet/flatnet.yaml; chmod 644 /etc/flatnet/flatnet.yaml`",
        )
        .broken_by(&format!("chmod 666 {CONFIG}"))
        .mended_by(&format!("chmod 644 {CONFIG}")),
        configured(
            Kind::NetworkName,
            "network: blue",
            "\"flatnet\" from the runtime, blue in /etc/flatnet/flatnet.yaml. Use the same",
        ),
        configured(Kind::NoUplink, "uplink: nothing0", "no interface nothing0..`uplink: auto`"),
        configured(
            Kind::Exhausted,
            "allocate: {from: 10.87.1.9, to: 10.87.1.9}",
            "all 1 addresses..10.87.1.9 db c2 (eth0)..flatnet gc",
        ),
        configured(Kind::ToolMissing, without_nft, "/nowhere/nft is missing. Run `apt-get install nftables`"),
        Case {
            call: Call::status(),
            ..configured(
                Kind::Unavailable,
                without_nft,
                "ADD is unavailable: the program /nowhere/nft is missing. Run..(FLAT-E091, FLAT-E061)",
            )
        },
        configured(
            Kind::ToolUnsafe,
            "tools: {nft: /opt/nft}",
            "/opt/nft is not owned by root, or is writable by others (mode 0777)..`chown root /opt/nft; chmod 755 /opt/nft`",
        ),
    ] {
        one.run(&sandbox);
    }
}

#[test]
fn link_conflict_errors_are_explained() {
    let (sandbox, result) = ready();
    let link = host_link("c1", "eth0");
    sandbox.sh("ip link add other0 type bridge").succeeds();
    for one in [
        configured(Kind::ForeignBridge, "bridge: other0", "other0 does not belong to Flatnet..`ip link del other0`"),
        configured(
            Kind::BridgeAddress,
            "bridge_address: 10.87.1.99",
            "flatnet-br0 has the address 10.87.1.1/32, not 10.87.1.99/32..`ip addr del 10.87.1.1/32 dev flatnet-br0`",
        ),
        case(
            Kind::AnotherFlatnet,
            add(),
            "flatnet-br0 belongs to another Flatnet, Other-000000000001, in the same network namespace..Give this one another `network`, `bridge` and \
             `subnet`..`echo Other-000000000001 >/var/lib/flatnet/flatnet/owner`",
        )
        .broken_by("cat /sys/class/net/flatnet-br0/ifalias >/tmp/alias; ip link set flatnet-br0 alias flatnet/flatnet/Other-000000000001")
        .mended_by("ip link set flatnet-br0 alias \"$(cat /tmp/alias)\""),
        case(Kind::ForeignLink, add(), "already exists and does not belong to Flatnet..`ip -d link show dev fn")
            .broken_by(&format!("ip link add {link} type bridge"))
            .mended_by(&format!("ip link del {link}")),
        case(
            Kind::HostDiffers,
            Call::check("c2", &result),
            "this host differs from its desired state; missing: ip link set dev flatnet-br0 mtu 1500. Run `flatnet up`",
        )
        .broken_by("ip link set flatnet-br0 mtu 1300")
        .mended_by("flatnet up"),
        case(
            Kind::ContainerDiffers,
            Call::check("c2", &result),
            "container db c2 (eth0) differs from its desired state; missing: ip ..route ..Run `flatnet repair`",
        )
        .broken_by("ip -n c2 route del default"),
    ] {
        one.run(&sandbox);
    }
}

/// Holds the network's lock in a background process, whose ID is in /tmp/holder.
const HOLD_THE_LOCK: &str =
    "(exec 9<>/run/flatnet/flatnet.lock; flock 9; echo $BASHPID >/tmp/holder; exec sleep 60) &
until test -s /tmp/holder; do sleep 0.02; done";

#[test]
fn file_errors_are_explained() {
    const STATE: &str = "/var/lib/flatnet";
    let (sandbox, _) = ready();
    let unmount = format!("umount {STATE}");
    for one in [
        case(Kind::DiskFull, add(), "cannot ..: No space left on device..`df -h /var/lib/flatnet")
            .broken_by(&format!("mount -t tmpfs -o mode=700,nr_inodes=3 none {STATE}"))
            .mended_by(&unmount),
        case(Kind::ReadOnly, add(), "cannot ..: Read-only file system..`findmnt -T /var/lib/flatnet`")
            .broken_by(&format!("mount -t tmpfs -o mode=700,ro none {STATE}"))
            .mended_by(&unmount),
        case(
            Kind::UnsafeDirectory,
            add(),
            "is accessible to other users (owner 0, mode 0755)..`chown root /var/lib/flatnet; chmod 700 /var/lib/flatnet`",
        )
        .broken_by(&format!("chmod 755 {STATE}"))
        .mended_by(&format!("chmod 700 {STATE}")),
        case(Kind::UnsafeDirectory, add(), "is not a directory, or is a symbolic link..`mv /var/lib/flatnet ")
            .broken_by(&format!("mv {STATE} {STATE}.real; ln -s {STATE}.real {STATE}"))
            .mended_by(&format!("rm {STATE}; mv {STATE}.real {STATE}")),
        configured(Kind::Io, "paths: {run: /dev/null/run}", "cannot create /dev/null: File exists..dmesg"),
        case(Kind::TryLater, add(), "has held /run/flatnet/flatnet.lock for 1 s..`fuser -v /run/flatnet/flatnet.lock`")
            .broken_by(HOLD_THE_LOCK)
            .mended_by("kill $(cat /tmp/holder)"),
    ] {
        one.run(&sandbox);
    }
}

/// Failures of programs: kind, program, the condition, what the program does then, and the message.
const FAILURES: [(Kind, &str, &str, &str, &str); 9] = [
    (
        Kind::Command,
        "ip",
        IN_CONTAINER,
        "echo broken >&2; exit 1",
        "`ip` failed: `/opt/fake/ip -n c1 -batch -` exited with 1: broken; everything was rolled back. Run the failed..`journalctl -t flatnet",
    ),
    (
        Kind::CommandTimedOut,
        "ip",
        IN_CONTAINER,
        "exec sleep 100",
        "was killed after 1 s..; everything was rolled back. See..limits.command_seconds",
    ),
    (
        Kind::CommandCrashed,
        "ip",
        IN_CONTAINER,
        "kill -SEGV $$",
        "was killed by signal 11..; everything was rolled back. Look..dmesg",
    ),
    (
        Kind::CommandCrashed,
        "nft",
        FROM_STDIN,
        "kill -SEGV $$",
        "`/opt/fake/nft -f -` was killed by signal 11 and printed nothing; not everything could be rolled back (..| /opt/fake/nft -f -)..As a rule two \
         versions of nft share this kernel's ruleset..`nft --version`",
    ),
    (
        Kind::BridgeFull,
        "bridge",
        FDB,
        "echo 'RTNETLINK answers: Exchange full' >&2; exit 2",
        "Exchange full; everything was rolled back. A bridge has at most 1023 ports",
    ),
    (
        Kind::NoCapability,
        "ip",
        IN_CONTAINER,
        "echo 'RTNETLINK answers: Operation not permitted' >&2; exit 2",
        "Operation not permitted; everything was rolled back. Run it as root with CAP_NET_ADMIN",
    ),
    (
        Kind::ToolTooOld,
        "nft",
        FROM_STDIN,
        "echo '-:1:1-3: Error: syntax error, unexpected string' >&2; exit 1",
        "syntax error, unexpected string; everything was rolled back. This program is too old: Flatnet needs nft 1.0.6",
    ),
    (
        Kind::KernelLacks,
        "nft",
        FROM_STDIN,
        "echo 'Error: Could not process rule: Operation not supported' >&2; exit 1",
        "Operation not supported; everything was rolled back. This kernel lacks..`wsl --update`",
    ),
    (
        Kind::NotUndone,
        "nft",
        FROM_STDIN,
        "echo broken >&2; exit 1",
        "container db c2 (eth0) cannot be undone..: broken; to fix it by hand: printf..flatnet gc",
    ),
];
/// The batch that `ip` runs in the container's namespace.
const IN_CONTAINER: &str = "[[ $* == '-n c1 -batch -' ]]";
/// The command that adds an FDB entry, with `bridging: plain`.
const FDB: &str = "[[ $* == *fdb* ]]";
const FROM_STDIN: &str = "[[ $* == *'-f -' ]]";

#[test]
fn program_errors_are_explained() {
    let (sandbox, result) = ready();
    let replace = |name: &str| {
        let bridging = if name == "bridge" { "plain" } else { "routed" };
        sandbox
            .write(CONFIG, &format!("{LIMITS}\nbridging: {bridging}\ntools: {{{name}: /opt/fake/{name}}}\n"));
    };
    replace("ip");
    fake(&sandbox, "ip", "[[ $* == *-j* ]]", "echo garbage; exit 0");
    case(Kind::ToolOutput, Call::check("c2", &result), "`ip addr` printed..: expected value..`-j`")
        .mended_by(MEND)
        .run(&sandbox);
    for (kind, name, condition, then, says) in FAILURES {
        replace(name);
        fake(&sandbox, name, "false", "true");
        sandbox.sh("flatnet up").succeeds();
        fake(&sandbox, name, condition, then);
        let call = if kind == Kind::NotUndone { Call::gc(&[]) } else { add() };
        case(kind, call, says).mended_by(MEND).run(&sandbox);
        Call::del("c1").run(&sandbox).succeeds_silently();
    }
}

/// Another WSL2 distribution with a newer nft has added a table.
#[test]
fn nft_crash_on_newer_ruleset_is_explained() {
    let (sandbox, _) = ready();
    install_newer_nft(&sandbox);
    sandbox.sh("nft-13 'add table ip other; add set ip other names { type ipv4_addr; }'").succeeds();
    let crash = "was killed by signal 11..two versions of nft share this kernel's ruleset..(FLAT-E072)";
    case(Kind::CommandCrashed, add(), crash).run(&sandbox);
    // The remedy in the section of FLAT-E072.
    sandbox.sh("nft-13 delete table ip other").succeeds();
    Call::del("c1").run(&sandbox).succeeds_silently();
    add().run(&sandbox).succeeds();
}

/// `msg` has the first lines of a program's stderr, `details` all of them.
#[test]
fn details_contain_complete_stderr() {
    let (sandbox, _) = ready();
    sandbox.write(CONFIG, "tools: {ip: /opt/fake/ip}\n");
    fake(&sandbox, "ip", IN_CONTAINER, r"printf 'one\ntwo\nthree\n\e[31mfour\nfive\n' >&2; exit 1");
    let answer = add().run(&sandbox);
    let said = answer.fails();
    assert!(said.contains("exited with 1: one; two; three; [31mfour; everything was rolled back"), "{said}");
    assert_eq!(
        answer.json["details"],
        "`flatnet explain FLAT-E071` tells more; stderr was: one\ntwo\nthree\n[31mfour\nfive"
    );
}
