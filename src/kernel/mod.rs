//! The kernel and its programs: what is there, what would change it, the commands for that, and running them.

pub mod execute;
pub mod host;
pub mod observe;
pub mod planner;
pub mod render;
pub mod ruleset;
pub mod sets;
pub mod tools;
