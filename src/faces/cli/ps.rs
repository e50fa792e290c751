//! `flatnet ps`: lists attached containers.

use std::net::IpAddr;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Options, output};
use crate::engine::{Attachment, AttachmentStatus, Engine};
use crate::error::Result;
use crate::model::types::{Mac, PortMapping, User, UserName};
use crate::state::lease::Lease;

/// List attached containers by address.
///
/// States: running; unfinished (ADD is still running, or was killed); cut (the host link is gone); dead (the namespace is
/// gone); pending (not undone yet); orphan (an address is held without a receipt); released (the address is remembered for
/// its last holder).
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet ps\n  flatnet ps --all    # include released addresses\n  flatnet ps --user alice\n  flatnet ps --json"
)]
pub(super) struct Ps {
    /// Include released addresses, which are remembered for their last holder.
    #[arg(long, short)]
    all: bool,
    /// Only containers of USER's rootless Podman.
    #[arg(long, value_name = "USER")]
    user: Option<UserName>,
}

/// One line of the listing.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Whose rootless Podman attached it; `None` for root's.
    user: Option<UserName>,
    container_id: String,
    if_name: String,
    /// The first of `addresses`.
    address: IpAddr,
    addresses: Vec<IpAddr>,
    mac: String,
    host_link: Option<String>,
    since: String,
    state: String,
    aliases: Vec<String>,
    ports: Vec<PortMapping>,
    #[serde(skip)]
    short_id: String,
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
        if self.user.is_some() {
            rows.retain(|row| row.user == self.user);
        }
        rows.sort_by_key(|row| row.address);
        Ok(rows)
    }
}

impl Row {
    fn of_attachment(Attachment { receipt, events: _, state }: &Attachment) -> Self {
        let has_link = matches!(
            state,
            AttachmentStatus::Running | AttachmentStatus::Unfinished | AttachmentStatus::Pending
        );
        Self {
            name: receipt.name.clone(),
            user: User::of(&receipt.id.container_id).map(|user| user.name),
            short_id: receipt.id.container_id.short().to_owned(),
            container_id: receipt.id.container_id.to_string(),
            if_name: receipt.id.if_name.to_string(),
            address: receipt.address().into(),
            addresses: receipt.addresses.iter().collect(),
            mac: receipt.mac.to_string(),
            host_link: has_link.then(|| receipt.host_link.to_string()),
            since: output::time(receipt.created),
            state: state.word().to_owned(),
            aliases: receipt.aliases.clone(),
            ports: receipt.ports.clone(),
            milliseconds: receipt.created,
        }
    }

    fn of_lease(address: IpAddr, lease: &Lease) -> Self {
        Self {
            name: lease.name.clone(),
            user: User::of(&lease.id.container_id).map(|user| user.name),
            short_id: lease.id.container_id.short().to_owned(),
            container_id: lease.id.container_id.to_string(),
            if_name: lease.id.if_name.to_string(),
            address,
            addresses: vec![address],
            mac: match address {
                IpAddr::V4(address) => Mac::of_container(address).to_string(),
                IpAddr::V6(_) => String::new(),
            },
            host_link: None,
            since: output::time(lease.since),
            state: if lease.released { "released" } else { "orphan" }.to_owned(),
            aliases: Vec::new(),
            ports: Vec::new(),
            milliseconds: lease.since,
        }
    }

    /// Its IPv6 address.
    fn ipv6(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| address.is_ipv6() && *address != self.address)
    }

    fn cells(&self, with_ipv6: bool) -> Vec<String> {
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let mut cells = vec![or_dash(&self.name), self.short_id.clone(), self.address.to_string()];
        if with_ipv6 {
            cells.push(self.ipv6().map_or_else(|| "-".to_owned(), |address| address.to_string()));
        }
        cells.extend([
            or_dash(&self.mac),
            or_dash(self.host_link.as_deref().unwrap_or_default()),
            output::ago(self.milliseconds),
            self.state.clone(),
        ]);
        cells
    }
}

fn table(rows: &[Row]) -> String {
    let with_ipv6 = rows.iter().any(|row| row.ipv6().is_some());
    let mut head = vec!["NAME", "ID", "ADDRESS", "MAC", "HOST LINK", "SINCE", "STATE"];
    if with_ipv6 {
        head.insert(3, "IPV6");
    }
    let head = head.into_iter().map(str::to_owned).collect();
    let lines: Vec<Vec<String>> =
        std::iter::once(head).chain(rows.iter().map(|row| row.cells(with_ipv6))).collect();
    output::columns(&lines)
}
