//! Whose a host name is. A user's container gets no name that a container of root's, the gateway or another user has, not even for a
//! path below it: whoever serves a part of a site can read what its visitors send.

use std::collections::BTreeMap;
use std::fmt;

use super::reserved;
use crate::model::config::Config;
use crate::model::types::{ContainerName, HostName, HostPattern, UserName};
use crate::routes::unrouted_reason::{Explanation, Reason};

/// Who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::routes) struct Holder {
    /// The other host that has the container; none for this host.
    pub(in crate::routes) host: Option<u16>,
    /// Whose container it is; none for root's.
    pub(in crate::routes) user: Option<UserName>,
    /// The container.
    pub(in crate::routes) container: ContainerName,
}

impl Holder {
    fn is_same_owner(&self, other: &Self) -> bool {
        (self.host, &self.user) == (other.host, &other.user)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, user, container } = self;
        let whose = if user.is_none() { "root's container " } else { "" };
        write!(f, "{whose}{container}")?;
        host.map_or(Ok(()), |number| write!(f, " of host {number}"))
    }
}

/// The names so far, each with the first who has it.
#[derive(Debug, Default)]
pub(in crate::routes) struct Holders(BTreeMap<String, Holder>);

impl Holders {
    /// Gives `holder` those of `hosts` that nobody has.
    pub(in crate::routes) fn add(&mut self, hosts: &[HostPattern], holder: &Holder) {
        for host in hosts {
            self.0.entry(host.to_string()).or_insert_with(|| holder.clone());
        }
    }

    /// Why the container of the user `own` does not get `hosts`, with the first name that it may not have.
    pub(in crate::routes) fn refusal(
        &self,
        (config, gateway): (&Config, &HostName),
        (own, user): (&Holder, &UserName),
        (hosts, path): (&[HostPattern], &str),
    ) -> Option<Explanation> {
        if hosts.is_empty() {
            return Some(Explanation::new(Reason::OwnName, &[("url", &path)]));
        }
        hosts.iter().find_map(|host| {
            if reserved::is_closed_to_users(config, gateway, host) {
                return Some(Explanation::new(Reason::OwnName, &[("url", host)]));
            }
            let other = match reserved::user_of(config, host) {
                Some(other) if other != user => format!("user {other}"),
                _ => self.other(host, own)?.to_string(),
            };
            Some(Explanation::new(Reason::NameOfAnother, &[("url", host), ("other", &other)]))
        })
    }

    /// Who else has `host`, or a wildcard that matches it.
    fn other(&self, host: &HostPattern, own: &Holder) -> Option<&Holder> {
        let (name, _) = host.parts();
        let parents = name.match_indices('.').map(|(dot, _)| format!("*{}", &name[dot..]));
        let all = std::iter::once(host.to_string()).chain(parents);
        all.filter_map(|name| self.0.get(&name)).find(|holder| !holder.is_same_owner(own))
    }
}
