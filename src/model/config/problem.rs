//! What is wrong with a value of the configuration.

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Path of the field: `allocate.to`, `reserved[1]`.
    pub(super) field: String,
    /// The value found there.
    pub(super) value: String,
    /// Why it cannot work.
    pub(super) why: String,
    /// What to write instead.
    pub(super) remedy: String,
}

pub(super) fn problem(
    field: impl Into<String>,
    value: impl std::fmt::Display,
    why: impl Into<String>,
    remedy: impl Into<String>,
) -> Problem {
    Problem { field: field.into(), value: value.to_string(), why: why.into(), remedy: remedy.into() }
}
