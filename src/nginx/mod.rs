//! The HTTP gateway's own files: nginx's configuration, Lua and pages.

pub mod install;
pub mod static_mode;
