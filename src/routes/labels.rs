//! Flatnet's labels of containers.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::table::{Health, Scheme};
use crate::error::{Error, Kind, Result};
use crate::model::config::LONGEST_HOLD;
use crate::model::types::{ContainerName, HostPattern, UrlPath, shown};

/// The prefix of Flatnet's labels.
const PREFIX: &str = "flatnet.";
/// How many names one container may have.
const MOST_HOSTS: usize = 100;
/// All labels, without the prefix.
pub(super) const KNOWN: [&str; 12] = [
    "enable",
    "host",
    "port",
    "path",
    "strip",
    "scheme",
    "stream",
    "hold",
    "health.path",
    "health.interval",
    "health.healthy",
    "health.unhealthy",
];

/// The labels of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// `flatnet.enable`: whether it is routed.
    pub enable: Option<bool>,
    /// `flatnet.host`: host names, separated by commas or blanks, instead of the container's name.
    pub hosts: Vec<HostPattern>,
    /// `flatnet.port`: the HTTP port.
    pub port: Option<u16>,
    /// `flatnet.path`: the URL prefix.
    pub path: Option<UrlPath>,
    /// `flatnet.strip`: whether the prefix is removed from requests.
    pub strip: bool,
    /// `flatnet.scheme`.
    pub scheme: Option<Scheme>,
    /// `flatnet.stream`: whether request bodies are streamed, not buffered.
    pub stream: bool,
    /// `flatnet.hold`: seconds for which requests are held while it restarts.
    pub hold: Option<u16>,
    /// `flatnet.health.*`.
    pub health: Option<Health>,
    /// Whether there is any Flatnet label.
    pub any: bool,
}

/// Reads the labels of `container`. The error names the first invalid one.
pub fn labels(container: &ContainerName, all: &BTreeMap<String, String>) -> Result<Labels> {
    let own: Own =
        all.iter().filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value.trim()))).collect();
    let named = |(key, why): (&str, String)| {
        let what = format!("label {PREFIX}{} of container {container}: {why}", shown(key));
        Error::new(Kind::BadLabel, what)
    };
    read(&own).map_err(named)
}

type Own<'a> = BTreeMap<&'a str, &'a str>;
type Wrong<'a> = (&'a str, String);

fn read<'a>(own: &Own<'a>) -> Result<Labels, Wrong<'a>> {
    if let Some(unknown) = own.keys().find(|key| !KNOWN.contains(key)) {
        return Err((unknown, format!("unknown label; known labels: {}", KNOWN.join(", "))));
    }
    let path = value::<UrlPath>(own, "path")?;
    let strip = flag(own, "strip")?;
    if strip == Some(true) && path.as_ref().is_none_or(UrlPath::is_root) {
        return Err(("strip", "requires flatnet.path".to_owned()));
    }
    Ok(Labels {
        enable: flag(own, "enable")?,
        hosts: hosts(own)?,
        port: number(own, "port", 1, u16::MAX)?,
        path,
        strip: strip.unwrap_or_default(),
        scheme: scheme(own)?,
        stream: flag(own, "stream")?.unwrap_or_default(),
        hold: seconds(own, "hold", 0, LONGEST_HOLD)?,
        health: health(own)?,
        any: !own.is_empty(),
    })
}

fn hosts<'a>(own: &Own<'a>) -> Result<Vec<HostPattern>, Wrong<'a>> {
    let Some(text) = own.get("host") else { return Ok(Vec::new()) };
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let mut hosts = words
        .map(HostPattern::parse)
        .collect::<Result<Vec<_>>>()
        .map_err(|error| ("host", message(&error)))?;
    hosts.sort_by_cached_key(|host| (host.parts().1, host.to_string()));
    hosts.dedup();
    if hosts.len() > MOST_HOSTS {
        return Err(("host", format!("lists {} names, but at most {MOST_HOSTS} are supported", hosts.len())));
    }
    if hosts.is_empty() {
        return Err(("host", "must not be empty; omit it to use the container's name".to_owned()));
    }
    Ok(hosts)
}

fn scheme<'a>(own: &Own<'a>) -> Result<Option<Scheme>, Wrong<'a>> {
    own.get("scheme")
        .map(|text| match *text {
            "http" => Ok(Scheme::Http),
            "https" => Ok(Scheme::Https),
            "grpc" => Ok(Scheme::Grpc),
            "grpcs" => Ok(Scheme::Grpcs),
            other => Err(("scheme", format!("\"{}\" is not one of http, https, grpc, grpcs", shown(other)))),
        })
        .transpose()
}

fn health<'a>(own: &Own<'a>) -> Result<Option<Health>, Wrong<'a>> {
    let interval = seconds(own, "health.interval", 1, 300)?;
    let healthy = number(own, "health.healthy", 1, 20)?;
    let unhealthy = number(own, "health.unhealthy", 1, 20)?;
    let Some(path) = value::<UrlPath>(own, "health.path")? else {
        return match own.keys().find(|key| key.starts_with("health.")) {
            Some(key) => Err((key, "requires flatnet.health.path".to_owned())),
            None => Ok(None),
        };
    };
    Ok(Some(Health {
        path,
        interval: interval.unwrap_or(5),
        healthy: healthy.unwrap_or(2),
        unhealthy: unhealthy.unwrap_or(3),
    }))
}

/// `true` or `false`.
fn flag<'a>(own: &Own<'a>, key: &'static str) -> Result<Option<bool>, Wrong<'a>> {
    own.get(key)
        .map(|text| match *text {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            other => Err((key, format!("\"{}\" is neither true nor false", shown(other)))),
        })
        .transpose()
}

/// `5` or `5s`.
fn seconds<'a>(own: &Own<'a>, key: &'static str, least: u16, most: u16) -> Result<Option<u16>, Wrong<'a>> {
    own.get(key).map(|text| within(key, text.strip_suffix('s').unwrap_or(text), least, most)).transpose()
}

fn number<'a>(own: &Own<'a>, key: &'static str, least: u16, most: u16) -> Result<Option<u16>, Wrong<'a>> {
    own.get(key).map(|text| within(key, text, least, most)).transpose()
}

fn within<'a>(key: &'static str, text: &str, least: u16, most: u16) -> Result<u16, Wrong<'a>> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| (key, format!("\"{}\" is not a number from {least} to {most}", shown(text))))
}

fn value<'a, T: FromStr<Err = Error>>(own: &Own<'a>, key: &'static str) -> Result<Option<T>, Wrong<'a>> {
    own.get(key).map(|text| text.parse().map_err(|error| (key, message(&error)))).transpose()
}

fn message(error: &Error) -> String {
    error.message().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Labels> {
        let all = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        labels(&ContainerName::parse("web").unwrap(), &all)
    }

    #[test]
    fn all_labels_are_parsed() {
        let labels = read(&[
            ("flatnet.enable", "true"),
            ("flatnet.host", "Git.Example.org, *.pages.example.org git"),
            ("flatnet.port", " 3000 "),
            ("flatnet.path", "/git/"),
            ("flatnet.strip", "true"),
            ("flatnet.scheme", "https"),
            ("flatnet.stream", "true"),
            ("flatnet.hold", "30s"),
            ("flatnet.health.path", "/healthz"),
            ("flatnet.health.interval", "2"),
            ("maintainer", "x"),
            ("flatnetwork", "x"),
        ])
        .unwrap();
        assert_eq!(labels.enable, Some(true));
        let hosts: Vec<&str> = labels.hosts.iter().map(HostPattern::as_str).collect();
        assert_eq!(hosts, ["git", "git.example.org", "*.pages.example.org"]);
        assert_eq!((labels.port, labels.path.unwrap().as_str(), labels.strip), (Some(3000), "/git", true));
        assert_eq!((labels.scheme, labels.stream, labels.hold), (Some(Scheme::Https), true, Some(30)));
        let health = labels.health.unwrap();
        assert_eq!(
            (health.path.as_str(), health.interval, health.healthy, health.unhealthy),
            ("/healthz", 2, 2, 3)
        );
        assert!(labels.any);
    }

    #[test]
    fn foreign_labels_are_ignored() {
        assert_eq!(read(&[("traefik.enable", "x"), ("flatnet", "x")]).unwrap(), Labels::default());
    }

    #[test]
    fn a_bad_label_is_named_with_its_container() {
        for (key, value, says) in [
            (
                "flatnet.prot",
                "80",
                "flatnet.prot of container web: unknown label; known labels: enable, host",
            ),
            ("flatnet.port", "80;", "\"80;\" is not a number from 1 to 65535"),
            ("flatnet.port", "0", "not a number"),
            ("flatnet.port", "99999", "not a number"),
            ("flatnet.host", "a b;c", "\"b;c\" is not a valid host name"),
            ("flatnet.host", " , ", "must not be empty"),
            ("flatnet.host", "10.87.1.2", "is an address"),
            ("flatnet.path", "wiki", "\"wiki\" is not a valid path"),
            ("flatnet.path", "/a/../b", "must not contain //"),
            ("flatnet.strip", "true", "requires flatnet.path"),
            ("flatnet.scheme", "ftp", "not one of http"),
            ("flatnet.enable", "maybe", "neither true nor false"),
            ("flatnet.hold", "301", "not a number from 0 to 300"),
            ("flatnet.health.interval", "5", "requires flatnet.health.path"),
            ("flatnet.\u{1b}[31m", "x", "flatnet.\\u{1b}[31m of"),
        ] {
            let error = read(&[(key, value)]).unwrap_err();
            assert_eq!(error.kind(), Kind::BadLabel);
            assert!(error.message().contains(says), "{key}={value}: {error}");
            assert!(error.message().starts_with("label flatnet."), "{error}");
        }
    }
}
