//! The certificate that says which addresses are this host's is valid, for long enough.

use jiff::Timestamp;

use super::{SIGN_AGAIN, files, with_nebula};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::overlay::nebula::Details;
use crate::overlay::status::own_certificate;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "overlay-certificate",
    group: Group::Overlay,
    looks_at: "this host's certificate for the overlay: its addresses, its beginning and its end, by this host's clock",
    shows: "no other host is reached, from one moment to the next",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

/// Enough time to have a certificate signed.
const DAYS: i64 = 30;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    with_nebula(context, |context, overlay| {
        let (files, subnet) = (files(context), context.engine.config.subnet);
        let details = context.with_executor(|executor| own_certificate(&files, executor))?.details;
        let networks = details.networks.as_deref().unwrap_or_default();
        let subnets = details.unsafe_networks.as_deref().unwrap_or_default();
        if networks != [overlay.address()] || subnets != [subnet] {
            let what = format!(
                "the certificate is not for {} and {subnet}, the addresses of overlay.number {}",
                overlay.address(),
                overlay.number
            );
            return Ok(vec![Finding::failure(what).help(SIGN_AGAIN)]);
        }
        Ok(vec![judge(&details, Timestamp::now())])
    })
}

fn judge(details: &Details, now: Timestamp) -> Finding {
    let Details { not_before, not_after, .. } = details;
    // Certificates have no parts of seconds either.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let (Ok(begin), Ok(end)) = (not_before.parse::<Timestamp>(), not_after.parse::<Timestamp>()) else {
        return Finding::not_looked("the times in the certificate cannot be read");
    };
    if now < begin {
        Finding::failure(format!("the certificate begins at {begin}, but this host's clock says {now}"))
            .help("Set the clock; in WSL2 `hwclock --hctosys`")
    } else if now >= end {
        Finding::failure(format!("the certificate ended at {end}; this host's clock says {now}"))
            .help(format!("If the clock is wrong, set it. {SIGN_AGAIN}"))
    } else if end.as_second() - now.as_second() < DAYS * 86_400 {
        Finding::warning(format!("the certificate ends within {DAYS} days, at {end}")).help(SIGN_AGAIN)
    } else {
        Finding::good(format!("the certificate is valid until {end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn certificate_is_judged_by_the_clock() {
        let details = Details {
            name: "bob".to_owned(),
            is_ca: false,
            networks: None,
            unsafe_networks: None,
            not_before: "2026-11-30T14:34:50Z".to_owned(),
            not_after: "2027-11-30T14:34:50Z".to_owned(),
        };
        for (now, level) in [
            ("2026-11-30T14:34:49Z", Level::Failure),
            ("2026-11-30T14:34:50Z", Level::Good),
            ("2027-10-31T14:34:50Z", Level::Good),
            ("2027-11-01T14:34:50Z", Level::Warning),
            ("2027-11-30T14:34:50Z", Level::Failure),
        ] {
            assert_eq!(judge(&details, now.parse().unwrap()).level, level, "{now}");
        }
        let unreadable = Details { not_after: "never".to_owned(), ..details };
        assert_eq!(judge(&unreadable, Timestamp::now()).level, Level::NotLooked);
    }
}
