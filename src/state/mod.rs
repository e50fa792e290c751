//! What Flatnet keeps on the disk, and who may change it when.

pub mod checksum;
pub mod dir;
pub mod lease;
pub mod lock;
pub mod receipt;
