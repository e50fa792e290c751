//! Podman and its configuration for Flatnet.

pub(super) mod backend;
pub(super) mod conflist;
pub(super) mod files;
pub(super) mod network;
pub(super) mod plugin;
pub(super) mod rootless;
