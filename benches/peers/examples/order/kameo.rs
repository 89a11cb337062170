//! The service with kameo's `#[messages]`.

use std::collections::BTreeMap;
use std::time::Duration;

use kameo::prelude::*;

use crate::order::{DbError, Order};

#[derive(Actor)]
struct Shop;

#[derive(Actor, Default)]
struct Db {
    orders: BTreeMap<i64, Order>,
}

#[messages]
impl Db {
    #[message]
    fn get(&mut self, id: i64) -> Result<Order, DbError> {
        self.orders.get(&id).cloned().ok_or(DbError::NoSuchOrder(id))
    }

    #[message]
    async fn put(&mut self, order: Order) -> anyhow::Result<()> {
        anyhow::ensure!(order.id > 0, "an order without a number");
        self.orders.insert(order.id, order);
        Ok(())
    }

    #[message(ctx)]
    async fn page(
        &mut self,
        after: i64,
        ctx: &mut Context<Self, DelegatedReply<Vec<Order>>>,
    ) -> DelegatedReply<Vec<Order>> {
        ctx.reply(self.orders.range(after + 1..).map(|(_, order)| order.clone()).collect())
    }
}

async fn item(db: &ActorRef<Db>, id: i64) -> String {
    match db.ask(Get { id }).await {
        Ok(order) => order.item,
        Err(SendError::HandlerError(DbError::NoSuchOrder(id))) => format!("no order {id}"),
        Err(SendError::ActorNotRunning(_) | SendError::ActorRestarting(_)) => "try again".into(),
        Err(SendError::MailboxFull(_) | SendError::Timeout(Some(_))) => "try again".into(),
        Err(_) => "unclear".into(),
    }
}

pub async fn run() -> anyhow::Result<Vec<String>> {
    let shop = Shop::spawn(Shop);
    let db = Db::supervise_with(&shop, Db::default).restart_limit(3, Duration::from_secs(5)).spawn().await;
    db.tell(Put { order: Order::new(7, "tea") }).await?;
    let mut told = vec![item(&db, 7).await, item(&db, 9).await];
    let page = db.ask(Page { after: 0 }).reply_timeout(Duration::from_secs(1)).await?;
    told.extend(page.into_iter().map(|order| order.item));
    shop.stop_gracefully().await?;
    shop.wait_for_shutdown().await;
    told.push(item(&db, 7).await);
    Ok(told)
}
