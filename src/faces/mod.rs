//! How Flatnet is called: by people, by a CNI runtime, by netavark.

pub mod cli;
pub mod cni;
pub mod netavark;
pub mod plugin;
