//! The macro behind the table: it makes a variant of each entry, with its codes and texts.

/// An entry of the table.
#[derive(Debug)]
pub(super) struct Entry {
    /// `FLAT-E012`. Never changes its meaning, and is never reused.
    pub(super) code: &'static str,
    /// The CNI specification's error code, or one of our own from 100 on.
    pub(super) cni: u32,
    /// What happened, in a few words.
    pub(super) title: &'static str,
    /// What its messages look like; `..` stands for text that varies.
    pub(super) seen: &'static [&'static str],
    /// Why it happens, and its consequences.
    pub(super) means: &'static str,
    /// The default help of its messages.
    pub(super) remedy: &'static str,
    /// The commands in the remedy that can be pasted.
    pub(super) commands: &'static [&'static str],
    /// Further help.
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
        /// The kind of a failure. Each has a code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = $title] $name,)+
        }

        impl Kind {
            /// All kinds, by code.
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
    /// `FLAT-E012`; it never changes.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.entry().code
    }

    /// The CNI specification's error code, or one of our own from 100 on.
    #[must_use]
    pub fn cni_code(self) -> u32 {
        self.entry().cni
    }

    /// What happened, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// The default remedy.
    #[must_use]
    pub fn remedy(self) -> Remedy {
        let entry = self.entry();
        Remedy::of_kind(entry.remedy, entry.commands)
    }

    /// What its messages look like; `..` stands for text that varies.
    #[must_use]
    pub fn seen(self) -> &'static [&'static str] {
        self.entry().seen
    }

    /// The kind with the code `text`, which may lack `FLAT-` and be in lower case.
    #[must_use]
    pub fn of_code(text: &str) -> Option<Self> {
        let wanted = text.to_ascii_uppercase();
        let is = |kind: &&Self| kind.code() == wanted || kind.code().strip_prefix("FLAT-") == Some(&wanted);
        Self::ALL.iter().find(is).copied()
    }
}
