//! What would make the world as it is wanted: [`Plan`], a list of typed [`Step`]s.
//!
//! Planning is pure: from a wanted state ([`crate::desired`]) and an observed one ([`crate::observe`]) comes the
//! difference. An empty plan means "already so". [`crate::render`] makes commands of it, [`crate::execute`] runs them.
//!
//! # Example
//!
//! A container's way from the configuration to the network and back, with an executor that runs nothing:
//!
//! ```
//! use std::path::Path;
//! use std::time::Duration;
//!
//! use flatnet::command::Command;
//! use flatnet::config;
//! use flatnet::desired::{AttachmentState, HostFacts, Routes};
//! use flatnet::error::Result;
//! use flatnet::execute::{Executor, Exit, Output, Running};
//! use flatnet::lock::Lock;
//! use flatnet::observe::attachment::ObservedAttachment;
//! use flatnet::plan;
//! use flatnet::render;
//! use flatnet::tools::Tools;
//! use flatnet::types::AttachmentId;
//!
//! // What is wanted: the configuration, what `flatnet up` found out about this host, and a container with its address.
//! let config = config::parse("subnet: 10.87.7.0/24", Path::new("flatnet.yaml"))?;
//! let facts = HostFacts {
//!     config_hash: String::new(),
//!     mtu: 1400,
//!     uplink: Some("eth0".to_owned()),
//!     ingress_gateways: Vec::new(),
//!     gateway_links: Vec::new(),
//!     ipv6: true,
//!     resolvers: Vec::new(),
//!     gateway_ports: Vec::new(),
//!     policy_routing: true,
//!     fib: true,
//!     host_addresses: Vec::new(),
//! };
//! let id = AttachmentId { container_id: "4f5c1e9a0b7d".parse()?, if_name: "eth0".parse()? };
//! let (netns, address) = ("/run/netns/web".parse()?, "10.87.7.2".parse()?);
//! let wanted = AttachmentState::new(&config, &facts, &id, &netns, address, None, &[], Routes::Default);
//!
//! // What is there is nothing, so everything is to be done. Each step says what, and why.
//! let plan = plan::attach(&wanted, &ObservedAttachment::default());
//! for step in &plan.steps {
//!     println!("{}    # {}", render::line(&step.op), step.why);
//! }
//! let link = "ip link add dev fn54ad09fd6031 address 02:f1:0a:57:07:02 mtu 1400 arp off group 1683116946 type veth peer \
//!             name eth0 address 02:f1:0a:57:07:02 mtu 1400 arp off netns web";
//! assert_eq!(render::line(&plan.steps[1].op), link);
//! assert_eq!(
//!     plan.steps[1].why,
//!     "a pair of links joins the container to this host; both ends have one MAC, and none asks for it"
//! );
//!
//! // Neighbours that one program carries out in one namespace become one command, which can be pasted into a shell.
//! let commands = render::commands(&plan.ops(), &Tools::default());
//! let programs: Vec<String> = commands.iter().map(|one| one.command.line()).collect();
//! assert_eq!(programs, [
//!     "nft -f -",
//!     "ip -batch -",
//!     "ip -n web -batch -",
//! ]);
//! assert_eq!(
//!     commands[2].command.to_string(),
//!     "ip -n web -batch - <<'EOF'
//! addr add 10.87.7.2/24 brd + dev eth0 noprefixroute
//! link set dev eth0 up
//! route append 10.87.7.1/32 dev eth0 proto 87
//! route append default via 10.87.7.1 dev eth0 proto 87 metric 4096
//! route append 10.87.0.0/16 via 10.87.7.1 dev eth0 proto 87
//! EOF"
//! );
//!
//! // An executor runs them. This one remembers them, and says that all went well.
//! #[derive(Default)]
//! struct DryRun(Vec<Command>);
//!
//! impl Executor for DryRun {
//!     fn start(&mut self, command: &Command, _: &[&Lock]) -> Result<Box<dyn Running>> {
//!         self.0.push(command.clone());
//!         Ok(Box::new(Ended))
//!     }
//! }
//!
//! struct Ended;
//!
//! impl Running for Ended {
//!     fn wait(self: Box<Self>) -> Result<Output> {
//!         let took = Duration::ZERO;
//!         Ok(Output { exit: Exit::Code(0), stdout: String::new(), stderr: String::new(), took })
//!     }
//!     fn has_ended(&self) -> bool {
//!         true
//!     }
//! }
//!
//! let mut executor = DryRun::default();
//! for one in &commands {
//!     executor.run(&one.command, &[])?.checked(&one.command)?;
//! }
//! assert_eq!(executor.0.len(), 3);
//!
//! // The inverse: what was done last is undone first, and what stands on the link goes with it.
//! let undo = render::commands(&plan.undo(), &Tools::default());
//! let undo: Vec<String> = undo.iter().map(|one| one.command.line()).collect();
//! assert_eq!(undo, ["ip link del dev fn54ad09fd6031", "nft -f -"]);
//!
//! // Had the second command failed at its first line, only the element in the table would have to go.
//! let undo = plan.undo_of(|step| step < 1);
//! assert_eq!(undo.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`crate::engine::Engine::attach`] does the same with locks, a lease and a receipt around it, and with commands that run side
//! by side where they do not depend on one another.

mod attachment;
mod flow_filter;
mod host;
mod op;

pub use attachment::{attach, detach};
pub use flow_filter::FlowFilter;
pub use host::{another_flatnet, down, lost_elements, mend, up};
pub use op::{Element, LinkAttribute, Op, Place, TableElement};

use serde::{Deserialize, Serialize};

use crate::types::IfName;

/// Steps in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One operation, how it is undone, and why it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    #[serde(flatten)]
    pub op: Op,
    /// How it is undone.
    pub undo: Undo,
    /// Why, for the person who reads the plan.
    pub why: String,
}

/// How a step is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// By the inverse operation.
    Op(Box<Op>),
    /// By these, in this order: what it took away had more to it than one operation gives back.
    Ops(Vec<Op>),
    /// It goes by itself when the step at this index is undone: an address goes with its link.
    With(usize),
    /// There is nothing to undo: the step itself takes something away.
    Nothing,
}

impl Plan {
    /// Whether all is as wanted already.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What its steps do, in order.
    #[must_use]
    pub fn ops(&self) -> Vec<Op> {
        self.steps.iter().map(|step| step.op.clone()).collect()
    }

    /// Adds a step that the inverse operation undoes; returns its index.
    pub fn push(&mut self, op: Op, undo: Op, why: impl Into<String>) -> usize {
        self.add(op, Undo::Op(Box::new(undo)), why)
    }

    /// Adds a step that goes with the step at `with`, or by `undo` where no step of this plan made what it
    /// stands on.
    pub fn push_with(&mut self, op: Op, with: Option<usize>, undo: Undo, why: impl Into<String>) {
        self.add(op, with.map_or(undo, Undo::With), why);
    }

    /// Adds a step that sets an attribute of the link `dev`, to be set `back` where no step of this plan made it.
    pub fn push_link_set(
        &mut self,
        (place, dev): (&Place, &IfName),
        (attribute, back): (LinkAttribute, Option<LinkAttribute>),
        with: Option<usize>,
        why: &str,
    ) {
        let op = |attribute| Op::LinkSet { place: place.clone(), dev: dev.clone(), attribute };
        let undo = back.map_or(Undo::Nothing, |back| Undo::Op(Box::new(op(back))));
        self.push_with(op(attribute), with, undo, why);
    }

    /// Adds a step that has no inverse; returns its index.
    pub fn push_final(&mut self, op: Op, why: impl Into<String>) -> usize {
        self.add(op, Undo::Nothing, why)
    }

    fn add(&mut self, op: Op, undo: Undo, why: impl Into<String>) -> usize {
        self.steps.push(Step { op, undo, why: why.into() });
        self.steps.len() - 1
    }

    /// Adds the steps of `other`, with what they concern before each reason.
    pub fn append(&mut self, other: &Self, what: &str) {
        let start = self.steps.len();
        for Step { op, undo, why } in &other.steps {
            let undo = match undo {
                Undo::With(index) => Undo::With(index + start),
                undo => undo.clone(),
            };
            self.add(op.clone(), undo, format!("{what}: {why}"));
        }
    }

    /// What takes back the steps for which `may_have_run` holds, last first.
    #[must_use]
    pub fn undo_of(&self, may_have_run: impl Fn(usize) -> bool) -> Vec<Op> {
        self.steps
            .iter()
            .enumerate()
            .rev()
            .filter(|(index, _)| may_have_run(*index))
            .flat_map(|(_, step)| match &step.undo {
                Undo::Op(op) => vec![(**op).clone()],
                Undo::Ops(ops) => ops.clone(),
                Undo::With(_) | Undo::Nothing => Vec::new(),
            })
            .collect()
    }

    /// What takes back the whole plan, last first.
    #[must_use]
    pub fn undo(&self) -> Vec<Op> {
        self.undo_of(|_| true)
    }
}
