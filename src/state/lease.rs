//! Leases: who holds an address, and who held it last.
//!
//! [`Leases`] is a value that is read, queried, changed and written back under the network's lock.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::model::types::{AttachmentId, ContainerId, IfName, User};

/// The file's name in the network's state directory.
pub const FILE: &str = "leases.json";
/// How many holders an error names before "and N more".
const NAMED: usize = 5;
/// Above so many held addresses, commands are rendered for a busy host.
const MANY: usize = 300;

/// The lease of one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that is written down")]
pub struct Lease {
    /// The holder.
    #[serde(flatten)]
    pub id: AttachmentId,
    /// The container's or pod's name, if the runtime gave it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Since when it is held or, if released, free: milliseconds since 1970.
    pub since: i64,
    /// Not held, but remembered so that its last holder gets it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// On release, its conntrack entries were deleted, or their deletion was left running.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
    /// Its holder requested this very address (`--ip`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requested: bool,
    /// Its holder was one of Podman's containers, so Podman's storage knows whether it still exists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_podman: bool,
}

/// A lease as it is written. `flatten` would read each field twice, which takes longer with a thousand leases than all
/// the rest of an ADD.
#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that is written down")]
struct Written {
    container_id: ContainerId,
    if_name: IfName,
    #[serde(default)]
    name: String,
    since: i64,
    #[serde(default)]
    released: bool,
    #[serde(default)]
    forgotten: bool,
    #[serde(default)]
    requested: bool,
    #[serde(default)]
    of_podman: bool,
}

impl From<Written> for Lease {
    fn from(written: Written) -> Self {
        let Written { container_id, if_name, name, since, released, forgotten, requested, of_podman } =
            written;
        let id = AttachmentId { container_id, if_name };
        Self { id, name, since, released, forgotten, requested, of_podman }
    }
}

/// All held and remembered addresses. An attachment may hold several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leases {
    leases: BTreeMap<IpAddr, Lease>,
}

/// A request for an address.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The attachment.
    pub id: &'a AttachmentId,
    /// The container's name; empty where unknown.
    pub name: &'a str,
    /// The requested address (`--ip`).
    pub requested: Option<Ipv4Addr>,
    /// Whether it is one of Podman's containers.
    pub of_podman: bool,
    /// How many addresses are held by containers of the user who asks, or remembered for them; `None` for any number.
    pub most: Option<u16>,
    /// Milliseconds since 1970.
    pub now: i64,
}

/// The answer to a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimResult {
    /// This one is free.
    Free(Ipv4Addr),
    /// All suitable addresses are held by these; one may turn out to be dead and be released.
    HeldBy(Vec<IpAddr>),
}

impl Leases {
    /// The held or remembered lease of `address`.
    #[must_use]
    pub fn get(&self, address: impl Into<IpAddr>) -> Option<&Lease> {
        self.leases.get(&address.into())
    }

    /// All leases that are held, by address.
    pub fn held(&self) -> impl Iterator<Item = (IpAddr, &Lease)> {
        self.leases.iter().filter(|(_, lease)| !lease.released).map(|(&address, lease)| (address, lease))
    }

    /// Whether so many addresses are held that what is quickest for few containers is slow: `nft -e` reads all sets, `ip -n`
    /// copies all mounts.
    #[must_use]
    pub fn are_many(&self) -> bool {
        self.held().nth(MANY).is_some()
    }

    /// All leases, held or remembered, by address.
    pub fn all(&self) -> impl Iterator<Item = (IpAddr, &Lease)> {
        self.leases.iter().map(|(&address, lease)| (address, lease))
    }

    /// The address that `claim` gets: the requested one; else the one it had before, by ID, then by name; else,
    /// for a user with as many as are allowed, one of the user's own; else a never used one; else one whose last
    /// holder no longer exists; else another free one, requested ones last. Among equals the one that has been free
    /// the longest. Whether a container exists is checked only if it matters.
    pub fn find(
        &self,
        config: &Config,
        claim: &Claim<'_>,
        is_gone: impl Fn(&Lease) -> bool,
    ) -> Result<ClaimResult> {
        if let Some(address) = claim.requested {
            check_requested(config, address)?;
            return Ok(match self.get(address) {
                Some(lease) if !lease.released && lease.id != *claim.id => {
                    ClaimResult::HeldBy(vec![address.into()])
                }
                _ => ClaimResult::Free(address),
            });
        }
        let free = self
            .sticky(config, claim)
            .or_else(|| self.own_of_user(config, claim))
            .or_else(|| self.never_used(config))
            .or_else(|| self.longest_free(config, is_gone));
        Ok(free.map_or_else(
            || ClaimResult::HeldBy(self.held().map(|(address, _)| address).collect()),
            ClaimResult::Free,
        ))
    }

    fn sticky(&self, config: &Config, claim: &Claim<'_>) -> Option<Ipv4Addr> {
        let usable = |address: Ipv4Addr| {
            config.subnet.contains(&address)
                && !config.is_reserved(address)
                && !config.rootless.ips().any(|kept| kept == address)
        };
        let by_id = |lease: &Lease| lease.id == *claim.id;
        let by_name = |lease: &Lease| {
            lease.released && has_name_of(lease, claim) && lease.id.if_name == claim.id.if_name
        };
        // The latest of several under one name: an older one may have been requested by `--ip`.
        let latest = |wanted: &dyn Fn(&Lease) -> bool| {
            self.ipv4()
                .filter(|(address, lease)| usable(*address) && wanted(lease))
                .max_by_key(|(_, lease)| lease.since)
                .map(|(address, _)| address)
        };
        latest(&by_id).or_else(|| latest(&by_name))
    }

    /// Root's Podman cannot tell which containers of a user still exist. One who starts and removes many must not use up what
    /// others' stopped containers come back for.
    fn own_of_user(&self, config: &Config, claim: &Claim<'_>) -> Option<Ipv4Addr> {
        let (most, user) = (claim.most?, User::of(&claim.id.container_id)?);
        let is_own = |lease: &&Lease| User::of(&lease.id.container_id).as_ref() == Some(&user);
        let own: Vec<(Ipv4Addr, &Lease)> =
            config.pool().filter_map(|address| Some((address, self.get(address).filter(is_own)?))).collect();
        let released = own.iter().filter(|(_, lease)| lease.released).min_by_key(|(_, lease)| lease.since);
        released.filter(|_| own.len() >= usize::from(most)).map(|(address, _)| *address)
    }

    /// The leases of IPv4 addresses, held or remembered. The pool and the gateway have no others.
    pub fn ipv4(&self) -> impl Iterator<Item = (Ipv4Addr, &Lease)> {
        self.leases.iter().filter_map(|(address, lease)| match address {
            IpAddr::V4(address) => Some((*address, lease)),
            IpAddr::V6(_) => None,
        })
    }

    fn never_used(&self, config: &Config) -> Option<Ipv4Addr> {
        config.pool().find(|&address| self.get(address).is_none())
    }

    fn longest_free(&self, config: &Config, is_gone: impl Fn(&Lease) -> bool) -> Option<Ipv4Addr> {
        let rank = |lease: &Lease| match (is_gone(lease), lease.requested) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        config
            .pool()
            .filter_map(|address| self.get(address).map(|lease| (address, lease)))
            .filter(|(_, lease)| lease.released)
            .min_by_key(|(_, lease)| (rank(lease), lease.since))
            .map(|(address, _)| address)
    }

    /// The last holder of `address`, if `claim` takes it and that holder may come back for it.
    pub fn promised(
        &self,
        address: IpAddr,
        claim: &Claim<'_>,
        is_gone: impl Fn(&Lease) -> bool,
    ) -> Option<&Lease> {
        let is_own = |lease: &Lease| lease.id == *claim.id || has_name_of(lease, claim);
        self.leases.get(&address).filter(|lease| lease.released && !is_own(lease) && !is_gone(lease))
    }

    /// Records that `claim` holds `addresses`, and nothing else.
    pub fn hold(&mut self, addresses: impl IntoIterator<Item = IpAddr>, claim: &Claim<'_>) {
        self.leases.retain(|_, lease| lease.id != *claim.id);
        let lease = Lease {
            id: claim.id.clone(),
            name: claim.name.to_owned(),
            since: claim.now,
            released: false,
            forgotten: false,
            requested: claim.requested.is_some(),
            of_podman: claim.of_podman,
        };
        self.leases.extend(addresses.into_iter().map(|address| (address, lease.clone())));
    }

    /// Records that `claim` holds those of `addresses` that no other attachment holds, if any.
    pub fn hold_again(&mut self, addresses: impl IntoIterator<Item = IpAddr>, claim: &Claim<'_>) {
        let is_free =
            |lease: Option<&Lease>| lease.is_none_or(|lease| lease.released || lease.id == *claim.id);
        let free: Vec<IpAddr> =
            addresses.into_iter().filter(|address| is_free(self.leases.get(address))).collect();
        if !free.is_empty() {
            self.hold(free, claim);
        }
    }

    /// Releases what `id` holds and remembers the holder, and whether its conntrack entries are `forgotten`.
    pub fn release(&mut self, id: &AttachmentId, forgotten: bool, now: i64) -> bool {
        let mut changed = false;
        for lease in self.leases.values_mut().filter(|lease| !lease.released && lease.id == *id) {
            lease.released = true;
            lease.forgotten = forgotten;
            lease.since = now;
            changed = true;
        }
        changed
    }

    /// Records that conntrack entries of the addresses that `id` released are left.
    pub fn remember_flows(&mut self, id: &AttachmentId) -> bool {
        let mut changed = false;
        for lease in
            self.leases.values_mut().filter(|lease| lease.released && lease.forgotten && lease.id == *id)
        {
            lease.forgotten = false;
            changed = true;
        }
        changed
    }

    /// The error if the requested address, or all of them, are held.
    #[must_use]
    pub fn refusal(&self, config: &Config, claim: &Claim<'_>) -> Error {
        if let Some(address) = claim.requested {
            let holder = self.get(address).map_or(String::new(), describe);
            return Error::new(Kind::AddressTaken, format!("address {address} is held by {holder}"));
        }
        let held: Vec<String> =
            self.held().map(|(address, lease)| format!("{address} {}", describe(lease))).collect();
        let more = held.len().saturating_sub(NAMED);
        let mut named = held.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 {
            named = format!("{named} and {more} more");
        }
        let range = config.allocate();
        Error::new(
            Kind::Exhausted,
            format!(
                "all {} addresses from {} to {} are held: {named}",
                config.pool().count(),
                range.from,
                range.to
            ),
        )
    }
}

/// Whether it was a container of the same name and owner. One of root's may be called `web.alice`, too.
fn has_name_of(lease: &Lease, claim: &Claim<'_>) -> bool {
    let owner = |id: &AttachmentId| User::of(&id.container_id);
    !lease.name.is_empty() && lease.name == claim.name && owner(&lease.id) == owner(claim.id)
}

fn describe(lease: &Lease) -> String {
    lease.id.label(&lease.name)
}

fn check_requested(config: &Config, address: Ipv4Addr) -> Result<()> {
    let why = if !config.subnet.contains(&address) {
        format!("is not inside this host's subnet {}", config.subnet)
    } else if address == config.bridge_address() {
        "is the bridge's own".to_owned()
    } else if address == config.subnet.network() {
        format!("is the network address of {}", config.subnet)
    } else if address == config.subnet.broadcast() {
        format!("is the broadcast address of {}", config.subnet)
    } else if config.reserved.contains(&address) {
        "is reserved in the configuration".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::AddressRefused, format!("address {address} {why}"))
        .remedy(format!("Request a free address of {}, or none", config.subnet)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::config::Allowance;
    use crate::model::types::{ContainerId, IfName};

    fn id(text: &str) -> AttachmentId {
        AttachmentId {
            container_id: ContainerId::parse(text).unwrap(),
            if_name: IfName::parse("eth0").unwrap(),
        }
    }

    fn config() -> Config {
        Config { subnet: "10.87.1.0/29".parse().unwrap(), ..Config::default() }
    }

    struct World {
        config: Config,
        leases: Leases,
        gone: BTreeSet<&'static str>,
        now: i64,
    }

    impl World {
        fn new() -> Self {
            Self { config: config(), leases: Leases::default(), gone: BTreeSet::new(), now: 0 }
        }

        fn ask(&mut self, who: &str, name: &str, requested: Option<&str>) -> Result<ClaimResult> {
            self.now += 1;
            let id = id(who);
            let requested = requested.map(|text| text.parse().unwrap());
            let claim = Claim { id: &id, name, requested, of_podman: true, most: None, now: self.now };
            let is_gone = |lease: &Lease| self.gone.contains(lease.id.container_id.as_str());
            let found = self.leases.find(&self.config, &claim, is_gone)?;
            if let ClaimResult::Free(address) = found {
                self.leases.hold([address.into()], &claim);
            }
            Ok(found)
        }

        fn get(&mut self, who: &str, name: &str) -> String {
            match self.ask(who, name, None).unwrap() {
                ClaimResult::Free(address) => address.to_string(),
                ClaimResult::HeldBy(_) => "none".to_owned(),
            }
        }

        fn release(&mut self, who: &str) {
            self.now += 1;
            assert!(self.leases.release(&id(who), false, self.now));
        }
    }

    #[test]
    fn unused_address_comes_before_longest_released() {
        let mut world = World::new();
        for (who, address) in [("a", "10.87.1.2"), ("b", "10.87.1.3"), ("c", "10.87.1.4")] {
            assert_eq!(world.get(who, ""), address);
        }
        world.release("b");
        world.release("a");
        assert_eq!(world.get("d", ""), "10.87.1.5");
        assert_eq!(world.get("e", ""), "10.87.1.6");
        assert_eq!(world.get("f", ""), "10.87.1.3");
        assert_eq!(world.get("g", ""), "10.87.1.2");
        assert_eq!(world.get("h", ""), "none");
    }

    #[test]
    fn user_with_as_many_addresses_as_allowed_gets_own_ones() {
        let mut world = World::new();
        world.config.subnet = "10.87.1.0/28".parse().unwrap();
        let ask = |world: &mut World, who: &str| {
            world.now += 1;
            let id = id(who);
            let claim =
                Claim { id: &id, name: "", requested: None, of_podman: false, most: Some(2), now: world.now };
            let ClaimResult::Free(address) = world.leases.find(&world.config, &claim, |_| false).unwrap()
            else {
                panic!("{who}")
            };
            world.leases.hold([address.into()], &claim);
            world.release(who);
            address.to_string()
        };
        assert_eq!(world.get("stopped", ""), "10.87.1.2");
        world.release("stopped");
        assert_eq!(ask(&mut world, "u1002.bob.stopped"), "10.87.1.3");
        for (number, last) in [4, 5, 4, 5, 4].into_iter().enumerate() {
            assert_eq!(ask(&mut world, &format!("u1001.alice.{number}")), format!("10.87.1.{last}"));
        }
        // Another user with that number has nothing yet, and is not asked for alice's.
        assert_eq!(ask(&mut world, "u1001.dave.a"), "10.87.1.6");
        world.config.rootless.users.insert(
            "alice".parse().unwrap(),
            Allowance { addresses: 2, ips: vec!["10.87.1.3".parse().unwrap()] },
        );
        assert_eq!(ask(&mut world, "u1002.bob.stopped"), "10.87.1.7", "10.87.1.3 is kept for alice by now");
    }

    #[test]
    fn addresses_of_removed_containers_are_reused_first() {
        let mut world = World::new();
        assert_eq!(
            world.ask("asked", "", Some("10.87.1.4")).unwrap(),
            ClaimResult::Free("10.87.1.4".parse().unwrap())
        );
        for who in ["stopped", "removed", "b", "c"] {
            world.get(who, "");
        }
        for who in ["asked", "stopped", "removed"] {
            world.release(who);
        }
        world.gone.insert("removed");
        let id = id("x");
        let claim = Claim { id: &id, name: "", requested: None, of_podman: true, most: None, now: 0 };
        let promised = |world: &World, address: &str| {
            let gone = |lease: &Lease| world.gone.contains(lease.id.container_id.as_str());
            world.leases.promised(address.parse().unwrap(), &claim, gone).is_some()
        };
        assert!(
            !promised(&world, "10.87.1.3") && promised(&world, "10.87.1.2") && promised(&world, "10.87.1.4")
        );
        assert_eq!(world.get("x", ""), "10.87.1.3", "its holder is gone");
        assert_eq!(world.get("y", ""), "10.87.1.2", "stopped later than the one that asked");
        assert_eq!(world.get("z", ""), "10.87.1.4");
    }

    #[test]
    fn sticky_by_id_and_by_name() {
        let mut world = World::new();
        assert_eq!(world.get("a", "web"), "10.87.1.2");
        assert_eq!(world.get("b", "db"), "10.87.1.3");
        world.release("a");
        world.release("b");
        assert_eq!(world.get("b", "db"), "10.87.1.3", "the same container");
        assert_eq!(world.get("x", "web"), "10.87.1.2", "made again under the same name");
        assert_eq!(world.get("a", "web"), "10.87.1.4", "its address is held by its successor");
        assert_eq!(world.get("c", "web.alice"), "10.87.1.5");
        world.release("c");
        assert_eq!(world.get("u1001.alice.d", "web.alice"), "10.87.1.6", "another owner's");
        assert_eq!(world.get("e", "web.alice"), "10.87.1.5");
    }

    #[test]
    fn invalid_request_is_rejected_and_holder_named() {
        let mut world = World::new();
        world.config.reserved = vec!["10.87.1.6".parse().unwrap()];
        assert_eq!(
            world.ask("a", "web", Some("10.87.1.5")).unwrap(),
            ClaimResult::Free("10.87.1.5".parse().unwrap())
        );
        for (address, why) in [
            ("10.87.1.0", "network address"),
            ("10.87.1.1", "bridge's own"),
            ("10.87.1.6", "reserved"),
            ("10.87.1.7", "broadcast"),
            ("10.87.2.5", "not inside"),
        ] {
            let error = world.ask("b", "", Some(address)).unwrap_err();
            assert_eq!(error.kind(), Kind::AddressRefused);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(matches!(world.ask("b", "", Some("10.87.1.5")).unwrap(), ClaimResult::HeldBy(_)));
        let b = id("b");
        let claim = Claim {
            id: &b,
            name: "",
            requested: "10.87.1.5".parse().ok(),
            of_podman: false,
            most: None,
            now: 0,
        };
        let refusal = world.leases.refusal(&world.config, &claim).to_string();
        assert!(refusal.contains("held by web a (eth0)"), "{refusal}");
    }

    #[test]
    fn attachment_holds_several_addresses() {
        let mut world = World::new();
        let both: [IpAddr; 2] = ["10.87.1.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        let (a, b) = (id("a"), id("b"));
        let claim = |id| Claim { id, name: "", requested: None, of_podman: true, most: None, now: 0 };
        world.leases.hold(both, &claim(&a));
        let text = serde_json::to_string(&world.leases).unwrap();
        assert_eq!(serde_json::from_str::<Leases>(&text).unwrap(), world.leases);
        let held = |world: &World| world.leases.held().map(|(address, _)| address).collect::<Vec<_>>();
        world.leases.hold_again(both, &claim(&b));
        assert!(world.leases.all().all(|(_, lease)| lease.id == a), "another holds them");
        assert_eq!(world.get("b", ""), "10.87.1.3");
        assert_eq!(world.get("a", ""), "10.87.1.2", "the pool is IPv4");
        world.leases.hold_again(both, &claim(&a));
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(held(&world), ["10.87.1.2", "10.87.1.3", "fd00::2"].map(address));
        world.release("a");
        assert_eq!(held(&world), [address("10.87.1.3")]);
    }

    #[test]
    fn exhaustion_error_lists_holders() {
        let mut world = World::new();
        for who in ["a", "b", "c", "d", "e"] {
            world.get(who, "");
        }
        let z = id("z");
        let claim = Claim { id: &z, name: "", requested: None, of_podman: false, most: None, now: 9 };
        let text = world.leases.refusal(&world.config, &claim).to_line();
        assert!(
            text.starts_with("all 5 addresses from 10.87.1.1 to 10.87.1.6 are held: 10.87.1.2 a (eth0), "),
            "{text}"
        );
        assert!(text.contains("flatnet gc"), "{text}");
    }
}
