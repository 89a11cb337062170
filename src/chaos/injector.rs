//! Injects faults into a tree, and clears them.
//!
//! Invariant: no fault is active once the injector is dropped.

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use crate::base::sync::lock;
use crate::chaos::active::{ActiveFaults, FaultEvent};
use crate::chaos::error::ExperimentError;
use crate::chaos::fault::Fault;
use crate::slot::erased::AnySlot;
use crate::tree::inject::Inject;
use crate::tree::shared::Shared;
use crate::tree::statements::Statement;

pub(super) struct Injector {
    shared: Arc<Shared>,
    faults: Arc<ActiveFaults>,
    /// Mailboxes that have been made full, by the number of the fault.
    full: Mutex<Vec<(usize, Arc<dyn AnySlot>)>>,
}

impl Injector {
    /// Begins an experiment. `told` receives the reports of incarnations, `said` the statements for the judge.
    pub(super) fn new(
        shared: Arc<Shared>,
        told: mpsc::UnboundedSender<FaultEvent>,
        said: mpsc::UnboundedSender<Statement>,
    ) -> Result<Self, ExperimentError> {
        let faults = ActiveFaults::of(&shared);
        if !faults.arm(told, said) {
            let path = shared.directory.entries().first().map_or_else(|| "the tree".into(), |entry| entry.path.clone());
            return Err(ExperimentError::AlreadyArmed { path });
        }
        let injector = Self { shared, faults, full: Mutex::default() };
        injector.count_calls(true);
        injector.tell_of_incarnations();
        Ok(injector)
    }

    pub(super) fn strike(
        &self,
        number: usize,
        fault: &Fault,
        path: &str,
        seed: u64,
        is_virtual: bool,
    ) -> Result<(), String> {
        let Some(listed) = self.shared.directory.get(path) else { return Err("no child has this path".into()) };
        if !fault.can_hit(listed.kind) {
            return Err(format!("a {} cannot be hit by this", listed.kind));
        }
        match fault {
            Fault::Kill | Fault::KillTogether(_) => {
                if listed.slot.kill() {
                    Ok(())
                } else {
                    Err("it has no running incarnation".into())
                }
            }
            Fault::MailboxFull => {
                listed.slot.faulty().set_jammed(true);
                lock(&self.full).push((number, listed.slot));
                Ok(())
            }
            Fault::Flap(_) | Fault::ClockJump(_) => Ok(()),
            Fault::Duplicate(_) if !listed.slot.faulty().can_repeat() => Err("its messages cannot be copied".into()),
            _ => {
                self.faults.inject(&*listed.slot, number, fault, seed, is_virtual);
                Ok(())
            }
        }
    }

    pub(super) fn clear(&self, number: usize, path: &str) {
        let mine: Vec<_> = lock(&self.full).extract_if(.., |(full, _)| *full == number).collect();
        mine.iter().for_each(|(_, slot)| slot.faulty().set_jammed(false));
        let slot = self.shared.directory.get(path).map(|listed| listed.slot);
        self.faults.clear(path, slot.as_deref(), number);
    }

    fn count_calls(&self, is_counted: bool) {
        self.shared.directory.slots().iter().for_each(|slot| slot.faulty().set_counted(is_counted));
    }

    /// Tells the judge of the incarnations that were there before.
    fn tell_of_incarnations(&self) {
        for slot in self.shared.directory.slots() {
            if let Some(signals) = slot.life().owner() {
                self.faults.say(Statement::MovesIn { path: slot.path(), signals: Arc::downgrade(&signals) });
            }
        }
    }

    /// Returns the outcomes of calls until now.
    pub(super) fn outcomes(&self) -> Vec<(String, u64)> {
        let outcomes = self.faults.outcomes();
        outcomes
            .iter()
            .flat_map(|outcomes| outcomes.counted())
            .map(|(outcome, count)| (outcome.to_owned(), count))
            .collect()
    }

    pub(super) fn clear_all(&self) {
        for (_, slot) in std::mem::take(&mut *lock(&self.full)) {
            slot.faulty().set_jammed(false);
        }
        self.faults.clear_all(|path| Some(self.shared.directory.get(path)?.slot));
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        self.clear_all();
        self.count_calls(false);
        self.faults.disarm();
    }
}
