//! The judgment at the end: what the customers were told, beside what the two databases have.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::{Instant, sleep};

use super::Placed;
use super::client::Client;
use crate::http::Figures;

/// Counts of what must not be, and of what may be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Orders in the database.
    pub orders: u64,
    /// Orders that were acknowledged and are not in the database, or not under that number.
    pub lost: u64,
    /// Orders that are there twice, or that were never sent.
    pub doubled: u64,
    /// Orders that were not settled.
    pub open: u64,
    /// Settled orders without an event, or with one that the warehouse does not have.
    pub undelivered: u64,
    /// Orders that the warehouse delivered twice.
    pub delivered_twice: u64,
    /// Events that were sent again, and that the warehouse knew. This is allowed.
    pub repeated: u64,
}

impl Verdict {
    /// Whether nothing was lost and nothing doubled.
    pub fn is_clean(&self) -> bool {
        let Self { lost, doubled, open, undelivered, delivered_twice, .. } = self;
        [lost, doubled, open, undelivered, delivered_twice].into_iter().all(|count| *count == 0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, lost, doubled, open, undelivered, delivered_twice, repeated } = self;
        writeln!(f, "in the databases: {orders} orders")?;
        writeln!(f, "  orders: {lost} lost, {doubled} doubled, {open} not settled")?;
        write!(f, "  events: {undelivered} lost, {delivered_twice} doubled, {repeated} sent again and dropped")
    }
}

/// Waits until each order is settled, and each event is published.
///
/// # Errors
///
/// For as long as `patience`, the backlog was not shorter than before.
pub async fn wait_until_settled(client: &Client, patience: Duration) -> anyhow::Result<()> {
    let (mut shortest, mut until) = (u64::MAX, Instant::now() + patience);
    loop {
        // Without an answer, nothing is known to be better.
        let seen = client.get::<Figures>("/statistics").await;
        let left = seen.as_ref().map_or(u64::MAX, |seen| seen.backlog.open + seen.backlog.unpublished);
        if left == 0 {
            return Ok(());
        }
        if left < shortest {
            (shortest, until) = (left, Instant::now() + patience);
        }
        anyhow::ensure!(Instant::now() < until, "nothing has been settled for {patience:?}: {seen:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Compares the databases with what was placed. The backend must have ended.
///
/// # Errors
///
/// A database cannot be read.
pub fn check<'a>(
    database: &Path,
    warehouse: &Path,
    placed: impl IntoIterator<Item = &'a Placed>,
) -> anyhow::Result<Verdict> {
    let connection = Connection::open(database)?;
    connection.execute("ATTACH ?1 AS warehouse", [warehouse.to_string_lossy()])?;
    let count = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let mut keys = connection.prepare("SELECT key, id FROM orders")?;
    let keys = keys.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut found: HashMap<String, i64> = keys.collect::<Result<_, _>>()?;
    let mut lost = 0;
    for Placed { key, acknowledged, .. } in placed {
        // An order that was not acknowledged may be there or not.
        let id = found.remove(key);
        lost += u64::from(acknowledged.is_some() && *acknowledged != id);
    }
    let twice = count("SELECT count(*) - count(DISTINCT key) FROM orders")?;
    Ok(Verdict {
        orders: count("SELECT count(*) FROM orders")?,
        lost,
        doubled: twice + found.len() as u64,
        open: count("SELECT count(*) FROM orders WHERE status = 'open'")?,
        undelivered: count(
            "SELECT count(*) FROM orders LEFT JOIN outbox ON outbox.order_id = id
             LEFT JOIN warehouse.deliveries AS delivery ON event = number
             WHERE orders.status <> 'open'
             AND (event IS NULL OR delivery.order_id <> id OR delivery.status <> orders.status)",
        )?,
        delivered_twice: count("SELECT count(*) - count(DISTINCT order_id) FROM warehouse.deliveries")?,
        repeated: count("SELECT count(*) FROM warehouse.repetitions")?,
    })
}
