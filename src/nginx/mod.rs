//! The HTTP gateway's files: nginx's configuration, Lua and pages.

pub mod install;
pub mod static_mode;
