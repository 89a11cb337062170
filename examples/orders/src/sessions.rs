//! A session for each customer that is active: it takes the customer's orders, and no more of them than is fair.
//!
//! Sessions are started when they are needed, and end when they have had nothing to do for a while. A session that crashes
//! is restarted within a budget for it alone, so one customer's trouble is not another's.

use std::time::Duration;

use regrow::{Child, Context, DynamicSupervisor, Handle, Intensity, Partitions, Reply, Restart, Service, ServiceChild};
use tokio::time::Instant;

use crate::database::Query;
use crate::options::Options;
use crate::order::{NewOrder, Taken, Trouble};
use crate::workers::Work;

const SEC: Duration = Duration::from_secs(1);

/// A session without requests ends after this time.
const IDLE: Duration = Duration::from_secs(60);

pub enum Ask {
    Take(NewOrder, Reply<Result<Taken, Trouble>>),
    /// Number of all orders of the customer.
    Count(Reply<u64>),
}

struct Session {
    database: Handle<Query>,
    workers: Partitions<Work>,
    orders: u64,
    fair: Fair,
}

pub fn supervisor(options: &Options) -> DynamicSupervisor {
    let a_second = options.orders_per_second;
    DynamicSupervisor::new("sessions")
        .max_children(10_000)
        .budget_each(Intensity::new(10, 10 * SEC))
        .template(move |customer| session(customer, a_second))
}

/// The name of the child is the customer's, by which it is found again.
fn session(customer: String, a_second: u32) -> ServiceChild<Ask> {
    Child::service_with(customer.clone(), customer, move |customer, ctx| async move {
        let database: Handle<Query> = ctx.lookup("database")?;
        // The state is built from the database at the start of each life.
        let orders = database.call(|reply| Query::Count(customer, reply)).await?;
        Ok(Session { database, workers: ctx.partitions("workers")?, orders, fair: Fair::new(a_second) })
    })
    // Transient: after a normal end, as that of an idle session, it is not started again.
    .restart(Restart::Transient)
    .idle_after(IDLE)
}

impl Service for Session {
    type Msg = Ask;

    async fn handle(&mut self, ask: Ask, _: &mut Context<Self>) -> anyhow::Result<()> {
        match ask {
            Ask::Take(order, reply) => {
                reply.send(self.take(order).await);
            }
            Ask::Count(reply) => {
                reply.send(self.orders);
            }
        }
        Ok(())
    }
}

impl Session {
    async fn take(&mut self, new: NewOrder) -> Result<Taken, Trouble> {
        if !self.fair.allows(Instant::now()) {
            return Err(Trouble::TooFast);
        }
        let taken = self.database.call(|reply| Query::Insert(new, reply)).await?.ok_or(Trouble::KeyInUse)?;
        if taken.is_new {
            self.orders += 1;
            let work = Work { order: taken.order.clone(), is_repeated: false };
            // If the worker has no room or is away, the collector finds the order in the database.
            self.workers.handle_for(&taken.order.customer).cast(work).ok();
        }
        Ok(taken)
    }
}

/// A bucket that fills up with this many orders a second, and holds no more than those of one second.
struct Fair {
    a_second: f64,
    left: f64,
    last: Instant,
}

impl Fair {
    fn new(a_second: u32) -> Self {
        let a_second = f64::from(a_second);
        Self { a_second, left: a_second, last: Instant::now() }
    }

    fn allows(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.last).as_secs_f64();
        self.last = now;
        self.left = (self.left + passed * self.a_second).min(self.a_second);
        let is_allowed = self.left >= 1.0;
        if is_allowed {
            self.left -= 1.0;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_may_order_as_much_as_in_one_second_at_once_and_then_as_time_passes() {
        let mut fair = Fair::new(4);
        let now = fair.last;
        assert_eq!((0..6).filter(|_| fair.allows(now)).count(), 4);
        assert!(!fair.allows(now + SEC / 5));
        assert_eq!((0..6).filter(|_| fair.allows(now + SEC / 2)).count(), 2);
        // An hour of rest makes no more than one second does.
        let later = now + 3600 * SEC;
        assert_eq!((0..10).filter(|_| fair.allows(later)).count(), 4);
    }
}
