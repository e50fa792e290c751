//! The section `names`: names of containers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::problem::{Problem, problem};
use crate::model::types::HostName;

/// Names of containers, which Flatnet's resolver answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// Whether containers use Flatnet's resolver. If not, they have no names, and `dns` is the contents of their
    /// resolv.conf.
    pub enabled: bool,
    /// The domain of containers' names: `web.direct.flatnet.internal`. In containers `web` is enough.
    #[schemars(with = "String")]
    pub zone: HostName,
}

impl Default for Names {
    fn default() -> Self {
        let zone = HostName::parse("direct.flatnet.internal");
        Self { enabled: true, zone: zone.unwrap_or_else(|_| unreachable!("a constant that parses")) }
    }
}

/// The first invalid value.
pub(super) fn validate(config: &Config) -> Result<(), Problem> {
    let Names { enabled: _, zone } = &config.names;
    let invalid = |why: String, remedy: &str| Err(problem("names.zone", zone, why, remedy));
    if zone.is_bare() {
        let why = "is a single label, which would be a top-level domain".to_owned();
        return invalid(why, "Write a name with a dot, such as direct.flatnet.internal");
    }
    let within = |domain: &&HostName| domain.is_in(zone);
    match config.gateway.domains.iter().find(within) {
        Some(domain) if domain == zone => invalid(
            "is also one of gateway.domains, whose names lead to the HTTP gateway".to_owned(),
            "Write a domain below it, such as direct.flatnet.internal",
        ),
        Some(domain) => invalid(
            format!("contains {domain} of gateway.domains, whose names lead to the HTTP gateway"),
            "Write a domain that contains no other, such as direct.flatnet.internal",
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::model::config::parse;

    #[test]
    fn invalid_zone_is_rejected_with_line_and_remedy() {
        for (text, wanted) in [
            (
                "names:\n  zone: containers\n",
                "f.yaml:2: names.zone: containers is a single label, which would be a top-level domain. Write a name \
                 with a dot, such as direct.flatnet.internal",
            ),
            (
                "names:\n  enabled: false\n  zone: Flatnet.internal\n",
                "f.yaml:3: names.zone: flatnet.internal is also one of gateway.domains, whose names lead to the HTTP \
                 gateway. Write a domain below it, such as direct.flatnet.internal",
            ),
            (
                "names: {zone: corp.example}\ngateway: {domains: [local, web.corp.example]}\n",
                "f.yaml:1: names.zone: corp.example contains web.corp.example of gateway.domains, whose names lead",
            ),
            ("names: {zone: a.b c}\n", "f.yaml:1:8: names: \"a.b c\" is not a valid host name"),
            (
                "names: {zones: a.b}\n",
                "f.yaml:1:9: names: unknown field `zones`, expected `enabled` or `zone`",
            ),
        ] {
            let line = parse(text, Path::new("f.yaml")).unwrap_err().to_line();
            assert!(line.contains(wanted), "{text}: {line}");
        }
        let close = "names: {zone: xcorp.example}\ngateway: {domains: [corp.example]}\n";
        assert_eq!(parse(close, Path::new("f.yaml")).unwrap().names.zone.as_str(), "xcorp.example");
    }
}
