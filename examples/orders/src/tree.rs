//! The supervision tree, and the order in which it stops.
//!
//! ```text
//! orders               one_for_one
//! ├── migrations       task            brings the tables up to date, once
//! ├── database         thread          waits until that is completed
//! ├── gateway          partitioned     connections to the payment gateway
//! ├── warehouse        thread          the receiver of the outbox, with a separate database
//! ├── publisher        service         the outbox
//! ├── existing         one_for_one     code that was there before: an actor, and a task
//! ├── workers          partitioned     charge orders, by customer
//! ├── collector        service         jobs that are due every so often
//! ├── sessions         dynamic         one for each customer that is active
//! └── http             task            the web server
//! ```
//!
//! Children start from the top and stop from the bottom. So the web server is the last to start and the first to stop. It
//! takes no more requests and answers those it has, while the services that they need still run.
//!
//! What the code says here is what belongs to the shape of the program. Numbers that an operator may want to change are in
//! `policies.toml`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use regrow::policy::{Policies, PolicyFileErrors};
use regrow::{Health, Policy, Readiness, Supervisor};
use tokio::sync::watch;

use crate::options::Options;
use crate::{collector, database, existing, gateway, http, outbox, sessions, warehouse, workers};

/// The policies if the command line names no file.
const POLICIES: &str = include_str!("../policies.toml");

/// The tree, with the admin source for its web server.
///
/// # Errors
///
/// The policies are not valid, with each mistake and its line.
pub fn describe(options: &Options, admin: Option<(Router, Arc<str>)>) -> Result<Supervisor, PolicyFileErrors> {
    let policies = match &options.policies {
        Some(file) => Policies::read(file)?,
        None => Policies::parse(POLICIES, "policies.toml")?,
    };
    let (size, measured) = watch::channel(0);
    let server = http::Server { listen: options.listen, admin, size: measured };
    // Charges and events can wait: the shop is ready to take orders without these.
    let optional = Policy::default().health(Health::Optional);
    Ok(Supervisor::one_for_one("orders")
        .policies(&policies.with_environment()?)
        .intensity(20, Duration::from_secs(10))
        .child(database::migrations::child(options.database.clone()))
        .child(database::child(options.database.clone()).policy(Policy::default().depends_on_completed(["migrations"])))
        .child(gateway::children(options).defaults(optional.clone()))
        .child(warehouse::child(options.warehouse.clone()).policy(optional.clone()))
        .child(outbox::child().policy(optional))
        .child(existing::supervisor(options.database.clone(), size))
        .child(workers::children(options))
        .child(collector::child())
        .child(sessions::supervisor(options))
        .child(http::child(server).policy(Policy::default().readiness(Readiness::WhenSaid))))
}
