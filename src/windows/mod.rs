//! The Windows host of WSL2, through which the LAN and Windows reach the containers.
//!
//! The scripts in ops/windows send the observed state of Windows here, and run the actions that this module decides, after
//! validating them. Decisions are pure functions of text, so they are tested without Windows (docs/adr/0018).

pub mod action;
pub mod decide;
pub mod facts;
mod firewall;
mod gateway;
pub mod install;
mod lan;
mod layers;
mod nrpt;
pub mod observed;
mod ports;
mod route;
mod view;

/// The version of the protocol with the scripts. Both sides must have the same.
pub const VERSION: u32 = 2;

/// The remedy if the versions differ.
const REMEDY: &str = "Run `flatnet windows install` in WSL2, then the command that it prints on Windows";
