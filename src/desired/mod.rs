//! What is wanted, with every name, MAC and address fixed: the last place where anything is decided.

mod attachment;
mod host;

pub use attachment::{AttachmentState, Routes};
pub use host::{HostFacts, HostState, Setting};
