//! What all checks look at: gathered once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Needs;
use super::gateway::Heard;
use super::host::privileges;
use crate::engine::{Attachment, Engine, Repair, State};
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

/// How the doctor was called.
#[derive(Debug)]
pub struct Called {
    /// The configuration, or why it cannot be used.
    pub config: Result<Config>,
    /// Where it lies.
    pub config_path: PathBuf,
    /// `flatnet` with the options that lead to the same configuration and state.
    pub program: Vec<String>,
}

/// What all checks look at.
pub struct Context {
    /// Opened to look.
    pub engine: Engine,
    /// Where the configuration lies.
    pub(super) config_path: PathBuf,
    /// Why the configuration cannot be used; the checks that need none then look as if there were the default one.
    pub(super) config_error: Option<Error>,
    /// What may not be read.
    pub unread: Vec<String>,
    /// What `flatnet up` would do; `None` where that is not known.
    pub plan: Option<Plan>,
    /// Why it is not.
    pub(super) plan_error: Option<Error>,
    /// What `auto` in the configuration means here.
    pub facts: Option<HostFacts>,
    /// What is attached; empty where that cannot be read.
    pub attachments: Vec<Attachment>,
    /// Why it cannot.
    pub(super) attachments_error: Option<Error>,
    program: Vec<String>,
    executor: Box<dyn Executor>,
    podman: Option<Podman>,
    repair: Option<Repair>,
    /// What was heard of the gateway, once it was asked.
    pub(super) heard: Option<Heard>,
    /// The attachments of which a check has told that they are not as they were made.
    pub(super) differing: BTreeSet<AttachmentId>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Context {
    /// Looks at what more than one check needs. `engine` is opened to look; `executor` is for programs that may take
    /// longer than those of the engine.
    #[must_use]
    pub fn gather(called: Called, mut engine: Engine, executor: Box<dyn Executor>) -> Self {
        let Called { config, config_path, program } = called;
        let config_error = config.err();
        let unread = engine.unread();
        let (mut plan, mut plan_error) = (None, None);
        if unread.is_empty() && config_error.is_none() {
            match engine.plan_up() {
                Ok(change) => plan = Some(change.plan),
                Err(error) => plan_error = Some(error),
            }
        }
        let (attachments, attachments_error) = match engine.attachments() {
            Ok(attachments) => (attachments, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Self {
            facts: engine.desired_host().ok().map(|(facts, _)| facts),
            attachments,
            attachments_error,
            podman: None,
            repair: None,
            heard: None,
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

    /// Why a check that needs this cannot look.
    pub(super) fn hindrance(&self, needs: Needs) -> Option<String> {
        let root = || privileges::hindrance().map(str::to_owned);
        let config = || self.config_error.as_ref().map(|_| "the configuration cannot be used".to_owned());
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

    /// One check tells of a directory that is not trusted; the others send there.
    fn why_unread(&self) -> String {
        let refused = self.engine.store.refused();
        if refused.is_some_and(|error| error.kind() == Kind::UnsafeDirectory) {
            return "leases and receipts are not trusted: see state-directory".to_owned();
        }
        self.unread.join(", ")
    }

    /// How Flatnet is called for the same configuration.
    pub(super) fn program(&self) -> String {
        Command::new(self.program.iter().cloned()).line()
    }

    /// A command of Flatnet's for the same configuration.
    pub(super) fn flatnet(&self, command: &str) -> String {
        format!("{} {command}", self.program())
    }

    /// The same, to be run: by this program, wherever it lies.
    pub(super) fn own(&self, words: &[&str]) -> Result<Command> {
        let program = executable()?.to_string_lossy().into_owned();
        let options = self.program.iter().skip(1).cloned();
        let words = words.iter().map(|&word| word.to_owned());
        Ok(Command::new(std::iter::once(program).chain(options).chain(words)))
    }

    /// Runs a program that looks.
    pub(super) fn run(&mut self, command: &Command) -> Result<Output> {
        self.executor.run(command, &[])
    }

    /// What it prints, when it succeeds.
    pub(super) fn stdout(&mut self, command: &Command) -> Result<String> {
        Ok(self.run(command)?.checked(command)?.stdout)
    }

    /// Runs programs that look, side by side.
    pub(super) fn run_all(&mut self, commands: &[Command]) -> Vec<Result<Output>> {
        let running: Vec<_> = commands.iter().map(|command| self.executor.start(command, &[])).collect();
        running.into_iter().map(|started| started?.wait()).collect()
    }

    /// What Podman says of itself.
    pub(super) fn podman(&mut self) -> &Podman {
        let Self { podman, executor, engine, .. } = self;
        podman.get_or_insert_with(|| Podman::ask(&mut **executor, &engine.config.network))
    }

    /// What brings this host's part, and that of running containers, back to what is wanted.
    pub(super) fn mends_host(&self) -> String {
        let is_none = self.attachments.is_empty() && self.attachments_error.is_none();
        self.flatnet(if is_none { "up" } else { "repair" })
    }

    /// What `flatnet up` would do on a host that is set up; else what to say instead.
    pub(super) fn plan_of_set_up_host(&self) -> Result<&Plan, &'static str> {
        let Some(plan) = &self.plan else {
            let is_anothers =
                self.plan_error.as_ref().is_some_and(|error| error.kind() == Kind::AnotherFlatnet);
            return Err(if is_anothers { "not known: see owner" } else { "not known: see bridge" });
        };
        let is_new = plan.steps.iter().any(|step| matches!(step.op, Op::BridgeAdd { .. }));
        if is_new { Err("this host is not set up: see bridge") } else { Ok(plan) }
    }

    /// How WSL2 is joined to Windows' network, if this is WSL2.
    pub(super) fn wsl_mode(&mut self) -> WslMode {
        wsl_mode(&mut *self.executor)
    }

    /// The receipts of the containers that run, each with a path that leads to its network namespace from here.
    pub(super) fn running(&self) -> Vec<Receipt> {
        let seen = |receipt: &Receipt| Some(Receipt { netns: path_to(receipt)?, ..receipt.clone() });
        self.receipts_of_running().filter_map(seen).collect()
    }

    /// The receipts of those that run and cannot be looked into from here.
    pub(super) fn hidden(&self) -> Vec<&Receipt> {
        self.receipts_of_running().filter(|receipt| path_to(receipt).is_none()).collect()
    }

    /// The receipts of the containers that run, as they are written.
    pub(super) fn receipts_of_running(&self) -> impl Iterator<Item = &Receipt> {
        self.attachments.iter().filter(|one| one.state == State::Running).map(|one| &one.receipt)
    }

    /// Whether a container that ran when all was gathered still does.
    pub(super) fn runs_still(&self, receipt: &Receipt) -> Result<bool> {
        let now = self.engine.attachments()?;
        Ok(now.iter().any(|one| one.state == State::Running && one.receipt.netns_id == receipt.netns_id))
    }

    /// Looks with the engine and Podman.
    pub(super) fn with_podman<T>(
        &mut self,
        look: impl FnOnce(&Engine, &mut dyn Executor) -> Result<T>,
    ) -> Result<T> {
        look(&self.engine, &mut *self.executor)
    }

    /// What `flatnet repair` would do; looked at once.
    pub fn repair(&mut self) -> Result<&Repair> {
        let planned = match self.repair.take() {
            Some(planned) => planned,
            None => self.engine.plan_repair()?,
        };
        Ok(self.repair.insert(planned))
    }

    /// Whether root may look at all of it, with a configuration.
    #[must_use]
    pub fn sees_state(&self) -> bool {
        self.hindrance(Needs::Attachments).is_none()
    }
}

/// How a finding calls a container.
pub(super) fn called(receipt: &Receipt) -> String {
    format!("container {}, {}", receipt.label(), receipt.address.addr())
}

/// Where it cannot be told, whoever looks is told why.
fn path_to(receipt: &Receipt) -> Option<NetnsPath> {
    netns::path_of(receipt.netns_id, &receipt.netns).unwrap_or_else(|_| Some(receipt.netns.clone()))
}
