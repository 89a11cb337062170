//! `shutdown_within` is over in time whatever the children say, and names who was in its way.

use std::sync::Arc;
use std::time::Duration;

use crate::common::tree::{Gate, MS, SEC, heard_to_the_end, in_hand, probe, soon};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Abandon, CallError, Exit, Refusal, ServiceState, Shutdown, Supervisor};

fn names(paths: &[Arc<str>]) -> Vec<&str> {
    let mut names: Vec<_> = paths.iter().map(|path| &**path).collect();
    names.sort();
    names
}

// suture #37: a service hangs, and the report does not say which. Real threads and real time: a paused clock jumps
// ahead while a thread is blocked.
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
    assert_eq!(names(&report.killed), ["app/sub/waits"], "{report}");
    assert_eq!(names(&report.unasked), ["app/sub/below/hangs"], "its turn to be asked had not come");
    assert_eq!(names(&report.abandoned), ["app/sub/below/stuck"], "those that only waited for it are not named");
    assert!(heard_to_the_end(&mut events).await.contains(&"app/sub/below/stuck#1 was abandoned".to_owned()));
    let mut ends = journal.take().split_off(4);
    ends.sort();
    assert_eq!(ends, ["end a#1", "end hangs#1", "end waits#1"], "hangs is killed although stuck is not gone");

    let outcome = soon("the call that was put off", kept).await;
    assert!(matches!(&outcome, Err(error) if matches!(error.exit(), Some(Exit::Killed))), "{outcome:?}");
    assert!(matches!(soon("the queued call", queued).await, Err(CallError::NeverRan(_))));
    for entry in tree.directory().entries() {
        assert_eq!((entry.status.state, entry.accounting.in_hand), (ServiceState::Gone, 0), "{}", entry.path);
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
    assert_eq!(names(&report.killed), ["app/sub/waits"], "{report}");
    assert_eq!((names(&report.unasked), report.abandoned.len()), (["app/a", "app/sub/hangs"].into(), 0), "{report}");
    let mut ends = journal.take().split_off(3);
    ends.sort();
    assert_eq!(ends, ["end a#1", "end hangs#1", "end waits#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_bounded_shutdown_of_a_tree_that_stops_by_itself_is_an_ordered_one() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    let report = tree.shutdown_within(SEC).await;
    assert_eq!((report.took, report.exit.kind(), report.is_clean()), (Duration::ZERO, "shutdown", true));
    assert_eq!(probe(&tree, "app/a").cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
}

// Found with a program that stopped in 25 s of 30: a quarter of the limit was kept for what needs none.
#[tokio::test(start_paused = true)]
async fn no_more_than_a_second_of_the_limit_is_kept_for_the_kill() {
    for (limit, killed_after) in [(SEC, 750 * MS), (30 * SEC, 29 * SEC)] {
        let waits = Journal::new().probe("waits").shutdown(Shutdown::Wait);
        let tree = Supervisor::one_for_one("app").child(waits).start().await.unwrap();
        probe(&tree, "app/waits").cast(ProbeMsg::Hang).unwrap();
        in_hand(&probe(&tree, "app/waits")).await;
        assert_eq!(tree.shutdown_within(limit).await.took, killed_after);
    }
}

// Found with a program that panicked in `shutdown_within`: the sum of now and the limit overflowed.
#[tokio::test]
async fn a_limit_may_be_beyond_the_clock_or_zero() {
    for limit in [Duration::MAX, Duration::ZERO] {
        let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
        let report = soon("the end", tree.shutdown_within(limit)).await;
        assert!(report.is_clean() || limit.is_zero(), "{report}");
    }
}
