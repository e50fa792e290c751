//! Other programs on the gateway's ports, and how to free the ports.

use std::net::Ipv4Addr;

use super::observed::Listener;
use super::view::View;
use crate::doctor::Finding;

/// The process ID under which HTTP.sys listens, for IIS and others.
const SYSTEM: u32 = 4;

/// Another program's listener on all IPv4 addresses of a port. Listeners on IPv6 addresses do not conflict with 0.0.0.0.
pub(super) fn intruder<'a>(view: &'a View) -> Option<&'a Listener> {
    others(view).find(|(_, address)| address.is_unspecified()).map(|(listener, _)| listener)
}

/// Another program's listener on a single address of a port, beside the gateway's: it receives the connections to that address.
pub(super) fn beside(view: &View) -> Option<Finding> {
    let (listener, _) = others(view).find(|(_, address)| !address.is_unspecified())?;
    let mut finding = taken(view, listener);
    finding.what =
        format!("{}, which receives the connections to that address instead of the gateway", finding.what);
    Some(finding)
}

fn others<'a>(view: &'a View) -> impl Iterator<Item = (&'a Listener, Ipv4Addr)> {
    let is_ours = |pid| view.process(pid).is_some_and(|process| process.ours);
    let listeners = view.observed.listeners.iter().filter(move |one| !is_ours(one.pid));
    listeners.filter_map(|one| Some((one, one.address.parse().ok()?)))
}

/// Names the program that has a port, or the one for which a system process listens.
pub(super) fn taken(view: &View, listener: &Listener) -> Finding {
    let &Listener { port, pid, ref address } = listener;
    let at = if address == "0.0.0.0" { format!("port {port}") } else { format!("{address}:{port}") };
    let process = view.process(pid);
    let name = process.map_or("a process that has exited", |process| process.name.as_str());
    match name {
        _ if pid == SYSTEM => Finding::failure(format!("{at} is in use by HTTP.sys"))
            .commands(["netsh http show servicestate", "Stop-Service W3SVC"])
            .help(
                "The usual cause is IIS; otherwise the first command shows which program registered the port",
            ),
        "svchost.exe" => match portproxy(view, port).next() {
            Some(proxy) => Finding::failure(format!(
                "{at} is in use by netsh interface portproxy, which forwards {proxy} to another address"
            ))
            .commands([
                "netsh interface portproxy show v4tov4".to_owned(),
                format!("netsh interface portproxy delete v4tov4 listenaddress={proxy} listenport={port}"),
            ])
            .help("Run the second command in an elevated PowerShell"),
            None => {
                Finding::failure(format!("{at} is in use by a Windows service in svchost.exe, process {pid}"))
                    .commands([
                        format!("tasklist.exe /svc /fi \"PID eq {pid}\""),
                        "netsh interface portproxy show all".to_owned(),
                    ])
            }
        },
        "wslrelay.exe" | "wslhost.exe" => {
            Finding::failure(format!("{at} is in use by a server in WSL2 ({name})"))
                .commands([view.in_wsl("ss -ltnp")])
                .help("Stop that server, or give it another port")
        }
        "nginx.exe" => {
            let path = process.and_then(|process| process.path.as_deref()).unwrap_or("in an unknown folder");
            Finding::failure(format!("{at} is in use by another nginx, process {pid} ({path})")).help(
                format!(
                    "Stop it, or give the gateway another port in {} and in flatnet.yaml",
                    view.observed.settings.file
                ),
            )
        }
        _ => Finding::failure(format!("{at} is in use by {name}, process {pid}")).help(format!(
            "Stop that program, or give the gateway another port in {} and in flatnet.yaml",
            view.observed.settings.file
        )),
    }
}

/// A port of the gateway in a range that Windows reserves, for Hyper-V and others.
pub(super) fn excluded(view: &View) -> Option<Finding> {
    // A third word, `*`, marks a range that an administrator reserved; programs can listen there.
    let numbers = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [from, to] => Some((from.parse().ok()?, to.parse().ok()?)),
        _ => None,
    };
    let ranges: Vec<(u16, u16)> = view.observed.excluded.lines().filter_map(numbers).collect();
    let mut ports = view.observed.settings.ports.iter().copied();
    let (port, (from, to)) = ports
        .find_map(|port| Some((port, *ranges.iter().find(|(from, to)| (*from..=*to).contains(&port))?)))?;
    Some(
        Finding::failure(format!("port {port} is in a port range that Windows reserves: {from} to {to}"))
            .commands([
                "net stop winnat".to_owned(),
                format!("netsh int ipv4 add excludedportrange protocol=tcp startport={port} numberofports=1 store=persistent"),
                "net start winnat".to_owned(),
                view.script("up"),
            ])
            .help("Run the first three commands in an elevated PowerShell: they exclude the port from Windows' automatic reservations"),
    )
}

/// The addresses on which portproxy listens for this port. Lines have the form `ADDRESS PORT ADDRESS PORT`, below a translated
/// header.
fn portproxy(view: &View, port: u16) -> impl Iterator<Item = String> {
    let of_line = move |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.len() == 4 && words[1] == port.to_string();
        let is_address = |word: &str| word == "*" || word.parse::<Ipv4Addr>().is_ok();
        (is_it && is_address(words[0])).then(|| words[0].to_owned())
    };
    view.observed.portproxy.lines().filter_map(of_line).collect::<Vec<_>>().into_iter()
}
