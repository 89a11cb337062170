//! Calls that no caller waits for any more when their turn comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use regrow::{Child, Context, DeadReason, Handle, Inbox, Intensity, Reply, Service, ServiceChild, Supervisor, Tree};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::common::mail::soon;
use crate::common::tree::in_hand;

/// A service that counts the calls that it begins.
#[derive(Clone, Default)]
struct Desk(Arc<AtomicU64>);

enum Msg {
    Ask(Duration, Reply<u64>),
    Note,
    Hold(oneshot::Receiver<()>),
    Pass(Reply<u64>, Handle<Msg>),
}

impl Service for Desk {
    type Msg = Msg;
    async fn handle(&mut self, msg: Msg, _: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Ask(time, reply) => {
                let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::time::sleep(time).await;
                reply.send(number);
            }
            Msg::Note => drop(self.0.fetch_add(1, Ordering::SeqCst)),
            Msg::Hold(until) => drop(until.await),
            Msg::Pass(reply, to) => reply.forward(&to, |reply| Msg::Ask(Duration::ZERO, reply))?,
        }
        Ok(())
    }
}

fn desk(name: &str, begun: &Desk) -> ServiceChild<Msg> {
    Child::service_with(name, begun.clone(), |desk, _| async { Ok(desk) })
}

async fn tree_of(child: impl Into<Child>) -> (Tree, Handle<Msg>) {
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child);
    let tree = soon(app.start()).await.unwrap();
    let handle = tree.lookup("app/desk").unwrap();
    (tree, handle)
}

fn ask(time: Duration) -> impl FnOnce(Reply<u64>) -> Msg {
    move |reply| Msg::Ask(time, reply)
}

/// Sends a message that stays in hand until the returned end is dropped.
async fn held(handle: &Handle<Msg>) -> oneshot::Sender<()> {
    let (release, until) = oneshot::channel();
    handle.cast(Msg::Hold(until)).unwrap();
    in_hand(handle).await;
    release
}

// Case t18 of the reports: 200 callers with 50 ms each, and a service that takes 5 ms for one.
#[tokio::test(start_paused = true)]
async fn under_overload_only_calls_are_carried_out_that_a_caller_waits_for() {
    for skips in [false, true] {
        let begun = Desk::default();
        let child = desk("desk", &begun);
        let (_tree, handle) = tree_of(if skips { child.skip_abandoned_calls() } else { child }).await;
        let mut callers = JoinSet::new();
        for _ in 0..200 {
            let handle = handle.clone();
            let limit = Duration::from_millis(50);
            callers.spawn(async move { handle.call_within(limit, ask(Duration::from_millis(5))).await.is_ok() });
        }
        let mut answered = 0;
        while let Some(caller) = soon(callers.join_next()).await {
            answered += u64::from(caller.unwrap());
        }
        soon(async {
            while handle.accounting().queued + handle.accounting().in_hand > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let (begun, books) = (begun.0.load(Ordering::SeqCst), handle.accounting());
        if skips {
            assert!(begun <= answered + 1 && answered >= 9, "answered {answered}, begun {begun}");
            assert_eq!(books.dead_lettered, 200 - begun, "{books}");
        } else {
            assert_eq!((begun, books.dead_lettered), (200, 0), "as a default every accepted call runs");
        }
        assert!(books.is_balanced(), "{books}");
    }
}

#[tokio::test]
async fn what_was_left_out_is_counted_and_not_kept_and_all_else_runs_in_order() {
    let begun = Desk::default();
    let (tree, handle) = tree_of(desk("desk", &begun).skip_abandoned_calls().capacity(4)).await;
    let letters = tree.dead_letters();
    let release = held(&handle).await;
    drop(handle.call(ask(Duration::ZERO)));
    handle.cast(Msg::Note).unwrap();
    drop(handle.call(ask(Duration::ZERO)));
    let wanted = handle.call(ask(Duration::ZERO));
    let waits_for_room = handle.clone();
    let sender = tokio::spawn(async move { waits_for_room.send(Msg::Note).await });
    drop(release);
    assert_eq!(soon(wanted).await.unwrap(), 2, "the note ran before it, and the others did not");
    soon(sender).await.unwrap().unwrap();
    soon(handle.call(ask(Duration::ZERO))).await.unwrap();
    let books = handle.accounting();
    assert!(books.is_balanced() && books.dead_lettered == 2 && letters.is_empty(), "{books}");
    assert_eq!(DeadReason::CallerGone.kind(), "caller_gone");
    soon(tree.shutdown()).await;
}

#[tokio::test]
async fn a_call_that_was_forwarded_is_left_out_by_the_service_that_has_it_last() {
    let begun = Desk::default();
    let other = desk("other", &begun).skip_abandoned_calls();
    let app = Supervisor::one_for_one("app").child(desk("desk", &Desk::default())).child(other);
    let tree = soon(app.start()).await.unwrap();
    let (first, last) = (tree.lookup::<Msg>("app/desk").unwrap(), tree.lookup::<Msg>("app/other").unwrap());
    let release = held(&last).await;
    let call = first.call(|reply| Msg::Pass(reply, last.clone()));
    while last.accounting().queued == 0 {
        tokio::task::yield_now().await;
    }
    drop(call);
    drop(release);
    assert_eq!(soon(last.call(ask(Duration::ZERO))).await.unwrap(), 1);
    assert_eq!(last.accounting().dead_lettered, 1);
    soon(tree.shutdown()).await;
}

#[tokio::test]
async fn a_thread_is_given_no_call_that_is_not_wanted() {
    let (told, mut tell) = mpsc::unbounded_channel();
    let thread = Child::thread_with("thread", told, |told, inbox: Inbox<Reply<u64>>| {
        for reply in inbox {
            told.send(())?;
            reply.send(1);
        }
        Ok(())
    });
    let (mailbox, handle) = regrow::mailbox::<Reply<u64>>();
    (0..5).for_each(|_| drop(handle.call(|reply| reply)));
    let thread = thread.mailbox(mailbox).skip_abandoned_calls();
    let tree = soon(Supervisor::one_for_one("app").child(thread).start()).await.unwrap();
    assert_eq!(soon(handle.call(|reply| reply)).await.unwrap(), 1);
    soon(tree.shutdown()).await;
    assert_eq!((handle.accounting().dead_lettered, handle.accounting().handled), (5, 1));
    soon(tell.recv()).await.unwrap();
    assert!(tell.try_recv().is_err());
}

/// A call that ends its incarnation when it runs for the first time.
#[derive(Clone)]
struct Twice(Arc<AtomicU64>, Reply<u64>);

struct Fragile;

impl Service for Fragile {
    type Msg = Twice;
    async fn handle(&mut self, Twice(tries, reply): Twice, _: &mut Context<Self>) -> anyhow::Result<()> {
        let number = tries.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        anyhow::ensure!(number > 1, "once");
        reply.send(number);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_begun_is_redelivered_without_a_caller() {
    let fragile = Child::service("fragile", |_| async { Ok(Fragile) }).redeliver(2).skip_abandoned_calls();
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(fragile);
    let tree = soon(app.start()).await.unwrap();
    let handle = tree.lookup::<Twice>("app/fragile").unwrap();
    let tries = Arc::new(AtomicU64::new(0));
    let own = tries.clone();
    let limit = Duration::from_millis(10);
    assert!(handle.call_within(limit, move |reply| Twice(own, reply)).await.is_err());
    soon(async {
        while handle.accounting().handled == 0 {
            tokio::time::sleep(limit).await;
        }
    })
    .await;
    assert_eq!((tries.load(Ordering::SeqCst), handle.accounting().dead_lettered), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_waited_for_is_never_left_out() {
    for seed in 0..12 {
        let mut rng = Rng::with_seed(seed);
        let begun = Desk::default();
        let (tree, handle) = tree_of(desk("desk", &begun).skip_abandoned_calls().capacity(1 + seed as usize % 4)).await;
        let mut callers = JoinSet::new();
        for _ in 0..6 {
            let (handle, mut rng) = (handle.clone(), rng.fork());
            callers.spawn(async move {
                for _ in 0..80 {
                    let time = Duration::from_micros(rng.u64(..30));
                    match rng.u8(..4) {
                        0 => drop(handle.call(ask(time))),
                        1 => drop(handle.call_within(Duration::from_micros(rng.u64(..300)), ask(time)).await),
                        2 => drop(handle.cast(Msg::Note)),
                        _ => match handle.call(ask(time)).await {
                            Ok(_) | Err(regrow::CallError::Crashed { .. }) => {}
                            Err(error) => panic!("{error}"),
                        },
                    }
                }
            });
        }
        while !callers.is_empty() {
            if rng.u8(..8) == 0 {
                drop(handle.kill());
            }
            tokio::select! {
                caller = callers.join_next() => caller.unwrap().unwrap_or_else(|error| panic!("seed {seed}: {error}")),
                () = tokio::time::sleep(Duration::from_micros(300)) => {}
            }
            let books = handle.accounting();
            assert!(books.is_balanced(), "seed {seed}: {books}");
        }
        soon(tree.shutdown()).await;
        let books = handle.accounting();
        assert!(books.is_balanced() && books.dead_lettered > 0, "seed {seed}: {books}");
    }
}
