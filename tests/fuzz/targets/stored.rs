//! Files of the checkpoint store in files.

use std::fs;
use std::path::{Path, PathBuf};

use regrow::checkpoint::{CheckpointStore, Claim, FileStore, StoreError};

use crate::targets::{folder, halves, runtime};

const KEY: &str = "bank/till";
/// Folder of the key.
const PLACE: &str = "+bank+till";
/// Bytes of a header before its own checksum, and before the key.
const CHECKED: usize = 56;
const HEAD: usize = 60;

/// A file `value`, and behind `--` a file `previous`. If the first byte is `+`, checksums are put right first: else
/// hardly an input would get behind them.
pub(super) fn file(data: &[u8]) {
    let (mends, data) = match data {
        [b'+', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (value, previous) = halves(data, b"\n--\n");
    let mut value = value.to_vec();
    if mends {
        put_right(&mut value);
    }
    let folder = folder();
    let place = folder.path().join(PLACE);
    fs::create_dir(&place).expect("room in memory");
    fs::write(place.join("value"), &value).expect("room in memory");
    fs::write(place.join("epoch-1"), b"").expect("room in memory");
    if !previous.is_empty() {
        fs::write(place.join("previous"), previous).expect("room in memory");
    }
    let runtime = runtime();
    runtime.block_on(async {
        let store = FileStore::open(folder.path()).expect("the folder is there");
        match store.claim(KEY).await {
            Ok(claim) => is_what_was_saved(claim, &value).await,
            Err(error) => {
                is_untouched(&place, &value, previous);
                assert!(!error.to_string().is_empty());
                // The value before it is there as a whole or not at all, too.
                match store.accept_previous().claim(KEY).await {
                    Ok(claim) => is_what_was_saved(claim, previous).await,
                    Err(StoreError::Damaged { .. }) => is_untouched(&place, &value, previous),
                    // Of another version, or of the last epoch.
                    Err(StoreError::Failed(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    });
    runtime.shutdown_background();
}

/// A value that was accepted is saved in an empty store, with the same stamp: the file has the same bytes.
async fn is_what_was_saved(claim: Claim, bytes: &[u8]) {
    let Some(record) = claim.latest else { return };
    let stamp = record.stamp;
    assert!(claim.epoch > stamp.epoch, "epoch {} was used before: {stamp}", claim.epoch);
    let folder = folder();
    let place = folder.path().join(PLACE);
    fs::create_dir(&place).expect("room in memory");
    fs::write(place.join(format!("epoch-{}", stamp.epoch)), b"").expect("room in memory");
    let store = FileStore::open(folder.path()).expect("the folder is there");
    match store.save(KEY, record).await {
        Ok(()) => {
            assert_eq!(fs::read(place.join("value")).expect("it was saved"), bytes, "accepted, and never saved so")
        }
        Err(error) => panic!("a save with {stamp} was accepted from a file, and is refused: {error}"),
    }
}

fn is_untouched(place: &Path, value: &[u8], previous: &[u8]) {
    let read = |name: &str| fs::read(PathBuf::from(place).join(name)).unwrap_or_default();
    assert_eq!(read("value"), value, "refused, and changed");
    assert_eq!(read("previous"), previous, "refused, and changed");
}

fn put_right(file: &mut [u8]) {
    if file.len() < HEAD {
        return;
    }
    let key = u32::from_le_bytes(file[40..44].try_into().expect("four bytes")) as usize;
    let (head, rest) = file.split_at_mut(HEAD);
    let (key, value) = rest.split_at(key.min(rest.len()));
    let begin = checksum(&[&head[..12]]);
    head[12..16].copy_from_slice(&begin);
    head[52..56].copy_from_slice(&checksum(&[value]));
    let whole = checksum(&[&head[16..CHECKED], key]);
    head[CHECKED..].copy_from_slice(&whole);
}

/// CRC-32 of the parts, one behind the other, as the store writes it.
fn checksum(parts: &[&[u8]]) -> [u8; 4] {
    let mut sum = u32::MAX;
    for byte in parts.iter().copied().flatten() {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    (!sum).to_le_bytes()
}
