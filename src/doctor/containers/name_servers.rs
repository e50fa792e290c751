//! What was heard from the name servers of containers: those that are told the same are one finding.

use std::collections::BTreeMap;

use crate::doctor::Finding;
use crate::doctor::context::called;
use crate::kernel::observe::dns_query::Answer;
use crate::kernel::observe::resolv_conf::NameServer;
use crate::state::receipt::Receipt;

/// How many containers a finding names.
const NAMED: usize = 3;
const HELP: &str = "Is the server there, and may containers ask it? Where it is this host, a firewall of another program may \
                    keep them off: with ufw `ufw allow from SUBNET to any port 53`. A container is told its servers when it \
                    starts, by `--dns`, `dns.servers` of the configuration, or this host's resolv.conf as it was then: after \
                    a change start it again";

/// By what was heard.
#[derive(Default)]
pub(super) struct NameServers<'a> {
    asked: BTreeMap<Vec<(NameServer, Answer)>, Vec<&'a Receipt>>,
    skipped: BTreeMap<&'static str, Vec<&'a Receipt>>,
}

impl<'a> NameServers<'a> {
    /// What one container's servers said; else why they were not asked.
    pub(super) fn add(
        &mut self,
        receipt: &'a Receipt,
        heard: Result<Vec<(NameServer, Answer)>, &'static str>,
    ) {
        match heard {
            Ok(answers) => self.asked.entry(answers).or_default().push(receipt),
            Err(why) => self.skip(receipt, why),
        }
    }

    /// They were not asked, and why.
    pub(super) fn skip(&mut self, receipt: &'a Receipt, why: &'static str) {
        self.skipped.entry(why).or_default().push(receipt);
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        let mut found: Vec<Finding> =
            self.asked.iter().filter_map(|(heard, receipts)| unheard(heard, receipts)).collect();
        let good =
            self.asked.iter().filter(|(heard, _)| heard.iter().all(|(_, answer)| *answer == Answer::Came));
        match good.map(|(_, receipts)| receipts.len()).sum() {
            0 => {}
            1 => found.push(Finding::good("1 container has what it needs, and its name servers answer")),
            count => found.push(Finding::good(format!(
                "{count} containers have what they need, and their name servers answer"
            ))),
        }
        found.extend(self.skipped.iter().map(|(why, receipts)| {
            Finding::not_looked(format!("{}: name servers skipped: {why}", named(receipts)))
        }));
        found
    }
}

/// Of those that have had no answer.
fn unheard(heard: &[(NameServer, Answer)], receipts: &[&Receipt]) -> Option<Finding> {
    let why = |(server, answer): &(NameServer, Answer)| match answer {
        Answer::Came => None,
        Answer::Missing(why) => Some(format!("{server} ({why})")),
    };
    let missing: Vec<String> = heard.iter().filter_map(why).collect();
    if missing.is_empty() {
        return None;
    }
    let (who, servers) = (named(receipts), missing.join(", "));
    let finding = if missing.len() == heard.len() {
        Finding::failure(format!("{who}: names are not resolved, for no name server answers: {servers}"))
    } else {
        Finding::warning(format!(
            "{who}: names are resolved late or not at all, for a name server does not answer: {servers}"
        ))
    };
    Some(finding.help(HELP))
}

/// The first by name and address, and how many more there are.
fn named(receipts: &[&Receipt]) -> String {
    let mut names: Vec<String> = receipts.iter().take(NAMED).map(|receipt| called(receipt)).collect();
    if receipts.len() > NAMED {
        names.push(format!("and {} more", receipts.len() - NAMED));
    }
    names.join("; ")
}
