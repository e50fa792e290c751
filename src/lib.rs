//! Flatnet: flat, routable addresses for containers, by commands that anybody can read.
//!
//! The program `flatnet` has three [`faces`]: a CNI plugin, a netavark plugin and a command line. All three come to one
//! [`engine`], which writes down a plan of `ip`, `bridge`, `nft` and `sysctl` commands, runs them, keeps a receipt of them, and
//! undoes them from it.
//!
//! # From a configuration to commands
//!
//! Each arrow is a value that is passed on. Only what stands in capitals touches the kernel or the disk.
//!
//! ```text
//! YAML -> Config ---+
//!                   +-> desired state --+
//! call -> Request --+                   +-> Plan -> Command -> EXECUTE -> RECEIPT
//!                            OBSERVE ---+
//! ```
//!
//! Modules lie on floors, and import only from floors below their own:
//!
//! | module | what it does |
//! | --- | --- |
//! | [`faces`] | text in, text out: the command line and both plugin protocols |
//! | [`windows`] | what Windows around WSL2 must do, decided here and carried out there |
//! | [`doctor`] | one check to a file: what is wrong, how it shows, what mends it |
//! | [`nginx`] | the HTTP gateway's own files |
//! | [`routes`] | from containers to routes of the HTTP gateway |
//! | [`engine`] | ADD, DEL, CHECK, GC, up, down, repair: order, locks, rollback |
//! | [`kernel`] | [`observe`](kernel::observe) what is there, [`plan`](kernel::planner) the difference, [`render`](kernel::render) it as commands, [`execute`](kernel::execute) them |
//! | [`state`] | leases, receipts and locks on the disk |
//! | [`model`] | values that cannot be wrong: [configuration](model::config), [names and addresses](model::types), [desired state](model::desired), [plan](model::plan) |
//! | [`error`], [`log`] | what all floors use |
//!
//! # Where to start
//!
//! 1. The example in [`kernel::planner`]: a plan is built from a configuration, printed, run and taken back, without root.
//! 2. [`engine::Engine::attach`] and [`engine::Engine::detach`]: all of ADD and DEL, in the order in which it happens.
//! 3. `tests/golden/`: what is configured and observed, and the script that follows, a folder to each case.
//! 4. `docs/architecture/` for the same in pictures, `docs/adr/` for why, `CONTRIBUTING.md` for how to change it.

pub mod doctor;
pub mod engine;
pub mod error;
pub mod faces;
mod file;
pub mod kernel;
pub mod log;
pub mod model;
pub mod nginx;
pub mod routes;
mod setup;
mod shell;
pub mod state;
pub mod windows;
