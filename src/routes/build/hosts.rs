//! The names by which a container is reached.

use super::Sources;
use crate::error::Result;
use crate::model::types::{HostName, HostPattern};
use crate::routes::labels::Labels;
use crate::routes::podman::Container;
use crate::routes::table::LONGEST_NAME;
use crate::routes::why::{Reason, Why};

/// The hosts it answers to: those of its label, in each domain where they are a bare word; else its own name. One with a
/// path and no host answers at the gateway's own.
pub(super) fn hosts(
    sources: &Sources<'_>,
    container: &Container,
    labels: &Labels,
) -> Result<Vec<HostPattern>, Why> {
    let name = container.name.as_str();
    if name.len() > LONGEST_NAME {
        return Err(Why::new(Reason::LongName, &[("characters", &LONGEST_NAME)]));
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
        Err(error) => Err(Why::new(Reason::BadHost, &[("problem", &error.message())])),
    }
}
