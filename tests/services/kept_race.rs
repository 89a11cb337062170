//! A kept count beside kills at random moments: it is the number of handled messages, always.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use fastrand::Rng;
use regrow::{Child, Context, Handle, KeptRule, Policy, Service, ServiceChild};
use tokio::task::yield_now;

use crate::common::book::forgiving;
use crate::common::tree::{MS, soon};

/// Counts its messages, and keeps the count. It asserts that each life begins with what the law says was handled.
struct Counter {
    count: u64,
    dice: Rng,
}

/// Number of turns for which the message is in hand. `true`: its handler fails.
#[derive(Clone)]
struct Work(u8, bool);

impl Service for Counter {
    type Msg = Work;

    async fn handle(&mut self, Work(turns, fails): Work, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        let is_early = self.dice.bool();
        self.count += 1;
        if is_early {
            ctx.keep(self.count);
        }
        for _ in 0..turns {
            yield_now().await;
        }
        anyhow::ensure!(!fails || ctx.delivery() > 1, "boom");
        if !is_early {
            ctx.keep(self.count);
        }
        Ok(())
    }
}

fn counter(seed: u64, wrong: &Arc<AtomicBool>) -> ServiceChild<Work> {
    Child::service_with(
        "counter",
        (Rng::with_seed(seed), wrong.clone()),
        |(dice, wrong), ctx: Context<Counter>| async move {
            let count = ctx.kept::<u64>()?.map_or(0, |kept| *kept);
            // No message is in hand: the law is exact.
            let handled = ctx.handle().accounting().handled;
            if count != handled {
                eprintln!("it begins with {count}, and {handled} were handled");
                wrong.store(true, SeqCst);
            }
            Ok(Counter { count, dice })
        },
    )
    // Three messages in a row that fail would set the count aside.
    .policy(Policy::default().kept(KeptRule::new(u32::MAX)))
}

async fn kills(handle: Handle<Work>, mut dice: Rng, done: Arc<AtomicBool>) {
    while !done.load(SeqCst) {
        for _ in 0..dice.u8(0..20) {
            yield_now().await;
        }
        if dice.u8(0..50) == 0 {
            tokio::time::sleep(MS).await;
        }
        let _ = handle.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kept_count_is_the_number_of_handled_messages_whenever_a_kill_comes() {
    for seed in 0..24 {
        let mut dice = Rng::with_seed(seed);
        let (wrong, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut child = counter(seed, &wrong);
        if seed % 2 == 0 {
            child = child.redeliver(3);
        }
        if seed % 3 == 0 {
            child = child.as_actor();
        }
        let tree = forgiving().child(child).start().await.unwrap();
        let handle = tree.lookup::<Work>("app/counter").unwrap();
        let killer = tokio::spawn(kills(handle.clone(), dice.fork(), done.clone()));
        for _ in 0..400 {
            let work = Work(if dice.bool() { 0 } else { dice.u8(0..4) }, dice.u8(0..10) == 0);
            soon("room", handle.send(work)).await.unwrap();
        }
        let works = async {
            while handle.accounting().queued + handle.accounting().in_hand > 0 {
                tokio::time::sleep(MS).await;
            }
        };
        soon("the queue", works).await;
        done.store(true, SeqCst);
        killer.await.unwrap();
        let books = handle.accounting();
        assert!(books.is_balanced() && books.handled > 0, "seed {seed}: {books}");
        // The last life tells it too.
        soon("a restart", async {
            while handle.restart("why not").await.is_err() {
                yield_now().await;
            }
        })
        .await;
        assert!(!wrong.load(SeqCst), "seed {seed}");
        assert!(handle.accounting().attempts > 1, "seed {seed}: {}", handle.accounting());
        tree.shutdown().await;
    }
}
