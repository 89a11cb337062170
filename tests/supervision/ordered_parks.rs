//! A park by order sets one child aside: it is stopped as its rule says, refuses messages, and stays so until an order
//! revives it.

use std::sync::Arc;

use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    CallError, ChildState, Context, DeadReason, Dependency, DynamicSupervisor, EventKind, GiveUp, Intensity,
    ManageError, ParkError, Policy, Refusal, ReviveError, ServiceState, StartChildError, Strategy, Supervisor, mailbox,
};

use crate::common::mail::busy;
use crate::common::tree::{MS, SEC, heard, hears, parked, probe, soon, stands, up};
use crate::common::worker::{Job, idle, worker};

const ASIDE: ServiceState = ServiceState::Parked { until: None };

fn none() -> Intensity {
    Intensity::new(0, 5 * SEC)
}

#[tokio::test(start_paused = true)]
async fn no_sibling_and_no_budget_is_touched_and_no_time_brings_it_back() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let children = ["a", "b", "c"].map(|name| Journal::new().probe(name));
        let tree = Supervisor::new("app", strategy).budget(none()).children(children).start().await.unwrap();
        let [a, b, c] = ["app/a", "app/b", "app/c"].map(|path| probe(&tree, path));
        b.park("the disk is full").await.unwrap();
        tokio::time::sleep(1_000_000 * SEC).await;
        assert_eq!((b.status().state, a.generation(), c.generation()), (ASIDE, 1, 1), "{strategy}");
        tree.revive("app/b").await.unwrap();
        up(&tree, "app/b", 2).await;
        assert_eq!(b.call(ProbeMsg::Generation).await.unwrap(), 2);
        tree.shutdown().await;
    }
}

#[tokio::test]
async fn the_message_in_hand_is_finished_the_queue_is_dead_lettered_and_senders_are_refused() {
    let tree = Supervisor::one_for_one("app").child(worker("a")).start().await.unwrap();
    let (a, letters) = (tree.lookup::<Job>("app/a").unwrap(), tree.dead_letters());
    let held = busy(&a).await;
    (0..3).for_each(|_| a.cast(idle()).unwrap());
    let mut status = a.watch();
    let order = tokio::spawn({
        let a = a.clone();
        async move { a.park("poison").await }
    });
    // The supervisor closes the mailbox when it takes the order, and until then messages are accepted.
    let refused = async {
        loop {
            match a.cast(idle()) {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => return error.refusal(),
            }
        }
    };
    assert_eq!(soon("a refusal", refused).await, Refusal::Stopping);
    held.release();
    soon("the park", order).await.unwrap().unwrap();
    assert_eq!(status.borrow_and_update().state, ASIDE);
    assert_eq!(a.cast(idle()).unwrap_err().refusal(), Refusal::Parked { until: None });
    let call = a.call(crate::common::worker::generation).await.unwrap_err();
    assert!(matches!(call, CallError::Refused(_)), "{call}");
    assert!(call.to_string().contains("it is parked until it is revived"), "{call}");
    let accounting = a.accounting();
    assert_eq!((accounting.crashed, accounting.queued, accounting.in_hand), (0, 0, 0), "{accounting}");
    assert_eq!(accounting.handled + accounting.dead_lettered, accounting.accepted, "{accounting}");
    assert!(accounting.dead_lettered >= 3, "{accounting}");
    assert!(matches!(soon("a letter", letters.next()).await.unwrap().reason, DeadReason::Parked));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn events_and_why_have_the_reason() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    let mut events = tree.events();
    a.park("ticket 42").await.unwrap();
    hears(&mut events, "app/a#1 exited: shutdown").await;
    let event = hears(&mut events, "app/a#1 is parked by order: ticket 42").await;
    assert!(matches!(event.kind, EventKind::Parked { probe_in: None, reason: Some(_) }), "{event:?}");
    let why = a.why().await;
    assert_eq!((why.standing, why.parked_by_order.as_deref()), (Some(ChildState::Parked), Some("ticket 42")));
    let text = why.to_string();
    assert!(
        text.starts_with("`app/a` is parked by order: ticket 42. Only an order brings it back: revive it."),
        "{text}"
    );
    assert!(!text.contains("budget of") && !text.contains("probation"), "{text}");

    tree.supervisor("app").unwrap().revive("a").await.unwrap();
    hears(&mut events, "app/a#2 started").await;
    // It did not fail, and so no outage is over.
    let text = a.why().await.to_string();
    assert!(
        text.contains("Nothing has gone wrong with it since its supervisor was started last.")
            && !text.contains("ticket"),
        "{text}"
    );
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_came_before_is_told_as_such() {
    let parks = Policy::default().budget(none()).on_give_up(GiveUp::park(60 * SEC));
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a").policy(parks)).start().await.unwrap();
    let a = probe(&tree, "app/a");
    a.cast(ProbeMsg::Fail("disk full")).unwrap();
    parked(&a).await;
    a.park("new disk").await.unwrap();
    let text = a.why().await.to_string();
    assert!(text.contains("revive it. Before that, a life of it ended 0.0ns ago: failed: disk full."), "{text}");
    // Its next try was due after a minute.
    tokio::time::sleep(3600 * SEC).await;
    assert_eq!(a.status().state, ASIDE);
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", 2).await;
    // It has its whole budget again, which is none, and its first delay.
    a.cast(ProbeMsg::Fail("disk full")).unwrap();
    parked(&a).await;
    assert!(a.why().await.next_try.is_some_and(|next| next <= 60 * SEC));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_restart_passes_it_over_and_a_new_life_of_its_supervisor_starts_it() {
    let group = Supervisor::one_for_all("group").children(["a", "b"].map(|name| Journal::new().probe(name)));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(group).start().await.unwrap();
    tree.park("app/group/b", "it misbehaves").await.unwrap();
    tree.kill("app/group/a").unwrap();
    up(&tree, "app/group/a", 2).await;
    assert_eq!(tree.directory().status("app/group/b").unwrap().state, ASIDE);
    tree.restart("app/group", "new life").await.unwrap();
    up(&tree, "app/group/b", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_parked_takes_everything_below_along() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").children([journal.probe("a"), journal.probe("b")]);
    let tree = Supervisor::one_for_one("app").child(sub).start().await.unwrap();
    tree.park("app/sub", "maintenance").await.unwrap();
    for path in ["app/sub", "app/sub/a", "app/sub/b"] {
        assert_eq!(tree.directory().status(path).unwrap().state, ASIDE, "{path}");
    }
    assert_eq!(
        probe(&tree, "app/sub/a").cast(ProbeMsg::Note(1)).unwrap_err().refusal(),
        Refusal::Parked { until: None }
    );
    assert!(matches!(tree.park("app/sub/a", "").await, Err(ParkError::NotRunning { .. })));
    tree.revive("app/sub").await.unwrap();
    up(&tree, "app/sub/b", 2).await;
    assert_eq!(probe(&tree, "app/sub/b").call(ProbeMsg::Generation).await.unwrap(), 2);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn dependents_here_and_elsewhere_wait_until_it_is_revived() {
    let journal = Journal::new();
    let needs = |on: &'static str| Policy::default().depends_on([Dependency::ready(on)]);
    let other = Supervisor::one_for_one("other").child(journal.probe("far").policy(needs("/app/db")));
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("db"))
        .child(journal.probe("near").policy(needs("db")))
        .child(other.budget(Intensity::unlimited()))
        .start()
        .await
        .unwrap();
    tree.park("app/db", "upgrade").await.unwrap();
    let mut events = tree.events();
    for path in ["app/near", "app/other/far"] {
        // One that runs is left alone.
        assert_eq!(tree.directory().status(path).unwrap().state, ServiceState::Up, "{path}");
        tree.kill(path).unwrap();
        stands(&tree, path, ASIDE).await;
        let text = tree.why(path).await.unwrap().to_string();
        assert!(text.contains("It waits for `") && text.contains("db`"), "{text}");
        assert!(!text.contains("by order"), "{text}");
    }
    tokio::time::sleep(100_000 * SEC).await;
    let parks = heard(&mut events).into_iter().filter(|line| line.contains("is parked")).collect::<Vec<_>>();
    assert_eq!(
        parks,
        ["app/near#1", "app/other/far#1"]
            .map(|who| format!("{who} is parked until the service that it waits for is revived"))
    );
    tree.revive("app/db").await.unwrap();
    for path in ["app/near", "app/other/far"] {
        up(&tree, path, 2).await;
    }
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_parked_says_so_and_is_left_as_it_is() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let (app, a) = (tree.supervisor("app").unwrap(), probe(&tree, "app/a"));
    assert!(matches!(tree.park("app", "").await, Err(ParkError::IsRoot { .. })));
    assert!(matches!(tree.park("app/none", "").await, Err(ParkError::NotFound { .. })));
    assert!(matches!(tree.park("none", "").await, Err(ParkError::NotFound { .. })));
    let (_mailbox, nowhere) = mailbox::<()>();
    assert!(matches!(nowhere.park("").await, Err(ParkError::NotFound { .. })));
    a.park("").await.unwrap();
    let error = a.park("").await.unwrap_err();
    assert!(matches!(error, ParkError::Parked { .. }));
    assert!(matches!(ManageError::from(error), ManageError::Parked { .. }));
    app.terminate_child("a").await.unwrap();
    assert!(matches!(a.park("").await, Err(ParkError::Down { .. })));
    assert!(matches!(app.revive("a").await, Err(ReviveError::Down { .. })));
    app.restart_child("a").await.unwrap();
    assert_eq!(a.generation(), 2);
    tree.shutdown().await;
    assert!(matches!(a.park("").await, Err(ParkError::NotRunning { .. } | ParkError::NotFound { .. })));
}

#[tokio::test]
async fn code_of_a_service_cannot_park_itself_or_what_is_above_it() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").child(journal.probe("a"));
    let tree = Arc::new(Supervisor::one_for_one("app").child(sub).start().await.unwrap());
    let a = probe(&tree, "app/sub/a");
    for path in ["app/sub/a", "app/sub"] {
        let (tell, told) = tokio::sync::oneshot::channel();
        let tree = tree.clone();
        let run = move |ctx: &Context<_>| {
            drop(ctx.spawn(async move { drop(tell.send(tree.park(path, "").await)) }));
        };
        a.cast(ProbeMsg::Run(Box::new(run))).unwrap();
        let answer = soon("the answer", told).await.unwrap();
        assert!(matches!(answer, Err(ParkError::ToItself { .. })), "{path}: {answer:?}");
    }
    soon("shutdown", tree.shutdown()).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_of_a_dynamic_supervisor_keeps_its_place_while_it_is_parked() {
    let journal = Journal::new();
    let tree = DynamicSupervisor::new("pool").max_children(1).start().await.unwrap();
    let pool = tree.dynamic("pool").unwrap();
    pool.start_child(journal.probe("ada")).await.unwrap();
    pool.park("ada", "spam").await.unwrap();
    assert!(matches!(pool.start_child(journal.probe("bob")).await, Err(StartChildError::MaxChildren { .. })));
    assert!(matches!(pool.park("bob", "").await, Err(ParkError::NotFound { .. })));
    pool.revive("ada").await.unwrap();
    up(&tree, "pool/ada", 2).await;
    pool.park("ada", "spam again").await.unwrap();
    pool.terminate_child("ada").await.unwrap();
    assert!(tree.directory().entry("pool/ada").is_none());
    tree.shutdown().await;
}

// A shutdown may come at any moment of a park, and so may the death of the child.
#[tokio::test(start_paused = true)]
async fn a_park_and_an_end_at_the_same_moment_are_both_answered() {
    for turns in 0..12 {
        let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
        let a = probe(&tree, "app/a");
        let order = tokio::spawn({
            let a = a.clone();
            async move { a.park("late").await }
        });
        crate::common::tree::turns(turns).await;
        if turns % 2 == 0 {
            let _ = a.kill();
            soon("the park", order).await.unwrap().unwrap();
            assert_eq!(a.status().state, ASIDE, "{turns}");
            tree.shutdown().await;
        } else {
            soon("the end", tree.shutdown()).await;
            let _ = soon("the park", order).await.unwrap();
        }
        tokio::time::sleep(MS).await;
    }
}
