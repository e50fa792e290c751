//! `OpenResty` on Windows: how many run, and who has its ports.

use super::action::{Action, Planned};
use super::seen::Process;
use super::view::{Mode, View};
use crate::doctor::Finding;

/// HTTP.sys, on whose ports IIS and others listen, is not a process.
const SYSTEM: u32 = 4;

/// What starts it, where it is to run on Windows and can.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let can = view.mode == Mode::Nat && view.seen.openresty && intruder(view).is_none();
    let start = can && masters(view).next().is_none();
    let stop = view.mode == Mode::Mirrored && masters(view).any(|master| listens(view, master));
    if start {
        vec![Planned::new(Action::StartGateway, "no nginx runs")]
    } else if stop {
        vec![Planned::new(
            Action::StopGateway,
            "the gateway runs in WSL2 in this mode, and would find its ports taken",
        )]
    } else {
        Vec::new()
    }
}

/// What stops it.
pub(super) fn down(view: &View) -> Vec<Planned> {
    let runs = masters(view).any(|master| listens(view, master));
    runs.then(|| Planned::new(Action::StopGateway, "it is Flatnet's")).into_iter().collect()
}

/// Whether one nginx has the ports, and nobody else.
pub(super) fn look(view: &View) -> Finding {
    if view.mode == Mode::Mirrored {
        return match view.facts.gateway.as_deref().map(str::trim) {
            Some("active") => Finding::good("flatnet-gateway.service is active in WSL2"),
            state => Finding::failure(format!(
                "flatnet-gateway.service in WSL2 is {}",
                state.unwrap_or("not there")
            ))
            .commands([view.in_wsl("systemctl enable --now flatnet-gateway.service")])
            .help("ops/wsl/README.md says how it is installed"),
        };
    }
    if let Some((port, pid)) = intruder(view) {
        return taken(view, port, pid);
    }
    let listening: Vec<&Process> = masters(view).filter(|master| listens(view, master)).collect();
    match listening[..] {
        [] if !view.seen.openresty => Finding::failure("there is no OpenResty where the settings have it")
            .help("docs/windows.md says how it is installed; settings.psd1 says where"),
        [] => Finding::failure("no nginx listens on the gateway's ports").commands(["flatnet.ps1 up"]),
        [one] => match masters(view).count() {
            1 => Finding::good(format!("one nginx, process {}", one.pid)),
            count => Finding::warning(format!(
                "{count} nginx run, of which process {} has the gateway's ports",
                one.pid
            )),
        },
        _ => Finding::failure(format!(
            "{} nginx share the gateway's ports ({}): requests go to any of them",
            listening.len(),
            listening.iter().map(|master| master.pid.to_string()).collect::<Vec<_>>().join(", ")
        ))
        .commands(["openresty.ps1 stop", "openresty.ps1 start"])
        .help("Those that are still there after `stop` are not Flatnet's: Stop-Process -Id NUMBER"),
    }
}

/// A port of the gateway's that is not nginx', and whose it is.
fn intruder(view: &View) -> Option<(u16, u32)> {
    let is_nginx = |pid| view.process(pid).is_some_and(|process| process.name == "nginx.exe");
    view.seen.listeners.iter().find(|one| !is_nginx(one.pid)).map(|one| (one.port, one.pid))
}

fn taken(view: &View, port: u16, pid: u32) -> Finding {
    if pid == SYSTEM {
        return Finding::failure(format!("port {port} is taken by HTTP.sys"))
            .commands(["netsh http show servicestate", "Stop-Service W3SVC"])
            .help("IIS is its most frequent user; else the first command tells which program registered the port");
    }
    let name = view.process(pid).map_or("a process that is gone", |process| process.name.as_str());
    Finding::failure(format!("port {port} is taken by {name}, process {pid}"))
        .help("End that program, or give the gateway another port in settings.psd1 and in flatnet.yaml")
}

/// The nginx that no nginx started.
fn masters<'a>(view: &'a View) -> impl Iterator<Item = &'a Process> {
    nginx(view).filter(move |one| nginx(view).all(|other| other.pid != one.parent))
}

/// Whether it, or a worker of it, has a port of the gateway's.
fn listens(view: &View, master: &Process) -> bool {
    let family = |pid| pid == master.pid || view.process(pid).is_some_and(|one| one.parent == master.pid);
    view.seen.listeners.iter().any(|listener| family(listener.pid))
}

fn nginx<'a>(view: &'a View) -> impl Iterator<Item = &'a Process> {
    view.seen.processes.iter().filter(|process| process.name == "nginx.exe")
}
