//! The survey of a repair: what exists, and what to do with it.

use crate::engine::Engine;
use crate::engine::leftover::{Concern, Leftover};
use crate::engine::recover::{Unrecorded, has_addresses};
use crate::error::Result;
use crate::kernel::observe::marked_links::MarkedLinks;
use crate::model::command::Command;
use crate::state::lease::Leases;
use crate::state::receipt::{self, Event, Receipt};

use super::Repair;

/// Why an attachment without a finished ADD is undone.
pub(super) const UNFINISHED: &str = "was never completely attached";

/// What exists, sorted by what to do with it.
pub(super) struct Survey {
    /// To be undone, with the reason.
    pub(super) gone: Vec<(Receipt, &'static str)>,
    /// To be restored, with and without a receipt.
    pub(super) living: Vec<Receipt>,
    pub(super) links: MarkedLinks,
    pub(super) unrecorded: Unrecorded,
}

impl Engine {
    pub(super) fn survey(&mut self) -> Result<Survey> {
        let links = self.marked_links()?;
        let (mut gone, mut living) = (Vec::new(), Vec::new());
        for (receipt, events) in self.store.receipts_and_events()? {
            match self.why_gone(&receipt, &events)? {
                Some(why) => gone.push((receipt, why)),
                None => living.push(receipt),
            }
        }
        let recorded = gone.iter().map(|(receipt, _)| receipt).chain(&living).map(|receipt| &receipt.id);
        let unrecorded = self.unrecorded(&links, &recorded.cloned().collect())?;
        living.extend(unrecorded.receipts.iter().cloned());
        Ok(Survey { gone, living, links, unrecorded })
    }

    /// Why an attachment is to be undone, if it is. One with an unfinished ADD is not in use, since the runtime got no
    /// answer; the container's address is the last thing that ADD makes, except for routes.
    pub(super) fn why_gone(&mut self, receipt: &Receipt, events: &[Event]) -> Result<Option<&'static str>> {
        if self.is_dead(receipt) {
            return Ok(Some("is gone"));
        }
        if receipt::is_leaving(events) {
            return Ok(Some("was only partly detached"));
        }
        if receipt::is_attached(events) {
            return Ok(None);
        }
        let (desired, observed) = match self.look_at_links(receipt) {
            Err(_) if self.is_dying(receipt) => return Ok(Some("is gone")),
            found => found?,
        };
        Ok((!has_addresses(&observed, &desired.addresses)).then_some(UNFINISHED))
    }

    /// Reports what is recorded but not so, and what only a person can decide.
    pub(super) fn note_state(&mut self, survey: &Survey, leases: &Leases, repair: &mut Repair) -> Result<()> {
        for receipt in &survey.unrecorded.receipts {
            let (who, address) = (receipt.label(), receipt.address());
            repair.notes.push(format!("the receipt of container {who}, {address}, was lost and is restored"));
        }
        for (address, lease) in leases.held() {
            let is_survivor = survey.unrecorded.receipts.iter().any(|receipt| receipt.id == lease.id);
            if !is_survivor && self.is_orphan(&lease.id)? {
                repair
                    .notes
                    .push(format!("{address} is released; {} held it, but no longer exists", lease.id));
            }
        }
        for receipt in &survey.living {
            let address = receipt.address();
            if let Some(other) = leases.get(address).filter(|lease| !lease.released && lease.id != receipt.id)
            {
                repair.left.push(Leftover {
                    subject: format!(
                        "container {} and container {} both have {address}",
                        receipt.label(),
                        other.id
                    ),
                    commands: vec![receipt.id.container_id.by_podman("restart")],
                    help: "Restart one of them: it gets another address while the other one holds this one"
                        .to_owned(),
                    concern: Concern::Unowned,
                });
            }
        }
        repair.left.extend(survey.unrecorded.left.iter().cloned());
        // A repair has set them aside by now.
        for (path, why) in self.store.unusable()? {
            repair.notes.push(format!("{} is unusable and is set aside: {why}", path.display()));
        }
        repair.left.extend(self.store.set_aside()?.into_iter().map(|path| Leftover {
            subject: format!("{} could not be read and was set aside", path.display()),
            commands: vec![Command::new(["rm", &path.to_string_lossy()]).line()],
            help: "Check what it was before you delete it".to_owned(),
            concern: Concern::Unowned,
        }));
        Ok(())
    }
}
