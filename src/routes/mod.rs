//! Turns running containers into the routes table of the HTTP gateway.
//!
//! ```text
//! podman inspect -> Container -> (labels, probes, previous table) -> Table -> state/routes.json
//! ```
//!
//! With an overlay, other hosts' routes are merged into it ([`others`]), which `watch` gets from those hosts.
//!
//! [`podman`], [`labels`], [`port_choice`], [`unrouted_reason`], [`table`], [`summary`], [`build`] and [`others`] are pure;
//! [`containers`], [`users`], [`probe`], [`publish`], [`sync`], [`follow`] and [`watch`] do I/O.

pub mod build;
pub mod containers;
pub mod follow;
pub mod labels;
pub mod others;
pub mod podman;
pub mod port_choice;
pub mod probe;
pub mod publish;
pub mod summary;
pub mod sync;
pub mod table;
pub mod unrouted_reason;
pub mod users;
pub mod watch;
