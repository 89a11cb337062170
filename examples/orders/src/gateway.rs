//! A payment gateway, simulated: it is slow, declines some charges, loses its connection, and is down now and then.
//!
//! The service is one of some connections, each of which makes one charge at a time. There are two kinds of trouble:
//!
//! * **The connection is lost.** This life is over, and the next one connects again, after a delay.
//! * **A charge fails.** The connection goes on, and the failure is counted. If more than half of the charges fail, the
//!   gateway is down: the connection is parked, and its callers are refused at once instead of waiting for nothing. After
//!   a second it is tried again: a life that goes well ends that, and more failures park it for longer. Others call this
//!   a circuit breaker, and that life its half-open state. The numbers are in `policies.toml`.
//!
//! A charge carries the number of its order. Real gateways take that for an idempotency key: a charge that is repeated
//! charges once.

use std::time::Duration;

use anyhow::{anyhow, bail};
use regrow::{Child, Context, Partitioned, Reply, Service, ServiceChild};
use tokio::time::Instant;

use crate::options::{Gateway as Settings, Options};

/// Charges the customer of an order. The answer is whether the money came. No answer: it is not known.
pub struct Charge {
    pub order: i64,
    pub cents: u32,
    pub reply: Reply<bool>,
}

struct Connection {
    dice: fastrand::Rng,
    settings: Settings,
    /// Start of the program: the outage is at a time after it.
    begun: Instant,
}

pub fn children(options: &Options) -> Partitioned<Charge> {
    let (settings, begun) = (options.gateway.clone(), Instant::now());
    Partitioned::new("gateway", options.connections, move |number| connection(number, settings.clone(), begun))
}

fn connection(number: usize, settings: Settings, begun: Instant) -> ServiceChild<Charge> {
    Child::service_with("connection", settings, move |settings, ctx| async move {
        // Each life draws other numbers, and each run the same ones.
        let dice = fastrand::Rng::with_seed(settings.gateway_seed + 1000 * number as u64 + ctx.generation());
        Ok(Connection { dice, settings, begun })
    })
}

impl Service for Connection {
    type Msg = Charge;

    async fn handle(&mut self, charge: Charge, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        // A twentieth of the failures are a lost connection.
        if self.dice.f64() < self.settings.gateway_failures / 20.0 {
            bail!("the gateway closed the connection at order {}", charge.order);
        }
        tokio::time::sleep(self.settings.gateway_latency * self.dice.u32(50..150) / 100).await;
        if self.is_down() || self.dice.f64() < self.settings.gateway_failures {
            // The reply is dropped, which the caller sees at once.
            ctx.failure(anyhow!("no answer of the gateway for order {}", charge.order));
            return Ok(());
        }
        charge.reply.send(charge.cents < 1_000_000);
        Ok(())
    }
}

impl Connection {
    fn is_down(&self) -> bool {
        let Some(from) = self.settings.gateway_down_after else { return false };
        let down = from..from + self.settings.gateway_down_for;
        down.contains(&self.begun.elapsed())
    }
}

/// Longest wait for a charge.
pub const LIMIT: Duration = Duration::from_secs(5);
