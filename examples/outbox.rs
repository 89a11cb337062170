//! An outbox on SQLite: messages that are published at least once, whenever the process dies.
//!
//! A message is stored in the transaction of the change that it belongs to. It is published after that, and marked when it
//! has been published. The receiver gets some messages twice, and drops doubles by their number.
//!
//! `cargo run --example outbox --features checkpoint-sqlite` runs itself twice on one database. The first process aborts
//! at the worst moment, between publishing and marking. It prints
//!
//! ```text
//! the first process
//!   mail takes message 1: order of tea
//!   mail takes message 2: order of salt
//!   aborts before message 2 is marked
//! the second process
//!   mail drops message 2, which it has
//!   mail takes message 3: order of rice
//! 3 orders, 3 letters, 0 messages left
//! ```

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use regrow::checkpoint::{Checkpoint, Checkpoints, Json, SqliteStore};
use regrow::{Child, Context, Handle, Inbox, Reply, Service, Supervisor};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS orders (item TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, published INTEGER);";

fn open(database: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Takes orders. An order and the message about it are there together, or not at all.
fn orders(database: &Path, inbox: Inbox<Order>) -> anyhow::Result<()> {
    let mut connection = open(database)?;
    let publisher: Handle<Publish> = inbox.lookup("publisher")?;
    for Order { item, reply } in inbox {
        let transaction = connection.transaction()?;
        transaction.execute("INSERT INTO orders VALUES (?1)", params![item])?;
        transaction.execute("INSERT INTO outbox (text) VALUES (?1)", params![format!("order of {item}")])?;
        transaction.commit()?;
        reply.send(());
        // Only a hint: a publisher that starts looks for itself.
        publisher.cast(Publish).ok();
    }
    Ok(())
}

struct Order {
    item: String,
    reply: Reply<()>,
}

/// Publishes what is in the outbox, in order, and marks it. With `aborts_before` it dies before it marks that message.
fn publisher(database: &Path, aborts_before: Option<i64>, mut inbox: Inbox<Publish>) -> anyhow::Result<()> {
    let connection = open(database)?;
    let mail: Handle<MailMsg> = inbox.lookup("mail")?;
    loop {
        let oldest = "SELECT id, text FROM outbox WHERE published IS NULL ORDER BY id LIMIT 1";
        let next = connection.query_row(oldest, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((id, text)) = next {
            mail.call(|reply| MailMsg::Letter { id, text, reply }).blocking()?;
            if aborts_before == Some(id) {
                println!("  aborts before message {id} is marked");
                std::process::abort();
            }
            connection.execute("UPDATE outbox SET published = 1 WHERE id = ?1", params![id])?;
        } else if inbox.next().is_none() {
            return Ok(());
        }
    }
}

struct Publish;

/// The receiver. What it has taken, and the number of the latest message, are saved as one value.
struct Mail {
    taken: Json<Taken>,
    checkpoint: Checkpoint<Json<Taken>>,
}

#[derive(Default, Serialize, Deserialize)]
struct Taken {
    latest: i64,
    letters: Vec<String>,
}

enum MailMsg {
    Letter { id: i64, text: String, reply: Reply<()> },
    Count(Reply<usize>),
}

impl Mail {
    async fn open(ctx: Context<Self>, store: Checkpoints) -> anyhow::Result<Self> {
        let mut checkpoint = ctx.checkpoint(&store).await?;
        Ok(Self { taken: checkpoint.take().unwrap_or_default(), checkpoint })
    }
}

impl Service for Mail {
    type Msg = MailMsg;

    async fn handle(&mut self, msg: MailMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            MailMsg::Letter { id, text, reply } if id > self.taken.latest => {
                println!("  mail takes message {id}: {text}");
                self.taken.latest = id;
                self.taken.letters.push(text);
                self.checkpoint.save(&self.taken).await?;
                reply.send(());
            }
            MailMsg::Letter { id, reply, .. } => {
                println!("  mail drops message {id}, which it has");
                reply.send(());
            }
            MailMsg::Count(reply) => {
                reply.send(self.taken.letters.len());
            }
        }
        Ok(())
    }
}

/// Runs the shop as one process would: takes these orders, and ends when the outbox is empty.
#[tokio::main]
async fn process(directory: &Path, items: &[&str], aborts_before: Option<i64>) -> anyhow::Result<()> {
    let (database, store) = (directory.join("shop.db"), SqliteStore::open(directory.join("mail.db"))?);
    let (of_publisher, of_orders) = (database.clone(), database.clone());
    let tree = Supervisor::one_for_one("shop")
        .child(Child::service_with("mail", Checkpoints::new(store), |store, ctx| Mail::open(ctx, store)))
        .child(Child::thread("publisher", move |inbox| publisher(&of_publisher, aborts_before, inbox)))
        .child(Child::thread("orders", move |inbox| orders(&of_orders, inbox)))
        .start()
        .await?;
    let orders: Handle<Order> = tree.lookup("shop/orders")?;
    for item in items {
        orders.call(|reply| Order { item: (*item).to_owned(), reply }).await?;
    }
    let connection = open(&database)?;
    let count = |query| connection.query_row(query, [], |row| row.get::<_, u64>(0));
    let unpublished = "SELECT count(*) FROM outbox WHERE published IS NULL";
    while count(unpublished)? > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let letters = tree.lookup::<MailMsg>("shop/mail")?.call(MailMsg::Count).await?;
    println!(
        "{} orders, {letters} letters, {} messages left",
        count("SELECT count(*) FROM orders")?,
        count(unpublished)?
    );
    ensure!(tree.shutdown().await.is_clean());
    Ok(())
}

fn main() -> anyhow::Result<()> {
    match &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [directory, run] if run == "first" => process(directory.as_ref(), &["tea", "salt"], Some(2)),
        [directory, run] if run == "second" => process(directory.as_ref(), &["rice"], None),
        _ => {
            let directory = tempfile::tempdir()?;
            for run in ["first", "second"] {
                println!("the {run} process");
                Command::new(std::env::current_exe()?).arg(directory.path()).arg(run).status()?;
            }
            Ok(())
        }
    }
}
