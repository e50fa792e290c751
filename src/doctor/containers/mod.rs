//! What is attached.

pub(super) mod attachments;
pub(super) mod left_over;
pub(super) mod reachable;
pub(super) mod whole;
