//! Restarts are counted by their cause, and what ended stays counted.

use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    DynamicSupervisor, ExitKind, Restart, RestartCause, Restarts, ServiceFigures, ServiceState, Supervisor, Tree,
};

use crate::common::tree::{SEC, Starter, Starts, probe, soon, stands, up};

fn restarts(tree: &Tree, path: &str) -> Restarts {
    tree.directory().restarts(path).unwrap_or_else(|| panic!("no {path}"))
}

fn figures(tree: &Tree, template: &str) -> ServiceFigures {
    let all = tree.directory().figures();
    all.into_iter().find(|figures| **figures.template() == *template).unwrap_or_else(|| panic!("no {template}"))
}

#[tokio::test(start_paused = true)]
async fn own_ends_are_told_from_those_of_siblings_and_of_supervisors() {
    let journal = Journal::new();
    let inner =
        Supervisor::one_for_all("inner").intensity(1, 5 * SEC).child(journal.probe("a")).child(journal.probe("b"));
    let tree = Supervisor::one_for_one("app").child(inner).start().await.unwrap();
    let (a, b) = (probe(&tree, "app/inner/a"), probe(&tree, "app/inner/b"));
    assert_eq!(a.restarts(), Restarts::default());

    a.cast(ProbeMsg::Panic("once")).unwrap();
    up(&tree, "app/inner/b", 2).await;
    assert_eq!((a.restarts().by_cause.get(ExitKind::Panicked), a.restarts().taken_along), (1, 0));
    assert_eq!((b.restarts().by_cause.total(), b.restarts().taken_along), (0, 1));

    // The second failure is one too many: the supervisor is restarted, and both with it.
    tokio::time::sleep(SEC).await;
    b.cast(ProbeMsg::Fail("twice")).unwrap();
    up(&tree, "app/inner/b", 3).await;
    assert_eq!((a.restarts().total, a.restarts().taken_along), (2, 1));
    assert_eq!((b.restarts().total, b.restarts().taken_along), (2, 2));
    assert_eq!(b.restarts().last, Some((RestartCause::TakenAlong, Duration::ZERO)));
    let inner = restarts(&tree, "app/inner");
    assert_eq!((inner.total, inner.by_cause.get(ExitKind::Shutdown)), (1, 1));
    assert_eq!(figures(&tree, "app/inner").gave_up(), 1);
    assert_eq!(figures(&tree, "app/inner/b").exits().get(ExitKind::Failed), 1);

    tokio::time::sleep(61 * SEC).await;
    assert_eq!((a.restarts().last_minute, a.restarts().last_hour), (0, 2));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_by_order_counts_and_a_start_after_a_rest_does_not() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    a.restart("a new version").await.unwrap();
    up(&tree, "app/a", 2).await;
    assert_eq!((a.restarts().total, a.restarts().by_cause.get(ExitKind::Shutdown)), (1, 1));
    let root = tree.supervisor("app").unwrap();
    root.terminate_child("a").await.unwrap();
    root.restart_child("a").await.unwrap();
    up(&tree, "app/a", 3).await;
    assert_eq!(a.restarts().total, 1);
    assert_eq!(figures(&tree, "app/a").starts(), 3);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn each_failed_attempt_to_start_again_is_a_restart() {
    let (journal, starts) = (Journal::new(), Starts::failing(2..=3));
    let policy = regrow::Policy::default().retry_start().backoff(regrow::Backoff::listed([SEC]));
    let child = Starter::child("a", &journal, &starts).policy(policy);
    let tree = Supervisor::one_for_one("app").intensity(10, 60 * SEC).child(child).start().await.unwrap();
    // From the first look on, supervisors note their budgets.
    assert_eq!(figures(&tree, "app").budget_left(), None);
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    let counted = restarts(&tree, "app/a");
    assert_eq!((counted.by_cause.get(ExitKind::Killed), counted.by_cause.get(ExitKind::Failed)), (1, 2));
    let a = figures(&tree, "app/a");
    assert_eq!((a.starts(), a.starts_failed(), a.exits().total()), (2, 2, 1));
    // Three of the ten restarts are charged, for a while.
    assert_eq!(figures(&tree, "app").budget_left(), Some(7));
    tokio::time::sleep(65 * SEC).await;
    assert_eq!(figures(&tree, "app").budget_left(), Some(10));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_child_counted_that_was_deleted_stays_under_its_name() {
    let journal = Journal::new();
    let tree =
        Supervisor::one_for_one("app").child(journal.probe("a").restart(Restart::Transient)).start().await.unwrap();
    let (root, a) = (tree.supervisor("app").unwrap(), probe(&tree, "app/a"));
    a.cast(ProbeMsg::Note(1)).unwrap();
    a.cast(ProbeMsg::Stop).unwrap();
    stands(&tree, "app/a", ServiceState::Down).await;
    root.delete_child("a").await.unwrap();
    a.cast(ProbeMsg::Note(2)).unwrap_err();
    let ended = figures(&tree, "app/a");
    assert_eq!((ended.services(), ended.starts(), ended.accounting().handled), (0, 1, 2));
    assert_eq!(tree.directory().tree_figures().refused_by_gone, 1);
    // Another child of that name adds to it.
    root.start_child(journal.probe("a")).await.unwrap();
    let both = figures(&tree, "app/a");
    assert_eq!((both.services(), both.starts(), both.accounting().accepted), (1, 2, 2));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_killed_with_a_message_in_hand_and_forgotten_stays_in_the_sums() {
    let journal = Journal::new();
    let probes = journal.clone();
    let pool = DynamicSupervisor::new("pool")
        .template(move |name: String| probes.probe(&name).shutdown(regrow::Shutdown::Kill).restart(Restart::Temporary));
    let tree = Supervisor::one_for_one("app").child(pool).start().await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.template::<String>().unwrap().start_child("x".into()).await.unwrap();
    let x = probe(&tree, "app/pool/x");
    x.cast(ProbeMsg::Hang).unwrap();
    x.cast(ProbeMsg::Note(1)).unwrap();
    crate::common::tree::in_hand(&x).await;
    soon("the end", pool.terminate_child("x")).await.unwrap();
    let ended = figures(&tree, "app/pool/*");
    let sums = ended.accounting();
    assert_eq!((sums.accepted, sums.crashed, sums.dead_lettered, sums.in_hand), (2, 1, 1, 0));
    assert_eq!(ended.dead_letters().find(|(reason, _)| *reason == "gone").unwrap().1, 1);
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn each_sender_that_waits_for_room_and_is_refused_counts_once() {
    let child = Journal::new().probe("a").capacity(1).shutdown(regrow::Shutdown::After(SEC));
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let a = probe(&tree, "app/a");
    let send = |number| {
        let a = a.clone();
        tokio::spawn(async move { a.send(ProbeMsg::Note(number)).await.map_err(|error| error.refusal().kind()) })
    };
    let refused = |reason: &str| {
        let figures = figures(&tree, "app/a");
        figures
            .refused()
            .filter(|(known, _)| *known == reason || reason.is_empty())
            .map(|(_, number)| number)
            .sum::<u64>()
    };
    a.cast(ProbeMsg::Hang).unwrap();
    crate::common::tree::in_hand(&a).await;
    a.cast(ProbeMsg::Note(0)).unwrap();
    for waits in [send(1), send(2), send(3)] {
        assert_eq!(waits.await.unwrap(), Err("full"));
    }
    assert_eq!((refused("full"), refused("")), (3, 3));
    let waits = [send(4), send(5)];
    crate::common::tree::turns(4).await;
    tree.supervisor("app").unwrap().terminate_child("a").await.unwrap();
    for wait in waits {
        assert_eq!(wait.await.unwrap(), Err("stopping"));
    }
    assert_eq!((refused("stopping"), refused("")), (2, 5));
    a.cast(ProbeMsg::Note(6)).unwrap_err();
    assert_eq!((refused("down"), a.accounting().accepted), (1, 2));
    tree.shutdown().await;
}
