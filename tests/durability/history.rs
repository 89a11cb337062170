//! What a process told, and what may therefore be stored.

use regrow::checkpoint::{CheckpointStore, Claim, Stamp};

use crate::saver::{is_discard, record};
use crate::stores::{KEY, runtime};

#[derive(Debug, Clone)]
pub(crate) struct History {
    size: usize,
    /// Epoch of the newest claim that was acknowledged.
    claimed: u64,
    /// The newest save that was acknowledged.
    acknowledged: Option<Stamp>,
    /// Saves that were begun after it: one that is in flight, or some that failed.
    begun: Vec<Stamp>,
    /// Errors of saves and of claims.
    pub(crate) failures: Vec<String>,
    pub(crate) is_done: bool,
}

impl History {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, claimed: 0, acknowledged: None, begun: Vec::new(), failures: Vec::new(), is_done: false }
    }

    /// Reads a line of a process. A line that was cut off by its end is none.
    pub(crate) fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let stamp = || Stamp { epoch: words[1].parse().unwrap(), sequence: words[2].parse().unwrap() };
        match words[0] {
            "claimed" => self.claimed = words[1].parse().unwrap(),
            "saving" => self.begun.push(stamp()),
            "saved" => {
                assert_eq!(self.begun.last(), Some(&stamp()), "{line}");
                (self.acknowledged, self.begun) = (Some(stamp()), Vec::new());
            }
            "failed" | "unclaimed" => self.failures.push(line.to_owned()),
            "done" => self.is_done = true,
            other => panic!("the process said {other}: {line}"),
        }
    }

    pub(crate) fn hear_all(&mut self, lines: &str) {
        let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
        whole.lines().for_each(|line| self.hear(line));
    }

    /// Expects that no save that failed is there.
    pub(crate) fn forget_failed(&mut self) {
        self.begun.clear();
    }

    /// Claims, and says what is wrong with what is there. Then it saves once more, to see that the store goes on.
    pub(crate) fn check(&mut self, store: &dyn CheckpointStore) -> Result<(), String> {
        runtime().block_on(async {
            let claim = store.claim(KEY).await.map_err(|error| format!("the claim failed: {error}"))?;
            self.agrees(&claim)?;
            let mut stamp = Stamp { epoch: claim.epoch, sequence: 1 };
            for _ in 0..2 {
                stamp.sequence += 1;
                let saved = store.save(KEY, record(stamp, self.size)).await;
                saved.map_err(|error| format!("a save after the claim failed: {error}"))?;
            }
            (self.claimed, self.acknowledged, self.begun) = (claim.epoch, Some(stamp), Vec::new());
            let again = store.claim(KEY).await.map_err(|error| format!("the second claim failed: {error}"))?;
            self.agrees(&again).map_err(|wrong| format!("after a save that followed: {wrong}"))?;
            self.claimed = again.epoch;
            Ok(())
        })
    }

    fn agrees(&self, claim: &Claim) -> Result<(), String> {
        // A claim that was not acknowledged may have been made.
        if claim.epoch <= self.claimed || claim.epoch > self.claimed + 2 {
            return Err(format!("epoch {} was claimed, and then {}", self.claimed, claim.epoch));
        }
        let found = match &claim.latest {
            Some(latest) if *latest != record(latest.stamp, self.size) => {
                return Err(format!("the value with {} is not whole: {} bytes", latest.stamp, latest.bytes.len()));
            }
            latest => latest.as_ref().map(|latest| latest.stamp),
        };
        let mut allowed = self.begun.iter().copied().map(Some).chain([self.acknowledged]);
        if allowed.any(|stamp| stamp.filter(|stamp| !is_discard(*stamp)) == found) {
            return Ok(());
        }
        let show = |stamp: Option<Stamp>| stamp.map_or("nothing".into(), |stamp| stamp.to_string());
        Err(format!("{} was acknowledged last, and {} is there", show(self.acknowledged), show(found)))
    }
}
