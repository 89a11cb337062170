//! The stores by name, and a place for one.

use std::path::{Path, PathBuf};

use regrow::checkpoint::{CheckpointStore, FileStore};

#[cfg(feature = "checkpoint-sqlite")]
pub(crate) const ALL: &[&str] = &["files", "sqlite"];
#[cfg(not(feature = "checkpoint-sqlite"))]
pub(crate) const ALL: &[&str] = &["files"];

/// The key of all of it. It is long enough for folders below folders.
pub(crate) const KEY: &str = concat!(
    "bank/ledger of the branch in the Large Street/",
    "with a name that is longer than one folder can have, because each byte that is not a small letter takes three of them, ",
    "and so 200 bytes of it will do: ÄÖÜÄÖÜÄÖÜÄÖÜ"
);

pub(crate) fn open(store: &str, place: &Path) -> Result<Box<dyn CheckpointStore>, String> {
    match store {
        "files" => FileStore::open(place)
            .map(|store| Box::new(store) as Box<dyn CheckpointStore>)
            .map_err(|error| error.to_string()),
        #[cfg(feature = "checkpoint-sqlite")]
        "sqlite" => regrow::checkpoint::SqliteStore::open(place.join("shop.db"))
            .map(|store| Box::new(store) as Box<dyn CheckpointStore>)
            .map_err(|error| error.to_string()),
        // Small portions of the log are moved into the database, so that a short recording has all of that.
        #[cfg(feature = "checkpoint-sqlite")]
        "sqlite-checkpoints" => {
            let connection = rusqlite::Connection::open(place.join("shop.db")).map_err(|error| error.to_string())?;
            let pragmas = "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 20;";
            connection.execute_batch(pragmas).map_err(|error| error.to_string())?;
            regrow::checkpoint::SqliteStore::new(connection)
                .map(|store| Box::new(store) as Box<dyn CheckpointStore>)
                .map_err(|error| error.to_string())
        }
        other => panic!("no store `{other}`: {ALL:?}"),
    }
}

/// A directory that is removed at the end. In memory, if that is wanted and can be had: what is rebuilt thousands of times
/// need not reach a disk.
pub(crate) fn place(in_memory: bool) -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    if in_memory && memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// A runtime with one thread for blocking work, so that its system calls can be counted, and without a driver, which would
/// write to wake itself.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap()
}
