//! The three strategies: `db`, `cache` and `web` run side by side, `cache` fails, and each strategy restarts other
//! children.
//!
//! `cargo run --example strategies` prints the stops and starts after the failure, in order. `cache#2` is the second
//! life of `cache`.

use regrow::testing::{Journal, ProbeMsg};
use regrow::{Strategy, Supervisor};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll] {
        // Probes are services from the test kit. They write each start and each end into the journal.
        let journal = Journal::new();
        let tree = Supervisor::new("shop", strategy)
            .children(["db", "cache", "web"].map(|name| journal.probe(name)))
            .start()
            .await?;
        let started = journal.take();

        let cache = tree.lookup("shop/cache")?;
        cache.cast(ProbeMsg::Fail("the disk is full"))?;
        // `cache#2` and the `web` that runs after the failure answer, so all restarts are done by then.
        cache.call(ProbeMsg::Generation).await?;
        tree.lookup("shop/web")?.call(ProbeMsg::Generation).await?;

        println!("{strategy:?}: {}", started.join(", "));
        println!("  cache fails: {}", journal.take().join(", "));
        tree.shutdown().await;
    }
    Ok(())
}
