//! The way from Windows to a container and from the LAN to Windows, stretch by stretch.

use serde::Serialize;

use super::observed::{Address, Answer};
use super::view::{Mode, View};
use super::{firewall, gateway, lan, route};
use crate::doctor::Finding;
use crate::kernel::observe::ini;

/// One stretch of the way.
#[derive(Debug, Serialize)]
pub struct Layer {
    /// What it is called.
    pub layer: &'static str,
    /// How it is.
    #[serde(flatten)]
    pub finding: Finding,
}

/// How one stretch is.
type Look = fn(&View) -> Finding;

/// All stretches. Who reads them stops at the first that fails: what comes after may fail for that reason alone.
pub(super) fn all(view: &View) -> Vec<Layer> {
    let layers: [(&str, Look); 15] = [
        ("settings", settings),
        ("mode", mode),
        ("idle", idle),
        ("systemd", systemd),
        ("forwarding", forwarding),
        ("task", task),
        ("eth0", eth0),
        ("route", route::look),
        ("hyper-v", firewall::look_hyperv),
        ("bridge", bridge),
        ("container", container),
        ("nginx", gateway::look),
        ("gateway", answers),
        ("firewall", lan::look),
        ("name", name),
    ];
    layers.into_iter().map(|(layer, look)| Layer { layer, finding: look(view) }).collect()
}

/// Windows routes what its settings say, so both sides must mean the same.
pub(super) fn settings(view: &View) -> Finding {
    let (here, there) = (view.seen.settings.subnet, view.facts.subnet);
    let file = &view.seen.settings.file;
    if here != there {
        return Finding::failure(format!("{file} has the subnet {here}, and WSL2 has {there}"))
            .help(format!("Write the same into {file} and into /etc/flatnet/flatnet.yaml in WSL2"));
    }
    let (ours, theirs) = (&view.seen.settings.ports, &view.facts.ports);
    if ours != theirs {
        return Finding::warning(format!("{file} has the ports {ours:?}, and flatnet.yaml in WSL2 has {theirs:?}"))
            .help(format!("Write the same into {file} (Ports) and into flatnet.yaml (gateway: listen, tls), then flatnet gateway install"));
    }
    Finding::good(format!("subnet {here}, ports {ours:?}"))
}

fn mode(view: &View) -> Finding {
    match &view.mode {
        Mode::Nat => Finding::good("nat: Windows routes to WSL2"),
        Mode::Mirrored => Finding::good("mirrored: the gateway runs in WSL2, on all addresses of Windows"),
        Mode::Other(mode) => Finding::failure(format!("the networking mode is {mode}, which has no way for routes"))
            .commands(["wsl --shutdown"])
            .help("Write networkingMode=nat or networkingMode=mirrored under [wsl2] into %UserProfile%\\.wslconfig, then shut WSL down. WSL takes virtioproxy by itself when nat fails, or a policy demands it"),
    }
}

/// The first limit is the machine's, the second each distribution's, which newer WSL sets to 15 s by itself.
fn idle(view: &View) -> Finding {
    let text = view.seen.wslconfig.as_deref().unwrap_or_default();
    let set = |section, key| {
        let value = ini::value(text, section, key);
        let is_off = value.and_then(|limit| limit.parse::<i64>().ok()).is_some_and(|limit| limit < 0);
        (!is_off).then(|| format!("{key} is {}", value.unwrap_or("not set")))
    };
    let wrong: Vec<String> =
        [set("wsl2", "vmIdleTimeout"), set("general", "instanceIdleTimeout")].into_iter().flatten().collect();
    if wrong.is_empty() {
        return Finding::good("both limits are good: WSL2 is not stopped when nobody uses it");
    }
    Finding::warning(format!("WSL2 stops when nobody uses it: {}", wrong.join(", ")))
        .commands(["wsl --shutdown"])
        .help("Write vmIdleTimeout=-1 under [wsl2], and instanceIdleTimeout=-1 under [general], into %UserProfile%\\.wslconfig, then shut WSL down")
}

fn systemd(view: &View) -> Finding {
    if view.facts.first_process.trim() == "systemd" {
        Finding::good("systemd runs in WSL2")
    } else {
        Finding::warning("systemd does not run in WSL2: nothing brings containers up after a restart")
            .help("Write systemd=true under [boot] into /etc/wsl.conf, then wsl --shutdown; or see ops/wsl/README.md")
    }
}

fn forwarding(view: &View) -> Finding {
    match view.facts.ip_forward.trim() {
        "1" => Finding::good("WSL2 forwards"),
        _ => Finding::failure("WSL2 does not forward between eth0 and the containers: ip_forward is 0")
            .commands([view.in_wsl("flatnet up")]),
    }
}

/// The scheduler's own numbers: it runs now, it has not run yet, it is queued.
pub(super) const NOT_ENDED: [i64; 3] = [0x41301, 0x41303, 0x41325];

fn task(view: &View) -> Finding {
    let Some(task) = &view.seen.task else {
        return Finding::warning("no scheduled task runs `up` after a restart")
            .commands([view.script("task register")]);
    };
    if task.state == "Disabled" {
        return Finding::warning("the scheduled task is disabled: after a restart `up` is yours to run")
            .commands([view.script("up")]);
    }
    let at = task.last_run.as_deref().unwrap_or("a time that is not told");
    match task.last_result {
        None => Finding::good(format!("the scheduled task is {}", task.state)),
        Some(0) => Finding::good(format!("the scheduled task is {}, and went well at {at}", task.state)),
        Some(result) if NOT_ENDED.contains(&result) => Finding::good(format!("the scheduled task is {}", task.state)),
        Some(result) => Finding::warning(format!("the scheduled task ended with {result} at {at}"))
            .commands([view.script("up")])
            .help("log\\flatnet.log beside the scripts says what it did. 1: the way was not open, 2: it could not be looked at, or not be acted on"),
    }
}

fn eth0(view: &View) -> Finding {
    if view.mode == Mode::Mirrored {
        return Finding::not_applicable("mirrored mode: WSL2 has Windows' own adapters");
    }
    let Some(address) = view.eth0 else {
        return Finding::failure("WSL2 has no eth0 with an IPv4 address").commands(["wsl --shutdown"]);
    };
    let Some(switch) = view.switch() else {
        return no_switch(view, address);
    };
    let twin = view
        .holding(address)
        .find(|other| other.interface != switch.interface && !view.is_wsl(other.interface));
    if let Some(twin) = twin {
        return Finding::failure(format!(
            "{} has {}/{}, which holds the address of WSL2's eth0, {address}",
            view.alias(twin.interface), twin.address, twin.prefix_length
        ))
        .commands(["wsl --shutdown"])
        .help("That network and WSL2's have the same addresses: leave it, or shut WSL down, which may take another network at its next start");
    }
    let way = view.seen.way.as_ref().filter(|way| way.interface != switch.interface);
    match (way, view.seen.probes.eth0 == Some(true) || view.is_open_to_the_bridge()) {
        (Some(way), true) => Finding::warning(format!("{address} is sent by {}, not by {}", route_of(view, way, address), switch.alias))
            .help("A VPN takes WSL2's network. Containers are reached all the same; what asks WSL2 itself is not"),
        (Some(way), false) => Finding::failure(format!("{address} is sent by {}, not by {}", route_of(view, way, address), switch.alias))
            .commands(["wsl --shutdown"])
            .help("A VPN that claims 172.16.0.0/12 is the most frequent cause: leave it, or shut WSL down, which may take another network at its next start"),
        (None, true) => Finding::good(format!("{address} is reached by {}", switch.alias)),
        (None, false) => Finding::failure(format!("{address} answers neither a ping nor a connection"))
            .commands([view.in_wsl("flatnet doctor")])
            .help("A firewall in WSL2 that drops pings looks the same, as long as no container runs"),
    }
}

/// By which adapter and route a VPN takes eth0.
fn route_of(view: &View, way: &Address, address: std::net::Ipv4Addr) -> String {
    let routes = view
        .seen
        .routes
        .iter()
        .filter(|route| route.interface == way.interface && route.destination.contains(&address));
    let narrowest = routes.max_by_key(|route| route.destination.prefix_len());
    let by = narrowest.map_or_else(String::new, |route| format!(" ({})", route.destination));
    format!("{}{by}", view.alias(way.interface))
}

fn no_switch(view: &View, address: std::net::Ipv4Addr) -> Finding {
    let holding: Vec<String> = view.holding(address).map(|own| view.alias(own.interface)).collect();
    let way = view.seen.way.as_ref().map_or_else(|| "nowhere".to_owned(), |way| way.alias.clone());
    let what = if holding.is_empty() {
        format!("Windows has no address in the network of eth0, {address}: it would send to {way}")
    } else {
        format!(
            "which adapter is WSL2's is not known: {} hold eth0's address, {address}",
            holding.join(" and ")
        )
    };
    Finding::failure(what)
        .commands(["wsl --shutdown"])
        .help("A VPN that claims 172.16.0.0/12 is the most frequent cause")
}

fn bridge(view: &View) -> Finding {
    let address = view.facts.bridge;
    match view.seen.probes.bridge {
        _ if view.facts.bridge_link.is_empty() => Finding::failure(format!(
            "there is no bridge in WSL2 with the address {address}, or WSL2 is still starting"
        ))
        .commands([view.in_wsl("flatnet up")]),
        _ if view.mode == Mode::Mirrored => not_from_windows(),
        Some(true) => Finding::good(format!("{address} answers")),
        // What drops pings to this host lets through to containers.
        _ if view.is_open_to_the_bridge() => {
            Finding::good(format!("{address} is passed: a container behind it answers"))
        }
        _ => Finding::failure(format!("the bridge, {address}, answers neither a ping nor a connection"))
            .commands([view.in_wsl("flatnet doctor")]),
    }
}

fn container(view: &View) -> Finding {
    let Some(container) = &view.facts.container else {
        return Finding::not_applicable("no container runs on Flatnet");
    };
    let called = format!("{}, {},", container.name, container.address);
    match view.seen.probes.container {
        _ if view.mode == Mode::Mirrored => not_from_windows(),
        Some(true) => Finding::good(format!("{called} answers")),
        _ => Finding::failure(format!("{called} answers neither a ping nor a connection"))
            .commands([view.in_wsl("flatnet doctor")])
            .help("Another distribution's Docker drops what it does not know: all share one network. The doctor names the rule"),
    }
}

fn not_from_windows() -> Finding {
    Finding::not_applicable("mirrored mode: the gateway in WSL2 goes there, not Windows")
}

fn answers(view: &View) -> Finding {
    let probe = &view.seen.probes.gateway;
    if !probe.is_flatnet() {
        let log = "logs\\error.log in the gateway's directory says why";
        return match probe.status() {
            Some(_) => Finding::failure(probe.why())
                .commands([view.script("gateway status")])
                .help("The line nginx says whose the port is. Where it is the gateway's, its files are of another version: flatnet gateway install, then flatnet.ps1 gateway reload"),
            None => Finding::failure(format!("it does not answer on this PC: {}", probe.why())).help(log),
        };
    }
    let ports = &view.seen.settings.ports;
    let closed: Vec<String> = ports
        .iter()
        .filter(|port| !view.seen.probes.open_ports.contains(port))
        .map(ToString::to_string)
        .collect();
    if !closed.is_empty() {
        return Finding::failure(format!("it answers on this PC, and not on port {}", closed.join(", ")))
            .help("HTTPS needs tls below gateway: in flatnet.yaml, then flatnet gateway install; else take the port out of settings.psd1");
    }
    match probe.status() {
        Some(503) => Finding::warning("it answers on this PC, and has no routes yet")
            .commands([view.in_wsl("flatnet gateway sync")]),
        _ => Finding::good("it answers on this PC"),
    }
}

fn name(view: &View) -> Finding {
    let (name, probe) = (&view.seen.settings.name, &view.seen.probes.name);
    // In mirrored mode Windows does not reach WSL2 at its own address in the LAN, unless it is told to.
    let text = view.seen.wslconfig.as_deref().unwrap_or_default();
    let is_told = ["experimental", "wsl2"].iter().any(|section| {
        ini::value(text, section, "hostAddressLoopback")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    });
    let can_ask = view.mode != Mode::Mirrored || is_told;
    let is_own = |peer| view.seen.addresses.iter().any(|own| own.address == peer);
    match (view.seen.probes.lan.as_ref().filter(|_| can_ask), probe.address) {
        (Some(lan), _) if !lan.is_flatnet() => {
            Finding::failure(format!("the gateway does not answer at this PC's address in the LAN: {}", lan.why()))
                .commands(["netstat -ano"])
                .help("Another program has that address and port, or a file of yours in local.d listens on 127.0.0.1 only")
        }
        (_, None) => Finding::warning(format!("{name}: {}", probe.why()))
            .help("Names are the LAN's affair: an entry in its DNS for *.DOMAIN, or in each PC's hosts file. The portal answers at this PC's address without any"),
        (_, Some(peer)) if peer.is_loopback() => Finding::good(format!("{name} leads here on this PC, {peer}")),
        (_, Some(peer)) if is_own(peer) && (probe.is_flatnet() || !can_ask) => Finding::good(format!("{name} leads here, {peer}")),
        (_, Some(peer)) if is_own(peer) => Finding::failure(format!("{name} leads here, {peer}, where the gateway does not answer: {}", probe.why()))
            .commands(["netstat -ano"]),
        (_, Some(peer)) => Finding::warning(format!("{name} leads to {peer}, which is not this PC{}", of(probe)))
            .help(format!("This PC has {}: the name is to lead to the one that the LAN reaches", own_addresses(view))),
    }
}

fn of(probe: &Answer) -> String {
    if probe.is_flatnet() {
        ", and has a gateway of Flatnet".to_owned()
    } else {
        format!(": {}", probe.why())
    }
}

/// Those that others can reach.
fn own_addresses(view: &View) -> String {
    let own =
        view.seen.addresses.iter().filter(|own| !own.address.is_loopback() && !view.is_wsl(own.interface));
    own.map(|own| own.address.to_string()).collect::<Vec<_>>().join(", ")
}
