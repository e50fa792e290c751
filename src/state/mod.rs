//! State on disk, and the locks that guard it.

pub mod checksum;
pub mod dir;
pub mod lease;
pub mod lock;
pub mod names;
pub mod names_dir;
pub mod operations;
pub mod receipt;
