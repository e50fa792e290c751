//! Windows around WSL2: what it must do so that its gateway reaches the containers.
//!
//! Windows' scripts (ops/windows) collect what they see, send it here, and carry out what is decided here, after they have
//! checked it: the decisions are pure functions of text, so they are tested without Windows (docs/adr/0018).

pub mod action;
pub mod decide;
pub mod facts;
mod firewall;
mod gateway;
pub mod install;
mod lan;
mod layers;
pub mod observed;
mod ports;
mod route;
mod view;

/// What both sides must agree on: another number is another language.
pub const VERSION: u32 = 2;

/// What to do where the scripts are of another version.
const REMEDY: &str = "Run `flatnet windows install` in WSL2, and on Windows the line that it prints";
