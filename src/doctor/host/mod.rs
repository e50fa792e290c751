//! This host: privileges, configuration and state directory.

pub(super) mod boot_unit;
pub(super) mod configuration;
pub(super) mod privileges;
pub(super) mod state_directory;
pub(super) mod state_space;
