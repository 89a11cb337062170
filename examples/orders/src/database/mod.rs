//! SQLite on a separate thread, since its calls block, and one connection writes at a time anyway.
//!
//! Each life opens a connection. An error of SQLite ends the life, and with it the connection, in whatever state that
//! is. The queries of that transaction fail, and the next life serves those that wait in the mailbox.
//!
//! Queries that wait are carried out in one transaction, and are answered when it is on the disk. So an answer outlives
//! a crash of the machine, and a busy database needs one sync for many orders.

pub mod migrations;
mod queries;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use regrow::{Child, Inbox, Reply, ServiceChild};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::order::{NewOrder, Order, Status, Taken};

/// Most queries in one transaction.
const BATCH_MAX: usize = 200;

pub enum Query {
    /// Adds an open order, or finds the customer's with that key. `None`: that one is a different order.
    Insert(NewOrder, Reply<Option<Taken>>),
    Find(i64, Reply<Option<Order>>),
    /// Ends an open order, and puts an event about that into the outbox. `false`: it was not open any more.
    Settle {
        order: i64,
        status: Status,
        reply: Reply<bool>,
    },
    /// The oldest orders that have been open for at least this long.
    Open {
        for_at_least: Duration,
        limit: u32,
        reply: Reply<Vec<Order>>,
    },
    /// Number of orders that are open, and of events that were not published.
    Backlog(Reply<Backlog>),
    /// Number of orders of a customer.
    Count(String, Reply<u64>),
    /// The oldest events that were not published.
    Unpublished {
        limit: u32,
        reply: Reply<Vec<Event>>,
    },
    /// Marks all events up to this one as published.
    Published {
        up_to: i64,
        reply: Reply<()>,
    },
    /// Looks after the file: statistics of the planner, and the length of the log.
    Tidy,
}

/// A settled order, as others get to know of it. The number is that of the event: see `outbox.rs`.
#[derive(Debug, Clone)]
pub struct Event {
    pub number: i64,
    pub order: i64,
    pub status: Status,
}

/// Work that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    pub open: u64,
    pub unpublished: u64,
}

pub fn child(file: PathBuf) -> ServiceChild<Query> {
    Child::thread("database", move |inbox| serve(&file, inbox))
}

fn serve(file: &Path, mut inbox: Inbox<Query>) -> anyhow::Result<()> {
    let mut connection = open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let mailbox = inbox.handle();
    while let Some(first) = inbox.next() {
        if let Query::Tidy = first {
            queries::tidy(&connection)?;
            continue;
        }
        let transaction = connection.transaction()?;
        let mut answers = vec![queries::answer(&transaction, first)?];
        while answers.len() < BATCH_MAX && mailbox.accounting().queued > 0 {
            let Some(query) = inbox.next() else { break };
            answers.push(queries::answer(&transaction, query)?);
        }
        transaction.commit()?;
        // Not before the commit: what was answered must be on the disk.
        answers.into_iter().for_each(|answer| answer());
    }
    Ok(())
}

/// Opens a database in which a transaction that was committed survives a crash of the process and of the machine.
pub fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}
