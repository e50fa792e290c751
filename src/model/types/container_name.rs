//! Names of containers and pods.

use super::pattern::{is_name, pattern};

pattern!(CONTAINER_NAME, "container name", r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", 253, |text| is_name(
    text, "", "_.-"
));

/// The name of a container or pod, or an alias of one: what Podman and Kubernetes allow. It is kept and shown; it
/// never reaches `ip` or `nft`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName(String);

impl ContainerName {
    /// Checks `text`.
    pub fn parse(text: &str) -> crate::error::Result<Self> {
        CONTAINER_NAME.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(ContainerName);
