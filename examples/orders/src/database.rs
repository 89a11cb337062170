//! SQLite on a separate thread, since its calls block and one connection at a time is enough.
//!
//! Each life opens a connection. An error of SQLite ends the life, and with it the connection, in whatever state that
//! is. The query with the error fails. The next life serves those that wait in the mailbox.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use regrow::{Child, Inbox, Reply, ServiceChild};
use rusqlite::{Connection, OptionalExtension, params};

use crate::order::{NewOrder, Order, Status};

pub enum Query {
    /// Adds an open order, and answers with its number.
    Insert(NewOrder, Reply<i64>),
    SetStatus(i64, Status, Reply<()>),
    Find(i64, Reply<Option<Order>>),
}

pub fn child(file: PathBuf) -> ServiceChild<Query> {
    Child::thread("database", move |inbox: Inbox<Query>| {
        let connection = open(&file).with_context(|| format!("cannot open {}", file.display()))?;
        for query in inbox {
            answer(&connection, query)?;
        }
        Ok(())
    })
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    // With these two settings, an order that was answered survives a crash of this process.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS orders
         (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL, status TEXT NOT NULL)",
    )?;
    Ok(connection)
}

fn answer(connection: &Connection, query: Query) -> anyhow::Result<()> {
    match query {
        Query::Insert(NewOrder { customer, cents }, reply) => {
            let insert = "INSERT INTO orders (customer, cents, status) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(insert)?.execute(params![customer, cents, Status::Open.word()])?;
            reply.send(connection.last_insert_rowid());
        }
        Query::SetStatus(id, status, reply) => {
            let update = "UPDATE orders SET status = ?2 WHERE id = ?1";
            connection.prepare_cached(update)?.execute(params![id, status.word()])?;
            reply.send(());
        }
        Query::Find(id, reply) => {
            let select = "SELECT customer, cents, status FROM orders WHERE id = ?1";
            let mut select = connection.prepare_cached(select)?;
            let row =
                select.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))).optional()?;
            reply.send(match row {
                Some((customer, cents, status)) => {
                    Some(Order { id, customer, cents, status: Status::from_word(&status)? })
                }
                None => None,
            });
        }
    }
    Ok(())
}
