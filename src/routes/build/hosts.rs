//! The host names of a container.

use super::Sources;
use crate::error::Result;
use crate::model::types::{HostName, HostPattern};
use crate::routes::labels::Labels;
use crate::routes::podman::Container;
use crate::routes::table::LONGEST_NAME;
use crate::routes::unrouted_reason::{Explanation, Reason};

/// The hosts of its label, a bare name in each domain; without a label, its container name. With a path and no host, the list
/// is empty: the route is at the gateway's own names.
pub(super) fn hosts(
    sources: &Sources<'_>,
    container: &Container,
    labels: &Labels,
) -> Result<Vec<HostPattern>, Explanation> {
    let name = container.name.as_str();
    if name.len() > LONGEST_NAME {
        return Err(Explanation::new(Reason::LongName, &[("characters", &LONGEST_NAME)]));
    }
    if labels.hosts.is_empty() && labels.path.as_ref().is_some_and(|path| !path.is_root()) {
        return Ok(Vec::new());
    }
    let domains = &sources.config.gateway.domains;
    let in_each = |word: &HostName| domains.iter().map(|domain| Ok(word.within(domain)?.into())).collect();
    let whole = |host: &HostPattern| match HostName::parse(host.as_str()) {
        Ok(word) if word.is_bare() => in_each(&word),
        _ => Ok(vec![host.clone()]),
    };
    let hosts: Result<Vec<Vec<HostPattern>>> = if labels.hosts.is_empty() {
        HostName::parse(name).and_then(|word| in_each(&word)).map(|hosts| vec![hosts])
    } else {
        labels.hosts.iter().map(whole).collect()
    };
    match hosts {
        Ok(hosts) => Ok(hosts.into_iter().flatten().collect()),
        Err(error) => Err(Explanation::new(Reason::BadHost, &[("problem", &error.message())])),
    }
}
