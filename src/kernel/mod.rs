//! The kernel and its programs: observing, planning, rendering commands and running them.

pub mod execute;
pub mod host;
pub mod observe;
pub mod packages;
pub mod planner;
pub mod render;
pub mod ruleset;
pub mod sets;
pub mod tools;
