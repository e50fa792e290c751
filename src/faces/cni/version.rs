//! Versions of the CNI specification.

use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};

/// A supported version of the CNI specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Version {
    V0_1_0,
    V0_2_0,
    V0_3_0,
    V0_3_1,
    V0_4_0,
    V1_0_0,
    V1_1_0,
}

/// All supported versions, oldest first.
pub const SUPPORTED: [Version; 7] = [
    Version::V0_1_0,
    Version::V0_2_0,
    Version::V0_3_0,
    Version::V0_3_1,
    Version::V0_4_0,
    Version::V1_0_0,
    Version::V1_1_0,
];

/// The version of an error before the input's is known: one that every current runtime reads.
impl Default for Version {
    fn default() -> Self {
        Self::V1_0_0
    }
}

impl Version {
    /// `1.0.0` and so on.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The version of a network configuration; 0.1.0 if absent, as specified.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        let text = text.filter(|text| !text.is_empty()).unwrap_or("0.1.0");
        SUPPORTED.into_iter().find(|version| version.as_str() == text).ok_or_else(|| {
            let all = SUPPORTED.map(Self::as_str).join(", ");
            Error::new(
                Kind::Version,
                format!("cniVersion \"{}\" is not supported", crate::model::types::shown(text)),
            )
            .remedy(format!("Write one of {all} in the conflist"))
        })
    }

    /// Rejects a command that is newer than this version.
    pub fn require(self, since: Self, command: &str) -> Result<()> {
        if self >= since {
            return Ok(());
        }
        let message = format!(
            "{command} requires CNI {}, but the network's cniVersion is {}",
            since.as_str(),
            self.as_str()
        );
        Err(Error::new(Kind::Version, message)
            .remedy(format!("Write {} in the conflist, if this runtime supports it", since.as_str())))
    }
}

/// The answer to VERSION: all supported versions, whatever the input.
pub(super) fn answer(stdin: &[u8]) -> Value {
    let input: Option<Value> = serde_json::from_slice(stdin).ok();
    let asked = input.as_ref().and_then(|input| input.get("cniVersion")).and_then(Value::as_str);
    let version = Version::parse(asked).unwrap_or(Version::V1_1_0);
    json!({"cniVersion": version.as_str(), "supportedVersions": SUPPORTED.map(Version::as_str)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_version_is_0_1_0_and_unknown_is_rejected() {
        assert_eq!(Version::parse(None).unwrap(), Version::V0_1_0);
        assert_eq!(Version::parse(Some("1.1.0")).unwrap(), Version::V1_1_0);
        assert_eq!(Version::parse(Some("1.2.0")).unwrap_err().kind(), Kind::Version);
        assert_eq!(Version::V0_3_1.require(Version::V0_4_0, "CHECK").unwrap_err().kind().cni_code(), 1);
    }
}
