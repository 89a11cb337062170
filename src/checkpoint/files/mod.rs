//! The store in files: a folder for each key below one directory.
//!
//! | file | idea |
//! |---|---|
//! | `names` | the folder of a key |
//! | `format` | a value as a file: header, checksums |
//! | `entry` | the steps of a claim and of a save, under the lock of the key |
//! | `fault` | faults of the file system, with what to do about them |

mod entry;
mod fault;
mod format;
mod lock;
mod names;

use std::path::Path;
use std::sync::Arc;

use crate::checkpoint::blocking::in_a_thread;
use crate::checkpoint::error::StoreError;
use crate::checkpoint::store::{CheckpointStore, Claim, Record, Stamp, StoreFuture};
use crate::checkpoint::turns::Turns;
use entry::Entry;
use fault::fault;
use format::Content;

/// A store in files, below one directory. Clones are the same store, and other processes may use it at the same time.
///
/// Each key has a folder: `bank/ledger` is in `+bank+ledger`. In it, `value` is the latest value, `previous` the one before
/// it, `epoch-7` the number of the newest claim, and `lock` is locked while one of them changes. The lock ends with its
/// process. It works on network file systems only if these lock files (`flock`) across machines. While another process holds
/// the lock, because it is frozen in the middle of a save, claims and saves of that key fail after 20 s.
///
/// A save writes a new file, syncs it, renames it over `value`, and syncs the folder. What it costs is mostly the two syncs.
/// At every step of it the newest acknowledged value is in place as a whole. A save needs room for three values: the new
/// one, the latest and the previous.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// use regrow::checkpoint::{CheckpointStore, FileStore, Record, Stamp};
///
/// # let directory = tempfile::tempdir()?;
/// let store = FileStore::open(directory.path())?;
/// let claim = store.claim("bank/ledger").await?;
/// assert_eq!((claim.epoch, claim.latest), (1, None));
///
/// let stamp = Stamp { epoch: claim.epoch, sequence: 1 };
/// store.save("bank/ledger", Record { stamp, schema: 1, bytes: b"balance 5".as_slice().into() }).await?;
/// assert_eq!(&*store.claim("bank/ledger").await?.latest.unwrap().bytes, b"balance 5");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FileStore {
    root: Arc<Path>,
    /// Of the tasks of this process, one at a time has a thread for a key. So a lock that another process holds for long
    /// takes one of tokio's threads for blocking work, and not all.
    turns: Turns,
    accept_previous: bool,
}

impl FileStore {
    /// Opens the store in an existing directory.
    ///
    /// It is not created: an empty directory in the place of a volume that is not mounted would lose all values.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] if there is no such directory. Whether it can be written is seen at the first claim.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = directory.as_ref();
        // Absolute: the process may change its working directory.
        let root = std::path::absolute(root).map_err(|error| fault("find", root, error))?;
        entry::check_directory(&root)?;
        Ok(Self { root: root.into(), turns: Turns::default(), accept_previous: false })
    }

    /// Uses the value before the latest if the latest is damaged. **What was saved last is lost then.**
    ///
    /// A claim that does so logs a warning, and keeps the damaged file as `value.damaged`. Without this setting it fails
    /// with [`StoreError::Damaged`] and leaves all files as they are.
    #[must_use]
    pub fn accept_previous(mut self) -> Self {
        self.accept_previous = true;
        self
    }

    /// Does blocking work in a thread for such work, when no other task works on the key. Work that has begun goes on if
    /// the caller is dropped.
    fn blocking<'a, T: Send + 'static>(
        &'a self,
        key: &'a str,
        work: impl FnOnce(&Path, &str, bool) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let (root, turn, accept_previous) = (self.root.clone(), self.turns.of(key), self.accept_previous);
        let key = key.to_owned();
        Box::pin(async move {
            // What is logged on that thread is said of this incarnation.
            let span = tracing::Span::current();
            let my_turn = turn.lock_owned().await;
            in_a_thread(move || {
                let _my_turn = my_turn;
                span.in_scope(|| work(&root, &key, accept_previous))
            })
            .await
        })
    }
}

impl CheckpointStore for FileStore {
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
        self.blocking(key, |root, key, accept_previous| {
            let mut entry = Entry::make(root, key)?;
            entry.claim(accept_previous)
        })
    }

    fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        self.blocking(key, move |root, key, accept_previous| {
            let Record { stamp, schema, bytes } = record;
            Entry::existing(root, key)?.replace(stamp, &Content::Value { schema, bytes }, accept_previous)
        })
    }

    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
        self.blocking(key, move |root, key, accept_previous| {
            Entry::existing(root, key)?.replace(stamp, &Content::Discarded, accept_previous)
        })
    }

    /// Leaves a part of the new file.
    fn tear<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        self.blocking(key, move |root, key, accept_previous| {
            let Record { stamp, schema, bytes } = record;
            Entry::existing(root, key)?.tear(stamp, &Content::Value { schema, bytes }, accept_previous)
        })
    }

    fn describe(&self) -> String {
        format!("the directory {}", self.root.display())
    }
}
