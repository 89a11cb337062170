//! An experiment on the running program: the database has no room for one second, and no service is to end for it.

use std::convert::Infallible;
use std::time::Duration;

use regrow::Tree;
use regrow::chaos::{Chaos, Experiment, Fault, When};

const SEC: Duration = Duration::from_secs(1);

/// Runs the experiment, prints its result, and waits for ever.
pub async fn run(tree: &Tree) -> Infallible {
    let experiment = Experiment::new("the database has no room for a second")
        .target("orders/**")
        .lasting(Fault::MailboxFull, "orders/database", When::At(vec![SEC]), SEC)
        .duration(3 * SEC)
        .restarts_max(0);
    match Chaos::new(tree).run(experiment).await {
        Ok(report) => {
            eprintln!("{report}");
            println!("chaos: {}", if report.passed() { "passed" } else { "failed" });
        }
        Err(error) => println!("chaos: {error}"),
    }
    std::future::pending().await
}
