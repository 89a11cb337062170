//! The store in an SQLite database: one row for each key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, named_params};
use tokio::sync::Mutex;

use crate::checkpoint::blocking::in_a_thread;
use crate::checkpoint::error::StoreError;
use crate::checkpoint::store::{CheckpointStore, Claim, Record, Stamp, StoreFuture};

/// Longest wait for another connection that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time before another try where SQLite itself does not wait.
const RETRY_AFTER: Duration = Duration::from_millis(5);

const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS regrow_checkpoints (
        key            TEXT PRIMARY KEY NOT NULL,
        epoch          INTEGER NOT NULL,
        saved_epoch    INTEGER,
        saved_sequence INTEGER,
        schema         INTEGER,
        checksum       INTEGER,
        value          BLOB
    ) STRICT";
const CLAIM: &str = "
    INSERT INTO regrow_checkpoints (key, epoch) VALUES (:key, 1)
    ON CONFLICT (key) DO UPDATE SET epoch = epoch + 1
    RETURNING epoch, saved_epoch, saved_sequence, schema, checksum, value";
const SAVE: &str = "
    UPDATE regrow_checkpoints
    SET saved_epoch = :epoch, saved_sequence = :sequence, schema = :schema, checksum = :checksum, value = :value
    WHERE key = :key AND epoch = :epoch
      AND (saved_epoch IS NULL OR (saved_epoch, saved_sequence) < (:epoch, :sequence))";
const STORED: &str = "SELECT epoch, saved_epoch, saved_sequence FROM regrow_checkpoints WHERE key = :key";

/// A store in an SQLite database (feature `checkpoint-sqlite`, which needs Rust 1.89). Clones are the same store, and other
/// processes may use the same database.
///
/// It has one table, which may be in a database of your own:
///
/// ```sql
/// CREATE TABLE regrow_checkpoints (
///     key            TEXT PRIMARY KEY NOT NULL,
///     epoch          INTEGER NOT NULL, -- number of the newest claim
///     saved_epoch    INTEGER,          -- stamp of the newest save or discard; NULL if there was none
///     saved_sequence INTEGER,
///     schema         INTEGER,          -- version of the value's format
///     checksum       INTEGER,          -- CRC-32 of the value; NULL is not checked, for values that are edited by hand
///     value          BLOB              -- NULL if there is none
/// ) STRICT;
/// ```
///
/// A claim and a save are one transaction each. The database is in WAL mode and `synchronous` is `FULL`: a transaction that
/// was committed survives a crash of the machine. The work is done in tokio's threads for blocking work, one piece at a time.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// use regrow::checkpoint::{CheckpointStore, Record, SqliteStore, Stamp};
///
/// # let directory = tempfile::tempdir()?;
/// let store = SqliteStore::open(directory.path().join("shop.db"))?;
/// let claim = store.claim("bank/ledger").await?;
/// assert_eq!((claim.epoch, claim.latest), (1, None));
///
/// let stamp = Stamp { epoch: claim.epoch, sequence: 1 };
/// store.save("bank/ledger", Record { stamp, schema: 1, bytes: b"balance 5".as_slice().into() }).await?;
/// assert_eq!(&*store.claim("bank/ledger").await?.latest.unwrap().bytes, b"balance 5");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    database: Arc<Database>,
}

struct Database {
    /// Locked before a thread for blocking work is taken: work that waits for the connection takes none.
    connection: Arc<Mutex<Connection>>,
    /// `/var/lib/shop.db`, or `in memory`.
    place: String,
}

impl SqliteStore {
    /// Opens a database file, which is created if it is absent. Its directory must exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] if it cannot be opened or written, and [`StoreError::Damaged`] if it is no database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let connection = Connection::open(path).map_err(|error| fault(&place, "open", error))?;
        let wal = || {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
        };
        match within(BUSY_TIMEOUT, wal) {
            Ok(mode) if mode == "wal" => Self::with_place(connection, place, BUSY_TIMEOUT),
            Ok(mode) => {
                Err(StoreError::Failed(anyhow::anyhow!("`{place}` stays in journal mode `{mode}` instead of WAL")))
            }
            Err(error) => Err(fault(&place, "open", error)),
        }
    }

    /// Uses a connection of your own. Its `synchronous` is set to `FULL`, and its journal mode and busy timeout stay.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn new(connection: Connection) -> Result<Self, StoreError> {
        let place = connection.path().filter(|path| !path.is_empty()).unwrap_or("in memory").to_owned();
        Self::with_place(connection, place, Duration::ZERO)
    }

    fn with_place(connection: Connection, place: String, limit: Duration) -> Result<Self, StoreError> {
        let prepare = || {
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(CREATE)
        };
        within(limit, prepare).map_err(|error| fault(&place, "open", error))?;
        Ok(Self { database: Arc::new(Database { connection: Arc::new(Mutex::new(connection)), place }) })
    }

    /// Does blocking work in a thread for such work, one piece at a time. Work that has begun goes on if the caller is
    /// dropped.
    fn blocking<'a, T: Send + 'static>(
        &'a self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<Result<T, StoreError>> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let database = self.database.clone();
        Box::pin(async move {
            let mut connection = database.connection.clone().lock_owned().await;
            in_a_thread(move || work(&mut connection).unwrap_or_else(|error| Err(fault(&database.place, doing, error))))
                .await
        })
    }

    fn update<'a>(
        &'a self,
        doing: &'static str,
        key: &str,
        stamp: Stamp,
        value: Option<(u32, Arc<[u8]>)>,
    ) -> StoreFuture<'a, ()> {
        let key = key.to_owned();
        self.blocking(doing, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // A stamp beyond SQLite's integers was never given by a claim of this store.
            let (Ok(epoch), Ok(sequence)) = (i64::try_from(stamp.epoch), i64::try_from(stamp.sequence)) else {
                return Ok(Err(refusal(&transaction, &key)?));
            };
            let bytes = value.as_ref().map(|(_, bytes)| &**bytes);
            let changed = transaction.prepare_cached(SAVE)?.execute(named_params! {
                ":key": key,
                ":epoch": epoch,
                ":sequence": sequence,
                ":schema": value.as_ref().map(|(schema, _)| *schema),
                ":checksum": bytes.map(crc32fast::hash),
                ":value": bytes,
            })?;
            if changed == 0 {
                return Ok(Err(refusal(&transaction, &key)?));
            }
            transaction.commit().map(Ok)
        })
    }
}

impl CheckpointStore for SqliteStore {
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
        let (key, place) = (key.to_owned(), self.database.place.clone());
        self.blocking("claim a key in", move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (claim, checksum) = transaction.prepare_cached(CLAIM)?.query_row(named_params! { ":key": key }, claimed)?;
            if let Some(Record { bytes, .. }) = &claim.latest
                && checksum.is_some_and(|checksum| checksum != crc32fast::hash(bytes))
            {
                let what = format!(
                    "the value of `{key}` in `{place}` is damaged: it does not have the checksum that it was written with. \
                     Restore it, or set its `checksum` to NULL to use it as it is"
                );
                // The epoch stays as it was: the transaction is dropped.
                return Ok(Err(StoreError::Damaged { what, has_previous: false }));
            }
            transaction.commit()?;
            Ok(Ok(claim))
        })
    }

    fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        self.update("save to", key, record.stamp, Some((record.schema, record.bytes)))
    }

    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
        self.update("discard a value in", key, stamp, None)
    }

    fn describe(&self) -> String {
        format!("the SQLite database {}", self.database.place)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("place", &self.database.place).finish_non_exhaustive()
    }
}

fn claimed(row: &Row<'_>) -> rusqlite::Result<(Claim, Option<u32>)> {
    let value: Option<Arc<[u8]>> = row.get("value")?;
    let latest = match value {
        // A value without a stamp was put there by hand, and is older than each save.
        Some(bytes) => {
            let stamp = stamp(row)?.unwrap_or(Stamp { epoch: 0, sequence: 0 });
            Some(Record { stamp, schema: row.get("schema")?, bytes })
        }
        None => None,
    };
    Ok((Claim { epoch: row.get("epoch")?, latest }, row.get("checksum")?))
}

fn stamp(row: &Row<'_>) -> rusqlite::Result<Option<Stamp>> {
    Ok(match (row.get("saved_epoch")?, row.get("saved_sequence")?) {
        (Some(epoch), Some(sequence)) => Some(Stamp { epoch, sequence }),
        (None, _) | (_, None) => None,
    })
}

/// Reason for which nothing was changed.
fn refusal(connection: &Connection, key: &str) -> rusqlite::Result<StoreError> {
    let stored = connection.prepare_cached(STORED)?.query_row(named_params! { ":key": key }, |row| {
        Ok(StoreError::Superseded { epoch: row.get("epoch")?, stored: stamp(row)? })
    });
    // A key that was never claimed has no row.
    Ok(stored.optional()?.unwrap_or(StoreError::Superseded { epoch: 0, stored: None }))
}

/// Tries again within this time while another connection holds the database.
///
/// SQLite does not wait where two that wait for each other would wait for ever: two connections that change a new file to WAL
/// are such a case. One of them is refused at once, and has to try again.
fn within<T>(limit: Duration, work: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let begun = Instant::now();
    loop {
        let done = work();
        let code = done.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
        let is_held = matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        if !is_held || begun.elapsed() >= limit {
            return done;
        }
        std::thread::sleep(RETRY_AFTER);
    }
}

fn fault(place: &str, doing: &str, error: rusqlite::Error) -> StoreError {
    let advice = match error.sqlite_error_code() {
        Some(code @ (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
            let flaw = if code == ErrorCode::DatabaseCorrupt { "is damaged" } else { "is no SQLite database" };
            let what = format!("`{place}` {flaw}: {error}. Restore the file");
            return StoreError::Damaged { what, has_previous: false };
        }
        Some(ErrorCode::DiskFull) => " (there is no room: free some)",
        Some(ErrorCode::SystemIoFailure) => " (the disk failed, or there is no room for the files of the database)",
        Some(ErrorCode::ReadOnly) => " (let this process write to the file and to its directory)",
        Some(ErrorCode::CannotOpen) => cannot_open(Path::new(place)),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => " (another connection writes for too long)",
        _ => "",
    };
    StoreError::Failed(anyhow::Error::new(error).context(format!("cannot {doing} `{place}`{advice}")))
}

/// Advice about a file that SQLite cannot open, for which it gives no reason.
fn cannot_open(place: &Path) -> &'static str {
    // For a file without a directory in its name, that is the working directory.
    let directory = place.parent().filter(|directory| !directory.as_os_str().is_empty());
    match directory {
        _ if place.is_dir() => " (it is a directory: name a file in it)",
        Some(directory) if directory.try_exists().is_ok_and(|exists| !exists) => {
            " (create its directory, or mount the volume that should hold it)"
        }
        Some(_) | None => " (let this process read and write the file and its directory)",
    }
}
