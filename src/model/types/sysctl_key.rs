//! Keys of `sysctl`.

use super::IfName;
use super::pattern::{is_name, pattern};

/// A sysctl key in the form with slashes, which also works for interface names with dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SysctlKey(String);

impl SysctlKey {
    /// Whether this host forwards IPv4: `net/ipv4/ip_forward`.
    #[must_use]
    pub fn ip_forward() -> Self {
        Self("net/ipv4/ip_forward".to_owned())
    }

    /// Whether new links forward: `net/ipv4/conf/default/forwarding`.
    #[must_use]
    pub fn default_forwarding() -> Self {
        Self("net/ipv4/conf/default/forwarding".to_owned())
    }

    /// `net/ipv4/conf/DEV/SETTING`.
    #[must_use]
    pub fn ipv4_conf(dev: &IfName, setting: &'static str) -> Self {
        Self(format!("net/ipv4/conf/{dev}/{setting}"))
    }

    /// `net/ipv4/neigh/DEV/SETTING`.
    #[must_use]
    pub fn ipv4_neigh(dev: &IfName, setting: &'static str) -> Self {
        Self(format!("net/ipv4/neigh/{dev}/{setting}"))
    }

    /// `net/ipv6/conf/DEV/SETTING`.
    #[must_use]
    pub fn ipv6_conf(dev: &IfName, setting: &'static str) -> Self {
        Self(format!("net/ipv6/conf/{dev}/{setting}"))
    }

    /// Whether this host forwards IPv6: `net/ipv6/conf/all/forwarding`. The kernel changes every link's setting with it.
    #[must_use]
    pub fn ipv6_forwarding() -> Self {
        Self("net/ipv6/conf/all/forwarding".to_owned())
    }

    /// Whether this is a setting by which this host forwards packets.
    #[must_use]
    pub fn is_forwarding(&self) -> bool {
        [Self::ip_forward(), Self::ipv6_forwarding()].contains(self)
    }

    /// Its path in /proc/sys.
    #[must_use]
    pub fn proc_path(&self) -> std::path::PathBuf {
        std::path::Path::new("/proc/sys").join(&self.0)
    }

    fn parse(text: &str) -> crate::error::Result<Self> {
        KEY.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

pattern!(KEY, "sysctl key", r"^net/ipv[46](/[A-Za-z0-9_][A-Za-z0-9_.\-]*)+$", 128, |text| {
    let key = text.strip_prefix("net/ipv4/").or_else(|| text.strip_prefix("net/ipv6/"));
    key.is_some_and(|key| key.split('/').all(|part| is_name(part, "_", "_.-")))
});
super::string_newtype!(SysctlKey);
