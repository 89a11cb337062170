//! What the watchdog takes for a wait, for a turn, and for a circle: only what is so now.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crate::common::tree::{Gate, MS, SEC, heard, hears_of, soon, up};
use crate::common::watched::{Job, LIMIT, Worker, asks, does, find, hung, takes, tree, watched, worker};
use regrow::{Call, CallError, Child, Context, Handle, Intensity, Policy, Reply, SendError, Service, Supervisor};
use tokio::time::{Instant, sleep};

/// A call that nothing will answer while the test runs: what it is sent to takes so long, and says so.
fn call_that_lasts(to: &Handle<Job>) -> Call<Job, ()> {
    to.call(|reply: Reply<()>| {
        does("long", async move |ctx: Context<Worker>| {
            ctx.extend_deadline(10_000 * SEC);
            sleep(10_000 * SEC).await;
            reply.send(());
            Ok(())
        })
    })
}

/// Awaits a future for so long, and then leaves it as it is.
async fn awaits_for<F: Future + Unpin>(future: &mut F, time: Duration) {
    assert!(tokio::time::timeout(time, future).await.is_err());
}

fn is_late_by_a_quarter(found: Duration, limit: Duration) {
    assert!(limit <= found && found <= limit + limit / 4, "{found:?}");
}

/// Keeps calls in its state.
#[derive(Default)]
struct Keeper {
    kept: Arc<Mutex<Vec<Call<Job, ()>>>>,
}

// Found by a hostile program: the watchdog never found a service again that had kept a call.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_kept_from_an_earlier_message_is_no_wait() {
    let tree = tree(&["a", "b"]).await;
    let (a, b, keeper) = (find(&tree, "a"), find(&tree, "b"), Keeper::default());
    let kept = keeper.kept.clone();
    let keeps = asks(&a, "keeps", async move |_| {
        let mut call = call_that_lasts(&b);
        awaits_for(&mut call, 3 * LIMIT).await;
        kept.lock().unwrap().push(call);
        Ok(())
    });
    keeps.await.unwrap();
    let begun = Instant::now();
    let hang = hung(asks(&a, "hangs", async |_| std::future::pending().await).await);
    is_late_by_a_quarter(begun.elapsed(), LIMIT);
    assert_eq!(hang.waiting_for, None, "{hang:?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_kept_in_the_same_message_is_no_wait_either() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let begun = Instant::now();
    let outcome = asks(&a, "keeps and hangs", async move |_| {
        let mut call = call_that_lasts(&b);
        awaits_for(&mut call, 10 * SEC).await;
        let _kept = call;
        std::future::pending().await
    });
    hung(outcome.await);
    let counted = begun.elapsed() - 10 * SEC;
    // One more look: it is asked for the call, and for nothing else would it be woken.
    assert!(LIMIT <= counted && counted <= LIMIT + LIMIT / 8 * 5, "{counted:?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_not_polled_now_is_no_wait() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let begun = Instant::now();
    let outcome = asks(&a, "selects", async move |_| {
        let mut call = call_that_lasts(&b);
        awaits_for(&mut call, MS).await;
        loop {
            tokio::select! {
                _ = &mut call, if false => {}
                () = sleep(LIMIT / 20) => {}
            }
        }
    });
    hung(outcome.await);
    assert!(begun.elapsed() <= LIMIT * 2, "{:?}", begun.elapsed());
    tree.shutdown().await;
}

/// Polls its future only when that has been woken, as a set of futures does.
struct Selective<F> {
    future: F,
    woken: Arc<Woken>,
}

struct Woken {
    is_woken: Mutex<bool>,
    outer: Mutex<Option<std::task::Waker>>,
}

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        *self.is_woken.lock().unwrap() = true;
        if let Some(outer) = self.outer.lock().unwrap().clone() {
            outer.wake();
        }
    }
}

impl<F: Future + Unpin> Future for Selective<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<F::Output> {
        *self.woken.outer.lock().unwrap() = Some(cx.waker().clone());
        if !std::mem::take(&mut *self.woken.is_woken.lock().unwrap()) {
            return Poll::Pending;
        }
        let waker = self.woken.clone().into();
        Pin::new(&mut self.future).poll(&mut std::task::Context::from_waker(&waker))
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_awaited_and_not_polled_each_time_is_a_wait() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let outcome = asks(&a, "awaits", async move |_| {
        let long = asks(&b, "long", async |ctx| {
            ctx.extend_deadline(100 * LIMIT);
            sleep(100 * LIMIT).await;
            Ok(())
        });
        let woken = Woken { is_woken: Mutex::new(true), outer: Mutex::default() };
        let mut set = Selective { future: Box::pin(long), woken: Arc::new(woken) };
        // Its incarnation is polled each millisecond, and the call is not.
        loop {
            tokio::select! {
                outcome = &mut set => return Ok(outcome?),
                () = sleep(LIMIT / 50) => {}
            }
        }
    });
    outcome.await.unwrap();
    assert_eq!(a.generation(), 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_kept_call_that_is_awaited_again_is_a_wait_again() {
    let tree = tree(&["a", "b"]).await;
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    let (kept, again) = (Keeper::default().kept, Instant::now());
    let keep = kept.clone();
    let keeps = asks(&a, "keeps", async move |_| {
        let mut call = b.call(|reply: Reply<()>| {
            does("long", async move |ctx: Context<Worker>| {
                ctx.extend_deadline(100 * LIMIT);
                sleep(100 * LIMIT).await;
                reply.send(());
                Ok(())
            })
        });
        awaits_for(&mut call, LIMIT).await;
        keep.lock().unwrap().push(call);
        sleep(LIMIT / 2).await;
        Ok(())
    });
    keeps.await.unwrap();
    let call = kept.lock().unwrap().pop().unwrap();
    asks(&a, "awaits it again", async move |_| Ok(call.await?)).await.unwrap();
    assert!(again.elapsed() >= 100 * LIMIT && a.generation() == 1);
    tree.shutdown().await;
}

// A circle on paper: each has a call to the other, and one of them does not await it.
#[tokio::test(start_paused = true)]
async fn a_circle_in_which_one_call_is_kept_is_none() {
    let tree = tree(&["a", "b"]).await;
    let (a, b, mut events) = (find(&tree, "a"), find(&tree, "b"), tree.events());
    let back = a.clone();
    let outcome = asks(&a, "keeps", async move |ctx| {
        let mut call = asks_boxed(&b, async move |_| Ok(asks(&back, "at last", async |_| Ok(())).await?));
        awaits_for(&mut call, MS).await;
        ctx.extend_deadline(20 * LIMIT);
        sleep(10 * LIMIT).await;
        drop(call);
        Ok(())
    });
    outcome.await.unwrap();
    sleep(LIMIT).await;
    assert_eq!(heard(&mut events), Vec::<String>::new());
    tree.shutdown().await;
}

type Asked = Pin<Box<dyn Future<Output = Result<(), CallError<Job>>> + Send>>;

fn asks_boxed<F, Fut>(to: &Handle<Job>, work: F) -> Asked
where
    F: FnOnce(Context<Worker>) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let to = to.clone();
    let (mut work, mut call) = (Some(work), None::<Call<Job, ()>>);
    Box::pin(std::future::poll_fn(move |cx| {
        let call = call.get_or_insert_with(|| {
            let work = work.take().unwrap();
            to.call(|reply| {
                does("asks back", async move |ctx| {
                    work(ctx).await?;
                    reply.send(());
                    Ok(())
                })
            })
        });
        Pin::new(call).poll(cx)
    }))
}

// A send that stands in a line is a wait as a call is, and can be kept as one.
#[tokio::test(start_paused = true)]
async fn a_send_that_is_kept_is_no_wait() {
    let b = watched("b").capacity(1).wait_for_room_unlimited();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(watched("a")).child(b);
    let tree = tree.start().await.unwrap();
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    drop(call_that_lasts(&b));
    sleep(MS).await;
    b.cast(takes("fills the mailbox", MS)).unwrap();
    type Sent = Pin<Box<dyn Future<Output = Result<(), SendError<Job>>> + Send>>;
    let kept: Arc<Mutex<Option<Sent>>> = Arc::default();
    let keep = kept.clone();
    let keeps = asks(&a, "keeps", async move |_| {
        let mut sent: Sent = Box::pin(async move { b.send(takes("short", MS)).await });
        awaits_for(&mut sent, 3 * LIMIT).await;
        *keep.lock().unwrap() = Some(sent);
        Ok(())
    });
    keeps.await.unwrap();
    let begun = Instant::now();
    hung(asks(&a, "hangs", async |_| std::future::pending().await).await);
    is_late_by_a_quarter(begun.elapsed(), LIMIT);
    drop(kept.lock().unwrap().take());
    tree.shutdown().await;
}

// The same for the circles that are refused at once: a keeps a send to b, and does not wait for room there any more.
#[tokio::test(start_paused = true)]
async fn a_send_that_is_kept_closes_no_circle_for_others() {
    let small = |name| worker(name).capacity(1).wait_for_room_unlimited();
    let tree = Supervisor::one_for_one("app").child(small("a")).child(small("b")).start().await.unwrap();
    let (a, b) = (find(&tree, "a"), find(&tree, "b"));
    type Sent = Pin<Box<dyn Future<Output = Result<(), SendError<Job>>> + Send>>;
    let kept: Arc<Mutex<Option<Sent>>> = Arc::default();
    let (keep, to_b) = (kept.clone(), b.clone());
    b.cast(takes("long", SEC)).unwrap();
    sleep(MS).await;
    b.cast(takes("fills the mailbox", MS)).unwrap();
    let keeps = asks(&a, "keeps", async move |_| {
        let mut sent: Sent = Box::pin(async move { to_b.send(takes("short", MS)).await });
        awaits_for(&mut sent, 10 * MS).await;
        *keep.lock().unwrap() = Some(sent);
        Ok(())
    });
    keeps.await.unwrap();
    // b has this one in hand when it wants room with a, whose kept send stands in the line of b's mailbox.
    let (asks_a, sent) = (a.clone(), tokio::sync::oneshot::channel());
    let sends = does("sends", async move |_| {
        let outcome = asks_a.send(takes("finds no room", MS)).await;
        drop(sent.0.send(outcome.map_err(|error| error.to_string())));
        Ok(())
    });
    drop(b.send(sends).await);
    a.cast(takes("long", 10 * SEC)).unwrap();
    sleep(MS).await;
    a.cast(takes("fills the mailbox", MS)).unwrap();
    assert_eq!(soon("the outcome", sent.1).await.unwrap(), Ok(()));
    drop(kept.lock().unwrap().take());
    tree.shutdown().await;
}

// tokio keeps the task that a worker woke last for that worker: if it blocks, no other can take the task. That one got
// no turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_that_gets_no_turn_does_not_hang() {
    let tree = Supervisor::one_for_one("app").child(worker("blocker"));
    let tree = tree.child(worker("clerk").policy(Policy::default().watchdog(120 * MS))).start().await.unwrap();
    let (blocker, clerk) = (find(&tree, "blocker"), find(&tree, "clerk"));
    let (wake, woken) = tokio::sync::oneshot::channel::<()>();
    let waits = asks(&clerk, "waits", async move |_| Ok(woken.await?));
    let blocks = does("blocks", async move |_| {
        wake.send(()).unwrap();
        Gate::default().pass_within(600 * MS);
        Ok(())
    });
    blocker.cast(blocks).unwrap();
    soon("the answer", waits).await.unwrap();
    assert_eq!(clerk.generation(), 1, "{:?}", heard(&mut tree.events()));
    tree.shutdown().await;
}

/// Blocks its thread for a while, again and again.
struct Chopper;

impl Service for Chopper {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
        for _ in 0..12 {
            Gate::default().pass_within(60 * MS);
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

// Each look is late by less than a limit, and all of them together by more.
#[test]
fn a_runtime_that_is_overloaded_all_the_time_does_not_make_its_services_hang() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let chopper = Child::service("chopper", |_| async { Ok(Chopper) });
        let clerk = worker("clerk").policy(Policy::default().watchdog(200 * MS));
        let tree = Supervisor::one_for_one("app").child(chopper).child(clerk).start().await.unwrap();
        let clerk = find(&tree, "clerk");
        let short = asks(&clerk, "short", async |_| {
            for _ in 0..6 {
                sleep(MS).await;
            }
            Ok(())
        });
        tree.lookup::<()>("app/chopper").unwrap().cast(()).unwrap();
        soon("the answer", short).await.unwrap();
        assert_eq!(clerk.generation(), 1, "{:?}", heard(&mut tree.events()));
        tree.shutdown().await;
    });
}

#[tokio::test(start_paused = true)]
async fn a_task_that_says_that_it_is_alive_lives_and_one_that_is_silent_hangs() {
    let silent_from = Arc::new(Mutex::new(None));
    let noted = silent_from.clone();
    let poller = Child::task("poller", move |ctx| {
        let noted = noted.clone();
        async move {
            if ctx.generation() > 1 {
                ctx.extend_deadline(1000 * LIMIT);
                return std::future::pending().await;
            }
            for _ in 0..4 {
                ctx.alive();
                sleep(LIMIT - MS).await;
            }
            ctx.extend_deadline(4 * LIMIT);
            sleep(4 * LIMIT).await;
            ctx.alive();
            *noted.lock().unwrap() = Some(Instant::now());
            std::future::pending().await
        }
    });
    let tree = Supervisor::one_for_one("app").child(poller.policy(Policy::default().watchdog(LIMIT)));
    let tree = tree.start().await.unwrap();
    let mut events = tree.events();
    let event = hears_of(&mut events, "app/poller#1 takes too long and is killed: hung: ").await.to_string();
    is_late_by_a_quarter(silent_from.lock().unwrap().unwrap().elapsed(), LIMIT);
    assert!(event.contains("hung: no sign of life for "), "{event}");
    up(&tree, "app/poller", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_says_that_it_is_alive_hangs_from_its_start_and_waits_do_not_count() {
    let caller = Child::task("caller", |ctx| async move {
        let b = ctx.lookup::<Job>("b")?;
        let long = asks(&b, "long", async |ctx| {
            ctx.extend_deadline(4 * LIMIT);
            sleep(4 * LIMIT).await;
            Ok(())
        });
        long.await?;
        std::future::pending().await
    });
    let tree = Supervisor::one_for_one("app").child(watched("b"));
    let begun = Instant::now();
    let tree = tree.child(caller.policy(Policy::default().watchdog(LIMIT))).start().await.unwrap();
    let mut events = tree.events();
    hears_of(&mut events, "app/caller#1 takes too long and is killed: hung: no sign of life for ").await;
    is_late_by_a_quarter(begun.elapsed() - 4 * LIMIT, LIMIT);
    tree.shutdown().await;
}
