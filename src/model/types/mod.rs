//! Newtypes that cannot hold an invalid value. Only their values reach `ip`, `nft`, nginx or a path.

mod addresses;
mod alias;
mod attachment_id;
mod caller;
mod container_id;
mod container_name;
mod host_name;
mod host_numbers;
mod if_name;
mod ipv6_mapping;
mod link_group;
mod mac;
mod netns_id;
mod netns_path;
mod network_name;
mod nginx_path;
mod owner;
mod pattern;
mod port;
mod port_mode;
mod route_table;
mod sysctl_key;
mod table_name;
mod url_path;
mod user_name;

pub use addresses::{Addresses, are_of_one_family};
pub use alias::LinkAlias;
pub use attachment_id::AttachmentId;
pub use caller::Caller;
pub use container_id::ContainerId;
pub use container_name::ContainerName;
pub use host_name::{HostName, HostPattern};
pub use host_numbers::HostNumbers;
pub use if_name::IfName;
pub use ipv6_mapping::Ipv6Mapping;
pub use link_group::LinkGroup;
pub use mac::Mac;
pub use netns_id::NetnsId;
pub use netns_path::NetnsPath;
pub use network_name::NetworkName;
pub use nginx_path::NginxPath;
pub use owner::Owner;
pub use pattern::shown;
pub use port::{PortMapping, Protocol};
pub use port_mode::PortMode;
pub use route_table::RouteTable;
pub use sysctl_key::SysctlKey;
pub use table_name::TableName;
pub use url_path::UrlPath;
pub use user_name::{User, UserName};

/// Implements `Display`, `FromStr`-based (de)serialisation and `AsRef<str>` for a newtype over `String`
/// that has `fn parse(&str) -> Result<Self>`.
macro_rules! string_newtype {
    ($name:ident) => {
        impl $name {
            /// The validated text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = crate::error::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use string_newtype;
