//! Flatnet gives Podman containers flat, routable addresses, with commands that anybody can read.
//!
//! The program `flatnet` has three [`faces`]: a CNI plugin, a netavark plugin and a command line. All three call one
//! [`engine`], which plans `ip`, `bridge`, `nft`, `sysctl` and `conntrack` commands, runs them, keeps a receipt of them, and undoes them
//! by that receipt.
//!
//! # From a configuration to commands
//!
//! Each arrow is a value. Only the parts in capitals touch the kernel or the disk.
//!
//! ```text
//! YAML -> Config ---+
//!                   +-> desired state --+
//! call -> Request --+                   +-> Plan -> Command -> EXECUTE -> RECEIPT
//!                            OBSERVE ---+
//! ```
//!
//! Modules are on floors, and import only from lower floors:
//!
//! | module | what it does |
//! | --- | --- |
//! | [`faces`] | text in, text out: the command line and both plugin protocols |
//! | [`windows`] | what Windows must do around WSL2: decided here, run there |
//! | [`doctor`] | one file per check: what is wrong, its symptom, its fix |
//! | [`overlay`] | several hosts: certificates, invitations, Nebula's configuration |
//! | [`nginx`] | the HTTP gateway's own files |
//! | [`routes`] | from containers to routes of the HTTP gateway |
//! | [`names`] | from containers to answers by DNS |
//! | [`engine`] | ADD, DEL, CHECK, GC, up, down, repair: order, locks, rollback |
//! | `setup` | what `flatnet init` writes: conflist, links, units |
//! | [`kernel`] | [`observe`](kernel::observe) the system, [`plan`](kernel::planner) the difference, [`render`](kernel::render) it as commands, [`execute`](kernel::execute) them |
//! | [`state`] | leases, receipts and locks on the disk |
//! | [`model`] | values that cannot be invalid: [configuration](model::config), [names and addresses](model::types), [desired state](model::desired), [plan](model::plan) |
//! | [`error`], [`log`] | what all floors use |
//!
//! # Where to start
//!
//! 1. The example in [`kernel::planner`]: a plan is built from a configuration, printed, run and undone, without root.
//! 2. [`engine::Engine::attach`] and [`engine::Engine::detach`]: all of ADD and DEL, in order.
//! 3. `tests/golden/`: one folder per case, with configuration, observed state and the resulting script.
//! 4. `docs/architecture/` for diagrams, `docs/adr/` for decisions, `CONTRIBUTING.md` for how to change the code.

pub mod doctor;
pub mod engine;
pub mod error;
pub mod faces;
mod file;
mod hex;
pub mod kernel;
pub mod log;
pub mod model;
pub mod names;
pub mod nginx;
pub mod overlay;
pub mod routes;
pub mod setup;
mod shell;
pub mod state;
pub mod windows;
