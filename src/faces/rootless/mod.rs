//! Rootless Podman: a user's plugin asks a service of root's, which attaches containers for that user only.
//!
//! ```text
//! podman (alice) -> flatnet as her plugin -> socket, with the namespace as a descriptor -> flatnet serve (root) -> engine
//! ```
//!
//! The plugin runs in the user's own namespaces, where it can change nothing of this host. [`client`] is its half. [`service`]
//! is root's: one process for each connection, which believes nothing that it is told. Who asks is what the kernel says of the
//! socket's other end ([`peer`]); what the user may have is what root wrote into the configuration ([`account`]).
//! `docs/architecture/rootless.md` lists what each of the two knows.

pub mod account;
pub mod client;
pub mod message;
pub mod peer;
pub mod runner;
pub mod service;
mod slots;
mod wire;
