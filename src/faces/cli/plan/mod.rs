//! `flatnet plan`: what would be done, step by step, and by which commands.

mod print;

use std::net::Ipv4Addr;

use clap::{Args, Subcommand};

pub(super) use self::print::{Format, as_json, done};
use super::{Options, output};
use crate::engine::{Change, Engine};
use crate::error::Result;
use crate::kernel::planner::{attach, detach};
use crate::model::desired::AttachmentState;
use crate::model::types::{AttachmentId, ContainerId, ContainerName, IfName, NetnsPath};

/// Show what `up`, `down`, or attaching a container would do, and why, and how it is undone.
///
/// On a terminal it offers to run the plan. With --dry-run it never runs anything, and needs no root: what it may
/// not read it takes as absent, and says so.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet plan --dry-run\n  flatnet plan --dry-run --format sh > up.sh   # the same when pasted\n  flatnet plan down\n  flatnet plan add web --netns /run/netns/x --id 0123abcd"
)]
pub(super) struct Plan {
    #[command(subcommand)]
    target: Option<Target>,
    /// Run nothing.
    #[arg(long, global = true)]
    dry_run: bool,
    /// Run it without asking.
    #[arg(long, global = true, conflicts_with = "dry_run")]
    yes: bool,
    /// Exit with 1 when something would change.
    #[arg(long, global = true)]
    exit_code: bool,
    /// How to print it.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Debug, Subcommand)]
enum Target {
    /// Bring this host to the configured state (the default).
    #[command(after_help = "Examples:\n  flatnet plan up --dry-run\n  flatnet plan up --yes")]
    Up,
    /// Take back what `up` did.
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
    /// Its network namespace; without it the plan shows a placeholder.
    #[arg(long, value_name = "PATH")]
    netns: Option<NetnsPath>,
    /// Its ID; without it the plan shows a placeholder.
    #[arg(long)]
    id: Option<ContainerId>,
    /// Its address; without it the one that it would get.
    #[arg(long)]
    ip: Option<Ipv4Addr>,
    /// The interface inside it.
    #[arg(long, value_name = "NAME", default_value = "eth0")]
    ifname: IfName,
}

const PLACEHOLDER_NETNS: &str = "/run/netns/NETNS";
const PLACEHOLDER_ID: &str = "CONTAINER_ID";
const WITHOUT_RECEIPT: &str = "These are kernel commands only: pasted, they make and remove no lease and no receipt; \
    `flatnet repair` writes down what they made, and forgets what they removed.";

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
                let wanted = container.wanted(engine)?;
                let plan = attach(&wanted, &crate::kernel::observe::attachment::nothing());
                Ok(Change { plan, notes: vec![WITHOUT_RECEIPT.to_owned()], ..Change::default() })
            }
            Some(Target::Del(container)) => {
                let wanted = container.wanted(engine)?;
                Ok(Change {
                    plan: detach(&wanted),
                    notes: vec![WITHOUT_RECEIPT.to_owned()],
                    ..Change::default()
                })
            }
        }
    }

    /// Only the host's own plan is run from here; containers are the runtime's business.
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
    /// What attaches it: of one that is attached what its receipt says; else what it would get.
    fn wanted(&self, engine: &mut Engine) -> Result<AttachmentState> {
        let id = match (&self.id, engine.attached_as(&self.name)?) {
            (None, Some(attached)) => attached,
            (id, _) => self.with_id(id.as_ref())?,
        };
        let netns = self.netns.clone().map_or_else(|| PLACEHOLDER_NETNS.parse(), Ok)?;
        engine.would_attach(&id, &netns, Some(&self.name), self.ip)
    }

    fn with_id(&self, id: Option<&ContainerId>) -> Result<AttachmentId> {
        let container_id = id.cloned().map_or_else(|| PLACEHOLDER_ID.parse(), Ok)?;
        Ok(AttachmentId { container_id, if_name: self.ifname.clone() })
    }
}

/// What the plan rests on and this user may not read.
fn unread(engine: &mut Engine) -> Option<String> {
    let unread = engine.unread();
    let what = unread.join(", ");
    (!unread.is_empty()).then(|| {
        format!("What may not be read is taken as absent: {what}. For root the plan may be another.")
    })
}
