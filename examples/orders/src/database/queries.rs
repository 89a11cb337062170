//! What each query does in its transaction, and the answer that follows the commit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regrow::Reply;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::{Backlog, Event, Query};
use crate::order::{NewOrder, Order, Status, Taken};

/// Sends the answer. Called after the commit.
pub(super) type Answer = Box<dyn FnOnce()>;

pub(super) fn answer(connection: &Connection, query: Query) -> Result<Answer> {
    match query {
        Query::Insert(new, reply) => answer_with(reply, insert(connection, &new)?),
        Query::Find(id, reply) => answer_with(reply, find(connection, id)?),
        Query::Settle { order, status, reply } => answer_with(reply, settle(connection, order, status)?),
        Query::Open { for_at_least, limit, reply } => answer_with(reply, open(connection, for_at_least, limit)?),
        Query::Backlog(reply) => answer_with(reply, backlog(connection)?),
        Query::Count(customer, reply) => answer_with(reply, count(connection, &customer)?),
        Query::Unpublished { limit, reply } => answer_with(reply, unpublished(connection, limit)?),
        Query::Published { up_to, reply } => answer_with(reply, published(connection, up_to)?),
        // It cannot be done within a transaction. The next one comes in a minute.
        Query::Tidy => Ok(Box::new(|| ())),
    }
}

fn answer_with<T: Send + 'static>(reply: Reply<T>, answer: T) -> Result<Answer> {
    Ok(Box::new(move || {
        reply.send(answer);
    }))
}

fn insert(connection: &Connection, new: &NewOrder) -> Result<Option<Taken>> {
    let NewOrder { customer, cents, key } = new;
    let insert = "INSERT INTO orders (customer, key, cents, status, taken_at_ms) VALUES (?1, ?2, ?3, 'open', ?4)
                  ON CONFLICT (customer, key) DO NOTHING";
    let added = connection.prepare_cached(insert)?.execute(params![customer, key, cents, now_ms()])?;
    let by_key = "SELECT id, customer, cents, status FROM orders WHERE customer = ?1 AND key = ?2";
    let order = connection.prepare_cached(by_key)?.query_row([customer, key], order)?;
    Ok((order.cents == *cents).then_some(Taken { order, is_new: added == 1 }))
}

fn find(connection: &Connection, id: i64) -> Result<Option<Order>> {
    let by_id = "SELECT id, customer, cents, status FROM orders WHERE id = ?1";
    connection.prepare_cached(by_id)?.query_row([id], order).optional()
}

/// The order and the event about it are there together, or not at all.
fn settle(connection: &Connection, order: i64, status: Status) -> Result<bool> {
    let update = "UPDATE orders SET status = ?2 WHERE id = ?1 AND status = 'open'";
    let is_settled = connection.prepare_cached(update)?.execute(params![order, status.word()])? == 1;
    if is_settled {
        let insert = "INSERT INTO outbox (order_id, status) VALUES (?1, ?2)";
        connection.prepare_cached(insert)?.execute(params![order, status.word()])?;
    }
    Ok(is_settled)
}

fn open(connection: &Connection, for_at_least: Duration, limit: u32) -> Result<Vec<Order>> {
    let before = now_ms() - for_at_least.as_millis() as i64;
    let oldest = "SELECT id, customer, cents, status FROM orders WHERE status = 'open' AND taken_at_ms <= ?1
                  ORDER BY id LIMIT ?2";
    connection.prepare_cached(oldest)?.query_map(params![before, limit], order)?.collect()
}

fn backlog(connection: &Connection) -> Result<Backlog> {
    let count = "SELECT (SELECT count(*) FROM orders WHERE status = 'open'),
                        (SELECT count(*) FROM outbox WHERE is_published = 0)";
    let backlog = |row: &Row<'_>| Ok(Backlog { open: row.get(0)?, unpublished: row.get(1)? });
    connection.prepare_cached(count)?.query_row([], backlog)
}

fn count(connection: &Connection, customer: &str) -> Result<u64> {
    let count = "SELECT count(*) FROM orders WHERE customer = ?1";
    connection.prepare_cached(count)?.query_row([customer], |row| row.get(0))
}

fn unpublished(connection: &Connection, limit: u32) -> Result<Vec<Event>> {
    let oldest = "SELECT number, order_id, status FROM outbox WHERE is_published = 0 ORDER BY number LIMIT ?1";
    let event = |row: &Row<'_>| Ok(Event { number: row.get(0)?, order: row.get(1)?, status: status(row, 2)? });
    connection.prepare_cached(oldest)?.query_map([limit], event)?.collect()
}

fn published(connection: &Connection, up_to: i64) -> Result<()> {
    let update = "UPDATE outbox SET is_published = 1 WHERE is_published = 0 AND number <= ?1";
    connection.prepare_cached(update)?.execute([up_to]).map(|_| ())
}

pub(super) fn tidy(connection: &Connection) -> Result<()> {
    connection.execute_batch("PRAGMA optimize")?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn order(row: &Row<'_>) -> Result<Order> {
    Ok(Order { id: row.get(0)?, customer: row.get(1)?, cents: row.get(2)?, status: status(row, 3)? })
}

fn status(row: &Row<'_>, column: usize) -> Result<Status> {
    let word: String = row.get(column)?;
    let unknown = || format!("no status is called `{word}`").into();
    Status::from_word(&word).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, unknown()))
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as i64)
}
