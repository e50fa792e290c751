//! Names: the file that `flatnet dns` answers from, and the name servers that containers get.
//!
//! The file follows from configuration, facts and receipts. Each writer holds the network's guard and removes what no
//! attachment holds any more, so that nothing else needs to.

use std::collections::HashSet;
use std::time::Duration;

use super::{Engine, NetworkGuard};
use crate::error::Result;
use crate::kernel::observe::resolver::{self, HOST, Patience, Question};
use crate::kernel::observe::{self, resolv_conf};
use crate::model::config::Dns;
use crate::model::desired::{HostFacts, Resolver};
use crate::model::types::{AttachmentId, ContainerName, HostName, NetworkName};
use crate::state::lease::Leases;
use crate::state::names::{Change, NameEntry, NamesFile};
use crate::state::names_dir::NamesDir;
use crate::state::receipt::{self, Receipt};

/// How long ADD waits for the resolver's answer. A container that gets other servers keeps them until it is started again.
const PATIENCE: Patience = Patience { refused: Duration::from_millis(300), silent: Duration::from_secs(2) };
/// How long ADD waits for a resolver that runs already.
const SOON: Patience = Patience { refused: Duration::ZERO, silent: Duration::from_millis(20) };

/// The names of this host, as the resolver knows them.
#[derive(Clone, Debug)]
pub struct Names {
    /// The files: this network's, if it has one, then those of others, which are not there without it.
    pub files: Vec<NamesFile>,
    /// Whether the resolver answers.
    pub answers: bool,
    /// The servers that it asks for other names.
    pub servers: Vec<String>,
}

impl Engine {
    /// The names of this host.
    pub fn names(&self) -> Result<Names> {
        let (names, listen) = (self.store.names(), self.config.bridge_address());
        let own = names.read(&self.config.network)?;
        let others = self.other_networks().into_iter().filter_map(|network| names.read(&network).ok()?);
        let files: Vec<NamesFile> =
            own.map(|own| std::iter::once(own).chain(others).collect()).unwrap_or_default();
        let configured = self.config.dns.servers.iter().map(ToString::to_string).collect::<Vec<_>>();
        let servers = if configured.is_empty() { resolv_conf::of_this_host(listen) } else { configured };
        Ok(Names { answers: self.resolver_answers(), files, servers })
    }

    /// Whether the resolver answers at this network's address.
    #[must_use]
    pub fn resolver_answers(&self) -> bool {
        self.ask_resolver().is_answered(PATIENCE)
    }

    pub(super) fn ask_resolver(&self) -> Question {
        Question::ask(self.config.bridge_address(), &self.config.names.zone)
    }

    /// What a changed configuration of names means for containers that run: they keep their resolv.conf.
    pub(super) fn note_on_names(&self) -> Option<String> {
        let before = self.store.names().read(&self.config.network).ok().flatten()?;
        let (count, new) = (before.entries.len(), &self.config.names);
        let what = match new.enabled {
            _ if count == 0 => return None,
            false => "resolve no names, not even those of the internet,".to_owned(),
            true if before.zone != new.zone => {
                format!("search in the zone {} instead of {}", before.zone, new.zone)
            }
            true => return None,
        };
        Some(format!(
            "running containers ({count}) {what} until they are started again: `podman restart NAME`"
        ))
    }

    /// The network's file without containers; `None` if they have no names.
    fn nameless(&self, facts: &HostFacts) -> Option<NamesFile> {
        let config = &self.config;
        if !config.names.enabled {
            return None;
        }
        let bridge = config.bridge_address();
        let host = |name: &str| HostName::parse(name).ok();
        let hosts = [(HOST, Some(bridge)), ("gateway", facts.gateway_address), ("windows", facts.windows)];
        let domains = facts
            .gateway_address
            .iter()
            .flat_map(|&address| config.gateway.domains.iter().map(move |domain| (domain.clone(), address)));
        Some(NamesFile {
            subnet6: facts.ipv6_mapping(config).map(|mapping| mapping.net_of(config.subnet)),
            range: config.overlay.as_ref().map(|_| config.range),
            clients: facts
                .ingress_gateways
                .iter()
                .map(|&address| address.into())
                .chain(config.names.clients.iter().copied())
                .collect(),
            domains: domains.collect(),
            hosts: hosts.into_iter().filter_map(|(name, address)| Some((host(name)?, address?))).collect(),
            upstreams: config.dns.servers.iter().map(|&server| server.into()).collect(),
            ..NamesFile::new(config.network.clone(), bridge, config.subnet, config.names.zone.clone())
        })
    }

    /// Whether the resolver's process runs, if this host starts it. It is asked first: looking for its process takes 10 ms.
    pub(super) fn resolver_runs(&self, facts: &HostFacts, question: Option<&mut Question>) -> bool {
        !matches!(facts.resolver, Some(Resolver::Process { .. }))
            || question.is_some_and(|question| question.is_answered(SOON))
            || resolver::process(&NamesDir::lock_of(self.store.names().path())).is_some()
    }

    /// The other networks whose names the resolver answers.
    fn other_networks(&self) -> Vec<NetworkName> {
        let mut networks = self.store.names().networks();
        networks.retain(|network| *network != self.config.network);
        networks
    }

    /// The network's file as it must be.
    pub(super) fn desired_names(&self, facts: &HostFacts) -> Result<Option<NamesFile>> {
        let Some(mut file) = self.nameless(facts) else { return Ok(None) };
        for (receipt, events) in self.store.receipts_and_events()? {
            if !receipt::is_leaving(&events) && !self.is_dead(&receipt) {
                file = file.with(Change::Name(entry(&receipt)));
            }
        }
        Ok(Some(file))
    }

    /// Whether the file is as it must be. A container that holds its address may still be in it although it ended, or
    /// although its receipt cannot be read: the next repair decides.
    pub fn names_are_current(&mut self) -> Result<bool> {
        let facts = self.facts()?;
        let desired = self.desired_names(&facts)?;
        let Ok(mut found) = self.store.names().read(&self.config.network) else { return Ok(false) };
        if let (Some(found), Some(desired)) = (&mut found, &desired) {
            let leases = self.store.leases()?;
            found.entries.retain(|entry| desired.entries.contains(entry) || !is_held(entry, &leases));
        }
        Ok(found == desired)
    }

    /// Writes the file, unless it is as it must be.
    pub(super) fn write_names(&self, facts: &HostFacts, _: &NetworkGuard) -> Result<()> {
        let (names, network) = (self.store.names(), &self.config.network);
        let Some(desired) = self.desired_names(facts)? else { return names.remove(network) };
        if names.read(network).is_ok_and(|found| found.as_ref() == Some(&desired)) {
            return Ok(());
        }
        names.write(&desired)
    }

    /// The same if this host was set up since it started: a DEL on a full disk could not say that a name is gone.
    pub(super) fn refresh_names(&self, network: &NetworkGuard) {
        let record = self.store.host().ok().flatten();
        let Some(record) = record.filter(|one| one.complete && one.boot_id == observe::boot_id()) else {
            return;
        };
        if let Err(error) = self.write_names(&record.facts, network) {
            self.log.warn(&error.to_line());
        }
    }

    /// Adds the names of `receipt`, which is written, to the file. `leases` holds its address.
    pub(super) fn add_names(
        &self,
        receipt: &Receipt,
        leases: &Leases,
        facts: &HostFacts,
        network: &NetworkGuard,
    ) -> Result<()> {
        let Some(nameless) = self.nameless(facts) else { return Ok(()) };
        // A DEL of the same ID may have been unable to say that it is gone.
        let changes = [Change::Gone(receipt.id.clone()), Change::Name(entry(receipt))];
        let (names, own) = (self.store.names(), &self.config.network);
        if names.append(own, Some(&nameless), &changes, limit(leases)).is_ok_and(|is_appended| is_appended) {
            return Ok(());
        }
        match names.read(own) {
            Ok(Some(found)) if (NamesFile { entries: Vec::new(), ..found.clone() }) == nameless => {
                names.write(&changes.into_iter().fold(held(found, leases), NamesFile::with))
            }
            _ => self.write_names(facts, network),
        }
    }

    /// Removes the names of an attachment that leaves. DEL does not fail because of them: the next repair writes the
    /// file again.
    pub(super) fn remove_names(&self, id: &AttachmentId, leases: &Leases, _: &NetworkGuard) {
        let (names, network, change) = (self.store.names(), &self.config.network, Change::Gone(id.clone()));
        let anew = |found: NamesFile| names.write(&held(found, leases).with(change.clone()));
        let removed = match names.append(network, None, std::slice::from_ref(&change), limit(leases)) {
            Ok(true) => Ok(()),
            Ok(false) => names.read(network).and_then(|found| found.map_or(Ok(()), anew)),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            self.log.warn(&error.to_line());
        }
    }

    /// What an attached container gets for its resolv.conf: Flatnet's resolver alone or, if it does not answer `question`,
    /// what the configuration names. Without names there is no question.
    pub(super) fn dns(&self, question: Option<Question>) -> Dns {
        let config = &self.config;
        let Some(mut question) = question else { return config.dns.clone() };
        let (listen, zone) = (config.bridge_address(), &config.names.zone);
        if !question.is_answered(PATIENCE) {
            self.log.warn(&format!(
                "the resolver does not answer at {listen}: the container gets this host's name servers, and no names; \
                 `flatnet doctor` says why"
            ));
            return config.dns.clone();
        }
        let zone = std::iter::once(zone.to_string());
        Dns { servers: vec![listen], search: zone.chain(config.dns.search.iter().cloned()).collect() }
    }
}

/// The file without the entries whose address belongs to nobody, or to another attachment.
fn held(mut file: NamesFile, leases: &Leases) -> NamesFile {
    file.entries.retain(|entry| is_held(entry, leases));
    file
}

/// How large the file may be before it is written anew without what is gone: about twice what the holders of `leases`
/// need, so that a thousand containers pay for it every thousand times.
fn limit(leases: &Leases) -> u64 {
    const FIRST: u64 = 16 << 10;
    const EACH: u64 = 384;
    FIRST + EACH * u64::try_from(leases.held().count()).unwrap_or(u64::MAX >> 8)
}

fn is_held(entry: &NameEntry, leases: &Leases) -> bool {
    leases.get(entry.address).is_some_and(|lease| !lease.released && lease.id == entry.id)
}

/// The entry of an attachment: its name and its aliases, each once.
fn entry(receipt: &Receipt) -> NameEntry {
    let by_id = receipt.id.container_id.name();
    let mut names: Vec<ContainerName> = Vec::new();
    let mut known = HashSet::from([by_id.to_ascii_lowercase()]);
    for name in std::iter::once(&receipt.name).chain(&receipt.aliases) {
        // A receipt of another version may hold anything.
        let Ok(name) = ContainerName::parse(name) else { continue };
        if known.insert(name.as_str().to_ascii_lowercase()) {
            names.push(name);
        }
    }
    NameEntry { address: receipt.address(), ipv6: receipt.addresses.ipv6(), id: receipt.id.clone(), names }
}
