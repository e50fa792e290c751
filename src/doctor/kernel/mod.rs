//! Kernel features, tested in network namespaces that end with the test command.

pub(super) mod links;
pub(super) mod nftables;
