//! The claim that no acknowledged save is lost.
//!
//! A claim of a checkpoint must load the newest value that was acknowledged before under an older epoch, and nothing that
//! was discarded. It raises the epoch, and no save of an older epoch takes effect after it.
//!
//! Statements of a claim and of a save may come in the other order than the store did the work. Therefore each claim is
//! compared with each acknowledgement of an older epoch, whichever came first. A save that took effect before the claim is
//! what the claim loaded, or is older. All others were lost, or came too late and were not refused.
//!
//! A value that is loaded has the checksum with which it was saved.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::chaos::judge::{Claim, Violation};
use crate::tree::statements::{Stamped, Stored, Storing};

/// Claims of one key that are remembered.
const CLAIMS_MAX: usize = 64;

/// Checksums of one key that are remembered.
const CHECKSUMS_MAX: usize = 64;

/// Histories of checkpoints, by store and key.
#[derive(Debug, Default)]
pub(super) struct Saves {
    histories: BTreeMap<(String, Arc<str>), History>,
}

#[derive(Debug, Default)]
struct History {
    claims: VecDeque<Claimed>,
    /// The newest save or discard that was acknowledged.
    newest: Option<Acknowledged>,
    /// The newest discard that a store was asked for. It may take effect without an acknowledgement.
    asked: Option<Stamped>,
    /// Checksums of the values that a store was asked to save last.
    checksums: VecDeque<(Stamped, u32)>,
}

#[derive(Debug)]
struct Claimed {
    path: Arc<str>,
    generation: u64,
    epoch: u64,
    loaded: Option<Stamped>,
    at: Duration,
    /// Whether the epoch before it is unknown: of another process, or of a claim that was cut off.
    is_after_gap: bool,
}

#[derive(Debug, Clone)]
struct Acknowledged {
    path: Arc<str>,
    generation: u64,
    stamp: Stamped,
    is_discard: bool,
    at: Duration,
}

impl Saves {
    pub(super) fn hear(&mut self, storing: Storing, at: Duration) -> Option<Violation> {
        let Storing { path, generation, store, key, what } = storing;
        let history = self.histories.entry((store, key)).or_default();
        let evidence = match what {
            Stored::Claimed { epoch, loaded } => {
                let other = loaded.and_then(|loaded| history.other_value(loaded));
                let other = other.map(|other| format!("{path}#{generation} claims epoch {epoch} and loads {other}"));
                history.claimed(path, generation, epoch, loaded.map(|(stamp, _)| stamp), at).or(other)
            }
            Stored::Saves(stamp, checksum) => {
                history.checksums.push_back((stamp, checksum));
                if history.checksums.len() > CHECKSUMS_MAX {
                    history.checksums.pop_front();
                }
                None
            }
            Stored::Saved(stamp) => {
                history.acknowledged(Acknowledged { path, generation, stamp, is_discard: false, at })
            }
            Stored::Discards(stamp) => {
                history.asked = history.asked.max(Some(stamp));
                None
            }
            Stored::Discarded(stamp) => {
                history.acknowledged(Acknowledged { path, generation, stamp, is_discard: true, at })
            }
        };
        evidence.map(|evidence| Violation { claim: Claim::Saves, at, evidence })
    }
}

impl History {
    fn claimed(
        &mut self,
        path: Arc<str>,
        generation: u64,
        epoch: u64,
        loaded: Option<Stamped>,
        at: Duration,
    ) -> Option<String> {
        let twin = self.claims.iter().find(|other| other.epoch == epoch).map(|other| {
            format!(
                "{path}#{generation} claims epoch {epoch}, which {}#{} has had for {:?}: each claim has an epoch of its own",
                other.path,
                other.generation,
                at.saturating_sub(other.at),
            )
        });
        let known =
            self.claims.back().map(|before| before.epoch).max(self.newest.as_ref().map(|newest| newest.stamp.0));
        let is_after_gap = known.is_none_or(|before| before + 1 != epoch);
        let claim = Claimed { path, generation, epoch, loaded, at, is_after_gap };
        let lost = self.newest.as_ref().and_then(|newest| self.compare(&claim, newest));
        self.claims.push_back(claim);
        if self.claims.len() > CLAIMS_MAX {
            self.claims.pop_front();
        }
        twin.or(lost)
    }

    /// Returns what is wrong with a loaded value, if it is not the one that was saved with its stamp.
    fn other_value(&self, (stamp, checksum): (Stamped, u32)) -> Option<String> {
        let (_, saved) = self.checksums.iter().find(|(saved, _)| *saved == stamp)?;
        let other = "which is not the one that was saved: their checksums are";
        (*saved != checksum).then(|| format!("the value of {}, {other} {checksum:08x} and {saved:08x}", told(stamp)))
    }

    fn acknowledged(&mut self, done: Acknowledged) -> Option<String> {
        // The claim that follows it. If that one knows of it, later ones are compared with what came after.
        let claims = self.claims.iter().filter(|claim| claim.epoch > done.stamp.0);
        let wrong = claims.min_by_key(|claim| claim.epoch).and_then(|claim| self.compare(claim, &done));
        if self.newest.as_ref().is_none_or(|newest| newest.stamp < done.stamp) {
            self.newest = Some(done);
        }
        wrong
    }

    /// Compares a claim with an acknowledgement under an older epoch. Returns what is wrong.
    fn compare(&self, claim: &Claimed, done: &Acknowledged) -> Option<String> {
        let Acknowledged { stamp, is_discard, .. } = *done;
        let is_kept = match (claim.loaded, is_discard) {
            (Some(loaded), false) => loaded >= stamp,
            (Some(loaded), true) => loaded > stamp,
            (None, true) => true,
            // A discard after it may be the reason, of this process or of another one.
            (None, false) => claim.is_after_gap || self.asked > Some(stamp),
        };
        if claim.epoch <= stamp.0 || is_kept {
            return None;
        }
        let what = if is_discard { "discard" } else { "save" };
        let loaded = claim.loaded.map_or("no value".to_owned(), |loaded| format!("the value of {}", told(loaded)));
        let Claimed { path, generation, epoch, at, .. } = claim;
        let Acknowledged { path: saver, generation: life, at: done_at, .. } = done;
        let stamp = told(stamp);
        Some(if done_at <= at {
            format!(
                "{path}#{generation} claims epoch {epoch} and loads {loaded}, but the {what} of {stamp} by {saver}#{life} was acknowledged {:?} before",
                at.saturating_sub(*done_at)
            )
        } else {
            format!(
                "{saver}#{life}: the {what} of {stamp} is acknowledged {:?} after {path}#{generation} has claimed epoch {epoch} and loaded {loaded}",
                done_at.saturating_sub(*at)
            )
        })
    }
}

fn told((epoch, sequence): Stamped) -> String {
    format!("epoch {epoch}, save {sequence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says these things of one key, one millisecond after the other, and returns the violations.
    fn violations(said: impl IntoIterator<Item = Stored>) -> Vec<String> {
        let mut saves = Saves::default();
        let mut found = Vec::new();
        for (ms, what) in (0..).zip(said) {
            let storing =
                Storing { path: "app/a".into(), generation: 1, store: "memory".into(), key: "app/a".into(), what };
            found.extend(saves.hear(storing, Duration::from_millis(ms)).map(|violation| violation.evidence));
        }
        found
    }

    fn claim(epoch: u64, loaded: Option<Stamped>) -> Stored {
        Stored::Claimed { epoch, loaded: loaded.map(|stamp| (stamp, 7)) }
    }

    #[test]
    fn a_value_with_the_right_stamp_that_is_not_the_one_that_was_saved_is_told() {
        use Stored::{Saved, Saves};
        let right = [claim(1, None), Saves((1, 1), 7), Saved((1, 1)), claim(2, Some((1, 1)))];
        assert_eq!(violations(right), [""; 0]);
        let mixed = violations([claim(1, None), Saves((1, 1), 255), Saved((1, 1)), claim(2, Some((1, 1)))]);
        assert_eq!(
            mixed,
            [
                "app/a#1 claims epoch 2 and loads the value of epoch 1, save 1, which is not the one that was saved: their \
              checksums are 00000007 and 000000ff"
            ]
        );
    }

    #[test]
    fn a_history_without_a_loss_holds_in_whatever_order_it_is_told() {
        use Stored::{Discarded, Discards, Saved};
        let plain = [claim(1, None), Saved((1, 1)), claim(2, Some((1, 1))), Saved((2, 1)), claim(3, Some((2, 1)))];
        assert_eq!(violations(plain), [""; 0]);
        // The save was not acknowledged before the claim that loads it, or not at all.
        assert_eq!(violations([claim(1, None), claim(2, Some((1, 1))), Saved((1, 1))]), [""; 0]);
        assert_eq!(violations([claim(1, None), Saved((1, 1)), claim(2, Some((1, 2)))]), [""; 0]);
        let discarded = [claim(1, None), Saved((1, 1)), Discards((1, 2)), Discarded((1, 2)), claim(2, None)];
        assert_eq!(violations(discarded), [""; 0]);
        // A discard that took effect without an acknowledgement, and one of another process.
        assert_eq!(violations([claim(1, None), Saved((1, 1)), Discards((1, 2)), claim(2, None)]), [""; 0]);
        assert_eq!(violations([claim(1, None), Saved((1, 1)), claim(3, None)]), [""; 0]);
    }

    #[test]
    fn each_loss_is_told_with_both_stamps_and_the_time_between() {
        use Stored::{Discarded, Saved};
        let [older] = &violations([claim(1, None), Saved((1, 1)), Saved((1, 2)), claim(2, Some((1, 1)))])[..] else {
            panic!("one violation is expected")
        };
        assert_eq!(
            older,
            "app/a#1 claims epoch 2 and loads the value of epoch 1, save 1, but the save of epoch 1, save 2 by app/a#1 was \
             acknowledged 1ms before"
        );
        let none = violations([claim(1, None), Saved((1, 1)), claim(2, None)]);
        assert!(none.len() == 1 && none[0].contains("loads no value"), "{none:?}");
        let late = violations([claim(1, None), claim(2, None), Saved((1, 1))]);
        assert!(
            late.len() == 1 && late[0].contains("is acknowledged 1ms after app/a#1 has claimed epoch 2"),
            "{late:?}"
        );
        let back = violations([claim(1, None), Saved((1, 1)), Discarded((1, 2)), claim(2, Some((1, 1)))]);
        assert!(back.len() == 1 && back[0].contains("the discard of epoch 1, save 2"), "{back:?}");
        let twins = violations([claim(1, None), claim(1, None)]);
        assert!(twins.len() == 1 && twins[0].contains("each claim has an epoch of its own"), "{twins:?}");
    }
}
