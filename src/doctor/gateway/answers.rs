//! The gateway answers, where it is known to listen.

use super::{Heard, nginx, reload, where_installed};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::{Kind, Result};
use crate::nginx::install::Platform;
use crate::setup::units;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-answers",
    group: Group::Gateway,
    looks_at: "`/_flatnet/healthz` and `/_flatnet/status` at this host, or at Windows, as the gateway's platform and the configuration have it",
    shows: "browsers do not open anything: \"connection refused\", or the page of another web server",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, platform| {
        let heard = match context.heard(platform) {
            Err(error) if error.kind() == Kind::ToolMissing => {
                return Ok(vec![Finding::not_looked(
                    "there is no curl here to ask with: `apt-get install curl`",
                )]);
            }
            other => other?,
        };
        Ok(vec![match heard {
            Heard::Status { base, status, .. } if status.generation.is_some() => {
                Finding::good(format!("{base}/ answers"))
            }
            Heard::Status { base, .. } => {
                Finding::failure(format!("{base}/ answers, and has had no list of routes yet"))
                    .commands([context.flatnet("gateway sync")])
            }
            Heard::Other { base, code: 403 } => refused(context, platform, &base),
            Heard::Other { base, code } => somebody_else(context, &base, code),
            Heard::Nothing { tried, is_refused } => silent(context, platform, &tried, is_refused),
        }])
    })
}

fn refused(context: &Context, platform: Platform, base: &str) -> Finding {
    Finding::warning(format!("{base}/ answers, and does not tell this host how it is (403)")).help(format!(
        "Add this host's address to `gateway.allow` in {}, then run `{}` and {}",
        context.config_path.display(),
        context.flatnet("gateway install"),
        reload(context, platform)
    ))
}

fn somebody_else(context: &Context, base: &str, code: u16) -> Finding {
    let listen = context.engine.config.gateway.listen;
    Finding::failure(format!("something else than Flatnet's gateway answers at {base}/ (HTTP {code})")).help(format!(
        "On this host `ss -ltnp sport = :{listen}` tells who it is; end it, or choose another port by `gateway.listen`"
    ))
}

fn silent(context: &Context, platform: Platform, tried: &[String], is_refused: bool) -> Finding {
    let tried = tried.join("; ");
    let unit = format!("{}.service", units::name("flatnet-gateway", &context.engine.config.network));
    match platform {
        Platform::Linux => {
            let command = if units::is_booted() {
                format!("systemctl enable --now {unit}")
            } else {
                nginx(context)
            };
            Finding::failure(format!("nobody answers: {tried}")).commands([command]).help(format!(
                "Where nginx does not start, {}/logs/error.log says why",
                context.engine.config.gateway.directory.display()
            ))
        }
        Platform::Windows if tried.is_empty() => {
            Finding::not_looked("where Windows is, is not known: see wsl-networking-mode and ingress_gateways")
        }
        Platform::Windows if is_refused => {
            Finding::failure(format!("nobody listens on Windows: {tried}"))
                .help("In Windows `flatnet.ps1 doctor` says what is in the way, and `flatnet.ps1 gateway start` starts it")
        }
        // Its firewall is for the LAN, and may drop what comes from here.
        Platform::Windows => Finding::not_looked(format!(
            "no answer from Windows, whose firewall may drop this question: {tried}; in Windows `flatnet.ps1 doctor` looks"
        )),
    }
}
