//! A payment gateway, simulated: it is slow, declines some charges, and loses its connection now and then.
//!
//! The service stands for the client of the gateway. Charges run side by side as linked tasks, which end with the life
//! that started them. A charge carries the number of its order. Two charges with the same number charge once, as real
//! gateways promise for an idempotency key.

use std::time::Duration;

use anyhow::bail;
use regrow::{Child, Context, Reply, Service, ServiceChild};

use crate::options::Options;

/// Charges the customer of an order. The answer is whether the money came.
pub struct Charge {
    pub order: i64,
    pub cents: u32,
    pub reply: Reply<bool>,
}

struct Gateway {
    dice: fastrand::Rng,
    latency: Duration,
    failures: f64,
}

pub fn child(options: &Options) -> ServiceChild<Charge> {
    let (seed, latency, failures) = (options.seed, options.gateway_latency, options.gateway_failures);
    Child::service("gateway", move |ctx| async move {
        // Each life draws other numbers, and each run the same ones.
        let dice = fastrand::Rng::with_seed(seed.wrapping_add(ctx.generation()));
        Ok(Gateway { dice, latency, failures })
    })
}

impl Service for Gateway {
    type Msg = Charge;

    async fn handle(&mut self, charge: Charge, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        // A twentieth of the failures are a lost connection, which ends all charges that are under way.
        if self.dice.f64() < self.failures / 20.0 {
            bail!("the gateway closed the connection at order {}", charge.order);
        }
        let is_lost = self.dice.f64() < self.failures;
        let time = self.latency * self.dice.u32(50..150) / 100;
        ctx.spawn(async move {
            tokio::time::sleep(time).await;
            // A lost answer is a dropped reply, which the caller sees at once.
            if !is_lost {
                charge.reply.send(charge.cents < 1_000_000);
            }
        });
        Ok(())
    }
}
