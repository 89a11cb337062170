//! Saves per second and their latency: each store beside the bare parts that it is made of, in the same run.
//!
//! Run with `cargo bench --bench checkpoint --features checkpoint-sqlite -- --seconds 10`. The directory is a temporary one:
//! set `TMPDIR` to measure another disk. The stores take turns, so that a disk that others use too is unfair to none.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use regrow::checkpoint::{CheckpointStore, FileStore, MemoryStore, Record, SqliteStore, Stamp};
use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: u32 = 10;
const SIZES: [usize; 3] = [200, 10_000, 1_000_000];

/// The measured work: one save of these bytes.
trait Saves {
    fn save(&mut self, bytes: &Arc<[u8]>) -> Outcome<()>;
}

/// A store behind the trait, with its claim.
struct Stored<'a, S> {
    runtime: &'a Runtime,
    store: S,
    stamp: Stamp,
}

impl<'a, S: CheckpointStore> Stored<'a, S> {
    fn new(runtime: &'a Runtime, store: S) -> Outcome<Self> {
        let epoch = runtime.block_on(store.claim("bank/ledger"))?.epoch;
        Ok(Self { runtime, store, stamp: Stamp { epoch, sequence: 0 } })
    }
}

impl<S: CheckpointStore> Saves for Stored<'_, S> {
    fn save(&mut self, bytes: &Arc<[u8]>) -> Outcome<()> {
        self.stamp.sequence += 1;
        let record = Record { stamp: self.stamp, schema: 1, bytes: bytes.clone() };
        Ok(self.runtime.block_on(self.store.save("bank/ledger", record))?)
    }
}

/// A file that is written, synced and renamed over the one before, and its folder synced if that is asked for.
struct BareFile<'a> {
    folder: &'a Path,
    sync_folder: bool,
}

impl Saves for BareFile<'_> {
    fn save(&mut self, bytes: &Arc<[u8]>) -> Outcome<()> {
        let new = self.folder.join("new");
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(new, self.folder.join("value"))?;
        if self.sync_folder {
            File::open(self.folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Bare rusqlite: a transaction with one `UPDATE`, and the pragmas of the store.
struct BareSqlite(Connection);

impl BareSqlite {
    fn new(path: &Path) -> Outcome<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = FULL;
             CREATE TABLE states (key TEXT PRIMARY KEY, value BLOB);
             INSERT INTO states VALUES ('bank/ledger', NULL);",
        )?;
        Ok(Self(connection))
    }
}

impl Saves for BareSqlite {
    fn save(&mut self, bytes: &Arc<[u8]>) -> Outcome<()> {
        let mut update = self.0.prepare_cached("UPDATE states SET value = ?2 WHERE key = ?1")?;
        update.execute(("bank/ledger", &**bytes))?;
        Ok(())
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let seconds = arguments.iter().position(|word| word == "--seconds").and_then(|at| arguments.get(at + 1));
    let each = Duration::from_secs(seconds.map_or(Ok(2), |seconds| seconds.parse())?) / ROUNDS;
    let runtime = Builder::new_current_thread().build()?;
    println!("| bytes | what saves | saves/s | p50, us | p99, us |\n|---|---|---|---|---|");
    for size in SIZES {
        // In turn: SQLite writes no page that stays as it was.
        let values: [Arc<[u8]>; 2] = [1, 2].map(|step| (0..size).map(|at| ((at + step) % 251) as u8).collect());
        let place = tempfile::tempdir()?;
        let folder = |name: &str| -> Outcome<_> {
            let folder = place.path().join(name);
            fs::create_dir(&folder)?;
            Ok(folder)
        };
        let (renamed, synced, files) = (folder("renamed")?, folder("synced")?, folder("files")?);
        let saving: [(&str, Box<dyn Saves + '_>); 6] = [
            ("`MemoryStore`", Box::new(Stored::new(&runtime, MemoryStore::new())?)),
            ("file: write, sync, rename", Box::new(BareFile { folder: &renamed, sync_folder: false })),
            ("the same, and sync of the folder", Box::new(BareFile { folder: &synced, sync_folder: true })),
            ("`FileStore`", Box::new(Stored::new(&runtime, FileStore::open(&files)?)?)),
            ("rusqlite: one `UPDATE`", Box::new(BareSqlite::new(&place.path().join("bare.db"))?)),
            ("`SqliteStore`", Box::new(Stored::new(&runtime, SqliteStore::open(place.path().join("shop.db"))?)?)),
        ];
        let mut rows = Vec::new();
        for (name, saves) in saving {
            rows.push((name, saves, Histogram::<u64>::new(3)?, Duration::ZERO));
        }
        for _ in 0..ROUNDS {
            // There and back: the disk may still be busy with what the one before left to it.
            rows.reverse();
            for (_, saves, latencies, took) in &mut rows {
                let begun = Instant::now();
                while begun.elapsed() < each {
                    let save = Instant::now();
                    saves.save(&values[latencies.len() as usize % 2])?;
                    latencies.record(save.elapsed().as_nanos() as u64)?;
                }
                *took += begun.elapsed();
            }
        }
        for (name, _, latencies, took) in &rows {
            let micros = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
            let rate = latencies.len() as f64 / took.as_secs_f64();
            println!("| {size} | {name} | {rate:.0} | {:.1} | {:.1} |", micros(0.5), micros(0.99));
        }
    }
    Ok(())
}
