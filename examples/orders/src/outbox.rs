//! The outbox: the warehouse gets to know of each settled order, whenever this process dies.
//!
//! An event is stored in the transaction that settles its order. The publisher reads the events in order, hands them to the
//! warehouse, and marks them as published when the warehouse has answered.
//!
//! # What is promised
//!
//! 1. Each settled order makes one event, with a number. No event is lost: one that is not marked is sent again.
//! 2. An event may be sent twice, if this process dies between the answer and the mark. It has the same number each time.
//! 3. The warehouse keeps the numbers that it has, in the transaction of what it does. So each event has its effect once.
//!
//! No more can be promised across two systems without a transaction over both. A receiver that keeps no numbers gets each
//! event at least once.

use std::time::Duration;

use regrow::{Child, Context, Handle, Service, ServiceChild};

use crate::database::Query;
use crate::warehouse::Deliver;

/// Time between two looks into the outbox, which is the time that an event may be late.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const BATCH: u32 = 200;

/// A look is due.
pub struct Look;

struct Publisher {
    database: Handle<Query>,
    warehouse: Handle<Deliver>,
}

pub fn child() -> ServiceChild<Look> {
    Child::service("publisher", |ctx| async move {
        ctx.interval(LOOK_EVERY, || Look);
        Ok(Publisher { database: ctx.lookup("database")?, warehouse: ctx.lookup("warehouse")? })
    })
    .capacity(1)
}

impl Service for Publisher {
    type Msg = Look;

    async fn handle(&mut self, Look: Look, _: &mut Context<Self>) -> anyhow::Result<()> {
        if let Err(error) = self.publish().await {
            tracing::info!(error = %format!("{error:#}"), "events wait in the outbox");
        }
        Ok(())
    }
}

impl Publisher {
    async fn publish(&self) -> anyhow::Result<()> {
        loop {
            let events = self.database.call(|reply| Query::Unpublished { limit: BATCH, reply }).await?;
            let Some(up_to) = events.last().map(|event| event.number) else { return Ok(()) };
            self.warehouse.call(|reply| Deliver { events, reply }).await?;
            self.database.call(|reply| Query::Published { up_to, reply }).await?;
        }
    }
}
