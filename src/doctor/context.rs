//! The facts that checks share, gathered once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Needs;
use super::gateway::GatewayProbe;
use super::host::privileges;
use crate::engine::{Attachment, AttachmentStatus, Engine, Repair};
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{Executor, Output};
use crate::kernel::observe::host::{WslMode, wsl_mode};
use crate::kernel::observe::netns;
use crate::model::command::Command;
use crate::model::config::Config;
use crate::model::desired::HostFacts;
use crate::model::plan::{Op, Plan};
use crate::model::types::{AttachmentId, NetnsPath};
use crate::setup::executable;
use crate::setup::podman::Podman;
use crate::state::receipt::Receipt;

/// How the doctor was invoked.
#[derive(Debug)]
pub struct Invocation {
    /// The configuration, or the error that makes it unusable.
    pub config: Result<Config>,
    /// The path of the configuration.
    pub config_path: PathBuf,
    /// `flatnet` with the options that select the same configuration and state.
    pub program: Vec<String>,
}

/// The facts that checks share.
pub struct Context {
    /// Opened read-only.
    pub engine: Engine,
    /// The path of the configuration.
    pub(super) config_path: PathBuf,
    /// Why the configuration is unusable. Checks that do not need it then assume the default one.
    pub(super) config_error: Option<Error>,
    /// State that could not be read.
    pub unread: Vec<String>,
    /// What `flatnet up` would do, if known.
    pub plan: Option<Plan>,
    /// Why the plan is unknown.
    pub(super) plan_error: Option<Error>,
    /// What `auto` in the configuration resolves to on this host.
    pub facts: Option<HostFacts>,
    /// All attachments; empty if they cannot be read.
    pub attachments: Vec<Attachment>,
    /// Why they cannot be read.
    pub(super) attachments_error: Option<Error>,
    program: Vec<String>,
    executor: Box<dyn Executor>,
    podman: Option<Podman>,
    repair: Option<Repair>,
    /// The result of probing the gateway, once it was probed.
    pub(super) gateway_probe: Option<GatewayProbe>,
    /// Attachments that `container-links` has already reported as changed.
    pub(super) differing: BTreeSet<AttachmentId>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Context {
    /// Gathers what more than one check needs. `engine` is opened read-only; `executor` runs programs that may take longer
    /// than those of the engine.
    #[must_use]
    pub fn gather(invocation: Invocation, mut engine: Engine, executor: Box<dyn Executor>) -> Self {
        let Invocation { config, config_path, program } = invocation;
        let config_error = config.err();
        let unread = engine.unread();
        let (mut plan, mut plan_error) = (None, None);
        let found = engine.find_facts();
        let facts = found.as_ref().ok().cloned();
        if unread.is_empty() && config_error.is_none() {
            match found.and_then(|facts| engine.plan_up_with(&facts)) {
                Ok(change) => plan = Some(change.plan),
                Err(error) => plan_error = Some(error),
            }
        }
        let (attachments, attachments_error) = match engine.attachments() {
            Ok(attachments) => (attachments, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Self {
            facts,
            attachments,
            attachments_error,
            podman: None,
            repair: None,
            gateway_probe: None,
            differing: BTreeSet::new(),
            engine,
            config_path,
            config_error,
            unread,
            plan,
            plan_error,
            program,
            executor,
        }
    }

    /// Why a check with these needs cannot run.
    pub(super) fn hindrance(&self, needs: Needs) -> Option<String> {
        let root = || privileges::hindrance().map(str::to_owned);
        let config = || self.config_error.as_ref().map(|_| "the configuration is not usable".to_owned());
        let state = || (!self.unread.is_empty()).then(|| self.why_unread());
        let attachments =
            || self.attachments_error.as_ref().map(|_| "receipts cannot be read: see attachments".to_owned());
        match needs {
            Needs::Nothing => None,
            Needs::Root => root(),
            Needs::Config => config(),
            Needs::RootAndConfig => config().or_else(root),
            Needs::State => config().or_else(root).or_else(state),
            Needs::Attachments => config().or_else(root).or_else(state).or_else(attachments),
        }
    }

    /// An untrusted directory is reported by one check; the others refer to it.
    fn why_unread(&self) -> String {
        let refused = self.engine.store.refused();
        if refused.is_some_and(|error| error.kind() == Kind::UnsafeDirectory) {
            return "leases and receipts are not trusted: see state-directory".to_owned();
        }
        self.unread.join(", ")
    }

    /// The command line of Flatnet for the same configuration.
    pub(super) fn program(&self) -> String {
        Command::new(self.program.iter().cloned()).line()
    }

    /// A subcommand of Flatnet for the same configuration.
    pub(super) fn flatnet(&self, command: &str) -> String {
        format!("{} {command}", self.program())
    }

    /// The same, to be run by this executable.
    pub(super) fn own(&self, words: &[&str]) -> Result<Command> {
        let program = executable()?.to_string_lossy().into_owned();
        let options = self.program.iter().skip(1).cloned();
        let words = words.iter().map(|&word| word.to_owned());
        Ok(Command::new(std::iter::once(program).chain(options).chain(words)))
    }

    /// Runs a program that only reads.
    pub(super) fn run(&mut self, command: &Command) -> Result<Output> {
        self.executor.run(command, &[])
    }

    /// Runs a program that must succeed, and returns its output.
    pub(super) fn stdout(&mut self, command: &Command) -> Result<String> {
        Ok(self.run(command)?.checked(command)?.stdout)
    }

    /// Runs read-only programs in parallel.
    pub(super) fn run_all(&mut self, commands: &[Command]) -> Vec<Result<Output>> {
        let running: Vec<_> = commands.iter().map(|command| self.executor.start(command, &[])).collect();
        running.into_iter().map(|started| started?.wait()).collect()
    }

    /// Podman's version, backend and networks.
    pub(super) fn podman(&mut self) -> &Podman {
        let Self { podman, executor, engine, .. } = self;
        podman.get_or_insert_with(|| Podman::ask(&mut **executor, &engine.config.network))
    }

    /// The command that restores the desired state of the host, and of attached containers if there are any.
    pub(super) fn up_or_repair(&self) -> String {
        let has_no_attachment = self.attachments.is_empty() && self.attachments_error.is_none();
        self.flatnet(if has_no_attachment { "up" } else { "repair" })
    }

    /// The plan of `flatnet up` on a host that is set up; otherwise the message to print instead.
    pub(super) fn plan_of_set_up_host(&self) -> Result<&Plan, &'static str> {
        let Some(plan) = &self.plan else {
            let is_anothers =
                self.plan_error.as_ref().is_some_and(|error| error.kind() == Kind::AnotherFlatnet);
            return Err(if is_anothers { "unknown: see owner" } else { "unknown: see bridge" });
        };
        let is_new = plan.steps.iter().any(|step| matches!(step.op, Op::BridgeAdd { .. }));
        if is_new { Err("this host is not set up: see bridge") } else { Ok(plan) }
    }

    /// The networking mode of WSL2, if this is WSL2.
    pub(super) fn wsl_mode(&mut self) -> WslMode {
        wsl_mode(&mut *self.executor)
    }

    /// The receipts of running containers, each with a path to its network namespace that is valid here.
    pub(super) fn running(&self) -> Vec<Receipt> {
        let seen = |receipt: &Receipt| Some(Receipt { netns: path_to(receipt)?, ..receipt.clone() });
        self.receipts_of_running().filter_map(seen).collect()
    }

    /// The receipts of running containers whose network namespace is not visible from here.
    pub(super) fn hidden(&self) -> Vec<&Receipt> {
        self.receipts_of_running().filter(|receipt| path_to(receipt).is_none()).collect()
    }

    /// The receipts of running containers as stored.
    pub(super) fn receipts_of_running(&self) -> impl Iterator<Item = &Receipt> {
        self.attachments.iter().filter(|one| one.state == AttachmentStatus::Running).map(|one| &one.receipt)
    }

    /// Whether a container that was running during `gather` still is.
    pub(super) fn runs_still(&self, receipt: &Receipt) -> Result<bool> {
        let now = self.engine.attachments()?;
        Ok(now
            .iter()
            .any(|one| one.state == AttachmentStatus::Running && one.receipt.netns_id == receipt.netns_id))
    }

    /// Calls `look` with the executor of programs that may take longer than those of the engine.
    pub(super) fn with_executor<T>(&mut self, look: impl FnOnce(&mut dyn Executor) -> T) -> T {
        look(&mut *self.executor)
    }

    /// Calls `look` with the engine and the executor for Podman.
    pub(super) fn with_podman<T>(
        &mut self,
        look: impl FnOnce(&Engine, &mut dyn Executor) -> Result<T>,
    ) -> Result<T> {
        look(&self.engine, &mut *self.executor)
    }

    /// What `flatnet repair` would do; planned once.
    pub fn repair(&mut self) -> Result<&Repair> {
        let planned = match self.repair.take() {
            Some(planned) => planned,
            None => self.engine.plan_repair()?,
        };
        Ok(self.repair.insert(planned))
    }

    /// Whether `attachments` has all of them.
    #[must_use]
    pub fn knows_attachments(&self) -> bool {
        self.attachments_error.is_none()
    }

    /// Whether the configuration and all state are readable.
    #[must_use]
    pub fn sees_state(&self) -> bool {
        self.hindrance(Needs::Attachments).is_none()
    }
}

/// A container as findings name it.
pub(super) fn describe(receipt: &Receipt) -> String {
    format!("container {}, {}", receipt.label(), receipt.address())
}

/// If the path cannot be determined, the stored one is used: opening it then reports the error.
fn path_to(receipt: &Receipt) -> Option<NetnsPath> {
    let here = receipt.netns_here();
    netns::path_of(receipt.netns_id, here, receipt.caller).unwrap_or_else(|_| here.cloned())
}
