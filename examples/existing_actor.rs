//! An existing `ractor::Actor` as a supervised child: its code stays as it is, and it gets restarts and a lasting
//! handle.
//!
//! `cargo run --example existing_actor` prints the counts of the actor, before and after a kill.

use regrow::ractor::{Actor, ActorProcessingErr, ActorRef};
use regrow::{Child, Reply, Supervisor};

/// An actor that knows nothing of regrow. Only its message carries a `Reply`, so that it can be called.
struct Counter;

impl Actor for Counter {
    type Msg = Reply<u64>;
    type State = u64;
    type Arguments = u64;

    async fn pre_start(&self, _: ActorRef<Self::Msg>, first: u64) -> Result<u64, ActorProcessingErr> {
        Ok(first)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        reply: Reply<u64>,
        count: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        *count += 1;
        reply.send(*count);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The closure runs for each life, and returns the actor and its arguments.
    let counter = Child::actor("counter", || (Counter, 100));
    let tree = Supervisor::one_for_one("app").child(counter).start().await?;

    let counter = tree.lookup::<Reply<u64>>("app/counter")?;
    println!("{}, {}", counter.call(|reply| reply).await?, counter.call(|reply| reply).await?);
    counter.kill()?;
    println!("after a kill: {}, from life {}", counter.call(|reply| reply).await?, counter.generation());

    tree.shutdown().await;
    Ok(())
}
