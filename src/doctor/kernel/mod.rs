//! What the kernel can do, tried in network namespaces that go with the command that tries.

pub(super) mod links;
pub(super) mod nftables;
