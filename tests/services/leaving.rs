//! However an end begins, it is bounded: a stop hook by the shutdown time, what a dead incarnation leaves behind by the abandon
//! time, a kill in the middle of a stop too. Whatever does not end is abandoned by name.
//!
//! Real threads and real time where code blocks: a paused clock jumps ahead meanwhile, as tokio does not see the
//! thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::common::story::find;
use crate::common::tree::{Gate, MS, SEC, heard, hears, in_hand, soon, up};
use crate::common::worker::{Job, Worker, hooked, run, worker};
use regrow::testing::until;
use regrow::{
    Abandon, Child, Context, Events, Exit, Inbox, Intensity, Restart, ServiceChild, ServiceState, Shutdown, Strategy,
    Supervisor, Tree,
};

const SHUTDOWN: Shutdown = Shutdown::After(Duration::from_millis(200));
const ABANDON: Abandon = Abandon::After(Duration::from_millis(200));

async fn start(child: impl Into<Child>) -> (Tree, Events) {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child);
    let tree = soon("start", tree.start()).await.unwrap();
    let events = tree.events();
    (tree, events)
}

fn stuck() -> ServiceChild<Job> {
    hooked("a", |_| std::future::pending()).shutdown(SHUTDOWN).abandon(ABANDON)
}

// Found by the reports of other systems (orleans #10044): the hook ran for ever after an error, and the service was lost.
#[tokio::test(start_paused = true)]
async fn a_stop_hook_after_an_error_is_killed_when_its_time_is_over_and_the_error_stays_the_exit() {
    let (tree, mut events) = start(stuck()).await;
    find(&tree, "app/a").cast(run(|_| async { anyhow::bail!("disk full") })).unwrap();
    hears(&mut events, "app/a#1 was leaving (failed: disk full), overran its shutdown time and is killed").await;
    hears(&mut events, "app/a#1 exited: failed: disk full").await;
    up(&tree, "app/a", 2).await;
}

#[tokio::test(start_paused = true)]
async fn so_it_is_after_the_service_has_left_by_itself() {
    for (exit, word) in [(Exit::Normal, "normal"), (Exit::failed("no"), "failed: no"), (Exit::Shutdown, "shutdown")] {
        let (tree, mut events) = start(stuck()).await;
        find(&tree, "app/a")
            .cast(run(|ctx: Context<Worker>| async move {
                ctx.exit(exit);
                Ok(())
            }))
            .unwrap();
        hears(&mut events, &format!("app/a#1 was leaving ({word}), overran its shutdown time and is killed")).await;
        hears(&mut events, &format!("app/a#1 exited: {word}")).await;
        up(&tree, "app/a", 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_keeps_its_time_is_left_alone_and_with_wait_it_has_all_of_it() {
    for shutdown in [SHUTDOWN, Shutdown::Wait] {
        let time = if shutdown == Shutdown::Wait { 3_600_000 } else { 150 };
        let slow = hooked("a", move |_| async move {
            tokio::time::sleep(time * MS).await;
            Ok(())
        });
        let tree = Supervisor::one_for_one("app").child(slow.shutdown(shutdown).restart(Restart::Transient));
        let tree = tree.start().await.unwrap();
        let mut events = tree.events();
        find(&tree, "app/a")
            .cast(run(|ctx: Context<Worker>| async move {
                ctx.stop();
                Ok(())
            }))
            .unwrap();
        until(tree.directory().watch("app/a").unwrap(), |status| status.state == ServiceState::Down).await;
        assert_eq!(heard(&mut events), ["app/a#1 exited: normal", "app/a#1 is down"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_blocks_after_an_error_is_abandoned() {
    let gate = Gate::default();
    let _opener = gate.opener();
    let passed = gate.clone();
    let a = hooked("a", move |_| {
        let gate = passed.clone();
        async move {
            gate.pass();
            Ok(())
        }
    });
    let (tree, mut events) = start(a.shutdown(SHUTDOWN).abandon(ABANDON)).await;
    find(&tree, "app/a").cast(run(|_| async { anyhow::bail!("no") })).unwrap();
    hears(&mut events, "app/a#1 was abandoned").await;
    up(&tree, "app/a", 2).await;
    assert!(matches!(find(&tree, "app/a").why().await.to_string(), why if why.contains("failed: no")));
}

/// Blocks when it is dropped.
struct Sticky(Gate);

impl Drop for Sticky {
    fn drop(&mut self) {
        self.0.pass();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destructor_that_blocks_after_a_panic_is_abandoned() {
    let gate = Gate::default();
    let _opener = gate.opener();
    struct Service(#[expect(dead_code, reason = "to be dropped")] Sticky);
    impl regrow::Service for Service {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
            panic!("boom");
        }
    }
    let sticky = gate.clone();
    let a = Child::service("a", move |_: Context<Service>| {
        let sticky = Sticky(sticky.clone());
        async move { Ok(Service(sticky)) }
    });
    let (tree, mut events) = start(a.abandon(ABANDON)).await;
    tree.lookup::<()>("app/a").unwrap().cast(()).unwrap();
    hears(&mut events, "app/a#1 was abandoned").await;
    up(&tree, "app/a", 2).await;
}

async fn until_blocked(gate: &Gate) {
    while !gate.is_reached() {
        tokio::time::sleep(MS).await;
    }
}

// Found by the reports of other systems: the slot waited for ever for a linked task that blocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn linked_work_that_blocks_is_abandoned_whatever_ended_its_incarnation() {
    for (end, exit) in [("panic", "panicked"), ("error", "failed"), ("stop", "normal"), ("linked panic", "panicked")] {
        let gate = Gate::default();
        let _opener = gate.opener();
        // A long shutdown time: it is the abandon time that counts, for nothing is left that could stop.
        let (tree, mut events) = start(worker("a").abandon(ABANDON).shutdown(Shutdown::After(3600 * SEC))).await;
        let blocker = gate.clone();
        find(&tree, "app/a")
            .cast(run(move |ctx: Context<Worker>| async move {
                let blocked = blocker.clone();
                ctx.spawn(async move { blocked.pass() });
                until_blocked(&blocker).await;
                match end {
                    "panic" => panic!("boom"),
                    "error" => anyhow::bail!("boom"),
                    "stop" => ctx.stop(),
                    _ => drop(ctx.spawn(async { panic!("boom") })),
                }
                Ok(())
            }))
            .unwrap();
        hears(&mut events, "app/a#1 was abandoned").await;
        up(&tree, "app/a", 2).await;
        let why = find(&tree, "app/a").why().await.to_string();
        assert!(why.contains(exit), "{end}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn so_is_the_linked_work_of_a_task_and_of_a_start_that_failed() {
    let gate = Gate::default();
    let _opener = gate.opener();
    let blocker = gate.clone();
    let task = Child::task("a", move |ctx| {
        let blocked = blocker.clone();
        async move {
            let task = blocked.clone();
            ctx.spawn(async move { task.pass() });
            until_blocked(&blocked).await;
            anyhow::bail!("boom")
        }
    });
    let (tree, mut events) = start(task.abandon(ABANDON)).await;
    hears(&mut events, "app/a#1 was abandoned").await;
    drop(tree);

    let gate = Gate::default();
    let _opener_too = gate.opener();
    let (starts, blocker) = (Arc::new(AtomicUsize::new(0)), gate.clone());
    let service = Child::service("a", move |ctx: Context<Worker>| {
        let (blocked, start) = (blocker.clone(), starts.fetch_add(1, SeqCst));
        async move {
            if start == 1 {
                let task = blocked.clone();
                ctx.spawn(async move { task.pass() });
                until_blocked(&blocked).await;
                anyhow::bail!("no");
            }
            Ok(Worker::default())
        }
    });
    let (tree, mut events) = start(service.abandon(ABANDON)).await;
    find(&tree, "app/a").kill().unwrap();
    hears(&mut events, "app/a#1 was abandoned").await;
    up(&tree, "app/a", 2).await;
}

// Found by the reports of other systems (supervisor #734): what was already stopping could not be killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_kill_in_the_middle_of_a_stop_without_a_limit_begins_the_abandon_time() {
    let gate = Gate::default();
    let _opener = gate.opener();
    let blocks = gate.clone();
    let thread = Child::thread("a", move |inbox: Inbox<()>| {
        inbox.for_each(|()| blocks.pass());
        Ok(())
    });
    let thread = thread.shutdown(Shutdown::Wait).abandon(ABANDON);
    let service = worker("b").shutdown(Shutdown::Wait).abandon(ABANDON);
    let tree = Supervisor::new("app", Strategy::OneForOne).child(thread).child(service);
    let tree = soon("start", tree.start()).await.unwrap();
    let mut events = tree.events();
    let (a, b) = (tree.lookup::<()>("app/a").unwrap(), find(&tree, "app/b"));
    a.cast(()).unwrap();
    in_hand(&a).await;
    let other = gate.clone();
    b.cast(run(move |_| async move {
        other.pass();
        Ok(())
    }))
    .unwrap();
    in_hand(&b).await;
    let app = tree.supervisor("app").unwrap();
    for (name, handle) in [("a", &a as &dyn Killable), ("b", &b)] {
        let order = tokio::spawn({
            let app = app.clone();
            async move { app.terminate_child(name).await }
        });
        soon("it is told to stop", async {
            while app.which_children().await.unwrap().iter().all(|child| child.standing != regrow::ChildState::Stopping)
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
        handle.kill();
        soon("the termination", order).await.unwrap().unwrap();
        hears(&mut events, &format!("app/{name}#1 was abandoned")).await;
    }
}

trait Killable: Sync {
    fn kill(&self);
}

impl<M: Send + 'static> Killable for regrow::Handle<M> {
    fn kill(&self) {
        regrow::Handle::kill(self).unwrap();
    }
}
