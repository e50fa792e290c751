//! Everything that needs a kernel, a container runtime or a whole process: one binary, one module to a subject.
//!
//! Each test starts a [`sandbox::Sandbox`] of its own, so tests never change the machine and run in parallel.

mod frames;
mod ruleset_genuine;
mod ruleset_matrix;
mod ruleset_published;
mod ruleset_replaced;
mod ruleset_text;
mod sandbox;
mod traffic;
