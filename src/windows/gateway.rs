//! `OpenResty` on Windows: whether it runs, and what prevents it.

use super::action::{Action, Planned};
use super::observed::Process;
use super::ports;
use super::view::{NetworkingMode, View};
use crate::doctor::Finding;

/// The command that starts the gateway in WSL2.
pub(super) const INSIDE: &str = "systemctl enable --now flatnet-gateway.service";

/// Starts the gateway if it should run on Windows and can, and stops it in mirrored mode.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let is_free = ports::intruder(view).is_none() && ports::excluded(view).is_none();
    let can = view.mode == NetworkingMode::Nat && view.observed.openresty && is_free;
    let runs = masters(view).next().is_some();
    if can && !runs {
        vec![Planned::new(Action::StartGateway, "the gateway's nginx is not running")]
    } else if runs && view.mode == NetworkingMode::Mirrored {
        vec![Planned::new(
            Action::StopGateway,
            "in this mode the gateway runs in WSL2, and needs these ports",
        )]
    } else {
        Vec::new()
    }
}

/// Whether Flatnet's nginx has the ports, alone.
pub(super) fn look(view: &View) -> Finding {
    if view.mode == NetworkingMode::Mirrored {
        return inside(view);
    }
    if let Some(listener) = ports::intruder(view) {
        return ports::taken(view, listener);
    }
    let listening: Vec<&Process> = masters(view).filter(|master| listens(view, master)).collect();
    match listening[..] {
        [] if !view.observed.openresty => {
            Finding::failure(format!("{} does not exist", view.observed.settings.openresty)).help(format!(
                "Unpack OpenResty for Windows to C:\\Program Files\\OpenResty, or set OpenResty in {}",
                view.observed.settings.file
            ))
        }
        [] => ports::excluded(view).unwrap_or_else(|| {
            Finding::failure("the gateway's nginx does not listen on its ports").commands([view.script("up")])
        }),
        [one] => ports::beside(view)
            .unwrap_or_else(|| Finding::good(format!("the gateway's nginx, process {}", one.pid))),
        _ => Finding::failure(format!(
            "{} nginx of the gateway share its ports ({}): each request may reach any of them",
            listening.len(),
            listening.iter().map(|master| master.pid.to_string()).collect::<Vec<_>>().join(", ")
        ))
        .commands([view.script("gateway stop"), view.script("gateway start")]),
    }
}

/// In mirrored mode the gateway runs in WSL2, where a listener on Windows also occupies its port.
fn inside(view: &View) -> Finding {
    if masters(view).any(|master| listens(view, master)) {
        return Finding::failure("OpenResty on Windows has the ports that the gateway in WSL2 needs")
            .commands([view.script("up")]);
    }
    match view.facts.gateway.as_deref().map(str::trim) {
        Some("active") => Finding::good("flatnet-gateway.service is active in WSL2"),
        state => match ports::intruder(view) {
            Some(listener) => ports::taken(view, listener),
            None => Finding::failure(format!(
                "flatnet-gateway.service in WSL2 is {}",
                state.unwrap_or("not installed")
            ))
            .commands([view.in_wsl(INSIDE)])
            .help("To install it, see ops/wsl/README.md"),
        },
    }
}

/// The master processes of Flatnet's nginx: those that no other nginx of Flatnet started.
fn masters<'a>(view: &'a View) -> impl Iterator<Item = &'a Process> {
    nginx(view).filter(move |one| nginx(view).all(|other| other.pid != one.parent))
}

/// Whether a master or one of its workers listens on a port of the gateway.
fn listens(view: &View, master: &Process) -> bool {
    let family = |pid| pid == master.pid || view.process(pid).is_some_and(|one| one.parent == master.pid);
    view.observed.listeners.iter().any(|listener| family(listener.pid))
}

fn nginx<'a>(view: &'a View) -> impl Iterator<Item = &'a Process> {
    view.observed.processes.iter().filter(|process| process.ours)
}
