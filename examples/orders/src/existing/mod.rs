//! Code that was there before regrow, as it was: a task of tokio, and an actor of ractor. Here they get their supervisor.

pub mod disk;
pub mod statistics;

use std::path::PathBuf;
use std::time::Duration;

use regrow::{Child, Health, Overflow, Policy, Restart, Supervisor};
use tokio::sync::watch;

/// Nothing depends on these two: the tree is ready without them, and has its budget to itself.
pub fn supervisor(database: PathBuf, size: watch::Sender<u64>) -> Supervisor {
    let optional = Policy::default().health(Health::Optional);
    // The closure calls the old function at the start of each life. It runs for ever, so any end calls for a restart. It has
    // to wait for the file, and so for the migrations; the path begins with a slash, since they are no siblings.
    let disk = Child::task_with("disk", (database, size), |(database, size), _| disk::measure(database, size));
    // The closure returns the actor and its arguments. Its mailbox sheds the oldest message when it is full.
    let statistics = Child::actor("statistics", || (statistics::Statistics, ())).overflow(Overflow::DropOldest);
    Supervisor::one_for_one("existing")
        .intensity(20, Duration::from_secs(10))
        .policy(optional.clone())
        .child(disk.restart(Restart::Permanent).policy(optional.clone().depends_on_completed(["/orders/migrations"])))
        .child(statistics.policy(optional))
}
