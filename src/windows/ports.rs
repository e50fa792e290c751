//! Who has a port of the gateway's that is not the gateway, and what is to be done about it.

use std::net::Ipv4Addr;

use super::observed::Listener;
use super::view::View;
use crate::doctor::Finding;

/// HTTP.sys, on whose ports IIS and others listen, is not a process.
const SYSTEM: u32 = 4;

/// Somebody else who has all IPv4 addresses of a port. Listeners at IPv6 addresses take nothing from 0.0.0.0.
pub(super) fn intruder<'a>(view: &'a View) -> Option<&'a Listener> {
    others(view).find(|(_, address)| address.is_unspecified()).map(|(listener, _)| listener)
}

/// Our nginx listens, and somebody else has one address of its port: what comes to that goes there.
pub(super) fn beside(view: &View) -> Option<Finding> {
    let (listener, _) = others(view).find(|(_, address)| !address.is_unspecified())?;
    let mut finding = taken(view, listener);
    finding.what = format!("{}: what comes to that address goes there, not to the gateway", finding.what);
    Some(finding)
}

fn others<'a>(view: &'a View) -> impl Iterator<Item = (&'a Listener, Ipv4Addr)> {
    let is_ours = |pid| view.process(pid).is_some_and(|process| process.ours);
    let listeners = view.seen.listeners.iter().filter(move |one| !is_ours(one.pid));
    listeners.filter_map(|one| Some((one, one.address.parse().ok()?)))
}

/// Whose a port is. Programs of Windows' own listen for others.
pub(super) fn taken(view: &View, listener: &Listener) -> Finding {
    let &Listener { port, pid, ref address } = listener;
    let at = if address == "0.0.0.0" { format!("port {port}") } else { format!("{address}:{port}") };
    let process = view.process(pid);
    let name = process.map_or("a process that is gone", |process| process.name.as_str());
    match name {
        _ if pid == SYSTEM => Finding::failure(format!("{at} is taken by HTTP.sys"))
            .commands(["netsh http show servicestate", "Stop-Service W3SVC"])
            .help("IIS is its most frequent user; else the first command tells which program registered the port"),
        "svchost.exe" => match portproxy(view, port).next() {
            Some(proxy) => Finding::failure(format!(
                "{at} is taken by netsh interface portproxy, which sends it from {proxy} to somewhere else"
            ))
            .commands([
                "netsh interface portproxy show v4tov4".to_owned(),
                format!("netsh interface portproxy delete v4tov4 listenaddress={proxy} listenport={port}"),
            ])
            .help("The second in an elevated PowerShell"),
            None => Finding::failure(format!("{at} is taken by a service of Windows in svchost.exe, process {pid}"))
                .commands([format!("tasklist.exe /svc /fi \"PID eq {pid}\""), "netsh interface portproxy show all".to_owned()]),
        },
        "wslrelay.exe" | "wslhost.exe" => Finding::failure(format!("{at} is taken by a server in WSL2 ({name})"))
            .commands([view.in_wsl("ss -ltnp")])
            .help("End that server, or give it another port"),
        "nginx.exe" => {
            let path = process.and_then(|process| process.path.as_deref()).unwrap_or("whose folder is not told");
            Finding::failure(format!("{at} is taken by somebody else's nginx, process {pid} ({path})"))
                .help(format!("End it where it was started, or give the gateway another port in {} and in flatnet.yaml", view.seen.settings.file))
        }
        _ => Finding::failure(format!("{at} is taken by {name}, process {pid}"))
            .help(format!("End that program, or give the gateway another port in {} and in flatnet.yaml", view.seen.settings.file)),
    }
}

/// Ranges in which Windows lets nobody listen, by what it keeps for Hyper-V and others.
pub(super) fn excluded(view: &View) -> Option<Finding> {
    // A third word, `*`, marks what an administrator keeps for whoever asks for it.
    let numbers = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [from, to] => Some((from.parse().ok()?, to.parse().ok()?)),
        _ => None,
    };
    let ranges: Vec<(u16, u16)> = view.seen.excluded.lines().filter_map(numbers).collect();
    let mut ports = view.seen.settings.ports.iter().copied();
    let (port, (from, to)) = ports
        .find_map(|port| Some((port, *ranges.iter().find(|(from, to)| (*from..=*to).contains(&port))?)))?;
    Some(
        Finding::failure(format!("port {port} is in a range that Windows lets nobody listen in: {from} to {to}"))
            .commands([
                "net stop winnat".to_owned(),
                format!("netsh int ipv4 add excludedportrange protocol=tcp startport={port} numberofports=1 store=persistent"),
                "net start winnat".to_owned(),
                view.script("up"),
            ])
            .help("The first three in an elevated PowerShell: they keep the port for whoever asks for it by its number"),
    )
}

/// At which addresses portproxy takes this port: lines of `ADDRESS PORT ADDRESS PORT`, below a head in any language.
fn portproxy(view: &View, port: u16) -> impl Iterator<Item = String> {
    let of_line = move |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.len() == 4 && words[1] == port.to_string();
        let is_address = |word: &str| word == "*" || word.parse::<Ipv4Addr>().is_ok();
        (is_it && is_address(words[0])).then(|| words[0].to_owned())
    };
    view.seen.portproxy.lines().filter_map(of_line).collect::<Vec<_>>().into_iter()
}
