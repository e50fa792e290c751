//! The layers of the path from Windows to a container, and from the LAN to Windows.

use serde::Serialize;

use super::observed::{Address, Answer};
use super::view::{NetworkingMode, View};
use super::{firewall, gateway, lan, nrpt, route};
use crate::doctor::Finding;
use crate::kernel::observe::ini;

/// One layer of the path.
#[derive(Debug, Serialize)]
pub struct Layer {
    /// Its name.
    pub layer: &'static str,
    /// Its state.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Checks one layer.
type Look = fn(&View) -> Finding;

/// All layers, in order. Those after the first failure may fail for the same reason.
pub(super) fn all(view: &View) -> Vec<Layer> {
    let layers: [(&str, Look); 16] = [
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
        ("nrpt", nrpt::look),
    ];
    layers.into_iter().map(|(layer, look)| Layer { layer, finding: look(view) }).collect()
}

/// The subnet and ports must be the same in the scripts' settings and in WSL2.
pub(super) fn settings(view: &View) -> Finding {
    let (here, there) = (view.observed.settings.subnet, view.facts.subnet);
    let file = &view.observed.settings.file;
    if here != there {
        return Finding::failure(format!("{file} has the subnet {here}, but WSL2 has {there}"))
            .help(format!(
                "Write the same subnet to {file} and to /etc/flatnet/flatnet.yaml in WSL2; once WSL2 has joined other hosts, {file} has the range"
            ));
    }
    let (ours, theirs) = (&view.observed.settings.ports, &view.facts.ports);
    if ours != theirs {
        return Finding::warning(format!("{file} has the ports {ours:?}, but flatnet.yaml in WSL2 has {theirs:?}"))
            .help(format!("Write the same ports to {file} (Ports) and to flatnet.yaml (gateway: listen, tls), then run flatnet gateway install"));
    }
    Finding::good(format!("subnet {here}, ports {ours:?}"))
}

fn mode(view: &View) -> Finding {
    match &view.mode {
        NetworkingMode::Nat => Finding::good("nat: Windows routes to WSL2"),
        NetworkingMode::Mirrored => Finding::good("mirrored: the gateway runs in WSL2, on all addresses of Windows"),
        NetworkingMode::Other(mode) => Finding::failure(format!("the networking mode {mode} does not support routes"))
            .commands(["wsl --shutdown"])
            .help("Set networkingMode=nat or networkingMode=mirrored under [wsl2] in %UserProfile%\\.wslconfig, then shut WSL down. WSL falls back to virtioproxy if nat fails, or a policy requires it"),
    }
}

/// The first limit is for the virtual machine, the second for each distribution; its default in recent WSL is 15 s.
fn idle(view: &View) -> Finding {
    let text = view.observed.wslconfig.as_deref().unwrap_or_default();
    let set = |section, key| {
        let value = ini::value(text, section, key);
        let is_off = value.and_then(|limit| limit.parse::<i64>().ok()).is_some_and(|limit| limit < 0);
        (!is_off).then(|| format!("{key} is {}", value.unwrap_or("not set")))
    };
    let wrong: Vec<String> =
        [set("wsl2", "vmIdleTimeout"), set("general", "instanceIdleTimeout")].into_iter().flatten().collect();
    if wrong.is_empty() {
        return Finding::good("both limits are good: WSL2 does not stop when idle");
    }
    Finding::warning(format!("WSL2 stops when idle: {}", wrong.join(", ")))
        .commands(["wsl --shutdown"])
        .help("Set vmIdleTimeout=-1 under [wsl2] and instanceIdleTimeout=-1 under [general] in %UserProfile%\\.wslconfig, then shut WSL down")
}

fn systemd(view: &View) -> Finding {
    if view.facts.first_process.trim() == "systemd" {
        Finding::good("systemd runs in WSL2")
    } else {
        Finding::warning("systemd does not run in WSL2: containers are not started after a restart")
            .help("Set systemd=true under [boot] in /etc/wsl.conf, then run wsl --shutdown; or see ops/wsl/README.md")
    }
}

fn forwarding(view: &View) -> Finding {
    match view.facts.ip_forward.trim() {
        "1" => Finding::good("WSL2 forwards packets"),
        _ => {
            Finding::failure("WSL2 does not forward packets between eth0 and the containers: ip_forward is 0")
                .commands([view.in_wsl("flatnet up")])
        }
    }
}

/// Task Scheduler's result codes for a task that is running, has not run yet, or is queued.
pub(super) const NOT_ENDED: [i64; 3] = [0x41301, 0x41303, 0x41325];

fn task(view: &View) -> Finding {
    let Some(task) = &view.observed.task else {
        return Finding::warning("no scheduled task runs `up` after a restart")
            .commands([view.script("task register")]);
    };
    if task.state == "Disabled" {
        return Finding::warning("the scheduled task is disabled: `up` does not run after a restart")
            .commands([view.script("up")]);
    }
    let at = task.last_run.as_deref().unwrap_or("an unknown time");
    match task.last_result {
        None => Finding::good(format!("the scheduled task is {}", task.state)),
        Some(0) => Finding::good(format!("the scheduled task is {}; its last run, at {at}, succeeded", task.state)),
        Some(result) if NOT_ENDED.contains(&result) => Finding::good(format!("the scheduled task is {}", task.state)),
        Some(result) => Finding::warning(format!("the scheduled task exited with {result} at {at}"))
            .commands([view.script("up")])
            .help("See log\\flatnet.log beside the scripts. 1: the path stopped at a layer, 2: it could not be inspected, or an action failed"),
    }
}

fn eth0(view: &View) -> Finding {
    if view.mode == NetworkingMode::Mirrored {
        return Finding::not_applicable("mirrored mode: WSL2 uses Windows' adapters");
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
            "{} has {}/{}, which includes the address of WSL2's eth0, {address}",
            view.alias(twin.interface), twin.address, twin.prefix_length
        ))
        .commands(["wsl --shutdown"])
        .help("That network and WSL2's have the same addresses: disconnect from it, or shut WSL down, which may choose another network when it starts");
    }
    let way = view.observed.way.as_ref().filter(|way| way.interface != switch.interface);
    match (way, view.observed.probes.eth0 == Some(true) || view.is_open_to_the_bridge()) {
        (Some(way), true) => Finding::warning(format!("packets to {address} leave through {}, not {}", route_of(view, way, address), switch.alias))
            .help("A VPN has a route to WSL2's network. Containers can be reached, WSL2 itself cannot"),
        (Some(way), false) => Finding::failure(format!("packets to {address} leave through {}, not {}", route_of(view, way, address), switch.alias))
            .commands(["wsl --shutdown"])
            .help("The usual cause is a VPN with a route to 172.16.0.0/12: disconnect it, or shut WSL down, which may choose another network when it starts"),
        (None, true) => Finding::good(format!("{address} answers through {}", switch.alias)),
        (None, false) => Finding::failure(format!("{address} answers neither a ping nor a connection"))
            .commands([view.in_wsl("flatnet doctor")])
            .help("While no container runs, a firewall in WSL2 that drops pings has the same effect"),
    }
}

/// The adapter and route through which Windows would send to eth0.
fn route_of(view: &View, way: &Address, address: std::net::Ipv4Addr) -> String {
    let routes = view
        .observed
        .routes
        .iter()
        .filter(|route| route.interface == way.interface && route.destination.contains(&address));
    let narrowest = routes.max_by_key(|route| route.destination.prefix_len());
    let by = narrowest.map_or_else(String::new, |route| format!(" ({})", route.destination));
    format!("{}{by}", view.alias(way.interface))
}

fn no_switch(view: &View, address: std::net::Ipv4Addr) -> Finding {
    let holding: Vec<String> = view.holding(address).map(|own| view.alias(own.interface)).collect();
    let way = view
        .observed
        .way
        .as_ref()
        .map_or_else(|| "no route".to_owned(), |way| format!("packets would leave through {}", way.alias));
    let what = if holding.is_empty() {
        format!("Windows has no address in the network of eth0, {address}: {way}")
    } else {
        format!(
            "WSL2's adapter is unknown: the networks of {} include eth0's address, {address}",
            holding.join(" and ")
        )
    };
    Finding::failure(what)
        .commands(["wsl --shutdown"])
        .help("The usual cause is a VPN with a route to 172.16.0.0/12")
}

fn bridge(view: &View) -> Finding {
    let address = view.facts.bridge;
    match view.observed.probes.bridge {
        _ if view.facts.bridge_link.is_empty() => Finding::failure(format!(
            "no bridge in WSL2 has the address {address}, or WSL2 is still starting"
        ))
        .commands([view.in_wsl("flatnet up")]),
        _ if view.mode == NetworkingMode::Mirrored => not_from_windows(),
        Some(true) => Finding::good(format!("{address} answers")),
        // A firewall may drop pings to WSL2 itself, but not to containers.
        _ if view.is_open_to_the_bridge() => {
            Finding::good(format!("{address} does not answer, but a container behind it does"))
        }
        _ => Finding::failure(format!("the bridge, {address}, answers neither a ping nor a connection"))
            .commands([view.in_wsl("flatnet doctor")]),
    }
}

fn container(view: &View) -> Finding {
    let Some(container) = &view.facts.container else {
        return Finding::not_applicable("no container is running");
    };
    let called = format!("{}, {},", container.name, container.address);
    match view.observed.probes.container {
        _ if view.mode == NetworkingMode::Mirrored => not_from_windows(),
        Some(true) => Finding::good(format!("{called} answers")),
        _ => Finding::failure(format!("{called} answers neither a ping nor a connection"))
            .commands([view.in_wsl("flatnet doctor")])
            .help("All distributions share one network, and Docker in another one may drop these packets. The doctor names the rule"),
    }
}

fn not_from_windows() -> Finding {
    Finding::not_applicable("mirrored mode: only the gateway in WSL2 connects to it")
}

fn answers(view: &View) -> Finding {
    let probe = &view.observed.probes.gateway;
    if !probe.is_flatnet() {
        let log = "See logs\\error.log in the gateway's directory";
        return match probe.status() {
            Some(_) => Finding::failure(probe.why())
                .commands([view.script("gateway status")])
                .help("The layer nginx shows which program has the port. If it is the gateway, its files are from another version: run flatnet gateway install, then flatnet.ps1 gateway reload"),
            None => Finding::failure(format!("no answer on this PC: {}", probe.why())).help(log),
        };
    }
    let ports = &view.observed.settings.ports;
    let closed: Vec<String> = ports
        .iter()
        .filter(|port| !view.observed.probes.open_ports.contains(port))
        .map(ToString::to_string)
        .collect();
    if !closed.is_empty() {
        return Finding::failure(format!("the gateway answers on this PC, but not on port {}", closed.join(", ")))
            .help("For HTTPS, set gateway.tls in flatnet.yaml and run flatnet gateway install; otherwise remove the port from settings.psd1");
    }
    match probe.status() {
        Some(503) => Finding::warning("the gateway answers on this PC, but has no routes yet")
            .commands([view.in_wsl("flatnet gateway sync")]),
        _ => Finding::good("the gateway answers on this PC"),
    }
}

fn name(view: &View) -> Finding {
    let (name, probe) = (&view.observed.settings.name, &view.observed.probes.name);
    // In mirrored mode Windows reaches WSL2 at its own LAN address only with hostAddressLoopback.
    let text = view.observed.wslconfig.as_deref().unwrap_or_default();
    let has_loopback = ["experimental", "wsl2"].iter().any(|section| {
        ini::value(text, section, "hostAddressLoopback")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    });
    let can_ask = view.mode != NetworkingMode::Mirrored || has_loopback;
    let is_own = |peer| view.observed.addresses.iter().any(|own| own.address == peer);
    match (view.observed.probes.lan.as_ref().filter(|_| can_ask), probe.address) {
        (Some(lan), _) if !lan.is_flatnet() => {
            Finding::failure(format!("the gateway does not answer at this PC's address in the LAN: {}", lan.why()))
                .commands(["netstat -ano"])
                .help("Another program has that address and port, or a file in local.d makes nginx listen only on 127.0.0.1")
        }
        (_, None) => Finding::warning(format!("{name}: {}", probe.why()))
            .help("Add *.DOMAIN to the LAN's DNS, or the name to each PC's hosts file. At this PC's address, the portal needs no name"),
        (_, Some(peer)) if peer.is_loopback() => Finding::good(format!("on this PC, {name} resolves to {peer}")),
        (_, Some(peer)) if is_own(peer) && (probe.is_flatnet() || !can_ask) => Finding::good(format!("{name} resolves to this PC, {peer}")),
        (_, Some(peer)) if is_own(peer) => Finding::failure(format!("{name} resolves to this PC, {peer}, where the gateway does not answer: {}", probe.why()))
            .commands(["netstat -ano"]),
        (_, Some(peer)) => Finding::warning(format!("{name} resolves to {peer}, which is not this PC{}", remote_answer(probe)))
            .help(format!("This PC has {}: the name must resolve to the one that the LAN can reach", own_addresses(view))),
    }
}

fn remote_answer(probe: &Answer) -> String {
    if probe.is_flatnet() {
        ", but a gateway of Flatnet answers there".to_owned()
    } else {
        format!(": {}", probe.why())
    }
}

/// Windows' addresses, without loopback and WSL's.
fn own_addresses(view: &View) -> String {
    let own = view
        .observed
        .addresses
        .iter()
        .filter(|own| !own.address.is_loopback() && !view.is_wsl(own.interface));
    own.map(|own| own.address.to_string()).collect::<Vec<_>>().join(", ")
}
