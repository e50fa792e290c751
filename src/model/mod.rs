//! Values that cannot be invalid: configuration, requests, desired state, plans. Only loading the configuration
//! touches the disk; nothing touches the kernel.

pub mod command;
pub mod config;
pub mod desired;
pub mod plan;
pub mod request;
pub mod types;
