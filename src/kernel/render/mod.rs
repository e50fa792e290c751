//! From the steps of a [`crate::kernel::planner`] to commands: consecutive steps of one program in one namespace become one command.
//! What is rendered is both what is shown and what [`crate::kernel::execute`] runs.

mod conntrack;
mod ip;
mod nft;

use crate::kernel::tools::Tools;
use crate::model::command::Command;
use crate::model::plan::{Element, Op, Place, TableElement};

/// A command, and which of the operations given to [`commands`] it carries out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The command.
    pub command: Command,
    /// Indices of its operations, in order: the n-th line of a batch is the n-th of them.
    pub ops: std::ops::Range<usize>,
}

/// Which program works where: neighbours with the same group share a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group<'a> {
    Ip(&'a Place),
    Bridge,
    Nft,
    Sysctl,
    Conntrack,
}

fn group(op: &Op) -> Group<'_> {
    match op {
        Op::BridgeAdd { .. }
        | Op::VethAdd { .. }
        | Op::LinkDel { .. }
        | Op::UnreachableAdd { .. }
        | Op::UnreachableDel { .. } => Group::Ip(&Place::Host),
        Op::FdbAdd { .. } | Op::FdbDel { .. } => Group::Bridge,
        Op::LinkSet { place, .. }
        | Op::AddrAdd { place, .. }
        | Op::AddrDel { place, .. }
        | Op::RouteAdd { place, .. }
        | Op::RouteDel { place, .. }
        | Op::PrefixRouteAdd { place, .. }
        | Op::PrefixRouteDel { place, .. }
        | Op::RuleAdd { place, .. }
        | Op::RuleDel { place, .. }
        | Op::RulesFlush { place, .. } => Group::Ip(place),
        Op::Sysctl { .. } => Group::Sysctl,
        Op::RulesetReplace { .. }
        | Op::RulesetDel { .. }
        | Op::ArpTableDel { .. }
        | Op::ElementAdd(_)
        | Op::ElementDel(_) => Group::Nft,
        Op::FlowsDel(_) => Group::Conntrack,
    }
}

/// The commands that carry out `ops`, in order.
#[must_use]
pub fn commands<'a>(ops: impl IntoIterator<Item = &'a Op>, tools: &Tools) -> Vec<Rendered> {
    let ops: Vec<&Op> = ops.into_iter().collect();
    let mut start = 0;
    ops.chunk_by(|a, b| group(a) == group(b))
        .map(|chunk| {
            let range = start..start + chunk.len();
            start = range.end;
            Rendered { command: one(chunk, tools), ops: range }
        })
        .collect()
}

fn one(chunk: &[&Op], tools: &Tools) -> Command {
    match chunk.first().map(|op| group(op)) {
        Some(Group::Ip(place)) => batch(ip::prefix(place, tools), chunk, ip::arguments),
        Some(Group::Bridge) => batch(vec![tools.bridge.clone()], chunk, ip::arguments),
        Some(Group::Nft) => Command::new([tools.nft.as_str(), "-f", "-"]).stdin(nft::transaction(chunk)),
        Some(Group::Sysctl) => {
            let mut command = Command::new([tools.sysctl.as_str(), "-qw"]);
            command.argv.extend(chunk.iter().filter_map(|op| match op {
                Op::Sysctl { key, value } => Some(format!("{key}={value}")),
                _ => None,
            }));
            command
        }
        // By a batch, which exits with 0 where there is no such flow; `conntrack -D` exits with 1.
        Some(Group::Conntrack) => Command::new([tools.conntrack.as_str(), "-R", "-"])
            .stdin(chunk.iter().map(|op| conntrack::arguments(op).join(" ") + "\n").collect::<String>()),
        None => unreachable!("chunk_by yields no empty chunk"),
    }
}

/// One operation on the command line, several by `-batch`.
fn batch(prefix: Vec<String>, ops: &[&Op], arguments: fn(&Op) -> Vec<String>) -> Command {
    let mut command = Command::new(prefix);
    if let [op] = ops {
        command.argv.extend(arguments(op));
        return command;
    }
    command.argv.extend(["-batch", "-"].map(str::to_owned));
    command.stdin(ops.iter().map(|op| arguments(op).join(" ") + "\n").collect::<String>())
}

/// The command that tells, by exiting with 0, that `element` is there.
#[must_use]
pub fn get_element(element: &TableElement, tools: &Tools) -> Command {
    Command::new([tools.nft.as_str(), "-f", "-"]).stdin(format!("get element {}\n", nft::key_only(element)))
}

/// The command that deletes `element` from where Flatnet 0.1.0 had it, whose table may be the one that is there; `None` where
/// it had it in the same place.
#[must_use]
pub fn delete_element_of_0_1_0(element: &TableElement, tools: &Tools) -> Option<Command> {
    let Element::FrameBinding { mac, address } = element.element else { return None };
    let table = &element.table;
    let line = format!("delete element inet {table} bindings {{ {mac} . {address} }}\n");
    Some(Command::new([tools.nft.as_str(), "-f", "-"]).stdin(line))
}

/// How `ip` is called in `place`.
#[must_use]
pub fn ip_prefix(place: &Place, tools: &Tools) -> Vec<String> {
    ip::prefix(place, tools)
}

/// One operation as a line that its program reads: what a plan shows beside its reason.
#[must_use]
pub fn line(op: &Op) -> String {
    match op {
        Op::Sysctl { key, value } => format!("sysctl -qw {key}={value}"),
        Op::RulesetReplace { table, .. } => {
            format!("nft: replace table {table} in one transaction")
        }
        Op::FlowsDel(_) => format!("conntrack {}", conntrack::arguments(op).join(" ")),
        Op::RulesetDel { .. } | Op::ArpTableDel { .. } | Op::ElementAdd(_) | Op::ElementDel(_) => {
            nft::lines(op).lines().map(|line| format!("nft {line}")).collect::<Vec<_>>().join("; ")
        }
        _ => {
            let program = match group(op) {
                Group::Ip(place) => ip::prefix(place, &Tools::default()).join(" "),
                _ => "bridge".to_owned(),
            };
            format!("{program} {}", ip::arguments(op).join(" "))
        }
    }
}
