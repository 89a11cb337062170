//! The warehouse, the receiver of the outbox. It stands for another company's system, so it has a separate database.
//!
//! It keeps the number of each event that it has. An event that comes again changes nothing, and is noted.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use regrow::{Child, Inbox, Reply, ServiceChild};
use rusqlite::params;

use crate::database::{self, Event};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS deliveries (event INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, status TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS repetitions (event INTEGER NOT NULL);";

pub struct Deliver {
    pub events: Vec<Event>,
    /// Answered when all of them are on the disk.
    pub reply: Reply<()>,
}

pub fn child(file: PathBuf) -> ServiceChild<Deliver> {
    Child::thread("warehouse", move |inbox| serve(&file, inbox))
}

fn serve(file: &Path, inbox: Inbox<Deliver>) -> anyhow::Result<()> {
    let mut connection = database::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    connection.execute_batch(TABLES)?;
    for Deliver { events, reply } in inbox {
        let transaction = connection.transaction()?;
        for Event { number, order, status } in events {
            let insert = "INSERT INTO deliveries VALUES (?1, ?2, ?3) ON CONFLICT (event) DO NOTHING";
            let is_new = transaction.prepare_cached(insert)?.execute(params![number, order, status.word()])? == 1;
            if !is_new {
                transaction.execute("INSERT INTO repetitions VALUES (?1)", [number])?;
            }
        }
        transaction.commit()?;
        reply.send(());
    }
    Ok(())
}
