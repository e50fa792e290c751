//! The faces of the program: the command line, the CNI plugin, the netavark plugin, the service for rootless Podman.

pub mod cli;
pub mod cni;
pub mod netavark;
pub mod plugin;
pub mod rootless;
