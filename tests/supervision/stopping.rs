//! Stopping a tree: in order, in time, and whatever the stopped do.

use std::time::Duration;

use crate::common::log::Log;
use crate::common::tree::{Inert, MS, SEC, Slow, Starts, heard_to_the_end, probe, soon, stands};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{CallError, Child, Context, Exit, KillError, Refusal, ServiceState, Shutdown, Strategy, Supervisor};
use tokio::time::Instant;

// OTP rules 55 and 103.
#[tokio::test]
async fn a_tree_stops_youngest_first_and_depth_first() {
    let journal = Journal::new();
    let deep = Supervisor::one_for_one("deep").child(journal.probe("c")).child(journal.probe("d"));
    let sub = Supervisor::rest_for_one("sub").child(journal.probe("b")).child(deep).child(journal.probe("e"));
    let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(sub).child(journal.probe("f"));
    let tree = tree.start().await.unwrap();
    for entry in tree.directory().entries() {
        if let Ok(probe) = tree.lookup::<ProbeMsg>(&entry.path) {
            probe.cast(ProbeMsg::Announce).unwrap();
            probe.call(ProbeMsg::Generation).await.unwrap();
        }
    }
    journal.take();
    let report = tree.shutdown().await;
    assert!(report.is_clean() && matches!(report.exit, Exit::Shutdown), "{report}");
    let order = ["f", "e", "d", "c", "b", "a"].map(|name| [format!("stop {name}#1"), format!("end {name}#1")]);
    assert_eq!(journal.take(), order.concat());
}

// OTP rules 47 to 49.
#[tokio::test]
async fn a_child_is_stopped_by_its_own_rule() {
    let journal = Journal::new();
    for (shutdown, ends) in [
        (Shutdown::Kill, "exited: killed"),
        (Shutdown::After(Duration::ZERO), "exited: shutdown"),
        (Shutdown::Wait, "exited: shutdown"),
    ] {
        let tree = Supervisor::one_for_one("app").child(journal.probe("a").shutdown(shutdown)).start().await.unwrap();
        let (a, mut events) = (probe(&tree, "app/a"), tree.events());
        a.cast(ProbeMsg::Announce).unwrap();
        a.call(ProbeMsg::Generation).await.unwrap();
        journal.take();
        assert!(tree.shutdown().await.is_clean(), "a child that is to be killed did not fail to stop");
        assert_eq!(heard_to_the_end(&mut events).await, [format!("app/a#1 {ends}")]);
        match shutdown {
            Shutdown::Kill => assert_eq!(journal.take(), ["end a#1"]),
            Shutdown::After(_) | Shutdown::Wait => assert_eq!(journal.take(), ["stop a#1", "end a#1"]),
        }
    }
}

// The order of ask and kill must not depend on who is quicker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_time_to_stop_is_time_enough_to_see_the_request() {
    for _ in 0..100 {
        let journal = Journal::new();
        let child = journal.probe("a").shutdown(Shutdown::After(Duration::ZERO));
        let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
        let mut events = tree.events();
        let report = tree.shutdown().await;
        assert_eq!(heard_to_the_end(&mut events).await, ["app/a#1 exited: shutdown"], "{report}");
        assert!(report.is_clean(), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_overruns_its_time_is_killed_and_named() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app")
        .child(Slow::child("slow", &journal, 70 * MS).shutdown(Shutdown::After(100 * MS)))
        .child(Slow::child("late", &journal, 3600 * SEC).shutdown(Shutdown::After(100 * MS)))
        .start()
        .await
        .unwrap();
    let mut events = tree.events();
    let report = tree.shutdown().await;
    assert_eq!((&*report.killed, &*report.abandoned), (&["app/late".into()][..], &[][..]));
    assert_eq!(report.took, 170 * MS);
    assert_eq!(report.to_string(), "ended (shutdown) after 170.0ms; killed: app/late");
    let story =
        ["app/late#1 exited: killed", "app/late#1 did not stop as asked: killed", "app/slow#1 exited: shutdown"];
    assert_eq!(heard_to_the_end(&mut events).await, story);
}

// OTP rule 59 leaves the grandchild that is being stopped to itself.
#[tokio::test(start_paused = true)]
async fn a_supervisor_that_overruns_its_time_is_killed_with_all_that_is_in_it() {
    let journal = Journal::new();
    let slow = Slow::child("c", &journal, 3600 * SEC).shutdown(Shutdown::After(3600 * SEC));
    let sub = Supervisor::one_for_one("sub")
        .shutdown(Shutdown::After(100 * MS))
        .child(journal.probe("a"))
        .child(Supervisor::one_for_one("deep").child(slow))
        .child(journal.probe("b"));
    let tree = Supervisor::one_for_one("app").child(journal.probe("z")).child(sub).start().await.unwrap();
    journal.take();
    let report = tree.shutdown().await;
    assert_eq!((report.took, report.exit.kind()), (100 * MS, "shutdown"));
    assert_eq!(&*report.killed, ["app/sub/deep/c", "app/sub/deep", "app/sub"].map(Into::into));
    assert_eq!(journal.take(), ["end b#1", "stop c#1", "end c#1", "end a#1", "end z#1"]);
}

// suture #41: adding to a stopped supervisor deadlocked.
#[tokio::test]
async fn whatever_is_asked_of_a_stopped_tree_is_answered_at_once() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    let before = probe(&tree, "app/a");
    let (one, two) = tokio::join!(tree.shutdown(), tree.shutdown());
    assert_eq!((one.exit.kind(), two.exit.kind()), ("shutdown", "shutdown"));
    let again = soon("one more", tree.shutdown()).await;
    let bounded = soon("a bounded one", tree.shutdown_within(SEC)).await;
    assert_eq!((again.exit.kind(), bounded.exit.kind()), ("shutdown", "shutdown"));
    assert_eq!(soon("the end", tree.wait()).await.exit.kind(), "shutdown");

    for handle in [before, probe(&tree, "app/a")] {
        assert_eq!(handle.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
        assert_eq!(soon("send", handle.send(ProbeMsg::Note(1))).await.unwrap_err().refusal(), Refusal::Gone);
        let refused = soon("call", handle.call(ProbeMsg::Generation)).await;
        assert!(matches!(refused, Err(CallError::Refused(error)) if error.refusal() == Refusal::Gone));
        let refused = soon("call", handle.call_within(SEC, ProbeMsg::Generation)).await;
        assert!(matches!(refused, Err(CallError::Refused(_))));
        assert_eq!(handle.kill().unwrap_err().to_string(), "`app/a` is not running: try again if it comes back");
        assert_eq!(handle.watch().borrow().state, ServiceState::Gone);
    }
    assert!(matches!(tree.kill("app/a"), Err(KillError::NotRunning(_))));
    assert!(soon("events", tree.events().next()).await.is_none());
    let directory = tree.directory();
    drop(tree);
    assert_eq!(directory.status("app/a").unwrap().state, ServiceState::Gone);
    assert_eq!(directory.entries().len(), 2);
}

// What a shutdown has stopped is not started again: its callers are told at once, and not at the end.
#[tokio::test(start_paused = true)]
async fn a_call_to_one_that_was_stopped_earlier_in_the_shutdown_never_runs() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(Slow::child("slow", &journal, SEC)).child(journal.probe("a"));
    let tree = tree.start().await.unwrap();
    let (a, begun) = (probe(&tree, "app/a"), Instant::now());
    let late = async {
        stands(&tree, "app/a", ServiceState::Gone).await;
        (a.call(ProbeMsg::Generation).await, begun.elapsed())
    };
    let (report, (outcome, after)) = tokio::join!(tree.shutdown(), late);
    assert!(report.is_clean());
    assert!(outcome.unwrap_err().is_safe_to_repeat());
    assert_eq!((after, report.took), (Duration::ZERO, SEC));
}

#[tokio::test]
async fn a_dropped_tree_is_killed() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").child(journal.probe("b"));
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(sub).start().await.unwrap();
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    a.cast(ProbeMsg::Announce).unwrap();
    a.call(ProbeMsg::Generation).await.unwrap();
    journal.take();
    drop(tree);
    let story = heard_to_the_end(&mut events).await;
    assert_eq!(story, ["app/sub/b#1 exited: killed", "app/sub#1 exited: killed", "app/a#1 exited: killed"]);
    assert_eq!(journal.take(), ["end b#1", "end a#1"]);
    assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    assert!(log.take().iter().any(|line| line.starts_with("WARN the tree was dropped while it ran and is killed")));
}

// A factory that hangs in a restart is cut short: at once, or after the millisecond that a prompt one is given.
#[tokio::test(start_paused = true)]
async fn a_hung_factory_does_not_hold_up_a_shutdown() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let (journal, starts) = (Journal::new(), Starts::default());
        let counted = starts.clone();
        let hangs = Child::service("hangs", move |_: Context<Inert>| {
            let starts = counted.clone();
            async move {
                if starts.attempt()? > 1 {
                    std::future::pending::<()>().await;
                }
                Ok(Inert)
            }
        });
        let sub = Supervisor::new("sub", strategy).child(hangs).child(journal.probe("b"));
        let tree = Supervisor::new("app", strategy).child(journal.probe("a")).child(sub).start().await.unwrap();
        tree.kill("app/sub/hangs").unwrap();
        stands(&tree, "app/sub/hangs", ServiceState::Starting).await;
        let begun = Instant::now();
        let report = tree.shutdown().await;
        assert!(begun.elapsed() <= MS, "{:?}", begun.elapsed());
        assert!(report.is_clean() && matches!(report.exit, Exit::Shutdown), "{report}");
        assert_eq!(journal.take().last().unwrap(), "end a#1");
    }
}
