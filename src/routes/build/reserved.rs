//! Names and paths reserved for the gateway: the portal's names, and the pages below `/_flatnet`.

use crate::model::config::Config;
use crate::model::types::{HostName, HostPattern, UrlPath, UserName};

/// The first reserved combination of `hosts` and `path`; no host means the gateway's own names. `flatnet.own_names` (Lua) has the
/// same list for requests. A wildcard may cover reserved names, since the gateway's own names take precedence.
pub(in crate::routes) fn claimed(
    config: &Config,
    own: &HostName,
    hosts: &[HostPattern],
    path: &UrlPath,
) -> Option<String> {
    let path = path.as_str();
    if !(path == "/" || path == "/_flatnet" || path.starts_with("/_flatnet/")) {
        return None;
    }
    let is_own = |host: &&HostPattern| is_name(config, own.as_str(), host.as_str());
    match hosts.iter().find(is_own) {
        Some(host) if path == "/" => Some(host.to_string()),
        Some(host) => Some(format!("{host}{path}")),
        None => hosts.is_empty().then(|| path.to_owned()),
    }
}

fn is_name(config: &Config, own: &str, host: &str) -> bool {
    let in_domain = |label: &str| ["portal", own].contains(&label);
    host == "localhost"
        || host == own
        || config.gateway.domains.iter().any(|domain| {
            host.strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.strip_suffix('.').is_some_and(in_domain))
        })
}

/// Whether no user's container may have `host`, whatever its path: the gateway's own names, and wildcards that match all names of one
/// of its domains.
pub(super) fn is_closed_to_users(config: &Config, own: &HostName, host: &HostPattern) -> bool {
    let (name, is_wildcard) = host.parts();
    let is_above = |domain: &HostName| {
        domain.as_str().strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if is_wildcard {
        config.gateway.domains.iter().any(is_above)
    } else {
        is_name(config, own.as_str(), name)
    }
}

/// The user whose name is the last label of `host` in one of the gateway's domains: `web.alice.DOMAIN` is alice's.
pub(super) fn user_of<'c>(config: &'c Config, host: &HostPattern) -> Option<&'c UserName> {
    let (name, _) = host.parts();
    let label = config.gateway.domains.iter().find_map(|domain| {
        let rest = name.strip_suffix(domain.as_str())?.strip_suffix('.')?;
        rest.rsplit('.').next()
    })?;
    config.rootless.users.keys().find(|user| user.as_str().eq_ignore_ascii_case(label))
}
