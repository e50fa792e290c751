//! The answers of containers' name servers. Containers with the same servers and answers share one finding.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::doctor::Finding;
use crate::doctor::context::describe;
use crate::kernel::observe::dns_query::Answer;
use crate::kernel::observe::resolv_conf::NameServer;
use crate::state::receipt::Receipt;

/// The number of containers that a finding names.
const NAMED: usize = 3;
const HELP: &str = "Check that the server is running and that containers may reach it. If it is this host, another program's \
                    firewall may block it. A container gets its servers \
                    when it starts, from `--dns`, `dns.servers` in the configuration, or this host's resolv.conf: restart \
                    it after a change, also after one of `names`";

const ACCEPT: &str =
    "An accept of Flatnet's cannot undo a drop in another table. Flatnet's resolver answers containers only";

/// Containers, grouped by their answers.
#[derive(Default)]
pub(super) struct NameServers<'a> {
    asked: BTreeMap<Vec<(NameServer, Answer)>, Vec<&'a Receipt>>,
    skipped: BTreeMap<&'static str, Vec<&'a Receipt>>,
}

impl<'a> NameServers<'a> {
    /// Adds the answers of a container's servers, or why they were not asked.
    pub(super) fn add(
        &mut self,
        receipt: &'a Receipt,
        answers: Result<Vec<(NameServer, Answer)>, &'static str>,
    ) {
        match answers {
            Ok(answers) => self.asked.entry(answers).or_default().push(receipt),
            Err(why) => self.skip(receipt, why),
        }
    }

    /// Records why a container's servers were not asked.
    pub(super) fn skip(&mut self, receipt: &'a Receipt, why: &'static str) {
        self.skipped.entry(why).or_default().push(receipt);
    }

    /// Whether `resolver` did not answer a container.
    pub(super) fn lack(&self, resolver: IpAddr) -> bool {
        let lacks = |(server, answer): &(NameServer, Answer)| {
            server.address == resolver && matches!(answer, Answer::Missing(_))
        };
        self.asked.keys().flatten().any(lacks)
    }

    /// `blocked` are other programs' chains that may drop questions to `resolver`, and the commands that let them pass.
    pub(super) fn findings(self, blocked: &[(String, Vec<String>)]) -> Vec<Finding> {
        let mut found: Vec<Finding> = self
            .asked
            .iter()
            .filter_map(|(answers, receipts)| unanswered(answers, receipts, blocked))
            .collect();
        let good = self
            .asked
            .iter()
            .filter(|(answers, _)| answers.iter().all(|(_, answer)| *answer == Answer::Came));
        match good.map(|(_, receipts)| receipts.len()).sum() {
            0 => {}
            1 => found.push(Finding::good(
                "1 container has its link, address and routes, and its name servers answer",
            )),
            count => found.push(Finding::good(format!(
                "{count} containers have their links, addresses and routes, and their name servers answer"
            ))),
        }
        found.extend(self.skipped.iter().map(|(why, receipts)| {
            Finding::not_looked(format!("{}: name servers skipped: {why}", named(receipts)))
        }));
        found
    }
}

/// A finding for servers that did not answer.
fn unanswered(
    answers: &[(NameServer, Answer)],
    receipts: &[&Receipt],
    blocked: &[(String, Vec<String>)],
) -> Option<Finding> {
    let why = |(server, answer): &(NameServer, Answer)| match answer {
        Answer::Came => None,
        Answer::Missing(why) => Some(format!("{server} ({why})")),
    };
    let mut missing: Vec<String> = answers.iter().filter_map(why).collect();
    if missing.is_empty() {
        return None;
    }
    let all = missing.len() == answers.len();
    // Podman 4 lists Flatnet's resolver three times.
    missing.dedup();
    let (who, servers) = (named(receipts), missing.join(", "));
    let finding = if all {
        Finding::failure(format!("{who}: names are not resolved, because no name server answers: {servers}"))
    } else {
        Finding::warning(format!(
            "{who}: names are resolved late or not at all, because a name server does not answer: {servers}"
        ))
    };
    let Some((chain, _)) = blocked.first() else { return Some(finding.help(HELP)) };
    let commands = blocked.iter().flat_map(|(_, commands)| commands.clone());
    Some(finding.commands(commands).help(format!("{chain}. {ACCEPT}")))
}

/// The first few by name and address, and the number of the others.
pub(super) fn named(receipts: &[&Receipt]) -> String {
    let mut names: Vec<String> = receipts.iter().take(NAMED).map(|receipt| describe(receipt)).collect();
    if receipts.len() > NAMED {
        names.push(format!("and {} more", receipts.len() - NAMED));
    }
    names.join("; ")
}
