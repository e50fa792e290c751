//! Values, and what they may be: what a person configures, what a call asks for, what shall be. Nothing here touches the kernel
//! or the disk, but for the file of the configuration.

pub mod command;
pub mod config;
pub mod desired;
pub mod plan;
pub mod request;
pub mod types;
