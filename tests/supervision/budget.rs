//! The restart budget, and what happens when it is gone (OTP rules 20 to 28, 99 to 101).

use crate::common::tree::{MS, SEC, Starts, heard_to_the_end, hears, hears_of, probe, stands, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, Exit, Refusal, Restart, ServiceState, Supervisor};
use tokio::time::sleep;

// OTP rules 21 and 26: closed at the far edge.
#[tokio::test(start_paused = true)]
async fn the_budget_is_exact_to_the_millisecond() {
    for (pause, survives) in [(999 * MS, false), (1000 * MS, false), (1001 * MS, true)] {
        let journal = Journal::new();
        let tree = Supervisor::one_for_one("app").intensity(1, SEC).child(journal.probe("a")).start().await.unwrap();
        tree.kill("app/a").unwrap();
        up(&tree, "app/a", 2).await;
        sleep(pause).await;
        tree.kill("app/a").unwrap();
        if survives {
            up(&tree, "app/a", 3).await;
            tree.shutdown().await;
        } else {
            assert_eq!(tree.wait().await.exit.kind(), "shutdown", "after {pause:?}");
        }
    }
}

// kameo looks at the gap between two restarts: 3 per 300 ms gave up at one crash each 200 ms.
#[tokio::test(start_paused = true)]
async fn a_pace_below_the_budget_lives_for_ever_and_a_burst_dies() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").intensity(3, 300 * MS).child(journal.probe("a")).start().await.unwrap();
    for restarts in 1..100 {
        sleep(101 * MS).await;
        tree.kill("app/a").unwrap();
        up(&tree, "app/a", restarts + 1).await;
    }
    sleep(301 * MS).await;
    for restarts in 100..103 {
        tree.kill("app/a").unwrap();
        up(&tree, "app/a", restarts + 1).await;
    }
    tree.kill("app/a").unwrap();
    assert_eq!(tree.wait().await.exit.kind(), "shutdown");
}

// OTP rule 24; goakt and AtomVM did not count across faults.
#[tokio::test]
async fn every_fault_of_every_child_uses_the_same_budget() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").intensity(4, 60 * SEC);
    let tree = tree.children(["a", "b"].map(|name| journal.probe(name))).start().await.unwrap();
    let [a, b] = ["app/a", "app/b"].map(|path| probe(&tree, path));
    a.cast(ProbeMsg::Panic("one")).unwrap();
    up(&tree, "app/a", 2).await;
    b.cast(ProbeMsg::Fail("two")).unwrap();
    up(&tree, "app/b", 2).await;
    a.kill().unwrap();
    up(&tree, "app/a", 3).await;
    b.cast(ProbeMsg::Stop).unwrap();
    up(&tree, "app/b", 3).await;
    a.cast(ProbeMsg::Panic("five")).unwrap();
    assert_eq!(tree.wait().await.exit.kind(), "shutdown");
}

// OTP rule 28; ergo stopped the wrong child (#213), Hollywood panicked at its limit (#198).
#[tokio::test]
async fn giving_up_stops_the_others_in_reverse_and_ends_the_root() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").intensity(0, SEC);
    let tree = tree.children(["a", "b", "c"].map(|name| journal.probe(name))).start().await.unwrap();
    let (b, mut events) = (probe(&tree, "app/b"), tree.events());
    journal.take();
    b.kill().unwrap();
    assert!(matches!(tree.wait().await.exit, Exit::Shutdown));
    assert_eq!(journal.take(), ["end b#1", "end c#1", "end a#1"]);
    assert_eq!(b.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    let gave_up = "app#1 gave up on `app/b`: killed (the budget of 0 restarts in 1s is used up)";
    let story = ["app/b#1 exited: killed", gave_up, "app/c#1 exited: shutdown"];
    assert_eq!(heard_to_the_end(&mut events).await[..3], story);
}

// OTP rules 99 and 100.
#[tokio::test]
async fn a_nested_supervisor_that_gave_up_is_restarted_with_a_clean_budget() {
    let journal = Journal::new();
    let inner = Supervisor::one_for_one("inner").child(journal.probe("a")).child(journal.probe("b"));
    let tree = Supervisor::one_for_one("app").child(inner).start().await.unwrap();
    let (a, mut events) = (probe(&tree, "app/inner/a"), tree.events());
    for _ in 0..2 {
        a.kill().unwrap();
        a.call(ProbeMsg::Generation).await.unwrap();
    }
    hears_of(&mut events, "app/inner#1 gave up on `app/inner/a`: killed").await;
    hears(&mut events, "app/inner#1 exited: shutdown").await;
    hears(&mut events, "app/inner#2 started").await;
    assert_eq!(a.generation(), 3);
    a.kill().unwrap();
    assert_eq!(a.call(ProbeMsg::Generation).await.unwrap(), 4, "the old budget is forgotten");
    tree.shutdown().await;
}

// OTP rule 99: giving up is a clean exit.
#[tokio::test]
async fn a_transient_supervisor_that_gave_up_stays_down_with_all_that_is_in_it() {
    let journal = Journal::new();
    let inner = Supervisor::one_for_one("inner").intensity(0, SEC).restart(Restart::Transient);
    let inner = inner.child(journal.probe("a")).child(journal.probe("b"));
    let tree = Supervisor::one_for_one("app").child(inner).child(journal.probe("c")).start().await.unwrap();
    let b = probe(&tree, "app/inner/b");
    tree.kill("app/inner/a").unwrap();
    stands(&tree, "app/inner", ServiceState::Down).await;
    stands(&tree, "app/inner/b", ServiceState::Down).await;
    assert_eq!(b.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Down);
    assert_eq!(probe(&tree, "app/c").call(ProbeMsg::Generation).await.unwrap(), 1);
    tree.shutdown().await;
}

// OTP rule 101.
#[tokio::test]
async fn levels_multiply_a_hot_child_is_started_eight_times_on_three_levels_of_one() {
    let starts = Starts::default();
    let counted = starts.clone();
    let hot = Child::task("hot", move |_| {
        let started = counted.attempt();
        async move { Err(anyhow::anyhow!("life {}", started?)) }
    });
    let tree = Supervisor::one_for_one("one")
        .child(Supervisor::one_for_one("two").child(Supervisor::one_for_one("three").child(hot)));
    let tree = tree.start().await.unwrap();
    assert_eq!(tree.wait().await.exit.kind(), "shutdown");
    assert_eq!(starts.made(), 8);
}
