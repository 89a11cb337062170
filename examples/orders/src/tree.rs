//! The supervision tree, and the order in which it stops.
//!
//! Children start from the top and stop from the bottom. So the web server is the last to start and the first to stop.
//! It takes no more requests and answers those it has, while the services that they need still run.

use std::time::Duration;

use regrow::{Backoff, GiveUp, Health, Intensity, Jitter, Partitioned, Policy, Readiness, Supervisor};

use crate::options::Options;
use crate::{database, gateway, http, mailer, worker};

const SEC: Duration = Duration::from_secs(1);

pub fn describe(options: &Options) -> Supervisor {
    let workers = Partitioned::new("workers", options.workers, worker::child).intensity(10, 10 * SEC);
    Supervisor::one_for_one("orders")
        .intensity(3, 10 * SEC)
        // Without the database there is no point in going on: it may crash five times a minute, then the root gives up.
        .child(database::child(options.database.clone()).policy(patient().budget(Intensity::new(5, 60 * SEC))))
        // Without the gateway, orders are still taken. It is parked for a while if it crashes too often.
        .child(
            gateway::child(options)
                .policy(patient().budget(Intensity::new(20, 10 * SEC)).on_give_up(GiveUp::park(SEC))),
        )
        // Nothing depends on the mailer: the shop is ready without it.
        .child(mailer::child().policy(patient().on_give_up(GiveUp::park(SEC)).health(Health::Optional)))
        .child(workers)
        // Ready when it listens. A port that stays taken uses up the budget above.
        .child(http::child(options.listen.clone()).policy(patient().readiness(Readiness::WhenSaid)))
}

/// Waits before a restart, a little longer each time.
fn patient() -> Policy {
    Policy::default().backoff(Backoff::new(SEC / 50).max_delay(2 * SEC).jitter(Jitter::Full))
}
