//! `flatnet ps`: who is attached.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Options, output};
use crate::engine::{Attachment, Engine, State};
use crate::error::Result;
use crate::model::types::{Mac, PortMapping};
use crate::state::lease::Lease;

/// List the containers that are attached, by address.
///
/// States: running; unfinished (ADD still runs, or was killed); cut (its link is gone); dead (its namespace is gone);
/// pending (to be undone); orphan (an address held without a receipt); released (remembered, so that the container
/// gets its address back).
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet ps\n  flatnet ps --all    # also addresses that are remembered for their last holder\n  flatnet ps --json"
)]
pub(super) struct Ps {
    /// Also list the addresses that nobody holds and that are remembered.
    #[arg(long, short)]
    all: bool,
}

/// One line of the list.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    container_id: String,
    if_name: String,
    address: String,
    mac: String,
    host_link: Option<String>,
    since: String,
    state: String,
    aliases: Vec<String>,
    ports: Vec<PortMapping>,
    #[serde(skip)]
    milliseconds: i64,
}

impl Ps {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let engine = options.engine_to_look()?;
        let rows = self.rows(&engine)?;
        output::note_unread(&engine);
        if options.json {
            output::print_json(&json!(rows));
        } else {
            output::print(&table(&rows));
        }
        Ok(0)
    }

    fn rows(&self, engine: &Engine) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = engine.attachments()?.iter().map(Row::of_attachment).collect();
        rows.extend(
            engine.held_without_receipt()?.iter().map(|(address, lease)| Row::of_lease(*address, lease)),
        );
        if self.all {
            let leases = engine.store.leases()?;
            let released = leases.all().filter(|(_, lease)| lease.released);
            rows.extend(released.map(|(address, lease)| Row::of_lease(address, lease)));
        }
        rows.sort_by_key(|row| row.address.parse::<std::net::Ipv4Addr>().ok());
        Ok(rows)
    }
}

impl Row {
    fn of_attachment(Attachment { receipt, events: _, state }: &Attachment) -> Self {
        let has_link = matches!(state, State::Running | State::Unfinished | State::Pending);
        Self {
            name: receipt.name.clone(),
            container_id: receipt.id.container_id.to_string(),
            if_name: receipt.id.if_name.to_string(),
            address: receipt.address.addr().to_string(),
            mac: receipt.mac.to_string(),
            host_link: has_link.then(|| receipt.host_link.to_string()),
            since: output::time(receipt.created),
            state: state.word().to_owned(),
            aliases: receipt.aliases.clone(),
            ports: receipt.ports.clone(),
            milliseconds: receipt.created,
        }
    }

    fn of_lease(address: std::net::Ipv4Addr, lease: &Lease) -> Self {
        Self {
            name: lease.name.clone(),
            container_id: lease.id.container_id.to_string(),
            if_name: lease.id.if_name.to_string(),
            address: address.to_string(),
            mac: Mac::of_container(address).to_string(),
            host_link: None,
            since: output::time(lease.since),
            state: if lease.released { "released" } else { "orphan" }.to_owned(),
            aliases: Vec::new(),
            ports: Vec::new(),
            milliseconds: lease.since,
        }
    }

    fn cells(&self) -> Vec<String> {
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        vec![
            or_dash(&self.name),
            self.container_id.get(..12).unwrap_or(&self.container_id).to_owned(),
            self.address.clone(),
            self.mac.clone(),
            or_dash(self.host_link.as_deref().unwrap_or_default()),
            output::ago(self.milliseconds),
            self.state.clone(),
        ]
    }
}

fn table(rows: &[Row]) -> String {
    let head = ["NAME", "ID", "ADDRESS", "MAC", "HOST LINK", "SINCE", "STATE"].map(str::to_owned).to_vec();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    output::columns(&lines)
}
