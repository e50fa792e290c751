//! The gateway answers at its address.

use super::{GatewayProbe, nginx, reload, where_installed};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::{Kind, Result};
use crate::kernel::packages;
use crate::nginx::install::Platform;
use crate::setup::units;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-answers",
    group: Group::Gateway,
    looks_at: "`/_flatnet/healthz` and `/_flatnet/status` of the gateway on this host, or on Windows, at the configured port",
    shows: "browsers cannot connect: \"connection refused\"; or another web server answers",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, platform| {
        let probe = match context.probe_gateway(platform) {
            Err(error) if error.kind() == Kind::ToolMissing => {
                let install = packages::install("curl");
                return Ok(vec![Finding::not_looked(format!("curl is not installed: run `{install}`"))]);
            }
            other => other?,
        };
        Ok(vec![match probe {
            GatewayProbe::Status { base, status, .. } if status.generation.is_some() => {
                Finding::good(format!("{base}/ answers"))
            }
            GatewayProbe::Status { base, .. } => {
                Finding::failure(format!("{base}/ answers, but has not loaded a routes table yet"))
                    .commands([context.flatnet("gateway sync")])
            }
            GatewayProbe::Other { base, code: 403 } => refused(context, platform, &base),
            GatewayProbe::Other { base, code } => other_server(context, &base, code),
            GatewayProbe::NoAnswer { tried, is_refused } => silent(context, platform, &tried, is_refused),
        }])
    })
}

fn refused(context: &Context, platform: Platform, base: &str) -> Finding {
    Finding::warning(format!("{base}/ answers, but denies its status to this host (403)")).help(format!(
        "Add this host's address to `gateway.allow` in {}, then run `{}` and {}",
        context.config_path.display(),
        context.flatnet("gateway install"),
        reload(context, platform)
    ))
}

fn other_server(context: &Context, base: &str, code: u16) -> Finding {
    let listen = context.engine.config.gateway.listen;
    Finding::failure(format!("another server than Flatnet's gateway answers at {base}/ (HTTP {code})")).help(format!(
        "On this host `ss -ltnp sport = :{listen}` shows the program; stop it, or set another port in `gateway.listen`"
    ))
}

fn silent(context: &Context, platform: Platform, tried: &[String], is_refused: bool) -> Finding {
    let tried = tried.join("; ");
    let unit = format!("{}.service", units::name("flatnet-gateway", &context.engine.config.network));
    match platform {
        Platform::Linux => {
            let command =
                if units::is_booted() { format!("systemctl enable --now {unit}") } else { nginx(context) };
            Finding::failure(format!("no answer from the gateway: {tried}")).commands([command]).help(
                format!(
                    "If nginx does not start, {}/logs/error.log shows why",
                    context.engine.config.gateway.directory.display()
                ),
            )
        }
        Platform::Windows if tried.is_empty() => Finding::not_looked(
            "the address of Windows is unknown: see wsl-networking-mode and ingress_gateways",
        ),
        Platform::Windows if is_refused => Finding::failure(format!(
            "the gateway on Windows is not listening: {tried}"
        ))
        .help("In Windows, `flatnet.ps1 doctor` finds the cause, and `flatnet.ps1 gateway start` starts it"),
        // Windows' firewall may drop connections from WSL2.
        Platform::Windows => Finding::not_looked(format!(
            "no answer from Windows, whose firewall may drop the request: {tried}; run `flatnet.ps1 doctor` in Windows"
        )),
    }
}
