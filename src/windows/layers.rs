//! The way from Windows to a container and from the LAN to Windows, stretch by stretch.

use serde::Serialize;

use super::seen::Curl;
use super::view::{Mode, View};
use super::{firewall, gateway, route};
use crate::doctor::{Finding, ini};

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
        ("firewall", firewall::look_lan),
        ("name", name),
    ];
    layers.into_iter().map(|(layer, look)| Layer { layer, finding: look(view) }).collect()
}

/// Windows routes what its settings say, so both sides must mean the same.
pub(super) fn settings(view: &View) -> Finding {
    let (here, there) = (view.seen.settings.subnet, view.facts.subnet);
    if here == there {
        Finding::good(format!("subnet {here}"))
    } else {
        Finding::failure(format!("Windows' settings have the subnet {here}, and WSL2's {there}"))
            .help("Write the same into settings.psd1 beside flatnet.ps1, and into flatnet.yaml in WSL2")
    }
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

fn idle(view: &View) -> Finding {
    let text = view.seen.wslconfig.as_deref().unwrap_or_default();
    let limit = ini(text, "wsl2", "vmIdleTimeout");
    if limit.and_then(|limit| limit.parse::<i64>().ok()).is_some_and(|limit| limit < 0) {
        return Finding::good("WSL2 is not stopped when nobody uses it");
    }
    Finding::warning(format!("WSL2 stops when nobody uses it: vmIdleTimeout is {}", limit.unwrap_or("not set")))
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

fn task(view: &View) -> Finding {
    match view.seen.task.as_deref() {
        Some("Disabled") => {
            Finding::warning("the scheduled task is disabled: after a restart `up` is yours to run")
        }
        Some(state) => Finding::good(format!("the scheduled task is {state}")),
        None => {
            Finding::warning("no scheduled task runs `up` after a restart").commands(["task.ps1 register"])
        }
    }
}

fn eth0(view: &View) -> Finding {
    let Some(address) = view.eth0 else {
        return Finding::failure("WSL2 has no eth0 with an IPv4 address").commands(["wsl --shutdown"]);
    };
    if view.mode == Mode::Mirrored {
        return Finding::not_applicable(format!("eth0 is an adapter of Windows: {address}"));
    }
    if view.switch().is_none() {
        let way = view.seen.way.as_ref().map_or("nowhere", |way| way.alias.as_str());
        return Finding::failure(format!(
            "Windows has no address in the network of eth0, {address}: it would send to {way}"
        ))
        .commands(["wsl --shutdown"])
        .help("A VPN that claims 172.16.0.0/12 is the most frequent cause");
    }
    match view.seen.probes.eth0 {
        Some(true) => Finding::good(format!("{address} answers")),
        _ => Finding::failure(format!("{address} does not answer to a ping")),
    }
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
        _ => Finding::failure(format!("the bridge, {address}, does not answer to a ping"))
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
        _ => Finding::failure(format!("{called} does not answer to a ping"))
            .commands([view.in_wsl("flatnet doctor")])
            .help("Another distribution's Docker drops what it does not know: all share one network. The doctor names the rule"),
    }
}

fn not_from_windows() -> Finding {
    Finding::not_applicable("mirrored mode: the gateway in WSL2 goes there, not Windows")
}

fn answers(view: &View) -> Finding {
    let probe = &view.seen.probes.gateway;
    match probe.status() {
        Some(200) => Finding::good("it answers on this PC"),
        Some(status) => {
            Finding::failure(format!("something answers with {status}, and is not Flatnet's gateway"))
        }
        None => Finding::failure(format!("it does not answer on this PC: {}", probe.why()))
            .help("logs\\error.log in the gateway's directory says why"),
    }
}

fn name(view: &View) -> Finding {
    let (name, probe) = (&view.seen.settings.name, &view.seen.probes.name);
    let lan = view.seen.probes.lan.as_ref().map(Curl::status);
    let is_own = |peer| view.seen.addresses.iter().any(|own| own.address == peer);
    match (lan, probe.status(), probe.peer()) {
        (Some(None), ..) => Finding::failure("the gateway does not answer at this PC's address in the LAN")
            .help("Another program has that address and port (netstat -ano), or a file of yours in local.d listens on 127.0.0.1 only"),
        (_, None, _) => Finding::warning(format!("{name}: {}", probe.why()))
            .help("Names are the LAN's affair: an entry in its DNS for *.DOMAIN, or in each PC's hosts file. The portal answers at this PC's address without any"),
        (_, Some(200), Some(peer)) if peer.is_loopback() || is_own(peer) => Finding::good(format!("{name} leads here, {peer}")),
        (_, Some(status), peer) => Finding::warning(format!(
            "{name} leads to {}, which answers with {status}",
            peer.map_or("an unknown host".to_owned(), |peer| peer.to_string())
        )),
    }
}
