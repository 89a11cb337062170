//! Monitors of services with mailboxes of every kind: bounded, shedding, redelivering, restarted by order.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use regrow::{
    Child, Context, Exit, Handle, OnRestart, Overflow, PeerDown, Reply, Restart, Service, ServiceChild, Strategy,
};

use crate::common::mail::*;
use crate::common::tree::{in_hand, turns, worked_off};

#[derive(Clone, Default)]
struct Watcher {
    /// Generation and number of ends of each report.
    seen: Arc<Mutex<Vec<(u64, u64)>>>,
    /// Number of reports that are still to end a life.
    crashes: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Msg {
    Down(PeerDown),
    Work(usize),
    Ask(Arc<Mutex<Option<Reply<()>>>>),
}

impl Service for Watcher {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Down(down) => {
                self.seen.lock().unwrap().push((down.generation, down.ends));
                let left = self.crashes.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
                anyhow::ensure!(left.is_err(), "as told");
            }
            Msg::Work(yields) => turns(yields).await,
            Msg::Ask(reply) => {
                if let Some(reply) = reply.lock().unwrap().take() {
                    reply.send(());
                }
            }
        }
        Ok(())
    }
}

fn watcher(state: &Watcher) -> ServiceChild<Msg> {
    Child::service_with("watcher", state.clone(), |state, ctx: Context<Watcher>| async move {
        ctx.monitor(&ctx.lookup::<Job>("peer")?, Msg::Down);
        Ok(state)
    })
}

fn ask(reply: Reply<()>) -> Msg {
    Msg::Ask(Arc::new(Mutex::new(Some(reply))))
}

/// Begins a new life.
async fn settle<M: Send + 'static>(handle: &Handle<M>) {
    soon(async {
        while handle.restart("settle").await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_report_that_ended_a_life_is_not_redelivered_to_the_next_one() {
    let state = Watcher::default();
    state.crashes.store(1, SeqCst);
    let tree = forgiving(Strategy::OneForOne).child(worker("peer")).child(watcher(&state).redeliver(3));
    let tree = soon(tree.start()).await.unwrap();
    let (peer, handle) = (tree.lookup::<Job>("app/peer").unwrap(), tree.lookup::<Msg>("app/watcher").unwrap());
    peer.kill().unwrap();
    until_generation(&peer, 2).await;
    until_generation(&handle, 2).await;
    soon(handle.call(ask)).await.unwrap();
    assert_eq!(*state.seen.lock().unwrap(), [(1, 1)]);
    let books = handle.accounting();
    assert!(books.is_balanced() && books.dead_lettered == 1 && books.crashed == 0, "{books}");
    // The new life has a monitor of its own.
    peer.kill().unwrap();
    until_generation(&peer, 3).await;
    soon(handle.call(ask)).await.unwrap();
    assert_eq!(*state.seen.lock().unwrap(), [(1, 1), (2, 1)]);
    soon(tree.shutdown()).await;
}

#[tokio::test]
async fn a_closure_that_panics_when_it_makes_its_message_again_ends_the_watcher_alone() {
    let state = Watcher::default();
    let child = Child::service_with("watcher", state.clone(), |state, ctx: Context<Watcher>| async move {
        let make = |down: PeerDown| {
            assert!(down.ends < 2, "too many ends");
            Msg::Down(down)
        };
        ctx.monitor(&ctx.lookup::<Job>("peer")?, make);
        Ok(state)
    });
    let tree = soon(forgiving(Strategy::OneForOne).child(worker("peer")).child(child).start()).await.unwrap();
    let (peer, handle) = (tree.lookup::<Job>("app/peer").unwrap(), tree.lookup::<Msg>("app/watcher").unwrap());
    let mut ends = handle.monitor();
    // Busy until both ends are queued as one report.
    handle.cast(Msg::Work(400)).unwrap();
    in_hand(&handle).await;
    for generation in 2..4 {
        peer.kill().unwrap();
        until_generation(&peer, generation).await;
    }
    let down = soon(ends.recv()).await.unwrap();
    assert!(matches!(&down.exit, Some(Exit::Panicked(panic)) if panic.message.contains("too many ends")), "{down}");
    soon(handle.call(ask)).await.unwrap();
    let books = handle.accounting();
    assert!(books.is_balanced() && books.crashed == 1, "{books}");
    assert_eq!((handle.generation(), peer.generation()), (2, 3));
    soon(tree.shutdown()).await;
}

/// Peer and watcher are killed and restarted by order while others send. The books balance at each step, and the last end
/// is told, unless a later message sheds its report.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_end_is_told_whatever_the_mailbox_does_with_reports() {
    for seed in 0..60_u64 {
        let mut random = Rng::with_seed(seed);
        let state = Watcher::default();
        let child = watcher(&state).capacity(1 + random.usize(0..3));
        let child = match seed % 4 {
            0 => child,
            1 => child.overflow(Overflow::DropOldest),
            2 => child.overflow(Overflow::DropNewest).redeliver(2),
            _ => child.overflow(Overflow::DropOldest).on_restart(OnRestart::Drop).skip_abandoned_calls(),
        };
        let peer = worker("peer").restart(Restart::Permanent);
        let tree = soon(forgiving(Strategy::OneForOne).child(peer).child(child).start()).await.unwrap();
        let (peer, handle) = (tree.lookup::<Job>("app/peer").unwrap(), tree.lookup::<Msg>("app/watcher").unwrap());
        let sends = handle.clone();
        let mut dice = random.fork();
        let sender = tokio::spawn(async move {
            for _ in 0..400 {
                let _ = sends.cast(Msg::Work(dice.usize(0..3)));
                if dice.u8(0..4) == 0 {
                    drop(sends.call(ask));
                    tokio::task::yield_now().await;
                }
            }
        });
        for _ in 0..60 {
            match random.u8(0..8) {
                0..=2 => drop(peer.kill()),
                3 => drop(soon(peer.restart("race")).await),
                4 => drop(soon(handle.restart("race")).await),
                5 => drop(handle.kill()),
                6 => state.crashes.store(1, SeqCst),
                _ => tokio::task::yield_now().await,
            }
            let books = handle.accounting();
            assert!(books.is_balanced(), "seed {seed}: {books}");
        }
        soon(sender).await.unwrap();
        state.crashes.store(0, SeqCst);
        // No kill of before can reach these lives.
        settle(&peer).await;
        settle(&handle).await;
        worked_off(&handle).await;
        let last = peer.generation();
        soon(peer.restart("the last one")).await.unwrap();
        worked_off(&handle).await;
        let told = state.seen.lock().unwrap().last().copied();
        assert!(told.is_some_and(|(generation, _)| generation == last), "seed {seed}: {told:?}, and {last} ended");
        let books = handle.accounting();
        assert!(books.is_balanced() && books.accepted >= books.handled, "seed {seed}: {books}");
        assert_eq!(peer.why().await.monitors, 1, "seed {seed}");
        soon(tree.shutdown()).await;
        let books = handle.accounting();
        assert!(books.is_balanced() && books.queued + books.in_hand == 0, "seed {seed}: {books}");
    }
}
