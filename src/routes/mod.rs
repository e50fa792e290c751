//! Running containers -> routes for the HTTP gateway.
//!
//! ```text
//! podman inspect -> Container -> (labels, probes, the table before) -> Table -> state/routes.json
//! ```
//!
//! [`podman`], [`labels`], [`why`], [`table`] and [`build`] are pure; [`look`], [`probe`],
//! [`publish`], [`sync`] and [`watch`] touch the world.

pub mod build;
pub mod changed;
pub mod choose;
pub mod labels;
pub mod look;
pub mod podman;
pub mod probe;
pub mod publish;
pub mod sync;
pub mod table;
pub mod told;
pub mod watch;
pub mod why;
