//! `flatnet dns`: the resolver of all networks of this host.
//!
//! One thread answers from the files of names that `up`, ADD and DEL write, and forwards everything else to this host's own
//! servers. What is answered is decided by [`decide`], which is pure.

mod cache;
mod channel;
mod client;
mod connection;
pub mod counters;
mod decide;
mod files;
mod forward;
mod listener;
mod network;
pub mod privileges;
mod query;
mod question;
mod rate;
mod reply;
mod resolver;
mod servers;

pub use query::Query;
pub use resolver::{Event, Resolver, Settings};
