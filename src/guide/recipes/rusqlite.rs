use std::path::PathBuf;

use regrow::{Child, Inbox, Reply, ServiceChild};
use rusqlite::{Connection, OptionalExtension, params};

/// The messages of the database. Each one is a query, and each answer is a reply.
pub enum Query {
    Place { customer: String, cents: i64, reply: Reply<i64> },
    Customer { order: i64, reply: Reply<Option<String>> },
}

fn open(file: &PathBuf) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL)",
    )?;
    Ok(connection)
}

fn answer(connection: &Connection, query: Query) -> rusqlite::Result<()> {
    match query {
        Query::Place { customer, cents, reply } => {
            let insert = "INSERT INTO orders (customer, cents) VALUES (?1, ?2)";
            connection.prepare_cached(insert)?.execute(params![customer, cents])?;
            reply.send(connection.last_insert_rowid());
        }
        Query::Customer { order, reply } => {
            let mut select = connection.prepare_cached("SELECT customer FROM orders WHERE id = ?1")?;
            reply.send(select.query_row([order], |row| row.get(0)).optional()?);
        }
    }
    Ok(())
}

pub fn database(file: PathBuf) -> ServiceChild<Query> {
    Child::thread("database", move |inbox: Inbox<Query>| {
        let connection = open(&file)?;
        for query in inbox {
            answer(&connection, query)?; // ends this life; the next one has a new connection
        }
        Ok(())
    })
}
