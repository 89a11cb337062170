//! `shutdown_within` is over in time whatever the children say, and names who was in its way.

#[path = "common/tree.rs"]
mod common;

use std::time::Duration;

use common::{Gate, MS, SEC, heard_to_the_end, in_hand, probe, soon};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Abandon, CallError, Exit, Refusal, Shutdown, State, Supervisor};

// suture #37: a service hangs, and nobody can say which. Real threads and real time: PITFALLS 23.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bounded_shutdown_is_bounded_and_names_who_was_in_its_way() {
    let (gate, journal) = (Gate::default(), Journal::new());
    let _open = gate.opener();
    let below = Supervisor::one_for_one("below")
        .child(journal.probe("stuck").shutdown(Shutdown::Wait).abandon(Abandon::Never))
        .child(journal.probe("hangs").shutdown(Shutdown::After(3600 * SEC)));
    let sub = Supervisor::one_for_one("sub").child(below).child(journal.probe("waits").shutdown(Shutdown::Wait));
    let tree = Supervisor::one_for_one("app").child(sub).child(journal.probe("a")).start().await.unwrap();
    let (stuck, blocked, mut events) = (probe(&tree, "app/sub/below/stuck"), gate.clone(), tree.events());
    let kept = stuck.call(ProbeMsg::Keep);
    stuck.cast(ProbeMsg::Run(Box::new(move |_| blocked.pass()))).unwrap();
    gate.reached().await;
    let queued = stuck.call(ProbeMsg::Generation);
    for path in ["app/sub/waits", "app/sub/below/hangs"] {
        let probe = probe(&tree, path);
        probe.cast(ProbeMsg::Hang).unwrap();
        in_hand(&probe).await;
    }

    let limit = 500 * MS;
    let report = soon("the end", tree.shutdown_within(limit)).await;
    assert!(report.took >= limit && report.took < 10 * limit, "{report}");
    assert_eq!(report.exit.kind(), "killed");
    assert!(report.killed.contains(&"app/sub/waits".into()), "{report}");
    // Whether the supervisor between them gets its turn before the end is chance.
    let named = report.abandoned.iter().filter(|path| !path.ends_with("below"));
    assert!(named.eq(["app/sub/below/stuck", "app/sub"].map(Into::into).iter()), "{report}");
    assert!(heard_to_the_end(&mut events).await.contains(&"app/sub/below/stuck#1 was abandoned".to_owned()));
    assert_eq!(journal.take()[4..], ["end a#1", "end waits#1", "end hangs#1"]);

    let outcome = soon("the call that was put off", kept).await;
    assert!(matches!(outcome, Err(CallError::Crashed { exit: Exit::Killed, .. })), "{outcome:?}");
    assert!(matches!(soon("the queued call", queued).await, Err(CallError::NeverRan(_))));
    for entry in tree.directory().entries() {
        assert_eq!((entry.status.state, entry.accounting.in_hand), (State::Gone, 0), "{}", entry.path);
    }
}

// What yields is killed in time and not abandoned.
#[tokio::test(start_paused = true)]
async fn a_bounded_shutdown_kills_what_hangs_or_is_waited_for_and_abandons_nobody() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub")
        .child(journal.probe("hangs").shutdown(Shutdown::After(3600 * SEC)))
        .child(journal.probe("waits").shutdown(Shutdown::Wait));
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(sub).start().await.unwrap();
    for path in ["app/sub/waits", "app/sub/hangs"] {
        let probe = probe(&tree, path);
        probe.cast(ProbeMsg::Hang).unwrap();
        in_hand(&probe).await;
    }
    let report = tree.shutdown_within(SEC).await;
    assert_eq!((report.took, report.exit.kind()), (750 * MS, "killed"), "after three quarters of the limit");
    assert_eq!(report.abandoned, []);
    assert!(report.killed.contains(&"app/sub/waits".into()), "{report}");
    assert_eq!(journal.take()[3..], ["end waits#1", "end hangs#1", "end a#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_bounded_shutdown_of_a_tree_that_stops_by_itself_is_an_ordered_one() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    let report = tree.shutdown_within(SEC).await;
    assert_eq!((report.took, report.exit.kind(), report.is_clean()), (Duration::ZERO, "shutdown", true));
    assert_eq!(probe(&tree, "app/a").cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
}
