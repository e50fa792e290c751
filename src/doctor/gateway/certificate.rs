//! How long the certificate that the gateway shows is still valid.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::ask::certificates;
use super::{Heard, reload, where_installed};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-certificate",
    group: Group::Gateway,
    looks_at: "until when the certificate is valid that the gateway shows at `gateway.tls.listen`",
    shows: "from one day to the next browsers warn of the gateway, and programs refuse it",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

/// A new one is asked for, checked and put in its place in this time.
const DAYS: i64 = 14;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, platform| {
        let Some(tls) = context.engine.config.gateway.tls.clone() else {
            return Ok(vec![Finding::not_applicable("the gateway has no HTTPS: gateway.tls is not set")]);
        };
        let Ok(Heard::Status { address, .. }) = context.heard(platform) else {
            return Ok(vec![Finding::not_looked("the gateway does not tell: see gateway-answers")]);
        };
        let renew = format!(
            "Put a new one where {} is; nginx shows it after {}",
            tls.certificate,
            reload(context, platform)
        );
        let url = format!("https://{address}:{}/_flatnet/healthz", tls.listen);
        let output = context.run(&certificates(&url))?;
        if !output.success() {
            return Ok(vec![Finding::failure(format!("{url}: {}", output.stderr.trim())).help(renew)]);
        }
        Ok(vec![match expiry(&output.stdout) {
            None => Finding::not_looked("curl does not tell of certificates; 7.88 and later do"),
            Some(end) => judge(end, Timestamp::now(), &renew),
        }])
    })
}

/// Of the first certificate, which is the gateway's own: `Expire date:Dec  3 23:26:42 2026 GMT`.
fn expiry(told: &str) -> Option<Timestamp> {
    let text = told.lines().find_map(|line| line.strip_prefix("Expire date:"))?;
    let time = DateTime::strptime("%b %d %H:%M:%S %Y GMT", text.trim()).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn judge(end: Timestamp, now: Timestamp, renew: &str) -> Finding {
    if end <= now {
        Finding::failure(format!("the gateway's certificate ran out at {end}")).help(renew)
    } else if end.as_second() - now.as_second() < DAYS * 86_400 {
        Finding::warning(format!("the gateway's certificate runs out within {DAYS} days, at {end}"))
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
    fn it_is_told_in_time() {
        let told = "Subject:CN = gateway\nStart date:Nov 23 23:26:42 2026 GMT\nExpire date:Dec  3 23:26:42 2026 GMT\n\
            Subject:CN = CA\nExpire date:Dec 13 23:26:42 2036 GMT\n";
        let end = expiry(told).unwrap();
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
