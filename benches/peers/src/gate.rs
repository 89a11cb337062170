//! Counts lives as they begin and end, and wakes the driver when a number is reached. Waiting costs nothing while it
//! waits: a driver that polled would take a core from what it measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::Notify;

/// Shared by a driver and the children it watches.
#[derive(Debug)]
pub struct Gate {
    lives: AtomicU64,
    up: Counter,
    ended: Counter,
}

#[derive(Debug)]
struct Counter {
    count: AtomicU64,
    target: AtomicU64,
    reached: Notify,
}

impl Counter {
    fn new() -> Self {
        Self { count: AtomicU64::new(0), target: AtomicU64::new(u64::MAX), reached: Notify::new() }
    }

    fn add(&self) {
        if self.count.fetch_add(1, SeqCst) + 1 == self.target.load(SeqCst) {
            self.reached.notify_one();
        }
    }

    async fn reach(&self, target: u64) {
        self.target.store(target, SeqCst);
        while self.count.load(SeqCst) < target {
            self.reached.notified().await;
        }
    }
}

impl Gate {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { lives: AtomicU64::new(0), up: Counter::new(), ended: Counter::new() })
    }

    /// The mark of a new life, to be kept in the state of the child.
    pub fn life(self: &Arc<Self>) -> Life {
        Life { number: self.lives.fetch_add(1, SeqCst) + 1, gate: self.clone() }
    }

    /// A child can be reached.
    pub fn up(&self) {
        self.up.add();
    }

    /// How many times a child has come up.
    pub fn ups(&self) -> u64 {
        self.up.count.load(SeqCst)
    }

    /// Waits until children have come up `target` times in all.
    pub async fn reach(&self, target: u64) {
        self.up.reach(target).await;
    }

    /// Waits until every life that began has ended.
    pub async fn all_ended(&self) {
        self.ended.reach(self.lives.load(SeqCst)).await;
    }

    /// Waits until just `children` are alive and nothing moves any more. For use between measurements.
    ///
    /// # Errors
    ///
    /// When that does not come true in ten seconds.
    pub async fn settle(&self, children: u64) -> Result<()> {
        for _ in 0..1_000 {
            let (lives, ups) = (self.lives.load(SeqCst), self.ups());
            tokio::time::sleep(Duration::from_millis(10)).await;
            let alive = lives - self.ended.count.load(SeqCst).min(lives);
            if alive == children && lives == self.lives.load(SeqCst) && ups == self.ups() {
                return Ok(());
            }
        }
        let alive = self.lives.load(SeqCst) - self.ended.count.load(SeqCst);
        anyhow::bail!("{alive} children are alive where {children} should be")
    }
}

/// Kept in the state of a child: its number is that of this one life, and its drop is the end of it.
#[derive(Debug)]
pub struct Life {
    pub number: u64,
    gate: Arc<Gate>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.gate.ended.add();
    }
}
