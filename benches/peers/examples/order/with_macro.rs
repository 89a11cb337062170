//! The service with `#[regrow::service]`.

use std::collections::BTreeMap;
use std::time::Duration;

use regrow::{Child, Reply, RequestError, Supervisor};

use crate::order::{DbError, Order};

#[derive(Default)]
struct Db {
    orders: BTreeMap<i64, Order>,
}

#[regrow::service]
impl Db {
    #[call(error = DbError)]
    fn get(&mut self, id: i64) -> Result<Order, DbError> {
        self.orders.get(&id).cloned().ok_or(DbError::NoSuchOrder(id))
    }

    #[cast]
    async fn put(&mut self, order: Order) -> anyhow::Result<()> {
        anyhow::ensure!(order.id > 0, "an order without a number");
        self.orders.insert(order.id, order);
        Ok(())
    }

    #[call]
    async fn page(&mut self, after: i64, reply: Reply<Vec<Order>>) {
        reply.send(self.orders.range(after + 1..).map(|(_, order)| order.clone()).collect());
    }
}

async fn item(db: &DbClient, id: i64) -> String {
    match db.get(id).await {
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
    let db = DbClient::from(tree.lookup("shop/db")?);
    db.put(Order::new(7, "tea"))?;
    let mut told = vec![item(&db, 7).await, item(&db, 9).await];
    let page = db.page(0).within(Duration::from_secs(1)).await?;
    told.extend(page.into_iter().map(|order| order.item));
    tree.shutdown().await;
    told.push(item(&db, 7).await);
    Ok(told)
}
