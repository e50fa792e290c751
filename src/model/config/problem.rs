//! An invalid value of the configuration.

/// One invalid value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The path of the field: `allocate.to`, `reserved[1]`.
    pub(super) field: String,
    /// The value.
    pub(super) value: String,
    /// Why it is invalid.
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
