//! Jobs that are due every so often, as cron has them: here, the orders that were left open, and care for the database.
//!
//! After a crash of a worker, a full mailbox, an outage of the gateway or a kill of the whole process, an order may be open
//! without any worker that knows of it. The database does: so the collector is what makes sure that each order is settled,
//! and the quick way from a session to a worker may fail.

use std::time::Duration;

use regrow::{Child, Context, Handle, Partitions, Service, ServiceChild};

use crate::database::Query;
use crate::workers::Work;

const SEC: Duration = Duration::from_secs(1);

/// Most orders that are collected at a time: the workers have room for them.
const ORDERS_MAX: u32 = 500;

#[derive(Clone, Copy)]
pub enum Job {
    CollectOpen,
    TidyDatabase,
}

/// Each job, and the time between two turns. A turn that is missed, because the one before took too long, is left out.
const SCHEDULE: [(Job, Duration); 2] = [(Job::CollectOpen, SEC), (Job::TidyDatabase, Duration::from_secs(60))];

struct Collector {
    database: Handle<Query>,
    workers: Partitions<Work>,
}

pub fn child() -> ServiceChild<Job> {
    Child::service("collector", |ctx| async move {
        for (job, period) in SCHEDULE {
            // The timers belong to this life, and end with it. The first turn comes after one period.
            ctx.interval(period, move || job);
        }
        // The life before this one, or the process before, has left orders open.
        ctx.handle().cast(Job::CollectOpen).ok();
        Ok(Collector { database: ctx.lookup("database")?, workers: ctx.partitions("workers")? })
    })
    .capacity(SCHEDULE.len())
}

impl Service for Collector {
    type Msg = Job;

    async fn handle(&mut self, job: Job, _: &mut Context<Self>) -> anyhow::Result<()> {
        match job {
            Job::CollectOpen => self.collect().await,
            // If the database is busy, the next turn will do.
            Job::TidyDatabase => drop(self.database.cast(Query::Tidy)),
        }
        Ok(())
    }
}

impl Collector {
    async fn collect(&self) {
        // Those of the last two seconds are in the hands of a worker, in all likelihood.
        let open = |reply| Query::Open { for_at_least: 2 * SEC, limit: ORDERS_MAX, reply };
        let Ok(orders) = self.database.call(open).await else { return };
        for order in orders {
            let worker = self.workers.handle_for(&order.customer);
            if worker.cast(Work { order, is_repeated: true }).is_err() {
                // It is full or away: the rest has a turn in a second.
                return;
            }
        }
    }
}
