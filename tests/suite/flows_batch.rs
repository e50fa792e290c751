//! Batches of `conntrack -R -` on both Debians: each filter deletes only its own flows, and unlike `conntrack -D` it does not
//! fail if none match.

use std::net::{IpAddr, Ipv4Addr};

use flatnet::kernel::render;
use flatnet::kernel::tools::Tools;
use flatnet::model::plan::{FlowFilter, Op};
use flatnet::model::types::Protocol;

use crate::sandbox::{Builder, Sandbox};

const CONTAINER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 87, 1, 2));

/// One filter of each kind. Each deletes the flow with the same index in `FLOWS`.
fn filters() -> [FlowFilter; 4] {
    let (protocol, subnet) = (Protocol::Udp, "10.87.1.0/24".parse().unwrap());
    [
        FlowFilter::From(CONTAINER),
        FlowFilter::To(CONTAINER),
        FlowFilter::OpenedTo { protocol, address: Ipv4Addr::LOCALHOST.into(), port: 5514 },
        FlowFilter::Ingress { gateway: [192, 0, 2, 9].into(), subnet },
    ]
}

/// Source and destination with their ports as the client sends them, and the address that answers.
const FLOWS: [(&str, u16, &str, u16, &str); 4] = [
    ("10.87.1.2", 1000, "198.51.100.1", 2000, "198.51.100.1"),
    ("198.51.100.2", 1000, "192.0.2.1", 8080, "10.87.1.2"),
    ("198.51.100.3", 1000, "127.0.0.1", 5514, "127.0.0.1"),
    ("192.0.2.9", 1000, "10.87.1.77", 2000, "10.87.1.77"),
];

/// Each flow differs in one value from the one in `FLOWS`, so that its filter does not match. Its source port tells it
/// apart.
const OTHERS: [(&str, u16, &str, u16, &str); 4] = [
    ("10.87.1.3", 1001, "198.51.100.1", 2000, "198.51.100.1"),
    ("198.51.100.2", 1001, "192.0.2.1", 8080, "10.87.1.3"),
    ("198.51.100.3", 1001, "127.0.0.1", 5515, "127.0.0.1"),
    ("192.0.2.9", 1001, "10.87.2.77", 2000, "10.87.2.77"),
];

fn remember(sandbox: &Sandbox, flows: &[(&str, u16, &str, u16, &str)]) {
    for (source, sport, dest, dport, answers) in flows {
        let opened = format!("-s {source} -d {dest} --sport {sport} --dport {dport}");
        let reply = format!("-r {answers} -q {source} --reply-port-src {dport} --reply-port-dst {sport}");
        sandbox.sh(&format!("conntrack -I -p udp {opened} {reply} -t 100")).succeeds();
    }
}

/// The source address and port of each remaining flow.
fn left(sandbox: &Sandbox) -> Vec<String> {
    let list = sandbox.sh("conntrack -L -o extended").succeeds().stdout;
    let source = |line: &str| {
        let words = line.split_whitespace().filter(|word| word.starts_with('s') && word.contains('='));
        words.take(2).collect::<Vec<_>>().join(" ")
    };
    let mut left: Vec<String> = list.lines().map(source).collect();
    left.sort();
    left
}

fn shown(flows: &[(&str, u16, &str, u16, &str)]) -> Vec<String> {
    let mut flows: Vec<String> =
        flows.iter().map(|(source, sport, ..)| format!("src={source} sport={sport}")).collect();
    flows.sort();
    flows
}

fn tries(builder: Builder) {
    let sandbox = builder.start();
    let batch = |filters: &[FlowFilter]| {
        let ops: Vec<Op> = filters.iter().copied().map(Op::FlowsDel).collect();
        let commands = render::commands(&ops, &Tools::default());
        assert_eq!(commands.len(), 1);
        commands[0].command.to_string()
    };
    sandbox.sh("conntrack -D --orig-src 10.87.1.2").exits_with(1);
    sandbox.sh(&batch(&filters())).succeeds();
    remember(&sandbox, &OTHERS);
    sandbox.sh(&batch(&filters())).succeeds();
    assert_eq!(left(&sandbox), shown(&OTHERS), "all that were not meant are there");
    for (filter, flow) in filters().into_iter().zip(FLOWS) {
        remember(&sandbox, &[flow]);
        assert_eq!(left(&sandbox).len(), OTHERS.len() + 1);
        sandbox.sh(&batch(&[filter])).succeeds();
        assert_eq!(left(&sandbox), shown(&OTHERS), "{filter:?}");
    }
    remember(&sandbox, &FLOWS);
    sandbox.sh(&batch(&filters())).succeeds();
    assert_eq!(left(&sandbox), shown(&OTHERS));
    // Invalid input must still fail.
    sandbox.sh("echo '-D --nonsense' | conntrack -R -").fails();
}

#[test]
fn debian_12() {
    tries(Sandbox::podman4());
}

#[test]
fn debian_13() {
    tries(Sandbox::trixie());
}
