//! Tests without root and kernel: plans on a model, golden files, hostile text, floors. `just quick` runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod floors;
mod golden;
mod golden_file;
mod hostile_parsers;
mod model;
mod planner;
mod vocabulary;
