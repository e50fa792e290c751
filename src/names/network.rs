//! A network's names, made ready to be looked up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::Ipv4Addr;

use domain::base::Name;
use ipnet::{Ipv4Net, Ipv6Net};

use super::host_label::split_host;
use crate::model::types::{ContainerName, HostNumbers, User, UserName};
use crate::state::names::{Change, NameEntry, NamesFile};

/// A name as it is sent.
pub(super) type WireName = Name<Vec<u8>>;

/// One network, as its file says.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) file: NamesFile,
    /// The addresses of each name of a container of root's, sorted. Names are in lower case and without the zone.
    names: HashMap<Box<[u8]>, Vec<Ipv4Addr>>,
    /// The same for users' containers: `web.alice`. All others of such a name come first, even a container of root's.
    of_users: HashMap<Box<[u8]>, Vec<Ipv4Addr>>,
    /// The same for names that are no container's. A container of such a name comes first.
    hosts: HashMap<Box<[u8]>, Vec<Ipv4Addr>>,
    /// The zone.
    pub(super) zone: WireName,
    /// The domain of the subnet's addresses: `1.87.10.in-addr.arpa`.
    pub(super) reverse_zone: WireName,
    /// The same for IPv6: sixteen digits for a /64.
    pub(super) reverse_zone6: Option<WireName>,
    /// The names of `file.domains`, in their order.
    pub(super) domains: Vec<WireName>,
    /// The numbers of the hosts that this one is connected with, and its own.
    numbers: Option<(HostNumbers, u16)>,
}

impl Network {
    pub(super) fn new(mut file: NamesFile) -> Self {
        let numbers = file.host_numbers();
        let own = numbers.iter().flat_map(|(_, own)| [format!("h{own}"), format!("host{own}")]);
        let own = own.map(|name| (key(&name), vec![file.listen]));
        let given = file.hosts.iter().map(|(host, address)| (key(host.as_str()), vec![*address]));
        let hosts = own.chain(given).collect();
        let octets = file.subnet.network().octets();
        let whole = usize::from(file.subnet.prefix_len() / 8).min(3);
        let reverse: String = octets
            .iter()
            .take(whole)
            .rev()
            .map(|octet| format!("{octet}."))
            .chain(["in-addr.arpa".into()])
            .collect();
        let wire = |text: &str| wire_name(text).unwrap_or_else(root);
        let domains = file.domains.iter().map(|(domain, _)| wire(domain.as_str())).collect();
        let (zone, reverse_zone) = (wire(file.zone.as_str()), wire(&reverse));
        let reverse_zone6 = file.subnet6.and_then(reverse_zone6);
        let entries = std::mem::take(&mut file.entries);
        let names = HashMap::with_capacity(3 * entries.len());
        let of_users = HashMap::new();
        let mut network =
            Self { file, names, of_users, hosts, zone, reverse_zone, reverse_zone6, domains, numbers };
        for entry in entries {
            network.add(entry);
        }
        network
    }

    /// Changes the names as a line says that was appended to the file.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Name(entry) => self.add(entry),
            Change::Gone(id) => {
                while let Some(at) = self.file.entries.iter().position(|entry| entry.id == id) {
                    self.remove(at);
                }
            }
        }
    }

    fn add(&mut self, entry: NameEntry) {
        let at = match self.place(entry.address) {
            Ok(at) => {
                self.remove(at);
                at
            }
            Err(at) => at,
        };
        for key in keys(&entry) {
            let addresses = self.names_like(&entry).entry(key).or_default();
            if let Err(at) = addresses.binary_search(&entry.address) {
                addresses.insert(at, entry.address);
            }
        }
        self.file.entries.insert(at, entry);
    }

    fn remove(&mut self, at: usize) {
        let entry = self.file.entries.remove(at);
        for key in keys(&entry) {
            let Entry::Occupied(mut addresses) = self.names_like(&entry).entry(key) else { continue };
            addresses.get_mut().retain(|address| *address != entry.address);
            if addresses.get().is_empty() {
                addresses.remove();
            }
        }
    }

    /// The names of the containers of the same owner, or of all users.
    fn names_like(&mut self, entry: &NameEntry) -> &mut HashMap<Box<[u8]>, Vec<Ipv4Addr>> {
        if User::of(&entry.id.container_id).is_some() { &mut self.of_users } else { &mut self.names }
    }

    /// Where the entry of `address` is, or has to be.
    fn place(&self, address: Ipv4Addr) -> Result<usize, usize> {
        self.file.entries.binary_search_by_key(&address, |entry| entry.address)
    }

    /// The addresses of `name`, which is in lower case and without the zone.
    pub(super) fn addresses(&self, name: &[u8]) -> Option<&[Ipv4Addr]> {
        let found = match self.on_this_host(name).filter(|inner| !inner.is_empty()) {
            // A container called `db.h1` does not take that name from `db`.
            Some(inner) => self.names.get(inner).or_else(|| self.of_users.get(inner)),
            None => [&self.names, &self.hosts, &self.of_users].iter().find_map(|names| names.get(name)),
        };
        found.map(Vec::as_slice)
    }

    /// The addresses of `name` for a client: if that is a container of `user`, first of the user's own containers.
    pub(super) fn addresses_for(&self, user: Option<&UserName>, name: &[u8]) -> Option<&[Ipv4Addr]> {
        let own = user.and_then(|user| {
            self.of_users.get([name, b".", key(user.as_str()).as_ref()].concat().as_slice())
        });
        own.map(Vec::as_slice).or_else(|| self.addresses(name))
    }

    /// The user whose container is at `address`, if it is one's.
    pub(super) fn user_at(&self, address: Ipv4Addr) -> Option<UserName> {
        Some(User::of(&self.holder(address)?.id.container_id)?.name)
    }

    /// The resolver of the host that `name` is on, if that is another one: for `db.h2` and `db.host2`, and for `h2` unless a
    /// container here is called so.
    pub(super) fn other_host(&self, name: &[u8]) -> Option<Ipv4Addr> {
        let (numbers, own) = self.numbers?;
        let (inner, number) = split_host(name)?;
        let is_other = number != own && numbers.contains(number);
        let is_hidden = inner.is_empty() && self.names.contains_key(name);
        (is_other && !is_hidden).then(|| numbers.bridge_address_of(number))
    }

    /// What stands before this host's own label: `db` of `db.h1`; empty for `h1`.
    pub(super) fn on_this_host<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let (_, own) = self.numbers?;
        split_host(name).filter(|(_, number)| *number == own).map(|(inner, _)| inner)
    }

    /// The resolver of the other host in whose subnet `address` is.
    pub(super) fn other_host_at(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        let (numbers, own) = self.numbers?;
        let number = numbers.number_of(address).filter(|number| *number != own)?;
        Some(numbers.bridge_address_of(number))
    }

    /// The subnet of the host whose resolver is at `address`.
    pub(super) fn subnet_of_host(&self, address: Ipv4Addr) -> Option<Ipv4Net> {
        let (numbers, _) = self.numbers?;
        numbers.number_of(address).map(|number| numbers.subnet_of(number))
    }

    /// Whether `address` is that of another host's resolver.
    pub(super) fn is_other_host(&self, address: Ipv4Addr) -> bool {
        self.numbers
            .is_some_and(|(numbers, own)| numbers.host_at(address).is_some_and(|number| number != own))
    }

    /// The domain in which other hosts find this host's containers: `h1.direct.flatnet.internal`.
    fn host_domain(&self) -> Option<String> {
        let (_, own) = self.numbers?;
        Some(format!("h{own}.{}", self.file.zone))
    }

    /// The same as it is sent.
    pub(super) fn host_zone(&self) -> Option<WireName> {
        wire_name(&self.host_domain()?)
    }

    /// Who holds `address`.
    pub(super) fn holder(&self, address: Ipv4Addr) -> Option<&NameEntry> {
        self.file.entries.get(self.place(address).ok()?)
    }

    /// The full name of `address`, for a client on another host with this host's label.
    pub(super) fn name_of(&self, address: Ipv4Addr, is_for_other_host: bool) -> Option<WireName> {
        let domain = if is_for_other_host { self.host_domain() } else { None };
        let domain = domain.unwrap_or_else(|| self.file.zone.to_string());
        let full = |name: &str| wire_name(&format!("{name}.{domain}"));
        if let Some(holder) = self.holder(address) {
            let given = holder.names.iter().map(ContainerName::as_str);
            let by_id = holder.id.container_id.name();
            return given.chain([by_id.as_str()]).find_map(full);
        }
        self.file.hosts.iter().filter(|(_, own)| *own == address).find_map(|(host, _)| full(host.as_str()))
    }

    /// The name and address of each container, as other hosts find it. A user's has no name of a container of root's.
    pub(super) fn records_for_other_hosts(&self) -> impl Iterator<Item = (WireName, Ipv4Addr)> + '_ {
        let domain = self.host_domain().unwrap_or_default();
        self.file.entries.iter().flat_map(move |entry| {
            let is_users = User::of(&entry.id.container_id).is_some();
            let is_own = move |name: &&str| !is_users || !self.names.contains_key(&key(name));
            let given = entry.names.iter().map(ContainerName::as_str).filter(is_own);
            let id = entry.names.is_empty().then(|| entry.id.container_id.name());
            let full = |name: &str| Some((wire_name(&format!("{name}.{domain}"))?, entry.address));
            given.chain(id.as_deref()).filter_map(full).collect::<Vec<_>>()
        })
    }

    /// Whether `address` may ask at this network's address.
    pub(super) fn serves(&self, address: Ipv4Addr) -> bool {
        let NamesFile { listen, subnet, clients, .. } = &self.file;
        address == *listen
            || subnet.contains(&address)
            || clients.iter().any(|client| client.contains(&address))
    }
}

/// The domain of the addresses of `subnet`: a label for each whole digit of its prefix.
fn reverse_zone6(subnet: Ipv6Net) -> Option<WireName> {
    let digits = format!("{:032x}", subnet.network().to_bits());
    let whole = digits.chars().take(usize::from(subnet.prefix_len() / 4)).collect::<Vec<_>>();
    let labels: String = whole.iter().rev().map(|digit| format!("{digit}.")).collect();
    wire_name(&format!("{labels}ip6.arpa"))
}

/// All names of a container.
fn keys(entry: &NameEntry) -> impl Iterator<Item = Box<[u8]>> {
    let by_id = key(&entry.id.container_id.name());
    entry.names.iter().map(|name| key(name.as_str())).chain([by_id])
}

fn key(name: &str) -> Box<[u8]> {
    name.to_ascii_lowercase().into_bytes().into()
}

/// The name of no labels.
pub(super) fn root() -> WireName {
    wire_name("").unwrap_or_else(|| unreachable!("the root is a name"))
}

/// `text` as it is sent; `None` if a label or the whole is too long, as names of containers may be.
pub(super) fn wire_name(text: &str) -> Option<WireName> {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    for label in text.split('.').filter(|_| !text.is_empty()) {
        bytes.push(u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    Name::from_octets(bytes).ok()
}
