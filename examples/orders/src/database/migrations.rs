//! The tables, and the steps that led to them: a job that runs once at each start, before the database is opened.
//!
//! `PRAGMA user_version` counts the steps that a file has seen. A step and its number are one transaction. A step is never
//! changed after it has been released: a new one is added below.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use regrow::{Child, TaskChild};

use super::open;

const STEPS: [&str; 2] = [
    "CREATE TABLE orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        customer TEXT NOT NULL,
        key TEXT NOT NULL,
        cents INTEGER NOT NULL,
        status TEXT NOT NULL,
        taken_at_ms INTEGER NOT NULL,
        UNIQUE (customer, key));
     CREATE INDEX orders_open ON orders (id) WHERE status = 'open';",
    "CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        order_id INTEGER NOT NULL UNIQUE REFERENCES orders,
        status TEXT NOT NULL,
        is_published INTEGER NOT NULL DEFAULT 0);
     CREATE INDEX outbox_unpublished ON outbox (number) WHERE is_published = 0;",
];

pub fn child(file: PathBuf) -> TaskChild {
    // A task that returns `Ok` has completed, and is not started again. One that fails is.
    Child::task("migrations", move |_| {
        let file = file.clone();
        async move { tokio::task::spawn_blocking(move || migrate(&file)).await? }
    })
}

fn migrate(file: &Path) -> anyhow::Result<()> {
    let mut connection = open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let seen: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    anyhow::ensure!(seen <= STEPS.len(), "{} was made by a newer version of this program", file.display());
    for (number, step) in (1..).zip(STEPS).skip(seen) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit().with_context(|| format!("cannot carry out migration {number}"))?;
        tracing::info!(migration = number, "database migrated");
    }
    Ok(())
}
