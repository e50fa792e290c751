//! The remaining validity of the gateway's certificate.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::probe::certificates;
use super::{GatewayProbe, reload, where_installed};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-certificate",
    group: Group::Gateway,
    looks_at: "the expiry date of the certificate that the gateway presents at `gateway.tls.listen`",
    shows: "browsers suddenly warn about the gateway's certificate, and programs refuse to connect",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

/// Enough time to get and install a new certificate.
const DAYS: i64 = 14;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, platform| {
        let Some(tls) = context.engine.config.gateway.tls.clone() else {
            return Ok(vec![Finding::not_applicable(
                "the gateway does not use HTTPS: gateway.tls is not set",
            )]);
        };
        let Ok(GatewayProbe::Status { address, .. }) = context.probe_gateway(platform) else {
            return Ok(vec![Finding::not_looked("the gateway's status is unknown: see gateway-answers")]);
        };
        let renew = format!(
            "Replace {} with a new certificate; nginx loads it on {}",
            tls.certificate,
            reload(context, platform)
        );
        let url = format!("https://{address}:{}/_flatnet/healthz", tls.listen);
        let output = context.run(&certificates(&url))?;
        if !output.success() {
            return Ok(vec![Finding::failure(format!("{url}: {}", output.stderr.trim())).help(renew)]);
        }
        Ok(vec![match expiry(&output.stdout) {
            None => Finding::not_looked("curl cannot print certificates; this needs curl 7.88 or later"),
            Some(end) => judge(end, Timestamp::now(), &renew),
        }])
    })
}

/// The expiry of the first certificate, which is the gateway's own: `Expire date:Dec  3 23:26:42 2026 GMT`.
fn expiry(output: &str) -> Option<Timestamp> {
    let text = output.lines().find_map(|line| line.strip_prefix("Expire date:"))?;
    let time = DateTime::strptime("%b %d %H:%M:%S %Y GMT", text.trim()).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn judge(end: Timestamp, now: Timestamp, renew: &str) -> Finding {
    if end <= now {
        Finding::failure(format!("the gateway's certificate expired at {end}")).help(renew)
    } else if end.as_second() - now.as_second() < DAYS * 86_400 {
        Finding::warning(format!("the gateway's certificate expires within {DAYS} days, at {end}"))
            .help(renew)
    } else {
        Finding::good(format!("the certificate is valid until {end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn certificate_expiry_warns_two_weeks_ahead() {
        let output = "Subject:CN = gateway\nStart date:Nov 23 23:26:42 2026 GMT\nExpire date:Dec  3 23:26:42 2026 GMT\n\
            Subject:CN = CA\nExpire date:Dec 13 23:26:42 2036 GMT\n";
        let end = expiry(output).unwrap();
        assert_eq!(end.to_string(), "2026-12-03T23:26:42Z");
        for (now, level) in [
            ("2026-11-19T23:26:42Z", Level::Good),
            ("2026-11-19T23:26:43Z", Level::Warning),
            ("2026-12-03T23:26:41Z", Level::Warning),
            ("2026-12-03T23:26:42Z", Level::Failure),
        ] {
            assert_eq!(judge(end, now.parse().unwrap(), "").level, level, "{now}");
        }
        assert_eq!(expiry(""), None);
        assert_eq!(expiry("Expire date:soon\n"), None);
    }
}
