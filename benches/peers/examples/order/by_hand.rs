//! The service with regrow by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use regrow::{Child, Context, Handle, Reply, RequestError, Service, Supervisor};

use crate::order::{DbError, Order};

#[derive(Default)]
struct Db {
    orders: BTreeMap<i64, Order>,
}

enum DbMsg {
    Get(i64, Reply<Result<Order, DbError>>),
    Put(Order),
    Page(i64, Reply<Vec<Order>>),
}

impl Service for Db {
    type Msg = DbMsg;

    async fn handle(&mut self, msg: DbMsg, _: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            DbMsg::Get(id, reply) => {
                reply.send(self.orders.get(&id).cloned().ok_or(DbError::NoSuchOrder(id)));
            }
            DbMsg::Put(order) => {
                anyhow::ensure!(order.id > 0, "an order without a number");
                self.orders.insert(order.id, order);
            }
            DbMsg::Page(after, reply) => {
                reply.send(self.orders.range(after + 1..).map(|(_, order)| order.clone()).collect());
            }
        }
        Ok(())
    }

    fn label(msg: &DbMsg) -> Option<&'static str> {
        Some(match msg {
            DbMsg::Get(..) => "get",
            DbMsg::Put(..) => "put",
            DbMsg::Page(..) => "page",
        })
    }
}

async fn item(db: &Handle<DbMsg>, id: i64) -> String {
    match db.call(|reply| DbMsg::Get(id, reply)).flatten().await {
        Ok(order) => order.item,
        Err(RequestError::Service(DbError::NoSuchOrder(id))) => format!("no order {id}"),
        Err(error) if error.is_safe_to_repeat() => "try again".into(),
        Err(_) => "unclear".into(),
    }
}

pub async fn run() -> anyhow::Result<Vec<String>> {
    let tree = Supervisor::one_for_one("shop")
        .intensity(3, Duration::from_secs(5))
        .child(Child::service("db", |_| async { Ok(Db::default()) }))
        .start()
        .await?;
    let db = tree.lookup("shop/db")?;
    db.cast(DbMsg::Put(Order::new(7, "tea")))?;
    let mut told = vec![item(&db, 7).await, item(&db, 9).await];
    let page = db.call(|reply| DbMsg::Page(0, reply)).within(Duration::from_secs(1)).await?;
    told.extend(page.into_iter().map(|order| order.item));
    tree.shutdown().await;
    told.push(item(&db, 7).await);
    Ok(told)
}
