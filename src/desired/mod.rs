//! What is wanted, with every name, MAC and address fixed: the last place where anything is decided.
//!
//! [`HostState`] follows from a [`Config`](crate::config::Config), [`HostFacts`] and the receipts of who is attached;
//! [`AttachmentState`] from the same, a [`Request`](crate::request::Request) and the address of its
//! [lease](crate::lease). [`crate::plan`] compares them with what [`crate::observe`] finds.

mod attachment;
mod host;

pub use attachment::{AttachmentState, Routes, elements};
pub use host::{GatewayLink, HostFacts, HostState, OWNER_FILE, Setting};
