//! From a desired state ([`crate::model::desired`]) and an observed one ([`super::observe`]) to the [`Plan`] that makes the
//! second like the first.
//!
//! Planning is pure. An empty plan means "already so". [`super::render`] makes commands of a plan, [`super::execute`] runs them.
//!
//! # Example
//!
//! A container's way from the configuration to the network and back, with an executor that runs nothing:
//!
//! ```
//! use std::path::Path;
//! use std::time::Duration;
//!
//! use flatnet::error::Result;
//! use flatnet::kernel::execute::{Executor, Exit, Output, Running};
//! use flatnet::kernel::observe::attachment::ObservedAttachment;
//! use flatnet::kernel::planner;
//! use flatnet::kernel::render;
//! use flatnet::kernel::tools::Tools;
//! use flatnet::model::command::Command;
//! use flatnet::model::config;
//! use flatnet::model::desired::{AttachmentState, HostFacts, Routes};
//! use flatnet::model::types::AttachmentId;
//! use flatnet::state::lock::Lock;
//!
//! // What is desired: the configuration, what `flatnet up` found out about this host, and a container with its address.
//! let config = config::parse("subnet: 10.87.7.0/24", Path::new("flatnet.yaml"))?;
//! let facts = HostFacts {
//!     mtu: 1400,
//!     uplink: Some("eth0".to_owned()),
//!     ipv6: true,
//!     policy_routing: true,
//!     fib: true,
//!     ..HostFacts::default()
//! };
//! let id = AttachmentId { container_id: "4f5c1e9a0b7d".parse()?, if_name: "eth0".parse()? };
//! let (netns, addresses) = ("/run/netns/web".parse()?, config.addresses("10.87.7.2".parse()?));
//! let desired = AttachmentState::new(&config, &facts, &id, &netns, &addresses, None, &[], Routes::Default);
//!
//! // What is there is nothing, so everything is to be done. Each step says what, and why.
//! let plan = planner::attach(&desired, &ObservedAttachment::default());
//! for step in &plan.steps {
//!     println!("{}    # {}", render::line(&step.op), step.why);
//! }
//! let link = "ip link add dev fn54ad09fd6031 address 02:f1:0a:57:07:02 mtu 1400 arp off group 1683116946 type veth peer \
//!             name eth0 address 02:f1:0a:57:07:02 mtu 1400 arp off netns web";
//! assert_eq!(render::line(&plan.steps[1].op), link);
//! assert_eq!(
//!     plan.steps[1].why,
//!     "a veth pair connects the container to this host; both ends have the same MAC, so no ARP is needed"
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
mod desired;
mod host;
mod overlay;

pub use attachment::{attach, detach};
pub use desired::desired_host;
pub use host::{another_flatnet, down, lost_elements, repair, up};

#[expect(unused_imports, reason = "named in the documentation above")]
use crate::model::plan::{Plan, Step};
