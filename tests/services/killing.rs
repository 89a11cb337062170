//! Killing: by handle, by path, a supervisor with all that is below it, at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use crate::common::tree::{Inert, MS, SEC, Slow, Starts, heard, hears, in_hand, probe, soon, stands, up};
use regrow::testing::{Journal, Probe, ProbeMsg};
use regrow::{Child, Context, Intensity, KillError, Refusal, Restart, ServiceState, Shutdown, Supervisor};
use tokio::time::Instant;

// kameo #392: after a restart `kill` hit the dead incarnation, and weak handles died.
#[tokio::test]
async fn a_handle_kills_the_present_incarnation_however_old_the_handle_is() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(journal.probe("a"));
    let tree = tree.start().await.unwrap();
    let handle = probe(&tree, "app/a");
    for generation in 1..20 {
        assert_eq!(handle.call(ProbeMsg::Generation).await.unwrap(), generation);
        assert_eq!(handle.status().state, ServiceState::Up);
        handle.clone().kill().unwrap();
    }
    assert_eq!(handle.call(ProbeMsg::Generation).await.unwrap(), 20);
    tree.shutdown().await;
}

#[tokio::test]
async fn two_kills_of_one_incarnation_are_one_death() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    tree.kill("app/a").unwrap();
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    assert_eq!(journal.lines(), ["start a#1", "end a#1", "start a#2"]);
    tree.shutdown().await;
}

// ractor sees a kill only where an await really waits: a loop under load took 95 ms to die.
#[tokio::test]
async fn a_service_that_is_never_idle_or_never_done_can_be_killed() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").intensity(2, SEC).child(journal.probe("a")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    a.cast(ProbeMsg::Hang).unwrap();
    in_hand(&a).await;
    a.kill().unwrap();
    up(&tree, "app/a", 2).await;

    fn feed_yourself(ctx: &Context<Probe>) {
        let _ = ctx.handle().cast(ProbeMsg::Run(Box::new(feed_yourself)));
    }
    a.cast(ProbeMsg::Run(Box::new(feed_yourself))).unwrap();
    let before = a.accounting().handled;
    while a.accounting().handled < before + 1000 {
        tokio::task::yield_now().await;
    }
    a.kill().unwrap();
    up(&tree, "app/a", 3).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_that_finds_nothing_to_kill_says_so() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_all("app")
        .child(journal.probe("rests").restart(Restart::Transient))
        .child(journal.probe("a"))
        .child(Slow::child("slow", &journal, SEC))
        .start()
        .await
        .unwrap();
    let not_found = KillError::NotFound { path: "app/nobody".into() };
    assert_eq!(tree.kill("app/nobody"), Err(not_found));
    assert_eq!(tree.kill("a").unwrap_err().to_string(), "nothing is named `a` in this tree");

    probe(&tree, "app/rests").cast(ProbeMsg::Stop).unwrap();
    stands(&tree, "app/rests", ServiceState::Down).await;
    assert!(matches!(tree.kill("app/rests"), Err(KillError::NotRunning(_))));

    // Between two lives: it has died, and the group waits for the slow one to stop.
    let a = probe(&tree, "app/a");
    a.kill().unwrap();
    stands(&tree, "app/a", ServiceState::Restarting).await;
    assert_eq!(a.kill().unwrap_err().to_string(), "`app/a` is not running: try again if it comes back");
    up(&tree, "app/slow", 2).await;
    tree.shutdown().await;
    assert!(matches!(tree.kill("app/a"), Err(KillError::NotRunning(_))));
    assert!(matches!(tree.kill("app"), Err(KillError::NotRunning(_))));
}

// Horde, chaos-spawn #19: orphans overlap their replacements. A kill is by force: no stop hook, no waiting.
#[tokio::test(start_paused = true)]
async fn a_killed_supervisor_takes_its_subtree_along_before_it_is_restarted() {
    let journal = Journal::new();
    let slow = |name: &str| Slow::child(name, &journal, 10 * SEC).shutdown(Shutdown::After(60 * SEC));
    let deep = Supervisor::one_for_one("deep").child(slow("c"));
    let sub = Supervisor::one_for_one("sub").child(slow("a")).child(journal.probe("b")).child(deep).child(slow("d"));
    let tree = Supervisor::one_for_one("app").child(sub).child(journal.probe("e")).start().await.unwrap();
    journal.take();
    let (begun, mut events) = (Instant::now(), tree.events());
    tree.kill("app/sub").unwrap();
    hears(&mut events, "app/sub#1 exited: killed").await;
    up(&tree, "app/sub", 2).await;
    let ends = ["end d#1", "end c#1", "end b#1", "end a#1"];
    assert_eq!(journal.take(), [&ends[..], &["start a#2", "start b#2", "start c#2", "start d#2"]].concat());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    tree.shutdown().await;
}

// Its children's mailboxes outlive that, too.
#[tokio::test]
async fn messages_wait_for_the_next_life_of_a_killed_supervisor() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").child(journal.probe("a"));
    let tree = Supervisor::one_for_one("app").child(sub).start().await.unwrap();
    let a = probe(&tree, "app/sub/a");
    a.cast(ProbeMsg::Hang).unwrap();
    in_hand(&a).await;
    a.cast(ProbeMsg::Note(1)).unwrap();
    tree.kill("app/sub").unwrap();
    a.cast(ProbeMsg::Note(2)).unwrap();
    assert_eq!(soon("the answer", a.call(ProbeMsg::Noted)).await.unwrap(), [1, 2]);
    assert_eq!(a.generation(), 2);
    tree.shutdown().await;
}

#[tokio::test]
async fn killing_the_root_ends_the_tree() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").child(journal.probe("b")).child(journal.probe("c"));
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(sub).start().await.unwrap();
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    journal.take();
    tree.kill("app").unwrap();
    assert_eq!(soon("the end", tree.wait()).await.exit.kind(), "killed");
    assert_eq!(journal.take(), ["end c#1", "end b#1", "end a#1"]);
    assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    while soon("the end of the events", events.next()).await.is_some() {}
    assert_eq!(soon("the report", tree.shutdown()).await.exit.kind(), "killed");
}

// A stop was ordered, and a kill makes it quicker: the restart goes on, and no unit is spent on it.
#[tokio::test(start_paused = true)]
async fn killing_a_child_that_is_being_stopped_hurries_its_group_restart() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_all("app").intensity(1, SEC);
    let tree = tree.child(journal.probe("a")).child(Slow::child("slow", &journal, 4 * SEC)).start().await.unwrap();
    let begun = Instant::now();
    tree.kill("app/a").unwrap();
    tokio::time::sleep(100 * MS).await;
    tree.kill("app/slow").unwrap();
    up(&tree, "app/slow", 2).await;
    assert_eq!(begun.elapsed(), 100 * MS);
    tree.shutdown().await;
}

/// A service whose second start hangs.
fn hangs_once(name: &str, starts: &Starts) -> Child {
    let task = Child::service_with(name, starts.clone(), |starts, _ctx: Context<Inert>| async move {
        if starts.attempt()? == 2 {
            std::future::pending::<()>().await;
        }
        Ok(Inert)
    });
    task.into()
}

// OTP rule 23: the failed attempt costs a unit of its own.
#[tokio::test(start_paused = true)]
async fn killing_an_attempt_to_start_ends_it_and_another_is_made() {
    let starts = Starts::default();
    let tree = Supervisor::one_for_one("app").intensity(2, SEC).child(hangs_once("a", &starts)).start().await.unwrap();
    let (begun, mut events) = (Instant::now(), tree.events());
    tree.kill("app/a").unwrap();
    stands(&tree, "app/a", ServiceState::Starting).await;
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    let story = ["app/a#1 exited: killed", "app/a#1 failed to start: killed", "app/a#2 started"];
    assert_eq!(heard(&mut events), story);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    tree.kill("app/a").unwrap();
    assert_eq!(tree.wait().await.exit.kind(), "shutdown", "both units were spent");
}

// OTP rule 107.
#[tokio::test(start_paused = true)]
async fn killing_a_supervisor_that_is_starting_again_makes_it_start_once_more() {
    let (journal, starts) = (Journal::new(), Starts::default());
    let sub = Supervisor::one_for_one("sub").child(journal.probe("a")).child(hangs_once("b", &starts));
    let tree = Supervisor::one_for_one("app").intensity(2, SEC).child(sub).start().await.unwrap();
    tree.kill("app/sub").unwrap();
    stands(&tree, "app/sub/b", ServiceState::Starting).await;
    tree.kill("app/sub").unwrap();
    up(&tree, "app/sub/b", 2).await;
    assert_eq!(journal.lines(), ["start a#1", "end a#1", "start a#2", "end a#2", "start a#3"]);
    assert_eq!(tree.directory().status("app/sub").unwrap().generation, 2);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn killing_a_supervisor_in_the_middle_of_its_group_restart_leaves_nobody_behind() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_all("sub");
    let sub = sub.child(journal.probe("a")).child(Slow::child("slow", &journal, SEC)).child(journal.probe("b"));
    let tree = Supervisor::one_for_one("app").child(sub).start().await.unwrap();
    journal.take();
    tree.kill("app/sub/a").unwrap();
    stands(&tree, "app/sub/b", ServiceState::Restarting).await;
    tree.kill("app/sub").unwrap();
    up(&tree, "app/sub", 2).await;
    let ends = ["end a#1", "end b#1", "stop slow#1", "end slow#1"];
    assert_eq!(journal.take(), [&ends[..], &["start a#2", "start slow#2", "start b#2"]].concat());
    tree.shutdown().await;
}

// OTP rule 46: noticed when the group start is complete, then a whole new group restart for one more unit.
#[tokio::test]
async fn a_sibling_that_kills_another_while_it_starts_causes_one_more_group_restart() {
    let (journal, starts) = (Journal::new(), Starts::default());
    let killer = Child::service_with("killer", starts.clone(), |starts, ctx: Context<Inert>| async move {
        if starts.attempt()? == 2 {
            ctx.lookup::<ProbeMsg>("victim")?.kill()?;
        }
        Ok(Inert)
    });
    let tree = Supervisor::one_for_all("app").intensity(2, SEC).child(journal.probe("victim")).child(killer);
    let tree = tree.child(journal.probe("last")).start().await.unwrap();
    journal.take();
    tree.kill("app/last").unwrap();
    up(&tree, "app/last", 3).await;
    let first = ["end last#1", "end victim#1", "start victim#2", "end victim#2", "start last#2"];
    assert_eq!(journal.take(), [&first[..], &["end last#2", "start victim#3", "start last#3"]].concat());
    assert_eq!(starts.made(), 3);
    tree.kill("app/last").unwrap();
    assert_eq!(tree.wait().await.exit.kind(), "shutdown", "both units were spent");
}

// A service may kill its own supervisor: it is only a message to it.
#[tokio::test]
async fn a_service_can_kill_its_own_supervisor() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").child(journal.probe("a")).child(journal.probe("b"));
    let tree = Supervisor::one_for_one("app").child(sub).start().await.unwrap();
    let directory = tree.directory();
    let order = move |_: &Context<Probe>| directory.kill("app/sub").unwrap();
    probe(&tree, "app/sub/a").cast(ProbeMsg::Run(Box::new(order))).unwrap();
    up(&tree, "app/sub", 2).await;
    assert_eq!(journal.alive_max(), 1);
    tree.shutdown().await;
}

// Found by mutants: a request to stop that was seen long ago could give the body one more turn after the kill.
#[tokio::test(start_paused = true)]
async fn code_that_has_seen_the_request_to_stop_does_not_run_again_after_the_kill() {
    let turns = Arc::new(AtomicUsize::new(0));
    let seen = turns.clone();
    let task = Child::task("task", move |ctx| {
        let turns = seen.clone();
        async move {
            ctx.stopping().await;
            std::future::poll_fn(|_| {
                turns.fetch_add(1, SeqCst);
                Poll::<()>::Pending
            })
            .await;
            Ok(())
        }
    });
    let tree = Supervisor::one_for_one("app").child(task.shutdown(Shutdown::After(SEC))).start().await.unwrap();
    tree.shutdown().await;
    assert_eq!(turns.load(SeqCst), 1, "asked once, and killed after a second");
}
