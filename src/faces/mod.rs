//! The faces of the program: the command line, the CNI plugin, the netavark plugin.

pub mod cli;
pub mod cni;
pub mod netavark;
pub mod plugin;
