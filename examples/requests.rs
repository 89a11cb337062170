//! A service without boilerplate: the attribute makes its messages, and a client with a method for each.
//!
//! `cargo run --example requests` prints what the client gets: answers, an error of the service's own,
//! one answer that comes later, and what is left after a cast that ends the life.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use regrow::{Child, Context, Reply, RequestError, Supervisor};

#[derive(Debug)]
struct NoSuchOrder(i64);

impl fmt::Display for NoSuchOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no order {}", self.0)
    }
}

impl std::error::Error for NoSuchOrder {}

#[derive(Default)]
struct Db {
    orders: BTreeMap<i64, String>,
    /// Callers that wait for the next order.
    waiting: Vec<Reply<String>>,
}

#[regrow::service]
impl Db {
    /// Finds an order. Its error goes to the caller, and the service lives on.
    #[call(error = NoSuchOrder)]
    fn get(&mut self, id: i64) -> Result<String, NoSuchOrder> {
        self.orders.get(&id).cloned().ok_or(NoSuchOrder(id))
    }

    /// Adds an order. There is no caller, so an error ends this life.
    #[cast]
    async fn put(&mut self, id: i64, order: String, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        anyhow::ensure!(id > 0, "order {id} in generation {}", ctx.generation());
        for reply in self.waiting.drain(..) {
            reply.send(order.clone());
        }
        self.orders.insert(id, order);
        Ok(())
    }

    /// Answers when the next order comes.
    #[call]
    fn next(&mut self, reply: Reply<String>) {
        self.waiting.push(reply);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let tree =
        Supervisor::one_for_one("shop").child(Child::service("db", |_| async { Ok(Db::default()) })).start().await?;
    let db = DbClient::from(tree.lookup("shop/db")?);

    let next = db.next(); // sent, and awaited below
    db.put(7, "tea".into())?;
    println!("get(7):  {}", db.get(7).within(Duration::from_secs(1)).await?);
    println!("next():  {}", next.await?);
    match db.get(9).await {
        Ok(order) => println!("get(9):  {order}"),
        Err(RequestError::Service(error)) => println!("get(9):  {error}"),
        Err(RequestError::Call(error)) => println!("get(9):  no answer: {error}"),
        Err(error) => println!("get(9):  {error}"),
    }

    db.put(0, "nothing".into())?; // ends the life, and the next one begins without orders
    println!("get(7):  {}, in generation {}", db.get(7).await.unwrap_err(), db.handle().generation());

    tree.shutdown().await;
    println!("get(7):  {}", db.get(7).await.unwrap_err());
    Ok(())
}
