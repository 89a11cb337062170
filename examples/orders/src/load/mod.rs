//! Customers, for tests and demonstrations: an open loop of orders at a given rate.
//!
//! Each order is due at a time that does not depend on the answers. If the backend is slow, orders come all the same, as
//! real customers do, and the time of each counts from when it was due. So a second of silence is in the figures as what it
//! was for all the customers of that second.

pub mod check;
pub mod client;
mod customer;
pub mod figures;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use client::Client;
pub use customer::Placed;
use customer::Wish;
use figures::Figures;

/// The load of one run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Begins the key of each order, so that runs can be told apart.
    pub name: String,
    pub orders: usize,
    /// Orders a second.
    pub rate: f64,
    pub customers: usize,
    /// Time after which a customer gives up.
    pub patience: Duration,
}

/// A run that goes on, as others see it. Clones are about the same run.
#[derive(Debug, Clone, Default)]
pub struct Running(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    acknowledged: AtomicUsize,
    is_stopped: AtomicBool,
}

impl Running {
    /// Orders that were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.0.acknowledged.load(Ordering::Relaxed)
    }

    /// Lets no more orders come. Those that were sent are still waited for.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Relaxed);
    }
}

/// Orders as planned, and waits for the fate of each.
pub async fn run(plan: &Plan, client: &Client, running: &Running, bar: &ProgressBar) -> Figures {
    let (mut figures, mut orders) = (Figures::default(), JoinSet::new());
    let begun = Instant::now();
    for number in 0..plan.orders {
        if running.0.is_stopped.load(Ordering::Relaxed) {
            break;
        }
        let due = begun + Duration::from_nanos((number as f64 * 1e9 / plan.rate) as u64);
        sleep_until(due).await;
        let wish = Wish::new(plan, number);
        orders.spawn(customer::order(client.clone(), wish, due, due + plan.patience));
        while let Some(placed) = orders.try_join_next() {
            figures.add(placed.expect("a customer does not panic"));
            show(&figures, running, bar);
        }
    }
    while let Some(placed) = orders.join_next().await {
        figures.add(placed.expect("a customer does not panic"));
        show(&figures, running, bar);
    }
    figures.took = begun.elapsed();
    bar.finish();
    figures
}

fn show(figures: &Figures, running: &Running, bar: &ProgressBar) {
    running.0.acknowledged.store(figures.acknowledged(), Ordering::Relaxed);
    bar.set_position(figures.placed.len() as u64);
    bar.set_message(figures.line());
}

/// Makes a bar for this number of orders.
pub fn bar(name: &str, orders: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:8} [{elapsed}] {bar:30} {pos}/{len} {msg}");
    ProgressBar::new(orders as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(name.to_owned())
}
