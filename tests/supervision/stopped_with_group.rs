//! While a group stops, nothing below its supervisor waits for a member that is stopped already: calls, and waits for room,
//! are refused at once, with the message. Casts are queued as ever, and so is everything from elsewhere.

use crate::common::story::{Story, find};
use crate::common::tree::{SEC, in_hand, soon, up};
use crate::common::worker::{Job, Worker, generation, hooked, run, worker};
use regrow::{
    CallError, Context, Handle, Intensity, OnRestart, Refusal, ServiceChild, ServiceState, Shutdown, Strategy,
    Supervisor, Tree,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

fn group(name: &str) -> Supervisor {
    Supervisor::one_for_all(name).budget(Intensity::unlimited())
}

async fn start(supervisor: Supervisor) -> Tree {
    soon("start", Supervisor::one_for_one("app").child(supervisor).start()).await.unwrap()
}

fn said(outcome: Result<u64, CallError<Job>>) -> String {
    match outcome {
        Err(CallError::Refused(error)) if error.refusal() == Refusal::StoppedWithGroup => "refused".into(),
        Err(CallError::NeverRan(_)) => "never ran".into(),
        outcome => format!("{outcome:?}"),
    }
}

/// A service that calls `other` in its stop hook.
fn asks(name: &str, other: &'static str, story: &Story) -> ServiceChild<Job> {
    let story = story.clone();
    hooked(name, move |ctx: Context<Worker>| {
        let story = story.clone();
        async move {
            story.tell(said(ctx.lookup::<Job>(other)?.call(generation).await));
            Ok(())
        }
    })
}

// Found by the reports of other systems (orleans #5736): a hook that called what was down held the group up for 5 s.
#[tokio::test]
async fn a_stop_hook_that_calls_a_member_that_has_stopped_is_refused() {
    let story = Story::default();
    let tree =
        start(group("g").child(asks("ledger", "audit", &story)).child(worker("audit")).child(worker("fx"))).await;
    let begun = Instant::now();
    find(&tree, "app/g/fx").kill().unwrap();
    up(&tree, "app/g/fx", 2).await;
    assert!(begun.elapsed() < SEC);
    assert_eq!(story.take(), ["refused"], "in a group restart");

    soon("terminate", tree.supervisor("app").unwrap().terminate_child("g")).await.unwrap();
    assert!(begun.elapsed() < SEC);
    assert_eq!(story.take(), ["refused"], "at the end of the supervisor");
}

#[tokio::test]
async fn so_is_one_that_calls_the_member_whose_crash_stops_the_group() {
    let story = Story::default();
    let tree = start(group("g").child(worker("db")).child(asks("web", "db", &story))).await;
    let begun = Instant::now();
    find(&tree, "app/g/db").kill().unwrap();
    up(&tree, "app/g/web", 2).await;
    assert_eq!(story.take(), ["refused"]);
    assert!(begun.elapsed() < SEC);
}

#[tokio::test]
async fn so_is_one_in_another_subtree_of_the_group() {
    let story = Story::default();
    let left = Supervisor::one_for_one("left").child(asks("a", "/app/g/right/b", &story));
    let right = Supervisor::one_for_one("right").child(worker("b"));
    let tree = start(group("g").child(left).child(right).child(worker("fx"))).await;
    let begun = Instant::now();
    find(&tree, "app/g/fx").kill().unwrap();
    up(&tree, "app/g/fx", 2).await;
    assert_eq!(story.take(), ["refused"]);
    assert!(begun.elapsed() < SEC);
    // And all is as before.
    assert_eq!(find(&tree, "app/g/right/b").call(generation).await.unwrap(), 2);
}

#[tokio::test]
async fn a_call_that_was_queued_before_ends_as_never_ran_and_one_from_elsewhere_stays() {
    let story = Story::default();
    let tree = start(group("g").child(worker("ledger")).child(worker("audit")).child(worker("fx"))).await;
    let (ledger, audit) = (find(&tree, "app/g/ledger"), find(&tree, "app/g/audit"));
    // It comes back when it is told to.
    let (done, mut finish) = mpsc::channel::<()>(1);
    audit
        .cast(run(|_| async move {
            finish.recv().await;
            Ok(())
        }))
        .unwrap();
    in_hand(&audit).await;
    let told = story.clone();
    ledger
        .cast(run(|ctx: Context<Worker>| async move {
            told.tell(said(ctx.lookup::<Job>("audit")?.call(generation).await));
            Ok(())
        }))
        .unwrap();
    soon("the call of the ledger", async {
        while audit.accounting().queued < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let from_elsewhere = audit.call(generation);
    find(&tree, "app/g/fx").kill().unwrap();
    drop(done);
    assert_eq!(soon("the call from elsewhere", from_elsewhere).await.unwrap(), 2);
    assert_eq!(story.take(), ["never ran"]);
    let books = audit.accounting();
    assert!(books.is_balanced() && books.returned == 1, "{books}");
}

#[tokio::test]
async fn linked_tasks_and_waits_for_room_are_refused_and_casts_are_queued() {
    let story = Story::default();
    let told = story.clone();
    let ledger = hooked("ledger", move |ctx: Context<Worker>| {
        let told = told.clone();
        async move {
            let audit = ctx.lookup::<Job>("audit")?;
            let (result, mut answer) = mpsc::channel(1);
            let from_task = audit.clone();
            ctx.spawn(async move {
                let _ = result.send(said(from_task.call(generation).await)).await;
            });
            told.tell(format!("a task: {}", answer.recv().await.unwrap_or_default()));
            told.tell(format!("a cast: {:?}", audit.cast(run(|_| async { Ok(()) })).is_ok()));
            let waits = audit.send(run(|_| async { Ok(()) })).await;
            told.tell(format!("a wait for room: {:?}", waits.map_err(|error| error.refusal())));
            Ok(())
        }
    });
    let tree = start(group("g").child(ledger).child(worker("audit").capacity(1)).child(worker("fx"))).await;
    find(&tree, "app/g/fx").kill().unwrap();
    up(&tree, "app/g/fx", 2).await;
    assert_eq!(story.take(), ["a task: refused", "a cast: true", "a wait for room: Err(StoppedWithGroup)"]);
    let audit = find(&tree, "app/g/audit");
    assert_eq!(audit.call(generation).await.unwrap(), 2);
    assert_eq!(audit.accounting().handled, 2, "what was cast is handled by the next incarnation");
}

/// A wait that has begun ends when it can no longer come to anything.
#[tokio::test]
async fn a_wait_for_room_that_has_begun_is_refused_when_the_member_has_stopped() {
    let story = Story::default();
    let told = story.clone();
    let audit = worker("audit").capacity(1).shutdown(Shutdown::Kill);
    let tree = start(group("g").child(worker("ledger")).child(audit).child(worker("fx"))).await;
    let (ledger, audit) = (find(&tree, "app/g/ledger"), find(&tree, "app/g/audit"));
    audit.cast(run(|_| std::future::pending())).unwrap();
    in_hand(&audit).await;
    audit.cast(run(|_| async { Ok(()) })).unwrap();
    let peer = audit.clone();
    let (begun, mut has_begun) = mpsc::channel::<()>(1);
    ledger
        .cast(run(|_| async move {
            let _ = begun.send(()).await;
            let waits = peer.send(run(|_| async { Ok(()) })).await;
            told.tell(format!("{:?}", waits.map_err(|error| error.refusal())));
            Ok(())
        }))
        .unwrap();
    soon("the wait", has_begun.recv()).await;
    tokio::task::yield_now().await;
    find(&tree, "app/g/fx").kill().unwrap();
    up(&tree, "app/g/ledger", 2).await;
    assert_eq!(story.take(), ["Err(StoppedWithGroup)"]);
}

#[tokio::test]
async fn while_others_are_not_there_yet_calls_are_queued_again() {
    let story = Story::default();
    let told = story.clone();
    // Each life of the elder asks the younger as soon as it is up: at that time the younger has not been started.
    let elder = regrow::Child::service("elder", move |ctx: Context<Worker>| {
        let told = told.clone();
        async move {
            let younger: Handle<Job> = ctx.lookup("younger")?;
            ctx.handle().cast(run(move |_| async move {
                told.tell(said(younger.call(generation).await));
                Ok(())
            }))?;
            Ok(Worker::default())
        }
    });
    let tree = start(group("g").child(elder).child(worker("younger"))).await;
    find(&tree, "app/g/younger").kill().unwrap();
    up(&tree, "app/g/younger", 2).await;
    soon("both answers", async {
        while find(&tree, "app/g/younger").accounting().handled < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    tree.shutdown().await;
    assert_eq!(story.take(), ["Ok(1)", "Ok(2)"]);
}

#[tokio::test]
async fn a_service_that_is_terminated_refuses_from_the_moment_at_which_it_is_told() {
    let (stop, stopped) = mpsc::channel::<()>(1);
    let stopped = std::sync::Arc::new(tokio::sync::Mutex::new(stopped));
    let (asked, mut is_asked) = mpsc::channel::<()>(1);
    let slow = hooked("a", move |_| {
        let (stopped, asked) = (stopped.clone(), asked.clone());
        async move {
            let _ = asked.send(()).await;
            stopped.lock().await.recv().await;
            Ok(())
        }
    });
    let tree = soon("start", Supervisor::new("app", Strategy::OneForOne).child(slow).start()).await.unwrap();
    let letters = tree.dead_letters();
    let (app, a) = (tree.supervisor("app").unwrap(), find(&tree, "app/a"));
    let terminated = tokio::spawn({
        let app = app.clone();
        async move { app.terminate_child("a").await }
    });
    soon("the stop hook", is_asked.recv()).await;
    let refused = a.cast(run(|_| async { Ok(()) })).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Stopping);
    assert_eq!(refused.to_string(), "`app/a` refused the message `Job`: it is stopping");
    drop(stop);
    soon("the termination", terminated).await.unwrap().unwrap();
    assert_eq!(a.status().state, ServiceState::Down);
    // And its next life accepts everything again.
    soon("the restart", app.restart_child("a")).await.unwrap();
    a.cast(run(|_| async { Ok(()) })).unwrap();
    assert_eq!(a.call(generation).await.unwrap(), 2);
    tree.shutdown().await;
    assert!(letters.next().await.is_none(), "nothing was accepted that was not handled");
}

/// Under the drop policy what is queued is dead, whatever was said to callers.
#[tokio::test]
async fn the_books_balance_also_where_a_restart_drops_the_queue() {
    let story = Story::default();
    let audit = worker("audit").on_restart(OnRestart::Drop);
    let tree = start(group("g").child(asks("ledger", "audit", &story)).child(audit).child(worker("fx"))).await;
    find(&tree, "app/g/fx").kill().unwrap();
    up(&tree, "app/g/fx", 2).await;
    assert_eq!(story.take(), ["refused"]);
    assert!(find(&tree, "app/g/audit").accounting().is_balanced());
}
