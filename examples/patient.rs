//! A restart policy: wait longer before each restart, forgive three in a minute, then park the child for 30 s.
//!
//! `cargo run --example patient` prints the events of a feed while its server is away for 20 s, and why the feed is not
//! up. The clock of the runtime is paused and jumps to the next timer, so the example takes no time.

use regrow::{Backoff, Child, EventKind, GiveUp, Intensity, Policy, Supervisor};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> anyhow::Result<()> {
    let begun = Instant::now();
    let patient = Policy::default()
        .backoff(Backoff::new(Duration::from_secs(1)).max_delay(Duration::from_secs(10))) // 1 s, 2 s, 4 s, ...
        .budget(Intensity::new(3, Duration::from_secs(60))) // for this child alone, not shared with its siblings
        .on_give_up(GiveUp::park(Duration::from_secs(30))); // its siblings work on, and it is tried again in 30 s

    let feed = Child::task("feed", move |_ctx| async move {
        tokio::time::sleep(Duration::from_secs(1)).await; // it takes a second to find that out
        anyhow::ensure!(begun.elapsed() > Duration::from_secs(20), "connection refused");
        std::future::pending().await
    });
    let tree = Supervisor::one_for_one("app").child(feed.policy(patient)).start().await?;

    let mut events = tree.events();
    while let Some(Ok(event)) = events.next().await {
        println!("{:>3} s  {event}", begun.elapsed().as_secs());
        match event.kind {
            EventKind::Parked { .. } => println!("       why? {:#}", tree.why("app/feed").await?),
            EventKind::Started { .. } if begun.elapsed() > Duration::from_secs(20) => break,
            _ => {}
        }
    }
    tree.shutdown().await;
    Ok(())
}
