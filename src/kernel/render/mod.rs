//! Renders the steps of a [`crate::kernel::planner`] as commands. Consecutive steps of one program in one
//! namespace become one command. The rendered command is both printed and run by [`crate::kernel::execute`].

mod background;
mod conntrack;
mod ip;
mod nft;

use crate::kernel::tools::Tools;
use crate::model::command::Command;
use crate::model::plan::{Element, Op, Place, TableElement};

/// A command and the operations that it runs, of those given to [`commands`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The command.
    pub command: Command,
    /// Indices of its operations: the n-th line of a batch is the n-th of them.
    pub ops: std::ops::Range<usize>,
}

/// The program and the namespace. Neighbours of the same group share a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group<'a> {
    Ip(&'a Place),
    Ip6(&'a Place),
    Bridge,
    Nft,
    Sysctl,
    Conntrack,
    Background(std::mem::Discriminant<Op>),
}

fn group(op: &Op) -> Group<'_> {
    match op {
        Op::BridgeAdd { .. }
        | Op::VethAdd { .. }
        | Op::VxlanAdd { .. }
        | Op::NeighbourAdd { .. }
        | Op::NeighbourDel { .. }
        | Op::LinkDel { .. }
        | Op::UnreachableAdd { .. }
        | Op::UnreachableDel { .. } => Group::Ip(&Place::Host),
        Op::FdbAdd { .. } | Op::FdbDel { .. } | Op::TunnelAdd { .. } | Op::TunnelDel { .. } => Group::Bridge,
        Op::LinkSet { place, .. }
        | Op::AddrAdd { place, .. }
        | Op::AddrDel { place, .. }
        | Op::RouteAdd { place, .. }
        | Op::RouteDel { place, .. }
        | Op::PrefixRouteAdd { place, .. }
        | Op::PrefixRouteDel { place, .. }
        | Op::RuleAdd { place, .. }
        | Op::RuleDel { place, .. }
        | Op::RulesFlush { place, .. } => {
            if ip::needs_family(op) {
                Group::Ip6(place)
            } else {
                Group::Ip(place)
            }
        }
        Op::Sysctl { .. } => Group::Sysctl,
        Op::RulesetReplace { .. }
        | Op::RulesetDel { .. }
        | Op::ArpTableDel { .. }
        | Op::ElementAdd(_)
        | Op::ElementDel(_) => Group::Nft,
        Op::FlowsDel(_) => Group::Conntrack,
        Op::ResolverStart(_) | Op::ResolverStop { .. } | Op::ServiceStart { .. } | Op::ServiceStop { .. } => {
            Group::Background(std::mem::discriminant(op))
        }
    }
}

/// The commands that run `ops`, in order.
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
        Some(Group::Ip(place)) => batch(ip::command(place, tools), chunk),
        Some(Group::Ip6(place)) => batch(ip::command6(place, tools), chunk),
        Some(Group::Bridge) => batch(Command::new([&tools.bridge]), chunk),
        Some(Group::Nft) => Command::new([tools.nft.as_str(), "-f", "-"]).stdin(nft::transaction(chunk)),
        Some(Group::Sysctl) => {
            let mut command = Command::new([tools.sysctl.as_str(), "-qw"]);
            command.argv.extend(chunk.iter().filter_map(|op| match op {
                Op::Sysctl { key, value } => Some(format!("{key}={value}")),
                _ => None,
            }));
            command
        }
        // A batch exits with 0 if there is no such flow; `conntrack -D` exits with 1.
        Some(Group::Conntrack) => Command::new([tools.conntrack.as_str(), "-R", "-"])
            .stdin(chunk.iter().map(|op| conntrack::arguments(op).join(" ") + "\n").collect::<String>()),
        // Each group has one operation at most in a plan.
        Some(Group::Background(_)) => Command::new(background::arguments(chunk[0])),
        None => unreachable!("chunk_by yields no empty chunk"),
    }
}

/// One operation as arguments, several as `-batch`.
fn batch(mut command: Command, ops: &[&Op]) -> Command {
    let new_peer = ops.iter().find_map(|op| ip::nameless_netns(op));
    command.netns = command.netns.or_else(|| new_peer.cloned());
    if let [op] = ops {
        command.argv.extend(ip::arguments(op));
        return command;
    }
    command.argv.extend(["-batch", "-"].map(str::to_owned));
    command.stdin(ops.iter().map(|op| ip::arguments(op).join(" ") + "\n").collect::<String>())
}

/// The line that nft prints after the commit of a transaction that [`with_echo`] runs. Its exit waits longer, for the kernel.
pub const COMMITTED: &str = "# new generation";

/// `nft` of a transaction, with what it changed printed at the commit. To print it, nft reads all sets first.
#[must_use]
pub fn with_echo(mut nft: Command) -> Command {
    nft.argv.insert(1, "-e".to_owned());
    nft
}

/// `command`, which removes `file` if it succeeds.
#[must_use]
pub fn removing_if_successful(mut command: Command, file: &std::path::Path) -> Command {
    let shell = ["sh", "-c", r#""$@" && rm "$0""#].map(str::to_owned);
    command.argv.splice(0..0, shell.into_iter().chain([file.display().to_string()]));
    command
}

/// The command that exits with 0 if `element` exists.
#[must_use]
pub fn get_element(element: &TableElement, tools: &Tools) -> Command {
    Command::new([tools.nft.as_str(), "-f", "-"]).stdin(format!("get element {}\n", nft::key_only(element)))
}

/// The command that deletes `element` from its place in Flatnet 0.1.0, whose table may be loaded; `None` if the
/// place is the same.
#[must_use]
pub fn delete_element_of_0_1_0(element: &TableElement, tools: &Tools) -> Option<Command> {
    let Element::FrameBinding { mac, address } = element.element else { return None };
    let table = &element.table;
    let line = format!("delete element inet {table} bindings {{ {mac} . {address} }}\n");
    Some(Command::new([tools.nft.as_str(), "-f", "-"]).stdin(line))
}

/// `ip` in `place`, without arguments yet.
#[must_use]
pub fn ip(place: &Place, tools: &Tools) -> Command {
    ip::command(place, tools)
}

/// One operation as a line for its program, as shown in a plan.
#[must_use]
pub fn line(op: &Op) -> String {
    match op {
        Op::Sysctl { key, value } => format!("sysctl -qw {key}={value}"),
        Op::RulesetReplace { table, .. } => {
            format!("nft: replace table {table} in one transaction")
        }
        Op::ResolverStart(_) | Op::ResolverStop { .. } | Op::ServiceStart { .. } | Op::ServiceStop { .. } => {
            Command::new(background::arguments(op)).line()
        }
        Op::FlowsDel(_) => format!("conntrack {}", conntrack::arguments(op).join(" ")),
        Op::RulesetDel { .. } | Op::ArpTableDel { .. } | Op::ElementAdd(_) | Op::ElementDel(_) => {
            nft::lines(op).lines().map(|line| format!("nft {line}")).collect::<Vec<_>>().join("; ")
        }
        _ => one(&[op], &Tools::default()).line(),
    }
}
