//! Workers: each charges the orders of its customers, one after the other. Customers are spread over the workers by name.
//!
//! A worker has no state that a crash could lose. An order that it could not settle stays open in the database, and the
//! collector brings it again.

use regrow::{Child, Context, Handle, Partitioned, Partitions, Service, ServiceChild};

use crate::database::Query;
use crate::existing::statistics::Seen;
use crate::gateway::{self, Charge};
use crate::options::Options;
use crate::order::{Order, Status};

/// Charges of an order in a row. After that the collector brings it again.
const CHARGES_MAX: u32 = 3;

pub struct Work {
    pub order: Order,
    /// Whether it comes from the collector: it may have been settled in the meantime.
    pub is_repeated: bool,
}

struct Worker {
    database: Handle<Query>,
    gateway: Partitions<Charge>,
    statistics: Handle<Seen>,
}

pub fn children(options: &Options) -> Partitioned<Work> {
    Partitioned::new("workers", options.workers, worker)
}

fn worker(_number: usize) -> ServiceChild<Work> {
    Child::service("worker", |ctx| async move {
        // `?` here, since a worker without these peers is of no use.
        let (database, gateway) = (ctx.lookup("database")?, ctx.partitions("gateway")?);
        Ok(Worker { database, gateway, statistics: ctx.lookup("existing/statistics")? })
    })
    .measured()
}

impl Service for Worker {
    type Msg = Work;

    async fn handle(&mut self, work: Work, _: &mut Context<Self>) -> anyhow::Result<()> {
        let order = work.order.id;
        // A peer that is busy or away is no reason to end this life.
        if let Err(error) = self.work(work).await {
            tracing::info!(order, error = %format!("{error:#}"), "left open, and tried again later");
        }
        Ok(())
    }
}

impl Worker {
    /// Charges and settles an order. The `?` in here ends the work on this order, not the worker.
    async fn work(&self, Work { order, is_repeated }: Work) -> anyhow::Result<()> {
        if is_repeated {
            let found = self.database.call(|reply| Query::Find(order.id, reply)).await?;
            if found.is_none_or(|order| order.status != Status::Open) {
                return Ok(());
            }
        }
        let status = if self.charge(&order).await? { Status::Paid } else { Status::Declined };
        let is_settled = self.database.call(|reply| Query::Settle { order: order.id, status, reply }).await?;
        if is_settled {
            // Nothing depends on statistics: if it is full or away, this order is not counted.
            self.statistics.cast(Seen::Settled(status)).ok();
        }
        Ok(())
    }

    /// Charges until there is an answer. To repeat a charge is safe: it carries the number of the order.
    async fn charge(&self, order: &Order) -> anyhow::Result<bool> {
        let connection = self.gateway.handle_for(&order.customer);
        let mut charges = 0;
        loop {
            let charge = |reply| Charge { order: order.id, cents: order.cents, reply };
            let error = match connection.call_within(gateway::LIMIT, charge).await {
                Ok(is_paid) => return Ok(is_paid),
                Err(error) => error,
            };
            charges += 1;
            // A connection that is parked refuses at once: the gateway is down, and it is no use to try again now.
            if charges == CHARGES_MAX || error.is_safe_to_repeat() {
                return Err(error.into());
            }
        }
    }
}
