//! What the gateway says of itself, asked where it listens.
//!
//! Where that is: on this host, or with whoever else may let requests in, which on WSL2 is Windows. All questions are
//! `curl`'s, each with an end.

use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::doctor::Context;
use crate::error::Result;
use crate::kernel::execute::{CommandFailure, Exit};
use crate::kernel::observe::host::WslMode;
use crate::kernel::tools;
use crate::model::command::Command;
use crate::model::config::Gateway;
use crate::nginx::install::Platform;

/// curl's exit status for a connection that was refused.
const REFUSED: Exit = Exit::Code(7);
/// How curl is called: no settings of the user's, whoever signed the certificate, and it has an end.
const CURL: [&str; 7] = ["curl", "-q", "-sS", "-k", "--max-time", "3", "-w"];

/// What was heard of the gateway.
#[derive(Clone, Debug)]
pub(in crate::doctor) enum Heard {
    /// It tells how it is.
    Status {
        /// Its address.
        address: Ipv4Addr,
        /// The same as the beginning of a URL.
        base: String,
        /// What it tells.
        status: Status,
    },
    /// Something else came.
    Other {
        /// The address.
        base: String,
        /// The HTTP status of `/_flatnet/healthz`.
        code: u16,
    },
    /// Nothing came from anywhere.
    Nothing {
        /// Where it was looked for, and what curl says.
        tried: Vec<String>,
        /// Whether nobody listens there: what is silent may be shut off.
        is_refused: bool,
    },
}

/// `/_flatnet/status`, as far as checks look at it.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Status {
    pub(super) version: String,
    pub(super) generation: Option<u64>,
    pub(super) problem: Option<Problem>,
    pub(super) routes: Vec<Route>,
    pub(super) conflicts: Vec<Conflict>,
}

/// Why the file that is there is not in force.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Problem {
    pub(super) message: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Route {
    pub(super) endpoints: Vec<Endpoint>,
}

/// How the gateway finds a container.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Endpoint {
    pub(super) container: String,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    pub(super) health: String,
}

/// A route that another one has taken a host from.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Conflict {
    pub(super) route: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) winner: String,
}

/// Asks at each address where the gateway may listen, until one answers.
fn ask(context: &mut Context, platform: Platform) -> Result<Heard> {
    tools::find("curl")?;
    let (mut tried, mut is_refused) = (Vec::new(), true);
    for address in addresses(context, platform) {
        let base = base(&context.engine.config.gateway, address);
        let url = format!("{base}/_flatnet/healthz");
        match get(context, &url)? {
            Ok((200 | 503, _)) => return status(context, address, base),
            Ok((code, _)) => return Ok(Heard::Other { base, code }),
            Err(failure) => {
                is_refused &= failure.exit == REFUSED;
                tried.push(failure.stderr);
            }
        }
    }
    Ok(Heard::Nothing { is_refused: is_refused && !tried.is_empty(), tried })
}

fn status(context: &mut Context, address: Ipv4Addr, base: String) -> Result<Heard> {
    Ok(match get(context, &format!("{base}/_flatnet/status"))? {
        Ok((200, body)) => match serde_json::from_str(&body) {
            Ok(status) => Heard::Status { address, base, status },
            Err(_) => Heard::Other { base, code: 200 },
        },
        Ok((code, _)) => Heard::Other { base, code },
        Err(failure) => Heard::Nothing { tried: vec![failure.stderr], is_refused: failure.exit == REFUSED },
    })
}

/// Code and body; or how curl failed.
fn get(context: &mut Context, url: &str) -> Result<Result<(u16, String), CommandFailure>> {
    let command = Command::new(CURL.into_iter().chain(["\\n%{http_code}", url]));
    let output = context.run(&command)?;
    if !output.success() {
        return Ok(Err(CommandFailure::new(&command, &output)));
    }
    let (body, code) = output.stdout.rsplit_once('\n').unwrap_or_default();
    Ok(Ok((code.parse().unwrap_or_default(), body.to_owned())))
}

/// What asks for the head of `url`, by the name `host`.
pub(super) fn head(url: &str, host: Option<&str>) -> Command {
    let host = host.into_iter().flat_map(|host| ["-H".to_owned(), format!("Host: {host}")]);
    let argv = CURL.into_iter().map(str::to_owned).chain(["%{http_code}".to_owned(), "-I".to_owned()]);
    Command::new(argv.chain(host).chain([url.to_owned()]))
}

/// What asks for the certificates that are shown at `url`.
pub(super) fn certificates(url: &str) -> Command {
    Command::new(CURL.into_iter().chain(["%{certs}", "-I", "-o", "/dev/null", url]))
}

/// Where it may listen.
fn addresses(context: &mut Context, platform: Platform) -> Vec<Ipv4Addr> {
    let outside = context.facts.as_ref().map(|facts| facts.ingress_gateways.clone()).unwrap_or_default();
    // In mirrored mode both have the same loopback.
    let mut is_mirrored = || context.wsl_mode() == WslMode::Other("mirrored".to_owned());
    let here = (platform == Platform::Linux || is_mirrored()).then_some(Ipv4Addr::LOCALHOST);
    here.into_iter().chain(outside).collect()
}

/// With a redirect only HTTPS answers.
fn base(gateway: &Gateway, address: Ipv4Addr) -> String {
    match &gateway.tls {
        Some(tls) if tls.redirect => format!("https://{address}:{}", tls.listen),
        _ => format!("http://{address}:{}", gateway.listen),
    }
}

impl Context {
    /// What the gateway says; asked once.
    pub(super) fn heard(&mut self, platform: Platform) -> Result<Heard> {
        if let Some(heard) = &self.heard {
            return Ok(heard.clone());
        }
        let heard = ask(self, platform)?;
        Ok(self.heard.insert(heard).clone())
    }

    /// What it tells of itself, and where; `None` where it does not, of which a check of its own tells.
    pub(super) fn gateway_status(&mut self, platform: Platform) -> Option<(String, Status)> {
        match self.heard(platform) {
            Ok(Heard::Status { base, status, .. }) => Some((base, status)),
            _ => None,
        }
    }
}
