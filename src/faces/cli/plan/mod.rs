//! `flatnet plan`: prints what would be done, step by step, and the commands.

mod print;

use std::net::IpAddr;

use clap::{Args, Subcommand};

pub(super) use self::print::{Format, as_json, done};
use super::{Options, output};
use crate::engine::{Change, Engine};
use crate::error::Result;
use crate::kernel::planner::{attach, detach};
use crate::model::desired::AttachmentState;
use crate::model::types::{AttachmentId, ContainerId, ContainerName, IfName, NetnsPath};

/// Show what `up`, `down` or attaching a container would do, why, and how it is undone.
///
/// On a terminal it offers to run the plan. With --dry-run it runs nothing and needs no root: what this user may not read
/// is treated as absent, and reported.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet plan --dry-run\n  flatnet plan --dry-run --format sh > up.sh   # as a shell script\n  flatnet plan down\n  flatnet plan add web --netns /run/netns/x --id 0123abcd"
)]
pub(super) struct Plan {
    #[command(subcommand)]
    target: Option<Target>,
    /// Print the plan without running it.
    #[arg(long, global = true)]
    dry_run: bool,
    /// Run the plan without asking.
    #[arg(long, global = true, conflicts_with = "dry_run")]
    yes: bool,
    /// Exit with status 1 if something would change.
    #[arg(long, global = true)]
    exit_code: bool,
    /// Output format.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Debug, Subcommand)]
enum Target {
    /// Bring this host to its desired state (the default).
    #[command(after_help = "Examples:\n  flatnet plan up --dry-run\n  flatnet plan up --yes")]
    Up,
    /// Undo what `up` did.
    #[command(after_help = "Examples:\n  flatnet plan down --dry-run")]
    Down,
    /// Attach a container.
    #[command(
        after_help = "Examples:\n  flatnet plan add web --dry-run\n  flatnet plan add web --netns /run/netns/x --id 0123abcd --ip 10.87.1.9"
    )]
    Add(Container),
    /// Detach a container.
    #[command(after_help = "Examples:\n  flatnet plan del web --id 0123abcd")]
    Del(Container),
}

#[derive(Clone, Debug, Args)]
struct Container {
    /// The container's name.
    name: ContainerName,
    /// The container's network namespace. Default: a placeholder.
    #[arg(long, value_name = "PATH")]
    netns: Option<NetnsPath>,
    /// The container's ID. Default: a placeholder.
    #[arg(long)]
    id: Option<ContainerId>,
    /// The container's address. Default: the one it would get.
    #[arg(long)]
    ip: Option<IpAddr>,
    /// The interface inside the container.
    #[arg(long, value_name = "NAME", default_value = "eth0")]
    ifname: IfName,
}

const PLACEHOLDER_NETNS: &str = "/run/netns/NETNS";
const PLACEHOLDER_ID: &str = "CONTAINER_ID";
const WITHOUT_RECEIPT: &str = "These are kernel commands only: pasting them does not change leases or receipts; \
    run `flatnet repair` afterwards to record the changes.";

impl Plan {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let mut engine = self.engine(options)?;
        let mut change = self.change(&mut engine)?;
        if self.dry_run {
            change.notes.extend(unread(&mut engine));
        }
        output::print(&self.format.print(&change, &engine.host.tools));
        if self.runs(&change)? {
            self.carry_out(&mut engine)?;
        }
        Ok(u8::from(self.exit_code && !(change.plan.is_empty() && change.files.is_empty())))
    }

    fn engine(&self, options: &Options) -> Result<Engine> {
        if self.dry_run { options.engine_to_look() } else { options.engine() }
    }

    fn change(&self, engine: &mut Engine) -> Result<Change> {
        match &self.target {
            None | Some(Target::Up) => engine.plan_up(),
            Some(Target::Down) => engine.plan_down(),
            Some(Target::Add(container)) => {
                let desired = container.desired(engine)?;
                let plan = attach(&desired, &crate::kernel::observe::attachment::nothing());
                Ok(Change { plan, notes: vec![WITHOUT_RECEIPT.to_owned()], ..Change::default() })
            }
            Some(Target::Del(container)) => {
                let desired = container.desired(engine)?;
                Ok(Change {
                    plan: detach(&desired),
                    notes: vec![WITHOUT_RECEIPT.to_owned()],
                    ..Change::default()
                })
            }
        }
    }

    /// Only the host's own plan is run from here; a container's is run by its runtime.
    fn runs(&self, change: &Change) -> Result<bool> {
        let is_host = matches!(self.target, None | Some(Target::Up | Target::Down));
        if self.dry_run || change.plan.is_empty() || !is_host {
            return Ok(false);
        }
        Ok(self.yes || output::ask("Run it?")? == Some(true))
    }

    fn carry_out(&self, engine: &mut Engine) -> Result<()> {
        let change = if matches!(self.target, Some(Target::Down)) { engine.down(false) } else { engine.up() };
        output::note(done(&change?).trim_end());
        Ok(())
    }
}

impl Container {
    /// The desired state of the attachment: from its receipt if it is attached, else what it would get.
    fn desired(&self, engine: &mut Engine) -> Result<AttachmentState> {
        let id = match (&self.id, engine.attached_as(&self.name)?) {
            (None, Some(attached)) => attached,
            (id, _) => self.with_id(id.as_ref())?,
        };
        let netns = self.netns.clone().map_or_else(|| PLACEHOLDER_NETNS.parse(), Ok)?;
        engine.would_attach(&id, &netns, Some(&self.name), self.ip.as_slice())
    }

    fn with_id(&self, id: Option<&ContainerId>) -> Result<AttachmentId> {
        let container_id = id.cloned().map_or_else(|| PLACEHOLDER_ID.parse(), Ok)?;
        Ok(AttachmentId { container_id, if_name: self.ifname.clone() })
    }
}

/// The inputs of the plan that this user may not read.
fn unread(engine: &mut Engine) -> Option<String> {
    let unread = engine.unread();
    let what = unread.join(", ");
    (!unread.is_empty()).then(|| {
        format!("This user may not read {what}, which is treated as absent. Run as root for the exact plan.")
    })
}
