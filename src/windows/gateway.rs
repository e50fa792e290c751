//! `OpenResty` on Windows: whether it runs, and what is in its way.

use super::action::{Action, Planned};
use super::observed::Process;
use super::ports;
use super::view::{Mode, View};
use crate::doctor::Finding;

/// What starts the gateway in WSL2.
pub(super) const INSIDE: &str = "systemctl enable --now flatnet-gateway.service";

/// What starts it, where it is to run on Windows and can.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let is_free = ports::intruder(view).is_none() && ports::excluded(view).is_none();
    let can = view.mode == Mode::Nat && view.seen.openresty && is_free;
    let runs = masters(view).next().is_some();
    if can && !runs {
        vec![Planned::new(Action::StartGateway, "the gateway's nginx does not run")]
    } else if runs && view.mode == Mode::Mirrored {
        vec![Planned::new(
            Action::StopGateway,
            "the gateway runs in WSL2 in this mode, and would find its ports taken",
        )]
    } else {
        Vec::new()
    }
}

/// Whether our nginx has the ports, and nobody else.
pub(super) fn look(view: &View) -> Finding {
    if view.mode == Mode::Mirrored {
        return inside(view);
    }
    if let Some(listener) = ports::intruder(view) {
        return ports::taken(view, listener);
    }
    let listening: Vec<&Process> = masters(view).filter(|master| listens(view, master)).collect();
    match listening[..] {
        [] if !view.seen.openresty => Finding::failure(format!("there is no {}", view.seen.settings.openresty))
            .help(format!("Unpack OpenResty for Windows into C:\\Program Files\\OpenResty, or write where it is into {}: OpenResty", view.seen.settings.file)),
        [] => ports::excluded(view).unwrap_or_else(|| {
            Finding::failure("the gateway's nginx does not listen on its ports").commands([view.script("up")])
        }),
        [one] => ports::beside(view).unwrap_or_else(|| Finding::good(format!("the gateway's nginx, process {}", one.pid))),
        _ => Finding::failure(format!(
            "{} nginx of the gateway share its ports ({}): requests go to any of them",
            listening.len(),
            listening.iter().map(|master| master.pid.to_string()).collect::<Vec<_>>().join(", ")
        ))
        .commands([view.script("gateway stop"), view.script("gateway start")]),
    }
}

/// In mirrored mode the gateway runs in WSL2, and a listener on Windows takes its port as well.
fn inside(view: &View) -> Finding {
    if masters(view).any(|master| listens(view, master)) {
        return Finding::failure("OpenResty on Windows has the ports that the gateway in WSL2 is to have")
            .commands([view.script("up")]);
    }
    match view.facts.gateway.as_deref().map(str::trim) {
        Some("active") => Finding::good("flatnet-gateway.service is active in WSL2"),
        state => match ports::intruder(view) {
            Some(listener) => ports::taken(view, listener),
            None => Finding::failure(format!(
                "flatnet-gateway.service in WSL2 is {}",
                state.unwrap_or("not there")
            ))
            .commands([view.in_wsl(INSIDE)])
            .help("ops/wsl/README.md says how it is installed"),
        },
    }
}

/// Our nginx that no nginx of ours started.
fn masters<'a>(view: &'a View) -> impl Iterator<Item = &'a Process> {
    nginx(view).filter(move |one| nginx(view).all(|other| other.pid != one.parent))
}

/// Whether it, or a worker of it, has a port of the gateway's.
fn listens(view: &View, master: &Process) -> bool {
    let family = |pid| pid == master.pid || view.process(pid).is_some_and(|one| one.parent == master.pid);
    view.seen.listeners.iter().any(|listener| family(listener.pid))
}

fn nginx<'a>(view: &'a View) -> impl Iterator<Item = &'a Process> {
    view.seen.processes.iter().filter(|process| process.ours)
}
