//! What can be wrong, how it shows, and what mends it.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::config::{Bridging, Config};
use crate::engine::{Attachment, Engine, State};
use crate::error::Error;
use crate::lease::Lease;
use crate::observe::foreign::DroppingChain;
use crate::plan::Plan;
use crate::render;

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    /// What, and how it shows.
    pub(super) what: String,
    /// What mends it.
    pub(super) help: String,
}

impl Problem {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }

    /// A failure that stood in the way of looking.
    pub(super) fn of_error(error: &Error) -> Self {
        let what = std::iter::once(error.message().to_owned()).chain(error.causes()).collect::<Vec<_>>();
        Self::new(format!("{} ({})", what.join(": "), error.codes()), error.remedies().join(". "))
    }
}

/// This host is not as configured.
pub(super) fn not_set_up(plan: &Plan) -> Problem {
    let first: Vec<String> = plan.steps.iter().take(3).map(|step| render::line(&step.op)).collect();
    let more = plan.steps.len().saturating_sub(first.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Problem::new(
        format!("this host is not set up as configured; missing: {}{more}", first.join("; ")),
        "Run `flatnet plan` to see all of it, `flatnet up` to do it",
    )
}

/// Other programs' chains that drop what this host forwards for containers.
pub(super) fn in_the_way(engine: &mut Engine) -> Vec<Problem> {
    let bridge = engine.config.bridge.to_string();
    match engine.dropping_chains() {
        Ok(chains) => chains.iter().map(|chain| dropping(chain, &bridge)).collect(),
        Err(error) => vec![Problem::of_error(&error)],
    }
}

fn dropping(
    DroppingChain { family, table, chain, has_docker_user }: &DroppingChain,
    bridge: &str,
) -> Problem {
    let rules = if *has_docker_user {
        format!(
            "`iptables -I DOCKER-USER -i {bridge} -j ACCEPT` and `iptables -I DOCKER-USER -o {bridge} -j ACCEPT`"
        )
    } else {
        format!(
            "`nft insert rule {family} {table} {chain} iifname {bridge} accept` and `nft insert rule {family} {table} {chain} oifname {bridge} accept`"
        )
    };
    Problem::new(
        format!(
            "chain {chain} of table {family} {table} drops what this host forwards for containers; an accept in Flatnet's own table cannot undo that"
        ),
        format!("Run {rules}, and add them to what makes that table; Flatnet's own rules still hold"),
    )
}

/// ADD could not work now.
pub(super) fn unavailable(engine: &mut Engine) -> Option<Problem> {
    engine.status().err().map(|error| Problem::of_error(&error))
}

/// A container that uses a published port sends to this host's address and is sent back over the bridge: where
/// bridges call iptables, the kernel bridges such a packet, and isolation drops it.
pub(super) fn hairpin(
    config: &Config,
    attachments: &[Attachment],
    bridges_call_iptables: bool,
) -> Option<Problem> {
    let publishes = attachments.iter().any(|attachment| !attachment.receipt.ports.is_empty());
    (bridges_call_iptables && publishes && config.bridging == Bridging::Isolated).then(|| {
        Problem::new(
            "containers cannot use published ports (everybody else can): net.bridge.bridge-nf-call-iptables is 1, so the kernel bridges the translated packet, and isolation drops it",
            "Run `sysctl -w net.bridge.bridge-nf-call-iptables=0` and put that into /etc/sysctl.d/, unless Docker or Kubernetes on this host needs 1; else let containers use one another's addresses, or set `bridging: plain`",
        )
    })
}

/// Attachments that are not as they should be.
pub(super) fn containers(attachments: &[Attachment]) -> Vec<Problem> {
    let problem = |attachment: &Attachment| {
        let Attachment { receipt, state, .. } = attachment;
        let id = receipt.id.container_id.short();
        let who = if receipt.name.is_empty() { id.to_owned() } else { format!("{} ({id})", receipt.name) };
        let who = format!("container {who}, {}", receipt.address.addr());
        let restart = format!("Restart it: `podman restart {id}`");
        Some(match state {
            State::Running => return None,
            State::Unfinished => Problem::new(
                format!("{who}: attaching it has not ended; the runtime was killed, or it runs right now"),
                format!("If this stays: {}", restart.to_lowercase()),
            ),
            State::Cut => Problem::new(format!("{who}: its link {} is gone", receipt.host_link), restart),
            State::Dead => Problem::new(
                format!("{who}: its namespace is gone, and its address is held still"),
                "Run `flatnet gc`; whoever needs the address frees it too",
            ),
            State::Pending => {
                Problem::new(format!("{who}: it left, and not all could be undone"), "Run `flatnet gc`")
            }
        })
    };
    attachments.iter().filter_map(problem).collect()
}

/// Addresses that are held by what has no receipt.
pub(super) fn orphans(orphans: &[(Ipv4Addr, Lease)]) -> Vec<Problem> {
    let problem = |(address, lease): &(Ipv4Addr, Lease)| {
        Problem::new(format!("{address} is held by {}, which has no receipt", lease.id), "Run `flatnet gc`")
    };
    orphans.iter().map(problem).collect()
}
