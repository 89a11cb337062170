//! Workers: each handles the orders of a customer one after the other. Customers are spread over the workers by name.
//!
//! Each order ends in an answer. If a peer is full, restarting or away, the answer says so, and the worker lives on. A
//! worker has no state that a crash could lose: all of it is in the database.

use std::time::Duration;

use regrow::{Child, Context, Handle, Reply, Service, ServiceChild};

use crate::database::Query;
use crate::gateway::Charge;
use crate::mailer::Mail;
use crate::order::{NewOrder, Order, Status, Trouble};

/// Time limit of one charge by the gateway.
const GATEWAY_LIMIT: Duration = Duration::from_secs(10);
const CHARGES_MAX: u32 = 10;

pub struct Place {
    pub order: NewOrder,
    pub reply: Reply<Result<Order, Trouble>>,
}

struct Worker {
    database: Handle<Query>,
    gateway: Handle<Charge>,
    mailer: Handle<Mail>,
}

pub fn child(_number: usize) -> ServiceChild<Place> {
    Child::service("worker", |ctx| async move {
        // `?` here, since a worker without these peers is of no use.
        let (database, gateway, mailer) = (ctx.lookup("database")?, ctx.lookup("gateway")?, ctx.lookup("mailer")?);
        Ok(Worker { database, gateway, mailer })
    })
}

impl Service for Worker {
    type Msg = Place;

    async fn handle(&mut self, Place { order, reply }: Place, _: &mut Context<Self>) -> anyhow::Result<()> {
        reply.send(self.place(order).await);
        Ok(())
    }
}

impl Worker {
    /// Handles an order. The `?` in here ends the request, not the worker: see [`Trouble`].
    async fn place(&self, NewOrder { customer, cents }: NewOrder) -> Result<Order, Trouble> {
        // Waits for room while the database is busy. If none comes, nothing has happened, and the answer says so.
        let new = NewOrder { customer: customer.clone(), cents };
        let id = self.database.call(|reply| Query::Insert(new, reply)).await?;
        let status = self.pay(id, cents).await;
        if status != Status::Open {
            self.database.call(|reply| Query::SetStatus(id, status, reply)).await?;
        }
        // Nothing depends on a letter: if the mailer is full or away, the order stands without one.
        if let Err(refused) = self.mailer.cast(Mail { order: id, status }) {
            tracing::warn!(order = id, %refused, "no letter");
        }
        Ok(Order { id, customer, cents, status })
    }

    /// Tries until the gateway answers. A charge may be repeated: it carries the number of the order.
    async fn pay(&self, order: i64, cents: u32) -> Status {
        for attempt in 1..=CHARGES_MAX {
            match self.gateway.call_within(GATEWAY_LIMIT, |reply| Charge { order, cents, reply }).await {
                Ok(true) => return Status::Paid,
                Ok(false) => return Status::Declined,
                Err(error) => tracing::info!(order, attempt, %error, "charged again"),
            }
            tokio::time::sleep(Duration::from_millis(20) * attempt).await;
        }
        // The order stays open in the database. A job that collects open orders is beyond this example.
        Status::Open
    }
}
