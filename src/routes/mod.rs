//! Turns running containers into the routes table of the HTTP gateway.
//!
//! ```text
//! podman inspect -> Container -> (labels, probes, previous table) -> Table -> state/routes.json
//! ```
//!
//! [`podman`], [`labels`], [`port_choice`], [`unrouted_reason`], [`table`], [`summary`] and [`build`] are pure;
//! [`containers`], [`probe`], [`publish`], [`sync`], [`follow`] and [`watch`] do I/O.

pub mod build;
pub mod containers;
pub mod follow;
pub mod labels;
pub mod podman;
pub mod port_choice;
pub mod probe;
pub mod publish;
pub mod summary;
pub mod sync;
pub mod table;
pub mod unrouted_reason;
pub mod watch;
