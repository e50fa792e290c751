//! Flatnet: flat, routable addresses for containers, by commands that anybody can read.
//!
//! The program `flatnet` has three faces: a CNI plugin ([`cni`]), a netavark plugin ([`netavark`]) and a command line
//! ([`cli`]). All three come to one [`engine`], which writes down a plan of `ip`, `bridge`, `nft` and `sysctl` commands, runs
//! them, keeps a receipt of them, and undoes them from it.
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
//! | module | what it does |
//! | --- | --- |
//! | [`config`] | the YAML: read, checked, with an error for each way it can be wrong |
//! | [`request`] | what both plugin protocols ask for, and what they are answered |
//! | [`desired`] | the last place where anything is decided: every name, MAC and address |
//! | [`observe`] | what is there, by `ip -j`, `nft -j` and `/proc`; its parsers are functions of text |
//! | [`plan`] | the difference, as typed steps, each with its inverse and its reason |
//! | [`ruleset`], [`render`], [`command`] | from steps to text: the nft tables, and commands that can be pasted |
//! | [`execute`], [`tools`] | running them, by an executor that a test can replace; where the programs are |
//! | [`lease`], [`receipt`], [`seal`], [`state_dir`], [`lock`] | what is kept on the disk, and who may change it when |
//! | [`engine`] | ADD, DEL, CHECK, GC, up, down, repair: the only module that knows of all of these |
//! | [`gateway`] | from containers to routes of the HTTP gateway; apart from the rest |
//! | [`doctor`] | one check to a file: what is wrong, how it shows, what mends it |
//! | [`windows`] | what Windows around WSL2 must do, decided here and carried out there |
//! | [`types`] | names and addresses that cannot hold a bad value: only they reach `ip`, `nft`, nginx or a path |
//! | [`error`], [`log`], [`face`] | what the faces share |
//!
//! # Where to start
//!
//! 1. The example in [`plan`]: a plan is built from a configuration, printed, run and taken back, without root.
//! 2. [`engine::Engine::attach`] and [`engine::Engine::detach`]: all of ADD and DEL, in the order in which it happens.
//! 3. `tests/golden/`: what is configured and observed, and the script that follows, a folder to each case.
//! 4. `docs/architecture/` for the same in pictures, `docs/adr/` for why, `CONTRIBUTING.md` for how to change it.
pub mod cli;
pub mod cni;
pub mod command;
pub mod config;
pub mod desired;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod execute;
pub mod face;
pub mod gateway;
pub mod lease;
pub mod lock;
pub mod log;
pub mod netavark;
pub mod observe;
pub mod plan;
pub mod receipt;
pub mod render;
pub mod request;
pub mod ruleset;
pub mod seal;
mod setup;
pub mod state_dir;
pub mod tools;
pub mod types;
pub mod windows;
