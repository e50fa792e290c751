//! The test oracle: everything that Flatnet could leave behind, before and after.
//!
//! A [`World`] is the state of a sandbox's kernel and disk: links, addresses, routes, neighbours and forwarding
//! entries of every namespace, the whole ruleset (other programs' tables too), namespaces, sysctls, state, locks and
//! processes. It excludes what changes by itself: indices, handles, counters, times, learnt entries, the log. In every test,
//! "nothing leaked" means that two worlds are equal.

#![allow(clippy::panic, dead_code, reason = "a panic is a failed test; this is a vocabulary")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use flatnet::state::names::NamesFile;

use crate::sandbox::Sandbox;

/// How long unfinished operations may take: `ip` exits some 20 ms after the link that it deletes is gone.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// The facts of a world by section, one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct World {
    sections: BTreeMap<String, BTreeSet<String>>,
}

impl World {
    /// Collects all facts.
    #[track_caller]
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        let output = sandbox.sh(LOOK).succeeds().stdout;
        let mut sections: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for part in output.split("\u{1}section ").skip(1) {
            let (title, text) = part.split_once('\n').unwrap_or((part, ""));
            sections.entry(title.to_owned()).or_default().extend(facts(title, text));
        }
        sections.retain(|_, facts| !facts.is_empty());
        Self { sections }
    }

    /// This world without the files in Flatnet's own directories: what is left is the kernel's.
    pub(crate) fn without_files(mut self) -> Self {
        self.sections.retain(|title, _| !title.starts_with("file "));
        self
    }

    /// This world without the settings of the link `dev`.
    pub(crate) fn without_settings_of(mut self, dev: &str) -> Self {
        let of_dev = format!("/{dev}/");
        for (_, facts) in self.sections.iter_mut().filter(|(title, _)| title.starts_with("sysctls in ")) {
            facts.retain(|fact| !fact.contains(&of_dev));
        }
        self
    }

    /// Asserts that the sandbox is in this state again, as soon as unfinished operations have ended.
    #[track_caller]
    pub(crate) fn assert_is_back(&self, sandbox: &Sandbox) {
        self.assert_comes_back(|| Self::of(sandbox));
    }

    /// Asserts the same for worlds without files ([`World::without_files`]).
    #[track_caller]
    pub(crate) fn assert_is_back_but_for_files(&self, sandbox: &Sandbox) {
        self.assert_comes_back(|| Self::of(sandbox).without_files());
    }

    /// Asserts the same for the world that `look` returns.
    #[track_caller]
    pub(crate) fn assert_comes_back(&self, look: impl Fn() -> Self) {
        let end = Instant::now() + SETTLES_WITHIN;
        loop {
            let now = look();
            if now == *self || Instant::now() > end {
                return assert_same(self, &now);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The lines that are in only one of the two worlds.
    fn difference(&self, after: &Self) -> String {
        let nothing = BTreeSet::new();
        let titles: BTreeSet<&String> = self.sections.keys().chain(after.sections.keys()).collect();
        let mut text = String::new();
        for title in titles {
            let before = self.sections.get(title).unwrap_or(&nothing);
            let after = after.sections.get(title).unwrap_or(&nothing);
            if before != after {
                let _ = writeln!(text, "{title}");
            }
            for line in before.difference(after) {
                let _ = writeln!(text, "  - {line}");
            }
            for line in after.difference(before) {
                let _ = writeln!(text, "  + {line}");
            }
        }
        text
    }
}

/// Asserts that nothing is gone and nothing was left.
#[track_caller]
fn assert_same(before: &World, after: &World) {
    assert!(before == after, "the world is another (- gone, + left behind):\n{}", before.difference(after));
}

/// Prints each section after a line that starts with the byte 1, which no tool prints. Hundreds of tests run this
/// script thousands of times, so each program that it starts counts.
///
/// The sysctls are those of links and of the host that a network plugin may change, without those that the kernel
/// counts or derives. The process group of this script is left out.
const LOOK: &str = r#"
section() { printf '\001section %s\n' "$*"; }
namespace() { # TITLE
    local routing=$'route show table all\nrule show\nneigh show nud permanent\nneigh show proxy'
    section "links in $1"; ip -j -d addr show
    section "routing in $1"; ip -4 -batch - <<<"$routing"; ip -6 -batch - <<<"$routing"
    section "fdb in $1"; bridge fdb show
    section "ruleset in $1"; nft -s list ruleset
    section "sysctls in $1"
    grep -r . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/neigh \
        /proc/sys/net/ipv6/conf /proc/sys/net/bridge 2>/dev/null || true
}
namespace "this host"
for path in /run/netns/*; do
    [[ -e $path ]] || continue
    kind=$(stat -f -c %T "$path")
    section "namespaces"; echo "$path $kind"
    [[ $kind != nsfs ]] || ! nsenter --net="$path" true 2>/dev/null ||
        nsenter --net="$path" bash -euo pipefail -c "$(declare -f section namespace); namespace $path"
done
# Not LINK.flows, which the `conntrack` that a DEL left running removes a moment later, or never if it failed: `flows_left::`.
{ find /var/lib/flatnet /run/flatnet /run/flatnet-dns '(' -type f -o -type l ')' ! -path /run/flatnet-dns/.lock ! -name '*.flows' -printf '%y %u %m %p\n' 2>/dev/null || true; } |
    while read -r kind owner mode file; do
        section "file $file"; echo "$kind $owner $mode"
        [[ ! -s $file ]] || cat "$file" 2>/dev/null || true
    done
section "locks held"
for file in $(find /run/flatnet -name '*.lock' 2>/dev/null); do flock -n "$file" true || echo "$file"; done
section "processes"
read -r _ _ _ _ own _ </proc/$$/stat
# A process that is about to exit has no command line any more, and ps puts its name in brackets.
ps -e -o pgid=,stat=,args= |
    awk -v own="$own" '$1 != own+0 && $2 !~ /^Z/ && $3 !~ /^\[/ && !/sandbox.sh/ { $1 = $2 = ""; print }'
"#;

/// Whether the kernel adds or changes a line of a section by itself.
fn is_the_kernels_own(title: &str, line: &str) -> bool {
    let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    let holds = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if title.starts_with("routing in ") {
        starts(&["local fe80:", "anycast fe80:", "fe80::/64", "multicast ff00::/8"])
    } else if title.starts_with("fdb in ") {
        starts(&["33:33", "01:00:5e"]) || !holds(&["permanent", "static"])
    } else if title.starts_with("sysctls in ") {
        holds(&["/stable_secret", "/base_reachable_time", "/mc_forwarding", "/ioam6"])
    } else {
        false
    }
}

/// A file of names as it is read: ADD and DEL append a line each.
fn names(text: &str) -> Vec<String> {
    let (mode, content) = text.split_once('\n').unwrap_or_default();
    let read = NamesFile::parse(content).map_or_else(|_| content.to_owned(), |file| file.to_string());
    [mode].into_iter().chain(read.lines()).map(str::to_owned).collect()
}

/// The lines of one section, without what changes by itself.
fn facts(title: &str, text: &str) -> Vec<String> {
    if title.starts_with("links in ") {
        return links(text);
    }
    if title.starts_with("ruleset in ") {
        return ruleset(text);
    }
    if title.ends_with("/leases.json") {
        return held_leases(text);
    }
    if title.ends_with("/host.json") {
        return without_time_and_boot(text);
    }
    if title.starts_with("file /run/flatnet-dns/") {
        return names(text);
    }
    // The network's lock file is never removed. Another section shows whether the lock is held.
    if title.starts_with("file /run/flatnet/") && title.matches('/').count() == 3 {
        return Vec::new();
    }
    let without_carrier = |line: &str| line.trim().trim_end_matches(" linkdown").trim().to_owned();
    let is_a_fact = |line: &String| !line.is_empty() && !is_the_kernels_own(title, line);
    text.lines().map(without_carrier).filter(is_a_fact).collect()
}

fn links(text: &str) -> Vec<String> {
    let links: Vec<Value> =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("`ip -j` printed {error}: {text}"));
    links.iter().flat_map(link).collect()
}

/// A link without what changes by itself: its index, its peer's namespace number, timers and lifetimes.
fn link(link: &Value) -> Vec<String> {
    let name = link["ifname"].as_str().unwrap_or_default();
    let mut kept = json!({});
    for key in ["address", "mtu", "flags", "ifalias", "master", "group"] {
        kept[key] = link[key].clone();
    }
    // The kernel notices a carrier some time after the link is up.
    if let Some(flags) = kept["flags"].as_array_mut() {
        flags.retain(|flag| *flag != json!("NO-CARRIER") && *flag != json!("LOWER_UP"));
    }
    let flags = link["linkinfo"]["info_slave_data"].as_object();
    let port =
        ["isolated", "learning", "locked", "hairpin"].map(|flag| flags.map(|flags| flags.get(flag).cloned()));
    let mut facts = vec![format!(
        "{name}: {kept} {} port {port:?}",
        link["linkinfo"]["info_kind"].as_str().unwrap_or("hardware")
    )];
    // The kernel adds its own link-local address with the carrier.
    let own = |address: &&Value| address["scope"] != json!("link") || address["family"] != json!("inet6");
    for address in link["addr_info"].as_array().into_iter().flatten().filter(own) {
        facts.push(format!(
            "{name} has {}/{}",
            address["local"].as_str().unwrap_or_default(),
            address["prefixlen"]
        ));
    }
    facts
}

/// Each line prefixed with the names of its blocks, so that it is meaningful alone.
fn ruleset(text: &str) -> Vec<String> {
    let mut inside: Vec<String> = Vec::new();
    let mut facts = Vec::new();
    let mut number = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "}" {
            inside.pop();
            continue;
        }
        // The order of rules in their chain matters; no other order does.
        let order = if inside.iter().any(|name| name.starts_with("chain")) {
            number += 1;
            format!("{number:02} ")
        } else {
            String::new()
        };
        facts.push(format!("{order}{} / {}", inside.join(" / "), line.trim_end_matches(',')));
        if line.ends_with('{') {
            number = 0;
            inside.push(line.trim_end_matches('{').trim().to_owned());
        } else if line.starts_with('}') || (line.ends_with('}') && !line.contains('{')) {
            inside.pop();
        }
    }
    facts
}

/// A released lease is remembered, not held.
fn held_leases(text: &str) -> Vec<String> {
    let text = text.split_once('\n').map_or(text, |(_, content)| content);
    let Ok(file) = serde_json::from_str::<Value>(text) else { return vec![format!("no JSON: {text}")] };
    let leases = file["leases"].as_object().cloned().unwrap_or_default();
    let held = leases.into_iter().filter(|(_, lease)| lease["released"] != json!(true));
    held.map(|(address, lease)| {
        format!("{address} is held by {} {}", lease["container_id"], lease["if_name"])
    })
    .collect()
}

fn without_time_and_boot(text: &str) -> Vec<String> {
    let (mode, content) = text.split_once('\n').unwrap_or((text, ""));
    let mut value: Value = serde_json::from_str(content).unwrap_or_else(|_| json!(content));
    if let Some(object) = value.as_object_mut() {
        object.remove("at");
        object.remove("boot_id");
        // The checksum adds no information, and depends on the time.
        object.remove("sha256");
    }
    vec![mode.to_owned(), value.to_string()]
}

/// Without this test, a [`World`] that sees nothing would pass every other test.
#[test]
fn every_kind_of_leftover_is_detected() {
    let sandbox = Sandbox::podman4().start();
    let begin = "ip netns add c1; ip link add b0 type bridge; ip link add d0 master b0 type veth peer name e0; ip link set b0 up; ip link set d0 up
        ip addr add 192.0.2.1/24 dev b0; mkdir -p /var/lib/flatnet /run/flatnet; touch /run/flatnet/x.lock";
    sandbox.sh(begin).succeeds();
    let world = World::of(&sandbox);
    for (section, leave, take) in [
        ("links in this host", "ip link add b1 type bridge", "ip link del b1"),
        ("links in this host", "ip addr add 192.0.2.2/24 dev b0", "ip addr del 192.0.2.2/24 dev b0"),
        ("links in /run/netns/c1", "ip -n c1 link add b1 type bridge", "ip -n c1 link del b1"),
        ("routing in this host", "ip route add 198.51.100.0/24 dev b0", "ip route del 198.51.100.0/24"),
        ("routing in this host", "ip -6 route add 2001:db8::/64 dev b0", "ip -6 route del 2001:db8::/64"),
        ("routing in this host", "ip rule add pref 100 table 100", "ip rule del pref 100"),
        (
            "routing in this host",
            "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev b0 nud permanent",
            "ip neigh del 192.0.2.9 dev b0",
        ),
        (
            "routing in this host",
            "ip neigh add proxy 192.0.2.9 dev b0",
            "ip neigh del proxy 192.0.2.9 dev b0",
        ),
        (
            "fdb in this host",
            "bridge fdb add 02:00:00:00:00:09 dev d0 master static",
            "bridge fdb del 02:00:00:00:00:09 dev d0 master",
        ),
        ("ruleset in this host", "nft add table inet t", "nft delete table inet t"),
        (
            "ruleset in /run/netns/c1",
            "ip netns exec c1 nft add table ip t",
            "ip netns exec c1 nft delete table ip t",
        ),
        ("sysctls in this host", "sysctl -qw net.ipv4.ip_forward=1", "sysctl -qw net.ipv4.ip_forward=0"),
        ("namespaces", "ip netns add c2", "ip netns del c2"),
        ("file /var/lib/flatnet/x", "echo 1 >/var/lib/flatnet/x", "rm /var/lib/flatnet/x"),
        (
            "locks held",
            "setsid flock --no-fork /run/flatnet/x.lock sleep 60 & echo $! >/tmp/pid",
            "kill $(</tmp/pid)",
        ),
        ("processes", "setsid sleep 60 & echo $! >/tmp/pid", "kill $(</tmp/pid)"),
    ] {
        sandbox.sh(leave).succeeds();
        let seen = world.difference(&World::of(&sandbox));
        assert!(seen.lines().any(|line| line == section), "`{leave}` is not seen in {section}: {seen}");
        sandbox.sh(take).succeeds();
        world.assert_is_back(&sandbox);
    }
}
