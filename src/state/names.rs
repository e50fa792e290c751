//! The names of one network, as `flatnet dns` reads them.
//!
//! `up` replaces the file by rename, ADD and DEL append a line to it (see [`Change`]). It is derived from configuration
//! and receipts: if it is lost, `flatnet repair` writes it again. Each line is a keyword and its words, separated by one
//! blank; a later line counts more than an earlier one. A last line without its end is still being written.

use std::collections::HashSet;
use std::fmt::{self, Display, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::error::{Error, Kind, Result};
use crate::model::types::{AttachmentId, ContainerName, HostName, HostNumbers, NetworkName, shown};

/// Where the files are: one for each network, called like it. Not below `/run/flatnet`, which only root may enter.
pub const DIRECTORY: &str = "/run/flatnet-dns";
/// The size limit of a file.
pub const MAX_BYTES: u64 = 16 << 20;
/// The format version.
const VERSION: u32 = 1;
const HEADER: &str =
    "# Flatnet's names of this network: read by `flatnet dns`, written by `flatnet up`, ADD and DEL\n";

/// The names of one network, and how to answer for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesFile {
    /// The network.
    pub network: NetworkName,
    /// The address of this host at which the resolver listens.
    pub listen: Ipv4Addr,
    /// The network's addresses, which may ask.
    pub subnet: Ipv4Net,
    /// The IPv6 addresses that belong to `subnet`, if containers have any.
    pub subnet6: Option<Ipv6Net>,
    /// The range of all hosts' networks, if this host is connected with others. Their resolvers answer for their containers, and may
    /// ask this one for its.
    pub range: Option<Ipv4Net>,
    /// Further addresses that may ask.
    pub clients: Vec<Ipv4Net>,
    /// The domain of the names in `entries` and `hosts`.
    pub zone: HostName,
    /// Domains whose names, and which themselves, lead to an address: the HTTP gateway's.
    pub domains: Vec<(HostName, Ipv4Addr)>,
    /// Names in the zone that are no containers.
    pub hosts: Vec<(HostName, Ipv4Addr)>,
    /// Where other questions go; if empty, to the servers of this host's resolv.conf.
    pub upstreams: Vec<IpAddr>,
    /// The containers, sorted by address.
    pub entries: Vec<NameEntry>,
    /// Lines of a newer version, kept as they are.
    pub unknown: Vec<String>,
}

/// A line that ADD or DEL appends.
#[derive(Clone, Debug)]
pub enum Change {
    /// An address and its names, in place of what was said of the address before.
    Name(NameEntry),
    /// Nothing that was said of the attachment before counts any more.
    Gone(AttachmentId),
}

impl Change {
    /// Parses lines that were appended.
    pub fn parse_lines(text: &str) -> Result<Vec<Self>> {
        let parse = |line: &str| {
            let mut words = Words(line.split(' '));
            let keyword = words.0.next().unwrap_or_default();
            let change = words.change(keyword)?;
            words.end().map(|()| change)
        };
        text.lines().map(parse).collect()
    }
}

/// One address of an attachment and its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameEntry {
    /// The address.
    pub address: Ipv4Addr,
    /// The container's IPv6 address, if it has one.
    pub ipv6: Option<Ipv6Addr>,
    /// Who holds it. The first 12 characters of the container's ID are a name, too.
    pub id: AttachmentId,
    /// The container's name, if it has one, then its aliases.
    pub names: Vec<ContainerName>,
}

impl NamesFile {
    /// A network without containers, domains and hosts.
    #[must_use]
    pub fn new(network: NetworkName, listen: Ipv4Addr, subnet: Ipv4Net, zone: HostName) -> Self {
        Self {
            network,
            listen,
            subnet,
            subnet6: None,
            range: None,
            clients: Vec::new(),
            zone,
            domains: Vec::new(),
            hosts: Vec::new(),
            upstreams: Vec::new(),
            entries: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// The numbers of the hosts that this one is connected with, and its own.
    #[must_use]
    pub fn host_numbers(&self) -> Option<(HostNumbers, u16)> {
        let numbers = HostNumbers::new(self.range?, self.subnet);
        Some((numbers, numbers.number_of(self.listen)?))
    }

    /// Parses the text of a file.
    pub fn parse(text: &str) -> Result<Self> {
        let mut draft = Draft::default();
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        for (index, line) in whole.lines().enumerate().filter(|(_, line)| is_content(line)) {
            draft.read(line).map_err(|error| error.context(format!("line {}", index + 1)))?;
        }
        draft.finish()
    }

    /// The same with `change`, as a file has it to which its line was appended.
    #[must_use]
    pub fn with(mut self, change: Change) -> Self {
        match change {
            Change::Name(entry) => match self.entries.binary_search_by_key(&entry.address, |one| one.address)
            {
                Ok(at) => self.entries[at] = entry,
                Err(at) => self.entries.insert(at, entry),
            },
            Change::Gone(id) => self.entries.retain(|entry| entry.id != id),
        }
        self
    }
}

fn is_content(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

impl Display for NamesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            network,
            listen,
            subnet,
            subnet6,
            range,
            clients,
            zone,
            domains,
            hosts,
            upstreams,
            entries,
            unknown,
        } = self;
        write!(f, "{HEADER}version {VERSION}\nnetwork {network}\nlisten {listen}\nsubnet {subnet}\n")?;
        subnet6.iter().try_for_each(|subnet| writeln!(f, "subnet6 {subnet}"))?;
        range.iter().try_for_each(|range| writeln!(f, "range {range}"))?;
        clients.iter().try_for_each(|client| writeln!(f, "client {client}"))?;
        writeln!(f, "zone {zone}")?;
        domains.iter().try_for_each(|(domain, address)| writeln!(f, "domain {domain} {address}"))?;
        hosts.iter().try_for_each(|(host, address)| writeln!(f, "host {host} {address}"))?;
        upstreams.iter().try_for_each(|upstream| writeln!(f, "upstream {upstream}"))?;
        unknown.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(entry) => entry.fmt(f),
            Self::Gone(AttachmentId { container_id, if_name }) => write!(f, "gone {container_id} {if_name}"),
        }
    }
}

impl Display for NameEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, ipv6, id: AttachmentId { container_id, if_name }, names } = self;
        match ipv6 {
            None => write!(f, "name {address}")?,
            Some(ipv6) => write!(f, "name6 {address} {ipv6}")?,
        }
        write!(f, " {container_id} {if_name}")?;
        names.iter().try_for_each(|name| {
            f.write_char(' ')?;
            f.write_str(name.as_str())
        })
    }
}

/// What was read so far.
#[derive(Default)]
struct Draft {
    version: Option<u32>,
    network: Option<NetworkName>,
    listen: Option<Ipv4Addr>,
    subnet: Option<Ipv4Net>,
    subnet6: Option<Ipv6Net>,
    range: Option<Ipv4Net>,
    zone: Option<HostName>,
    clients: Vec<Ipv4Net>,
    domains: Vec<(HostName, Ipv4Addr)>,
    hosts: Vec<(HostName, Ipv4Addr)>,
    upstreams: Vec<IpAddr>,
    changes: Vec<Change>,
    unknown: Vec<String>,
}

impl Draft {
    fn read(&mut self, line: &str) -> Result<()> {
        let mut words = Words(line.split(' '));
        match words.0.next().unwrap_or_default() {
            "version" => self.version = Some(words.next("version")?),
            "network" => self.network = Some(words.next("network name")?),
            "listen" => self.listen = Some(words.next("address")?),
            "subnet" => self.subnet = Some(words.next("subnet")?),
            "subnet6" => self.subnet6 = Some(words.next("subnet")?),
            "range" => self.range = Some(words.next("range")?),
            "client" => self.clients.push(words.network()?),
            "zone" => self.zone = Some(words.next("zone")?),
            "domain" => self.domains.push((words.next("domain")?, words.next("address")?)),
            "host" => self.hosts.push((words.next("host name")?, words.next("address")?)),
            "upstream" => self.upstreams.push(words.next("address")?),
            word @ ("name" | "name6" | "gone") => self.changes.push(words.change(word)?),
            _ if line.contains(char::is_control) => {
                return Err(bad("it has control characters".to_owned()));
            }
            _ => {
                self.unknown.push(line.to_owned());
                return Ok(());
            }
        }
        words.end()
    }

    fn finish(self) -> Result<NamesFile> {
        let missing = |keyword: &str| bad(format!("the line `{keyword} ..` is missing"));
        match self.version {
            Some(VERSION) => {}
            Some(version) => return Err(bad(format!("version {version} is not supported"))),
            None => return Err(missing("version")),
        }
        Ok(NamesFile {
            network: self.network.ok_or_else(|| missing("network"))?,
            listen: self.listen.ok_or_else(|| missing("listen"))?,
            subnet: self.subnet.ok_or_else(|| missing("subnet"))?,
            subnet6: self.subnet6,
            range: self.range,
            clients: self.clients,
            zone: self.zone.ok_or_else(|| missing("zone"))?,
            domains: self.domains,
            hosts: self.hosts,
            upstreams: self.upstreams,
            entries: entries_after(self.changes),
            unknown: self.unknown,
        })
    }
}

/// What is left of all changes, sorted by address. From the last to the first, since a later one counts more.
fn entries_after(changes: Vec<Change>) -> Vec<NameEntry> {
    let (mut gone, mut said) = (HashSet::new(), HashSet::new());
    let mut entries = Vec::with_capacity(changes.len());
    for change in changes.into_iter().rev() {
        match change {
            Change::Name(entry) => {
                if said.insert(entry.address) && !gone.contains(&entry.id) {
                    entries.push(entry);
                }
            }
            Change::Gone(id) => drop(gone.insert(id)),
        }
    }
    entries.sort_unstable_by_key(|entry| entry.address);
    entries
}

/// The words of a line.
struct Words<'a>(std::str::Split<'a, char>);

impl Words<'_> {
    fn next<T: FromStr>(&mut self, what: &str) -> Result<T> {
        let word = self.0.next().ok_or_else(|| bad(format!("a word is missing: {what}")))?;
        word.parse().map_err(|_| bad(format!("\"{}\" is not a valid {what}", shown(word))))
    }

    /// An address, or a prefix.
    fn network(&mut self) -> Result<Ipv4Net> {
        let word = self.0.next().ok_or_else(|| bad("a word is missing: address or prefix".to_owned()))?;
        let parsed = word.parse::<Ipv4Addr>().map(Ipv4Net::from).or_else(|_| word.parse());
        parsed.map_err(|_| bad(format!("\"{}\" is not a valid address or prefix", shown(word))))
    }

    fn end(&mut self) -> Result<()> {
        match self.0.next() {
            None => Ok(()),
            Some(word) => Err(bad(format!("\"{}\" is one word too many", shown(word)))),
        }
    }

    /// The change of a line that begins with `keyword`.
    fn change(&mut self, keyword: &str) -> Result<Change> {
        match keyword {
            "name" => self.entry(false).map(Change::Name),
            "name6" => self.entry(true).map(Change::Name),
            "gone" => self.id().map(Change::Gone),
            _ => Err(bad(format!("\"{}\" is no change", shown(keyword)))),
        }
    }

    fn id(&mut self) -> Result<AttachmentId> {
        Ok(AttachmentId { container_id: self.next("container ID")?, if_name: self.next("interface name")? })
    }

    fn entry(&mut self, has_ipv6: bool) -> Result<NameEntry> {
        let address = self.next("address")?;
        let ipv6 = if has_ipv6 { Some(self.next("IPv6 address")?) } else { None };
        let id = self.id()?;
        let names = self.0.by_ref().map(ContainerName::parse).collect::<Result<_>>()?;
        Ok(NameEntry { address, ipv6, id, names })
    }
}

fn bad(what: String) -> Error {
    Error::new(Kind::ForeignFile, what).remedy("Run `flatnet up`, which writes this file")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Flatnet's names of this network: read by `flatnet dns`, written by `flatnet up`, ADD and DEL
version 1
network flatnet
listen 10.87.1.1
subnet 10.87.1.0/24
range 10.87.0.0/16
client 172.20.0.1/32
client 10.9.0.0/16
zone direct.flatnet.internal
domain flatnet.internal 10.87.1.1
domain local 10.87.1.1
host gateway 10.87.1.1
upstream 9.9.9.9
upstream 2620:fe::9
later words of a newer version
name 10.87.1.2 0123456789abcdef eth0 Web web-alias
name 10.87.1.3 fedcba9876543210 eth0
";

    fn entry(line: &str) -> NameEntry {
        Words(line.split(' ')).entry(false).unwrap()
    }

    #[test]
    fn names_file_round_trips() {
        let file = NamesFile::parse(TEXT).unwrap();
        assert_eq!(file.to_string(), TEXT);
        assert_eq!(file.entries[0], entry("10.87.1.2 0123456789abcdef eth0 Web web-alias"));
        assert_eq!(file.host_numbers().map(|(_, own)| own), Some(1));
        assert_eq!(file.unknown, ["later words of a newer version"]);
        let text = "zone z.internal\nversion 1\n\nsubnet 10.0.0.0/8\nclient 172.20.0.1\nlisten 10.0.0.1\nnetwork a\n";
        let file = NamesFile::parse(text).unwrap();
        assert_eq!(file.clients, ["172.20.0.1/32".parse().unwrap()], "an address is a prefix of its own");
        let empty = NamesFile::new(file.network.clone(), file.listen, file.subnet, file.zone.clone());
        assert_eq!(empty, NamesFile { clients: Vec::new(), ..file });
    }

    #[test]
    fn ipv6_addresses_round_trip() {
        let text = TEXT
            .replace("subnet 10.87.1.0/24\n", "subnet 10.87.1.0/24\nsubnet6 fd0a:57f1:a7e0:1::/64\n")
            .replace("name 10.87.1.2 ", "name6 10.87.1.2 fd0a:57f1:a7e0:1::2 ");
        let file = NamesFile::parse(&text).unwrap();
        assert_eq!(file.to_string(), text);
        let found: Vec<_> = file.entries.iter().map(|entry| entry.ipv6).collect();
        assert_eq!(found, ["fd0a:57f1:a7e0:1::2".parse().ok(), None]);
    }

    #[test]
    fn appended_lines_change_what_was_said_before() {
        let shown = |entries: &[NameEntry]| -> Vec<String> {
            entries.iter().map(|entry| entry.to_string().trim_start_matches("name ").to_owned()).collect()
        };
        let held = |text: &str| {
            let file = NamesFile::parse(text).unwrap();
            assert_eq!(NamesFile::parse(&file.to_string()).unwrap(), file);
            shown(&file.entries)
        };
        let [old, kept] =
            ["10.87.1.2 0123456789abcdef eth0 Web web-alias", "10.87.1.3 fedcba9876543210 eth0"];
        let [first, second, third] = ["10.87.1.2 aa eth0 db", "10.87.1.4 aa eth0 db", "10.87.1.1 bb eth1"];
        for (lines, left) in [
            ("gone 0123456789abcdef eth0\n".to_owned(), vec![kept]),
            ("gone 0123456789abcdef eth1\ngone cc eth0\n".to_owned(), vec![old, kept]),
            (format!("name {second}\nname {third}\nname {first}\n"), vec![third, first, kept, second]),
            // The address is another's by now.
            (format!("name {first}\ngone 0123456789abcdef eth0\n"), vec![first, kept]),
            (format!("name {first}\nname {second}\ngone aa eth0\n"), vec![kept]),
            (format!("gone 0123456789abcdef eth0\nname {old}\n"), vec![old, kept]),
            // The last line is still being written.
            ("gone 0123456789abcdef eth0\ngone fedcba9876543210 eth".to_owned(), vec![kept]),
        ] {
            assert_eq!(held(&format!("{TEXT}{lines}")), left, "{lines}");
            let (whole, _) = lines.rsplit_once('\n').unwrap();
            let changes = Change::parse_lines(whole).unwrap();
            let appended: String = changes.iter().map(|change| format!("{change}\n")).collect();
            assert_eq!(appended, format!("{whole}\n"));
            let after = changes.into_iter().fold(NamesFile::parse(TEXT).unwrap(), NamesFile::with);
            assert_eq!(shown(&after.entries), left, "{lines}");
        }
    }

    #[test]
    fn only_changes_are_appended() {
        for (line, says) in [
            ("listen 10.87.1.1", "\"listen\" is no change"),
            ("", "\"\" is no change"),
            ("gone aa eth0 web", "\"web\" is one word too many"),
            ("name 10.87.1.2 aa", "a word is missing: interface name"),
        ] {
            let error = Change::parse_lines(&format!("gone bb eth0\n{line}\n")).unwrap_err().to_line();
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn bad_line_is_named_with_its_number() {
        for (old, new, says) in [
            ("version 1", "version 2", "version 2 is not supported"),
            ("version 1\n", "", "the line `version ..` is missing"),
            ("zone direct.flatnet.internal\n", "", "the line `zone ..` is missing"),
            ("listen 10.87.1.1", "listen 10.87.1", "line 4: \"10.87.1\" is not a valid address"),
            ("listen 10.87.1.1", "listen", "line 4: a word is missing: address"),
            ("listen 10.87.1.1", "listen 10.87.1.1 ", "line 4: \"\" is one word too many"),
            (
                "client 10.9.0.0/16",
                "client 10.9.0.0/33",
                "line 8: \"10.9.0.0/33\" is not a valid address or prefix",
            ),
            ("zone direct", "zone -direct", "line 9: \"-direct.flatnet.internal\" is not a valid zone"),
            ("eth0 Web", "eth0 -x", "line 16: \"-x\" is not a valid container name"),
            ("eth0 Web", "eth0  Web", "line 16: \"\" is not a valid container name"),
            ("eth0 Web", "eth0 W\u{1b}b", "line 16: \"W\\u{1b}b\" is not a valid container name"),
            ("name 10.87.1.3", "gone a", "line 17: \"fedcba9876543210\" is not a valid interface name"),
            ("later words", "later\u{1b}", "line 15: it has control characters"),
        ] {
            assert!(TEXT.contains(old), "{old}");
            let error = NamesFile::parse(&TEXT.replacen(old, new, 1)).unwrap_err().to_line();
            assert!(error.contains(says), "{new}: {error}");
        }
    }
}
