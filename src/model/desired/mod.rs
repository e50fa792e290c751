//! The desired state, with every name, MAC and address fixed. Nothing is decided after it.
//!
//! [`HostState`] follows from a [`Config`](crate::model::config::Config), [`HostFacts`] and the receipts of
//! attached containers; [`AttachmentState`] from the same, a [`Request`](crate::model::request::Request) and
//! the address of its [lease](crate::state::lease). [`crate::kernel::planner`] compares them with what
//! [`crate::kernel::observe`] finds.

mod attachment;
mod host;
mod overlay;

pub use attachment::{AttachmentState, Routes, elements};
pub use host::{
    Attached, GatewayLink, HostFacts, HostState, Ipv6Facts, Ipv6State, OWNER_FILE, RESOLVER_UNIT, Resolver,
    Setting,
};
pub use overlay::{OverlayRoute, Tunnel, TunnelPeer, VxlanLink};
