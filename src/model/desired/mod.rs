//! What is desired, with every name, MAC and address fixed: the last place where anything is decided.
//!
//! [`HostState`] follows from a [`Config`](crate::model::config::Config), [`HostFacts`] and the receipts of who is attached;
//! [`AttachmentState`] from the same, a [`Request`](crate::model::request::Request) and the address of its
//! [lease](crate::state::lease). [`crate::kernel::planner`] compares them with what [`crate::kernel::observe`] finds.

mod attachment;
mod host;

pub use attachment::{AttachmentState, Routes, elements};
pub use host::{Attached, GatewayLink, HostFacts, HostState, OWNER_FILE, Setting};
