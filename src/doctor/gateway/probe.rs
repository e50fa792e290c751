//! Requests to the gateway's own pages.
//!
//! It listens on this host, or on an ingress gateway, which on WSL2 is Windows. All requests are made by `curl` with a time
//! limit.

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

/// curl's exit status for a refused connection.
const REFUSED: Exit = Exit::Code(7);
/// curl without the user's settings, without verification of certificates, and with a time limit.
const CURL: [&str; 7] = ["curl", "-q", "-sS", "-k", "--max-time", "3", "-w"];

/// The result of probing the gateway.
#[derive(Clone, Debug)]
pub(in crate::doctor) enum GatewayProbe {
    /// It returned its status.
    Status {
        /// The address.
        address: Ipv4Addr,
        /// The scheme, address and port as the beginning of a URL.
        base: String,
        /// The status.
        status: Status,
    },
    /// Another answer.
    Other {
        /// As above.
        base: String,
        /// The HTTP status of `/_flatnet/healthz`.
        code: u16,
    },
    /// No answer from any address.
    NoAnswer {
        /// The errors of curl, by address.
        tried: Vec<String>,
        /// Whether every connection was refused, rather than dropped.
        is_refused: bool,
    },
}

/// The fields of `/_flatnet/status` that checks use.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Status {
    pub(super) version: String,
    pub(super) generation: Option<u64>,
    pub(super) problem: Option<Problem>,
    pub(super) routes: Vec<Route>,
    pub(super) conflicts: Vec<Conflict>,
}

/// Why the current file is not in force.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Problem {
    pub(super) message: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Route {
    /// The number of another host that has the containers.
    pub(super) host: Option<u16>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// The state of a container as the gateway sees it.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Endpoint {
    pub(super) container: String,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    pub(super) health: String,
}

/// A host that two routes claim.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::doctor) struct Conflict {
    pub(super) route: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) winner: String,
    /// With an overlay, the numbers of both routes' hosts.
    pub(super) route_host: Option<u16>,
    pub(super) winner_host: Option<u16>,
}

/// Probes each address at which the gateway may listen, until one answers.
fn ask(context: &mut Context, platform: Platform) -> Result<GatewayProbe> {
    tools::find("curl")?;
    let (mut tried, mut is_refused) = (Vec::new(), true);
    for address in addresses(context, platform) {
        let base = base(&context.engine.config.gateway, address);
        let url = format!("{base}/_flatnet/healthz");
        match get(context, &url)? {
            Ok((200 | 503, _)) => return status(context, address, base),
            Ok((code, _)) => return Ok(GatewayProbe::Other { base, code }),
            Err(failure) => {
                is_refused &= failure.exit == REFUSED;
                tried.push(failure.stderr);
            }
        }
    }
    Ok(GatewayProbe::NoAnswer { is_refused: is_refused && !tried.is_empty(), tried })
}

fn status(context: &mut Context, address: Ipv4Addr, base: String) -> Result<GatewayProbe> {
    Ok(match get(context, &format!("{base}/_flatnet/status"))? {
        Ok((200, body)) => match serde_json::from_str(&body) {
            Ok(status) => GatewayProbe::Status { address, base, status },
            Err(_) => GatewayProbe::Other { base, code: 200 },
        },
        Ok((code, _)) => GatewayProbe::Other { base, code },
        Err(failure) => {
            GatewayProbe::NoAnswer { tried: vec![failure.stderr], is_refused: failure.exit == REFUSED }
        }
    })
}

/// Status code and body, or curl's failure.
fn get(context: &mut Context, url: &str) -> Result<Result<(u16, String), CommandFailure>> {
    let command = Command::new(CURL.into_iter().chain(["\\n%{http_code}", url]));
    let output = context.run(&command)?;
    if !output.success() {
        return Ok(Err(CommandFailure::new(&command, &output)));
    }
    let (body, code) = output.stdout.rsplit_once('\n').unwrap_or_default();
    Ok(Ok((code.parse().unwrap_or_default(), body.to_owned())))
}

/// A HEAD request for `url` with the header `Host: host`.
pub(super) fn head(url: &str, host: Option<&str>) -> Command {
    let host = host.into_iter().flat_map(|host| ["-H".to_owned(), format!("Host: {host}")]);
    let argv = CURL.into_iter().map(str::to_owned).chain(["%{http_code}".to_owned(), "-I".to_owned()]);
    Command::new(argv.chain(host).chain([url.to_owned()]))
}

/// A command that prints the certificates presented at `url`.
pub(super) fn certificates(url: &str) -> Command {
    Command::new(CURL.into_iter().chain(["%{certs}", "-I", "-o", "/dev/null", url]))
}

/// The addresses at which the gateway may listen.
fn addresses(context: &mut Context, platform: Platform) -> Vec<Ipv4Addr> {
    let outside = context.facts.as_ref().map(|facts| facts.ingress_gateways.clone()).unwrap_or_default();
    // In mirrored mode Windows and WSL2 share the loopback address.
    let mut is_mirrored = || context.wsl_mode() == WslMode::Other("mirrored".to_owned());
    let here = (platform == Platform::Linux || is_mirrored()).then_some(Ipv4Addr::LOCALHOST);
    here.into_iter().chain(outside).collect()
}

/// With `redirect`, only HTTPS answers.
fn base(gateway: &Gateway, address: Ipv4Addr) -> String {
    match &gateway.tls {
        Some(tls) if tls.redirect => format!("https://{address}:{}", tls.listen),
        _ => format!("http://{address}:{}", gateway.listen),
    }
}

impl Context {
    /// The result of probing the gateway; probed once.
    pub(super) fn probe_gateway(&mut self, platform: Platform) -> Result<GatewayProbe> {
        if let Some(probe) = &self.gateway_probe {
            return Ok(probe.clone());
        }
        let probe = ask(self, platform)?;
        Ok(self.gateway_probe.insert(probe).clone())
    }

    /// The base URL and the status; `None` if there is none, which `gateway-answers` reports.
    pub(super) fn gateway_status(&mut self, platform: Platform) -> Option<(String, Status)> {
        match self.probe_gateway(platform) {
            Ok(GatewayProbe::Status { base, status, .. }) => Some((base, status)),
            _ => None,
        }
    }
}
