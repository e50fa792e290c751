//! Reads the configuration file.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::problem::Problem;
use super::validate::validate;
use super::{Config, locate};
use crate::error::{self, Error, Kind, Remedy, Result};
use crate::model::types::shown;
use crate::shell::quote;

/// The default path of the configuration.
pub const DEFAULT_PATH: &str = "/etc/flatnet/flatnet.yaml";

/// The size limit of a configuration.
const MAX_BYTES: u64 = 1 << 20;

/// Reads, parses and checks the configuration at `path`.
pub fn load(path: &Path) -> Result<Config> {
    parse(&read(path)?, path)
}

/// The same for a user's plugin, which changes nothing of this host: in its user namespace root's files belong to nobody.
pub fn load_for_user(path: &Path) -> Result<Config> {
    parse(&text(open(path)?, path)?, path)
}

/// Reads a file of the configuration, which only root may write.
pub(super) fn read(path: &Path) -> Result<String> {
    let file = open(path)?;
    refuse_writable_by_others(&file, path)?;
    text(file, path)
}

fn open(path: &Path) -> Result<File> {
    // The path may name a pipe, which would block an open.
    #[expect(clippy::cast_possible_wrap, reason = "the flag is far below the sign bit")]
    let not_waiting = OFlags::NONBLOCK.bits() as i32;
    OpenOptions::new().read(true).custom_flags(not_waiting).open(path).map_err(|cause| {
        if cause.kind() == std::io::ErrorKind::NotFound {
            let what = format!("there is no configuration at {}", path.display());
            return Error::new(Kind::ConfigMissing, what).source(cause);
        }
        error::io("read the configuration", path)(cause)
    })
}

fn text(file: File, path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(error::io("read the configuration", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        let what = format!("{}: the file exceeds {} MiB", path.display(), MAX_BYTES >> 20);
        return Err(Error::new(Kind::ConfigSyntax, what)
            .remedy("Check the path; `flatnet init` writes a configuration"));
    }
    String::from_utf8(bytes).map_err(|cause| {
        Error::new(Kind::ConfigSyntax, format!("{} is not valid UTF-8", path.display())).source(cause)
    })
}

/// Parses and checks `text`; errors name `path`.
pub fn parse(text: &str, path: &Path) -> Result<Config> {
    let config: Config =
        if text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty()) {
            Config::default()
        } else {
            serde_yaml::from_str(text).map_err(|cause| yaml_error(&cause, text, path))?
        };
    validate(&config).map_err(|problem| value_error(&problem, text, path))?;
    Ok(config)
}

/// The valid configurations beside the default one, and it itself, which comes first.
#[must_use]
pub fn installed() -> Vec<(PathBuf, Config)> {
    let default = Path::new(DEFAULT_PATH);
    let entries = default.parent().and_then(|directory| std::fs::read_dir(directory).ok());
    let files = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort_by_key(|path| (path != default, path.clone()));
    files.into_iter().filter_map(|path| Some((path.clone(), load(&path).ok()?))).collect()
}

/// Checks a configuration that was not read from a file.
pub(super) fn check(config: &Config) -> Result<()> {
    validate(config).map_err(|problem| without_line(&problem))
}

/// The error for a value that was not read from a file.
pub(super) fn without_line(Problem { field, value, why, remedy }: &Problem) -> Error {
    Error::new(Kind::ConfigValue, format!("{field}: {} {why}", shown(value))).remedy(remedy)
}

pub(super) fn yaml_error(cause: &serde_yaml::Error, text: &str, path: &Path) -> Error {
    let whole = error::parser_says(cause);
    let what = whole.split(" at line ").next().unwrap_or(&whole);
    let place = cause.location().map_or(String::new(), |at| {
        let (line, column) = (at.line(), at.column());
        // The parser reports where the mapping begins, not where the duplicate is.
        let repeated = what.split_once("duplicate field `").and_then(|(_, field)| field.split_once('`'));
        let again = repeated.and_then(|(field, _)| locate::second_line_of(text, field, line, column));
        format!(":{}:{column}", again.unwrap_or(line))
    });
    Error::new(Kind::ConfigSyntax, format!("{}{place}: {what}", path.display()))
}

pub(super) fn value_error(problem: &Problem, text: &str, path: &Path) -> Error {
    let Problem { field, value, why, remedy } = problem;
    let place = locate::line_of(text, field).map_or(String::new(), |line| format!(":{line}"));
    Error::new(Kind::ConfigValue, format!("{}{place}: {field}: {} {why}", path.display(), shown(value)))
        .remedy(remedy)
}

/// A file that others can write would let them run commands as root.
fn refuse_writable_by_others(file: &File, path: &Path) -> Result<()> {
    let found = file.metadata().map_err(error::io("read the configuration", path))?;
    let owner_is_trusted = found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_file() {
        return Err(Error::new(
            Kind::ConfigUnsafe,
            format!("the configuration {} is not a regular file", path.display()),
        )
        .remedy(format!("Name a file, such as {DEFAULT_PATH}")));
    }
    if !owner_is_trusted && is_in_user_namespace() {
        return Err(Error::new(
            Kind::NotAllowed,
            "this process is root in a user namespace only, as under rootless Podman",
        ));
    }
    if !owner_is_trusted || found.mode() & 0o022 != 0 {
        let shown = path.display();
        let quoted = quote(&path.to_string_lossy());
        return Err(Error::new(
            Kind::ConfigUnsafe,
            format!(
                "{shown} is writable by users other than root (owner {}, mode {:04o})",
                found.uid(),
                found.mode() & 0o7777
            ),
        )
        .remedy(Remedy::run([format!("chown root:root {quoted}"), format!("chmod 644 {quoted}")])));
    }
    Ok(())
}

/// Whether this process is in a user namespace, in which root's own files seem to belong to another user.
fn is_in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && map.split_whitespace().ne(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::Bridging;
    use crate::model::types::PortMode;

    fn message(text: &str) -> String {
        parse(text, Path::new("f.yaml")).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        for text in ["# nothing\n", "gateway:\n#  hold: 3\n"] {
            assert_eq!(parse(text, Path::new("f")).unwrap(), Config::default());
        }
    }

    #[test]
    fn isolated_is_accepted_as_old_name_of_routed() {
        let read = |text: &str| parse(text, Path::new("f")).unwrap();
        let (routed, isolated) = (read("bridging: routed\n"), read("bridging: isolated\n"));
        assert_eq!(read(""), routed, "the default");
        assert_eq!(isolated.bridging, Bridging::Isolated, "so that `up` can say so");
        assert_eq!(isolated.resolved(), routed.resolved());
        assert_eq!([isolated.port_mode(), routed.port_mode()], [PortMode::Routed; 2]);
        let plain = read("bridging: plain\n");
        assert_eq!((plain.resolved().bridging, plain.port_mode()), (Bridging::Plain, PortMode::Plain));
    }

    #[test]
    fn masquerade_port_range_is_inclusive() {
        let ports =
            parse("masquerade_ports: {from: 5000, to: 6000}\n", Path::new("f")).unwrap().masquerade_ports;
        assert_eq!([4999, 5000, 6000, 6001].map(|port| ports.contains(port)), [false, true, true, false]);
        assert_eq!(Config::default().masquerade_ports.to_string(), "61000-65535");
    }

    #[test]
    fn errors_name_file_line_field_value_and_remedy() {
        for (text, wanted) in [
            ("# c\nmtu: 1\nnetwork: mtu\nmtu: 2\n", "f.yaml:4:1: duplicate field `mtu`"),
            (
                "limits:\n  lock_seconds: 1\n  # lock_seconds: 2\n  lock_seconds: 3\n",
                "f.yaml:4:3: limits: duplicate field",
            ),
            (
                "limits: {lock_seconds: 1, lock_seconds: 2}\n",
                "f.yaml:1:9: limits: duplicate field `lock_seconds`",
            ),
            ("network: a\nbrigde: x\n", "f.yaml:2:1: unknown field `brigde`, expected one of"),
            (
                "subnet: 10.88.1.0/24\n",
                "f.yaml:1: subnet: 10.88.1.0/24 is not inside range 10.87.0.0/16. Make the range larger",
            ),
            (
                "subnet: 10.87.1.7/24\n",
                "f.yaml:1: subnet: 10.87.1.7/24 has host bits set. Write 10.87.1.0/24",
            ),
            (
                "# c\nallocate:\n  from: 10.87.1.9\n  to: 10.87.1.3\n",
                "f.yaml:4: allocate.to: 10.87.1.3 comes before allocate.from 10.87.1.9. Swap",
            ),
            (
                "allocate: {from: 10.87.1.1, to: 10.87.1.1}\n",
                "f.yaml:1: allocate: 10.87.1.1 to 10.87.1.1 leaves no address",
            ),
            (
                "bridge_address: 10.87.1.255\n",
                "f.yaml:1: bridge_address: 10.87.1.255 is the network or broadcast address",
            ),
            (
                "network: a\ngateway: 10.87.1.1\n",
                "f.yaml:2:10: gateway: `gateway` is the section of the HTTP gateway; for the bridge's address write `bridge_address: 10.87.1.1`",
            ),
            ("gateway: {hosts: 1}\n", "unknown field `hosts`, expected one of `directory`, `domains`"),
            ("gateway: 7\n", "expected the fields of the HTTP gateway"),
            ("gateway:\n  domains: [a, \"b;c\"]\n", "gateway.domains: \"b;c\" is not a valid host name"),
            ("gateway:\n  domains: []\n", "f.yaml:2: gateway.domains: [] is empty. Write"),
            ("gateway:\n  listen: 0\n", "f.yaml:2: gateway.listen: 0 is not a valid port"),
            (
                "gateway:\n  allow: [10.1.2.3/8]\n",
                "f.yaml:2: gateway.allow[0]: 10.1.2.3/8 has host bits set. Write 10.0.0.0/8",
            ),
            (
                "gateway:\n  tls: {certificate: a.pem, key: a.key, listen: 80}\n",
                "f.yaml:2: gateway.tls.listen: 80 is also the port of gateway.listen",
            ),
            ("gateway:\n  tls: {certificate: \"a b\", key: k}\n", "gateway.tls: \"a b\" is not a valid path"),
            ("gateway:\n  hold: 301\n", "f.yaml:2: gateway.hold: 301 exceeds 300 seconds"),
            ("gateway:\n  directory: c\n", "f.yaml:2: gateway.directory: c is not an absolute path"),
            (
                "reserved:\n- 10.87.1.4\n- 10.99.0.1\n",
                "f.yaml:3: reserved[1]: 10.99.0.1 is not inside subnet",
            ),
            ("mtu: 40\n", "f.yaml:1: mtu: 40 is not between 576 and 65535"),
            ("ingress_gateways: [0.0.0.0]\n", "f.yaml:1: ingress_gateways[0]: 0.0.0.0 is not a host address"),
            ("tools: {ip: ip}\n", "f.yaml:1: tools.ip: ip is not an absolute path"),
            ("tools: {conntrack: c}\n", "f.yaml:1: tools.conntrack: c is not an absolute path"),
            ("limits: {lock_seconds: 0}\n", "f.yaml:1: limits.lock_seconds: 0 is not between"),
            (
                "rootless: {users: {Alice: {}, alice: {}}}\n",
                "f.yaml:1: rootless.users: alice differs from Alice in case only",
            ),
            ("bridge: \"a;b\"\n", "\\\"a;b\\\" is not a valid interface name"),
            (
                "mtu: 'big'\n",
                "f.yaml:1:6: mtu: invalid value: string \"big\", expected `auto` or a number of bytes",
            ),
            ("dns: {search: [\"a b\"]}\n", "dns.search[0]: a b is not a valid domain name"),
            (
                "masquerade_ports:\n  from: 1023\n  to: 65535\n",
                "f.yaml:2: masquerade_ports.from: 1023 is below 1024, in the range of system services. Write 61000",
            ),
            (
                "masquerade_ports:\n  from: 5000\n  to: 4999\n",
                "f.yaml:3: masquerade_ports.to: 4999 comes before masquerade_ports.from 5000. Swap the two",
            ),
            ("masquerade_ports: {from: 5000}\n", "masquerade_ports: missing field `to`"),
            (
                "masquerade_ports: {from: 5000, to: 6000}\nhost_ports:\n- {protocol: udp, port: 4999}\n- {protocol: tcp, port: 6000}\n",
                "host_ports[1].port: 6000 is inside masquerade_ports 5000-6000. Give the service another port, or narrow",
            ),
            (
                "bridging: bridged\n",
                "unknown variant `bridged`, expected one of `routed`, `plain`, `isolated`",
            ),
        ] {
            let message = message(text).replace("\\\"", "\"");
            assert!(
                message.contains(&wanted.replace("\\\"", "\"")),
                "{text}\n  got: {message}\n  not: {wanted}"
            );
        }
    }

    #[test]
    fn ipv6_needs_a_prefix_that_suits_the_range() {
        for (text, wanted) in [
            ("ipv6: on\n", "f.yaml:1:1: \"on\" is not `off`, `auto` or a prefix such as"),
            (
                "ipv6: 2001:db8::1/48\n",
                "f.yaml:1: ipv6: 2001:db8::1/48 has host bits set. Write 2001:db8::/48",
            ),
            ("ipv6: fe80::/64\n", "f.yaml:1: ipv6: fe80::/64 is not a unicast prefix"),
            ("ipv6: 2001:db8::/56\n", "f.yaml:1: ipv6: 2001:db8::/56 is neither a /48 nor a /64"),
            (
                "subnet: 10.87.0.0/20\nipv6: 2001:db8::/64\n",
                "f.yaml:2: ipv6: 2001:db8::/64 has no address for each of subnet 10.87.0.0/20",
            ),
            ("bridging: plain\nipv6: auto\n", "f.yaml:2: ipv6: auto needs `bridging: routed`"),
            ("ipv6: auto\nmtu: 1200\n", "f.yaml:1: ipv6: auto needs an MTU of 1280 or more, not 1200"),
        ] {
            let message = message(text);
            assert!(
                message.replace("\\\"", "\"").contains(wanted),
                "{text}\n  got: {message}\n  not: {wanted}"
            );
        }
        for text in ["ipv6: auto\n", "ipv6: 2001:db8:1::/48\n", "ipv6: fd12:3456:789a:1::/64\n"] {
            assert!(parse(text, Path::new("f")).unwrap().ipv6_mapping().is_some(), "{text}");
        }
        assert_eq!(parse("ipv6: off\n", Path::new("f")).unwrap(), Config::default());
    }
}
