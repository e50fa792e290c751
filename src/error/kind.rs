//! What an entry of the table becomes: a variant, its codes and its texts.

/// What is known of a kind of failure.
#[derive(Debug)]
pub(super) struct Entry {
    /// Never changes, and is never used for anything else.
    pub(super) code: &'static str,
    /// The code of the CNI specification, or one of our own from 100 on.
    pub(super) cni: u32,
    /// In a few words.
    pub(super) title: &'static str,
    /// What messages of it look like.
    pub(super) seen: &'static [&'static str],
    /// Why it happens and what follows.
    pub(super) means: &'static str,
    /// What to do, as a message says it.
    pub(super) remedy: &'static str,
    /// The commands in it that can be pasted as they stand.
    pub(super) commands: &'static [&'static str],
    /// What else helps.
    pub(super) more: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $code:literal, cni $cni:literal {
        title: $title:literal,
        seen: [$($seen:literal),+ $(,)?],
        means: $means:literal,
        remedy: $remedy:literal,
        $(commands: [$($command:literal),+],)?
        more: $more:literal,
    })+) => {
        /// What kind of failure it is: each has a code to look it up by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = $title] $name,)+
        }

        impl Kind {
            /// All of them, by code.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            pub(super) fn entry(self) -> &'static crate::error::kind::Entry {
                match self {
                    $(Self::$name => &crate::error::kind::Entry {
                        code: $code,
                        cni: $cni,
                        title: $title,
                        seen: &[$($seen,)+],
                        means: $means,
                        remedy: $remedy,
                        commands: &[$($($command,)+)?],
                        more: $more,
                    },)+
                }
            }
        }
    };
}
pub(super) use kinds;

use super::{Kind, Remedy};

impl Kind {
    /// `FLAT-E012`, for ever.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.entry().code
    }

    /// The code of the CNI specification, or one of our own from 100 on.
    #[must_use]
    pub fn cni_code(self) -> u32 {
        self.entry().cni
    }

    /// What happened, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// What to do where nobody knows better.
    #[must_use]
    pub fn remedy(self) -> Remedy {
        let entry = self.entry();
        Remedy::of_kind(entry.remedy, entry.commands)
    }

    /// What messages of this kind look like; `..` stands for what differs.
    #[must_use]
    pub fn seen(self) -> &'static [&'static str] {
        self.entry().seen
    }

    /// The kind of the code `text`, also without `FLAT-` and in lower case.
    #[must_use]
    pub fn of_code(text: &str) -> Option<Self> {
        let wanted = text.to_ascii_uppercase();
        let is = |kind: &&Self| kind.code() == wanted || kind.code().strip_prefix("FLAT-") == Some(&wanted);
        Self::ALL.iter().find(is).copied()
    }
}
