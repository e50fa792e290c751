//! Windows is still where the rules let it in from: its address can change whenever it starts.

use super::inside;
use crate::desired::HostFacts;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-address",
    group: Group::Wsl2,
    looks_at: "the addresses of Windows and of eth0 now, against those that `flatnet up` recorded",
    shows: "Windows reached containers yesterday, and does not today",
    needs: Needs::State,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let recorded = context.engine.store.host()?.map(|record| record.facts);
    let up = context.flatnet("up");
    Ok(inside(|| judge(recorded.as_ref(), context.facts.as_ref(), &up)))
}

fn judge(recorded: Option<&HostFacts>, now: Option<&HostFacts>, up: &str) -> Finding {
    let (Some(recorded), Some(now)) = (recorded, now) else {
        return Finding::not_applicable("`flatnet up` has not run yet");
    };
    let listed = |facts: &HostFacts| {
        let addresses = facts.ingress_gateways.iter().chain(&facts.host_addresses);
        addresses.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let (before, now) = (listed(recorded), listed(now));
    if before == now {
        return Finding::good(if now.is_empty() {
            "nobody outside is let in".to_owned()
        } else {
            format!("as recorded: {now}")
        });
    }
    Finding::failure(format!("the rules know {before}, and now it is {now}")).commands([up]).help(
        "Windows needs its route again, too, if eth0 has another address: `route print 10.87.*` in Windows shows where it leads",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn another_next_hop_is_a_failure() {
        let facts = |gateway: &str| HostFacts {
            config_hash: String::new(),
            mtu: 1500,
            uplink: Some("eth0".to_owned()),
            ingress_gateways: vec![gateway.parse().unwrap()],
            fib: true,
            host_addresses: Vec::new(),
        };
        let (old, new) = (facts("172.20.0.1"), facts("172.29.16.1"));
        assert_eq!(judge(Some(&old), Some(&old), "up").level, Level::Good);
        assert_eq!(judge(Some(&old), Some(&new), "up").commands, ["up"]);
        assert_eq!(judge(None, Some(&new), "up").level, Level::NotApplicable);
    }
}
