//! The store in files: damage, faults of the file system, what a crash leaves behind, two handles.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use regrow::checkpoint::{CheckpointStore, FileStore, Record, Stamp, StoreError};

use crate::common::log::{Listening, Log};

const KEY: &str = "bank/ledger";

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> FileStore {
        FileStore::open(self.directory.path()).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("+bank+ledger").join(name)
    }

    fn names(&self) -> Vec<String> {
        let folder = fs::read_dir(self.file("")).unwrap();
        let mut names: Vec<String> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Two saves under the first claim.
    async fn with_two_saves() -> Self {
        let place = Self::new();
        let store = place.open();
        store.claim(KEY).await.unwrap();
        store.save(KEY, record(1, 1, "one")).await.unwrap();
        store.save(KEY, record(1, 2, "two")).await.unwrap();
        place
    }
}

fn record(epoch: u64, sequence: u64, text: &str) -> Record {
    Record { stamp: Stamp { epoch, sequence }, schema: 1, bytes: text.as_bytes().into() }
}

async fn damaged(store: &FileStore) -> (String, bool) {
    match store.claim(KEY).await {
        Err(StoreError::Damaged { what, has_previous }) => (what, has_previous),
        other => panic!("not told as damaged: {other:?}"),
    }
}

fn failed<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Failed(error)) => format!("{error:#}"),
        other => panic!("did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_save_keeps_the_value_before_it_and_leaves_nothing_else() {
    let place = Place::with_two_saves().await;
    assert_eq!(place.names(), ["epoch-1", "lock", "previous", "value"]);
    assert!(fs::read(place.file("value")).unwrap().ends_with(b"two"));
    assert!(fs::read(place.file("previous")).unwrap().ends_with(b"one"));
    // What was discarded is not kept either.
    place.open().discard(KEY, Stamp { epoch: 1, sequence: 3 }).await.unwrap();
    assert_eq!(place.names(), ["epoch-1", "lock", "value"]);
}

#[tokio::test]
async fn every_flipped_bit_is_damage_and_names_the_file() {
    let place = Place::with_two_saves().await;
    let path = place.file("value");
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut rotten = whole.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, rotten).unwrap();
        let (what, has_previous) = damaged(&place.open()).await;
        assert!(what.contains(path.to_str().unwrap()) && has_previous, "bit {bit}: {what}");
    }
    // No failed claim has changed anything.
    fs::write(&path, whole).unwrap();
    assert_eq!(place.names(), ["epoch-1", "lock", "previous", "value"]);
    let claim = place.open().claim(KEY).await.unwrap();
    assert_eq!((claim.epoch, claim.latest), (2, Some(record(1, 2, "two"))));
}

#[tokio::test]
async fn a_file_that_was_cut_off_or_has_grown_is_damage() {
    let place = Place::with_two_saves().await;
    let path = place.file("value");
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        damaged(&place.open()).await;
    }
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    let (what, _) = damaged(&place.open()).await;
    assert!(what.contains("bytes follow its value"), "{what}");
}

#[tokio::test]
async fn the_previous_value_is_used_only_if_that_is_wanted() {
    let place = Place::with_two_saves().await;
    let path = place.file("value");
    let rotten = fs::read(&path).unwrap().iter().map(|byte| !byte).collect::<Vec<u8>>();
    fs::write(&path, &rotten).unwrap();
    let (what, _) = damaged(&place.open()).await;
    assert!(what.contains("accept_previous"), "{what}");

    let store = place.open().accept_previous();
    let claim = store.claim(KEY).await.unwrap();
    assert_eq!((claim.epoch, claim.latest), (2, Some(record(1, 1, "one"))));
    // The damaged file is kept for a person, and does not become the previous one of the next save.
    assert_eq!(fs::read(place.file("value.damaged")).unwrap(), rotten);
    store.save(KEY, record(2, 1, "three")).await.unwrap();
    assert!(fs::read(place.file("previous")).unwrap().ends_with(b"one"));
    assert_eq!(place.open().claim(KEY).await.unwrap().latest, Some(record(2, 1, "three")));
}

#[test]
fn the_use_of_the_previous_value_is_logged_with_file_and_stamp() {
    thread_local! {
        static LOG: RefCell<Option<(Log, Listening)>> = const { RefCell::new(None) };
    }
    // One thread does all blocking work, and the log is heard there.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let place = Place::with_two_saves().await;
        fs::write(place.file("value"), "rotten").unwrap();
        tokio::task::spawn_blocking(|| LOG.set(Some(Log::listen()))).await.unwrap();
        place.open().accept_previous().claim(KEY).await.unwrap();
        let take = || LOG.with_borrow(|log| log.as_ref().unwrap().0.take());
        let lines = tokio::task::spawn_blocking(take).await.unwrap();
        let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
        assert!(line.starts_with("WARN stored value is damaged and the one before it is used"), "{line}");
        let file = format!("file={}", place.file("value").display());
        for field in ["path=bank/ledger", &file, "text=it has 6 bytes", "epoch=1", "save=1"] {
            assert!(line.contains(field), "{field}: {line}");
        }
    });
}

#[tokio::test]
async fn damage_without_an_intact_previous_value_is_an_error_in_any_case() {
    let place = Place::with_two_saves().await;
    for file in ["value", "previous"] {
        fs::write(place.file(file), "rotten").unwrap();
    }
    for store in [place.open(), place.open().accept_previous()] {
        let error = store.claim(KEY).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { has_previous: false, .. }), "{error}");
        assert!(error.to_string().contains("remove it and `previous`"), "{error}");
    }
}

#[tokio::test]
async fn damage_that_comes_after_the_claim_is_told_by_the_next_save() {
    let place = Place::with_two_saves().await;
    let store = place.open();
    fs::write(place.file("value"), "rotten").unwrap();
    assert!(matches!(store.save(KEY, record(1, 3, "three")).await, Err(StoreError::Damaged { .. })));
    place.open().accept_previous().save(KEY, record(1, 3, "three")).await.unwrap();
    assert_eq!(place.open().claim(KEY).await.unwrap().latest, Some(record(1, 3, "three")));
    assert!(fs::read(place.file("previous")).unwrap().ends_with(b"one"));
}

#[tokio::test]
async fn a_value_that_was_removed_by_hand_is_damage() {
    let place = Place::with_two_saves().await;
    fs::remove_file(place.file("value")).unwrap();
    let (what, has_previous) = damaged(&place.open()).await;
    assert!(what.contains("it is missing") && has_previous, "{what}");
    let claim = place.open().accept_previous().claim(KEY).await.unwrap();
    assert_eq!(claim.latest, Some(record(1, 1, "one")));
}

#[tokio::test]
async fn an_epoch_that_was_removed_by_hand_does_not_begin_again() {
    let place = Place::with_two_saves().await;
    fs::remove_file(place.file("epoch-1")).unwrap();
    let (what, _) = damaged(&place.open()).await;
    assert!(what.contains("`epoch-N` is missing"), "{what}");
    fs::write(place.file("epoch-6"), "").unwrap();
    assert_eq!(place.open().claim(KEY).await.unwrap().epoch, 7);
}

#[tokio::test]
async fn a_file_of_another_program_is_told_as_such() {
    let place = Place::with_two_saves().await;
    fs::write(place.file("value"), "{\"balance\": 5, \"a\": \"json of another program, long enough for a header\"}")
        .unwrap();
    let (what, _) = damaged(&place.open()).await;
    assert!(what.contains("Another program may have written it"), "{what}");
}

#[tokio::test]
async fn a_file_of_another_key_is_told_as_such() {
    let place = Place::with_two_saves().await;
    let store = place.open();
    for key in ["bank/audit", "bank/ledger2"] {
        store.claim(key).await.unwrap();
        let copy = place.directory.path().join(key.replace('/', "+").replace("bank", "+bank")).join("value");
        fs::copy(place.file("value"), copy).unwrap();
        let error = store.claim(key).await.unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
    }
}

#[tokio::test]
async fn a_newer_format_is_not_damage() {
    let place = Place::with_two_saves().await;
    let path = place.file("value");
    let mut newer = fs::read(&path).unwrap();
    newer[8] = 2;
    let checksum = crc32(&newer[..12]);
    newer[12..16].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, newer).unwrap();
    for store in [place.open(), place.open().accept_previous()] {
        let text = failed(store.claim(KEY).await);
        assert!(text.contains("has format 2") && text.contains("newer version of regrow"), "{text}");
        let text = failed(store.save(KEY, record(1, 3, "three")).await);
        assert!(text.contains("has format 2"), "{text}");
    }
}

/// CRC-32, bit by bit: the format is checked against more than the crate that writes it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[tokio::test]
async fn what_a_crash_left_behind_is_cleaned_by_the_next_claim() {
    let place = Place::with_two_saves().await;
    fs::write(place.file("value.new"), "half of a val").unwrap();
    // A claim that was killed before it removed the older epoch.
    fs::write(place.file("epoch-2"), "").unwrap();
    let claim = place.open().claim(KEY).await.unwrap();
    assert_eq!((claim.epoch, claim.latest), (3, Some(record(1, 2, "two"))));
    assert_eq!(place.names(), ["epoch-3", "lock", "previous", "value"]);
}

#[tokio::test]
async fn a_directory_that_is_absent_or_none_is_told_at_once() {
    let place = Place::new();
    let absent = place.directory.path().join("absent");
    let text = failed(FileStore::open(&absent));
    assert!(text.contains(absent.to_str().unwrap()) && text.contains("create the directory"), "{text}");
    fs::write(&absent, "").unwrap();
    let text = failed(FileStore::open(&absent));
    assert!(text.contains("needs a directory"), "{text}");
}

#[tokio::test]
async fn a_directory_that_goes_away_is_told_by_claims_and_saves() {
    let place = Place::with_two_saves().await;
    let store = place.open();
    fs::remove_dir_all(place.directory.path()).unwrap();
    for text in [failed(store.claim(KEY).await), failed(store.save(KEY, record(1, 3, "three")).await)] {
        assert!(text.contains("mount the volume"), "{text}");
    }
    assert!(!place.directory.path().exists(), "it was created again");
}

#[tokio::test]
async fn a_file_in_the_place_of_a_folder_is_named() {
    let place = Place::new();
    fs::write(place.file("").to_str().unwrap().trim_end_matches('/'), "").unwrap();
    let text = failed(place.open().claim(KEY).await);
    assert!(text.contains("+bank+ledger") && text.contains("needs a directory"), "{text}");
}

#[tokio::test]
async fn a_key_that_is_too_long_for_the_system_is_refused() {
    let place = Place::new();
    let text = failed(place.open().claim(&"Ä".repeat(4000)).await);
    assert!(text.contains("the key is too long"), "{text}");
}

#[tokio::test]
async fn a_store_stays_in_its_directory_if_the_process_moves() {
    // A relative path is made absolute when the store is opened.
    let described = FileStore::open(".").unwrap().describe();
    assert!(Path::new(described.strip_prefix("the directory ").unwrap()).is_absolute(), "{described}");
}

#[tokio::test]
async fn a_save_goes_on_if_its_caller_is_dropped() {
    let place = Place::with_two_saves().await;
    let store = place.open();
    let mut save = store.save(KEY, record(1, 3, "three"));
    // The first poll hands the work to a thread.
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(save.as_mut().poll(context).is_pending())).await;
    drop(save);
    assert!(polled);
    while !fs::read(place.file("value")).unwrap().ends_with(b"three") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn five_lives_each_begin_with_the_last_value_also_of_100_mib() {
    let place = Place::new();
    let mut expected = None;
    for life in 1..=5_u64 {
        let store = place.open();
        let claim = store.claim(KEY).await.unwrap();
        assert_eq!((claim.epoch, claim.latest.as_ref()), (life, expected.as_ref()));
        store.save(KEY, record(life, 1, "on the way")).await.unwrap();
        let size = if life == 3 { 100 << 20 } else { life as usize };
        let grown = Record {
            stamp: Stamp { epoch: life, sequence: 2 },
            schema: life as u32,
            bytes: vec![life as u8; size].into(),
        };
        store.save(KEY, grown.clone()).await.unwrap();
        expected = Some(grown);
    }
}

// Found by reading: each claim and save that gave up left a thread behind that waited for the lock, up to the last one that
// tokio has.
#[test]
fn a_lock_that_another_process_holds_for_ever_takes_one_thread_and_not_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path()).unwrap();
    let lock = runtime.block_on(async {
        assert_eq!(store.claim("held").await.unwrap().epoch, 1);
        let lock = fs::File::open(directory.path().join("+held/lock")).unwrap();
        fs4::FileExt::lock(&lock).unwrap();
        for attempt in 1..=5 {
            let mut save = Box::pin(store.save("held", record(1, attempt, "x")));
            let mut claim = Box::pin(store.claim("held"));
            tokio::select! {
                biased;
                _ = &mut save => panic!("it is locked"),
                _ = &mut claim => panic!("it is locked"),
                () = crate::common::tree::turns(10) => {}
            }
        }
        let other = crate::common::tree::soon("another key", store.claim("other")).await;
        assert_eq!(other.unwrap().epoch, 1);
        lock
    });
    drop(lock);
    // The work that had begun is done.
    runtime.block_on(async { assert_eq!(store.claim("held").await.unwrap().latest.unwrap().stamp.sequence, 1) });
}

// Found by a newcomer: a folder that was renamed was called damaged if the keys had different lengths.
#[tokio::test]
async fn a_value_of_another_key_is_recognised_whatever_the_lengths() {
    for other in ["app/t", "app/tally", "app/something-longer"] {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::open(directory.path()).unwrap();
        store.claim(KEY).await.unwrap();
        store.save(KEY, record(1, 1, "one")).await.unwrap();
        store.claim(other).await.unwrap();
        let folder = |key: &str| directory.path().join(format!("+{}", key.replace('/', "+")));
        fs::copy(folder(KEY).join("value"), folder(other).join("value")).unwrap();
        let error = store.claim(other).await.unwrap_err().to_string();
        assert!(error.contains("it belongs to another key"), "{other}: {error}");
        assert!(error.contains("remove it and `previous`, which is damaged or missing too"), "{error}");
    }
}
