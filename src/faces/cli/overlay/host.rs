//! `flatnet overlay request`, `join` and `leave`: on a host.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::error::{Error, Kind, Result, io};
use crate::faces::cli::{Options, output};
use crate::kernel::observe;
use crate::model::config::{Config, OverlayKind, Peer};
use crate::model::desired::OWNER_FILE;
use crate::model::types::HostName;
use crate::overlay::console;
use crate::overlay::membership::{ThisHost, public_key};
use crate::overlay::nebula::{self, HostFiles};
use crate::overlay::papers::{Carrier, Identity, Invitation, JoinRequest, One, Paper, write};
use crate::overlay::vxlan::{self, PeerTerms};
use crate::routes::containers::host_name;
use crate::setup::task::{self, Task};
use crate::setup::{executable, units};

/// Make this host's key, and print its request to join.
///
/// The key stays here; the request holds its public half and no secret. Run it again to print the same request. With `--kind vxlan`
/// there is no key: the request holds this host's address in the LAN.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay request > bob.request\n  flatnet overlay request --kind vxlan --at 192.168.1.12 > bob.request\n  flatnet overlay request --dry-run"
)]
pub(super) struct RequestCommand {
    /// The host's name. Default: this host's.
    #[arg(long, value_name = "NAME")]
    name: Option<HostName>,
    /// What carries packets between hosts: `nebula`, encrypted, or `vxlan`, not encrypted.
    #[arg(long, value_name = "KIND", default_value_t = OverlayKind::Nebula)]
    kind: OverlayKind,
    /// With VXLAN: this host's address in the LAN. Default: that towards the default route.
    #[arg(long, value_name = "ADDRESS")]
    at: Option<Ipv4Addr>,
    /// With VXLAN: also an address outside of private networks, where anybody on the way can read and forge packets.
    #[arg(long)]
    force: bool,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
}

impl RequestCommand {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let config = options.config()?;
        let host = match &self.name {
            Some(name) => name.clone(),
            None => host_name(&config),
        };
        let identity = match self.kind {
            OverlayKind::Nebula => {
                let files = HostFiles::beside(&absolute(&options.config)?);
                let mut executor = options.patient_executor();
                nebula::refuse_old(&mut executor)?;
                let mut tasks = nebula::plan_key(&files)?;
                tasks.extend(console::plan_keys(&files)?);
                if self.dry_run {
                    return Ok(show(&tasks, options));
                }
                task::run(&tasks, &mut executor)?;
                Identity::Nebula { public_key: public_key(&files)? }
            }
            OverlayKind::Vxlan => {
                let address = self.address()?;
                Peer { number: 1, host: host.clone(), address }.check_address(&config, self.force)?;
                Identity::Vxlan { address }
            }
        };
        if self.dry_run {
            return Ok(show(&[], options));
        }
        let request = JoinRequest { flatnet_join_request: One, host, identity };
        let comment = format!(
            "Flatnet: the request of host {} to join. It holds no secret. To be signed by: flatnet overlay sign FILE",
            request.host
        );
        output::print(&write(&request, &comment)?);
        Ok(0)
    }

    /// This host's address in the LAN.
    fn address(&self) -> Result<Ipv4Addr> {
        let next_hop = || observe::host::default_route()?.via;
        let found = self.at.or_else(|| observe::source_address::address_towards(next_hop()?));
        found.ok_or_else(|| {
            Error::new(
                Kind::BadValue,
                "this host has no default route, by which its address in the LAN is found",
            )
            .remedy("Name the address with --at ADDRESS")
        })
    }
}

/// Join the overlay with an invitation.
///
/// Writes the certificate, Nebula's configuration and its unit, this host's number and subnet into the configuration, and starts
/// Nebula. Run it again with a new invitation to renew the certificate. If a step fails, all before it are taken back. Containers that
/// are attached with addresses of another subnet must be stopped first. With VXLAN it writes the file with the hosts; nothing between
/// hosts is encrypted then.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay join bob.invitation\n  flatnet overlay join --dry-run bob.invitation"
)]
pub(super) struct Join {
    /// The file with the invitation. Default: standard input.
    #[arg(value_name = "INVITATION", value_parser = crate::faces::cli::path)]
    invitation: Option<PathBuf>,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
    /// With VXLAN: also with hosts outside of private networks, where anybody on the way can read and forge packets.
    #[arg(long)]
    force: bool,
    /// With VXLAN: drop hosts that this host knows and the invitation does not have.
    #[arg(long)]
    drop: bool,
}

impl Join {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let invitation: Invitation = Paper::Invitation.read(self.invitation.as_deref())?;
        let config = options.config()?;
        let path = absolute(&options.config)?;
        let mut executor = options.patient_executor();
        let kind = invitation.carrier.kind();
        if kind == OverlayKind::Nebula {
            nebula::refuse_old(&mut executor)?;
        }
        let host = this_host(options, &config, &path)?;
        let terms = PeerTerms { force: self.force, drop: self.drop };
        let tasks = host.join(&invitation, terms, &mut executor)?;
        let changes = match &invitation.carrier {
            Carrier::Vxlan(peers) => Some(host.peer_changes(peers, self.drop)?),
            Carrier::Nebula(_) => None,
        };
        if !carry_out(&tasks, self.dry_run, options)? {
            return Ok(0);
        }
        if let Some(changes) = changes {
            output::print(&changes.text());
        }
        output::print(&format!(
            "This host has number {} in the overlay: containers on it have addresses in {}.\n",
            invitation.number, invitation.subnet
        ));
        if kind == OverlayKind::Vxlan {
            output::note(&format!("Warning: {}", vxlan::WARNING));
        } else if !host.has_systemd {
            let nebula = HostFiles::beside(&path).nebula();
            output::print(&format!(
                "\nThere is no systemd here. Keep this running, and run `flatnet up` after each start of it:\n  nebula -config {}\n",
                nebula.display()
            ));
        }
        Ok(0)
    }
}

/// Leave the overlay.
///
/// Ends Nebula, or removes the interface of VXLAN, and removes what `join` wrote, this host's key included. Containers keep their addresses. Revoke the certificate too
/// (`flatnet overlay revoke`) if the key may have been copied.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet overlay leave\n  flatnet overlay leave --dry-run")]
pub(super) struct Leave {
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
}

impl Leave {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let config = options.config()?;
        let path = absolute(&options.config)?;
        let tasks = this_host(options, &config, &path)?.leave()?;
        if carry_out(&tasks, self.dry_run, options)? {
            output::print("This host has left the overlay.\n");
        }
        Ok(0)
    }
}

/// Runs or prints `tasks`; returns whether they were run.
pub(super) fn carry_out(tasks: &[Task], dry_run: bool, options: &Options) -> Result<bool> {
    if dry_run {
        show(tasks, options);
    } else {
        task::run(tasks, &mut options.patient_executor())?;
    }
    Ok(!dry_run)
}

/// Prints `tasks`, and returns the exit status of a dry run.
pub(super) fn show(tasks: &[Task], options: &Options) -> u8 {
    if options.json {
        output::print_json(&json!({"tasks": tasks}));
    } else {
        output::print(&task::text(tasks));
    }
    0
}

pub(super) fn this_host<'a>(options: &Options, config: &'a Config, path: &'a Path) -> Result<ThisHost<'a>> {
    let engine = options.engine_to_look()?;
    let attached = engine.attachments()?.into_iter().map(|one| one.receipt.label()).collect();
    let mut flatnet = vec![executable()?.display().to_string()];
    flatnet.extend(options.program_and_options().into_iter().skip(1));
    Ok(ThisHost {
        config,
        path,
        flatnet,
        is_up: !observe::link_is_gone(config.bridge.as_str()),
        attached,
        has_systemd: units::is_booted(),
        addresses: observe::host::host_addresses(config.bridge_address()),
        other_networks: other_networks(config),
    })
}

/// The networks of Flatnet besides this one that have state on this host.
fn other_networks(config: &Config) -> Vec<String> {
    let entries = std::fs::read_dir(&config.paths.state).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let has_state = |name: &String| config.paths.state.join(name).join(OWNER_FILE).exists();
    names.filter(|name| name != config.network.as_str()).filter(has_state).collect()
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(io("find", path))
}
