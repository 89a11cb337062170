//! The process that saves and tells of it, line by line.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::os::fd::AsFd;
use std::path::Path;

use regrow::checkpoint::{Record, Stamp, StoreError};

use crate::stores::{KEY, open, runtime};

/// Lines go to the parent with `writev`, so that `write` is the store's alone.
struct Told(File);

impl Told {
    fn new() -> Self {
        Self(File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap()))
    }

    fn tell(&mut self, line: &str) {
        let line = line.replace('\n', " ") + "\n";
        let written = self.0.write_vectored(&[IoSlice::new(line.as_bytes())]).unwrap();
        assert_eq!(written, line.len());
    }
}

/// Every fifth is a discard.
pub(crate) fn is_discard(stamp: Stamp) -> bool {
    stamp.sequence.is_multiple_of(5)
}

/// Value with a stamp: its bytes follow from the stamp, so that a mix of two is found.
pub(crate) fn record(stamp: Stamp, size: usize) -> Record {
    let mut random = fastrand::Rng::with_seed(stamp.epoch.wrapping_mul(1_000_003) ^ stamp.sequence);
    // Sizes grow, shrink, and are not those of blocks. Some are 0.
    let length = (stamp.sequence as usize * size / 7) % (size + 1);
    let length = length.saturating_sub(random.usize(..7));
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u64(..).to_le_bytes()).flatten().take(length).collect();
    Record { stamp, schema: stamp.sequence as u32, bytes: bytes.into() }
}

/// Claims, checks what it finds, and saves so many times.
pub(crate) fn run(store: &str, place: &Path, saves: usize, size: usize) {
    let mut told = Told::new();
    runtime().block_on(async {
        let store = match open(store, place) {
            Ok(store) => store,
            Err(error) => return told.tell(&format!("unclaimed {error}")),
        };
        let claim = match store.claim(KEY).await {
            Ok(claim) => claim,
            Err(error) => return told.tell(&format!("unclaimed {error}")),
        };
        let loaded = claim.latest.as_ref().map_or(Stamp { epoch: 0, sequence: 0 }, |latest| latest.stamp);
        told.tell(&format!("claimed {} {} {}", claim.epoch, loaded.epoch, loaded.sequence));
        for sequence in 1..=saves as u64 {
            let stamp = Stamp { epoch: claim.epoch, sequence };
            told.tell(&format!("saving {} {sequence}", claim.epoch));
            let saved = match is_discard(stamp) {
                true => store.discard(KEY, stamp).await,
                false => store.save(KEY, record(stamp, size)).await,
            };
            match saved {
                Ok(()) => told.tell(&format!("saved {} {sequence}", claim.epoch)),
                Err(StoreError::Superseded { epoch, .. }) => return told.tell(&format!("superseded {epoch}")),
                Err(error) => told.tell(&format!("failed {} {sequence} {error}", claim.epoch)),
            }
        }
        told.tell("done");
    });
}

/// Claims so many times.
pub(crate) fn claims(store: &str, place: &Path, claims: usize) {
    let mut told = Told::new();
    runtime().block_on(async {
        let store = open(store, place).unwrap();
        for _ in 0..claims {
            let claim = store.claim(KEY).await.unwrap();
            told.tell(&format!("claimed {} 0 0", claim.epoch));
        }
    });
}
