//! Who is restarted when one dies, and in which order (OTP rules 14 to 19, 29 to 46).

use crate::common::tree::{MS, SEC, Slow, Starter, Starts, probe, stands, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Intensity, Refusal, Restart, ServiceState, Shutdown, Strategy, Supervisor, Tree};
use tokio::time::Instant;

async fn three(journal: &Journal, strategy: Strategy) -> Tree {
    let tree = Supervisor::new("app", strategy).children(["a", "b", "c"].map(|name| journal.probe(name)));
    let tree = tree.start().await.unwrap();
    assert_eq!(journal.take(), ["start a#1", "start b#1", "start c#1"]);
    tree
}

// OTP rule 29.
#[tokio::test]
async fn one_for_one_restarts_the_one_that_died_and_nobody_else() {
    let journal = Journal::new();
    let tree = three(&journal, Strategy::OneForOne).await;
    probe(&tree, "app/b").kill().unwrap();
    up(&tree, "app/b", 2).await;
    assert_eq!(journal.take(), ["end b#1", "start b#2"]);
    tree.shutdown().await;
    assert_eq!(journal.take(), ["end c#1", "end b#2", "end a#1"]);
}

// OTP rule 33; kameo restarts a group in random order.
#[tokio::test]
async fn one_for_all_stops_in_reverse_and_starts_forward() {
    let journal = Journal::new();
    let tree = three(&journal, Strategy::OneForAll).await;
    probe(&tree, "app/b").kill().unwrap();
    up(&tree, "app/c", 2).await;
    assert_eq!(journal.take(), ["end b#1", "end c#1", "end a#1", "start a#2", "start b#2", "start c#2"]);
    tree.shutdown().await;
}

// OTP rule 38.
#[tokio::test]
async fn rest_for_one_leaves_the_elders_alone() {
    let journal = Journal::new();
    let tree = three(&journal, Strategy::RestForOne).await;
    probe(&tree, "app/b").kill().unwrap();
    up(&tree, "app/c", 2).await;
    assert_eq!(journal.take(), ["end b#1", "end c#1", "start b#2", "start c#2"]);
    tree.shutdown().await;
}

// OTP rules 33 and 37. A handle to it says so, and works again when it is back.
#[tokio::test]
async fn temporary_children_stay_dead_until_their_supervisor_starts_again() {
    let journal = Journal::new();
    let group = Supervisor::one_for_all("group")
        .child(journal.probe("job").restart(Restart::Temporary))
        .child(journal.probe("web"));
    let tree = Supervisor::one_for_one("app").child(group).start().await.unwrap();
    let job = probe(&tree, "app/group/job");
    journal.take();

    probe(&tree, "app/group/web").kill().unwrap();
    up(&tree, "app/group/web", 2).await;
    assert_eq!(journal.take(), ["end web#1", "end job#1", "start web#2"]);
    assert_eq!(job.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    assert!(tree.lookup::<ProbeMsg>("app/group/job").is_err());

    tree.kill("app/group").unwrap();
    up(&tree, "app/group", 2).await;
    assert_eq!(journal.take(), ["end web#2", "start job#2", "start web#3"]);
    assert_eq!(job.call(ProbeMsg::Generation).await.unwrap(), 2);
    tree.shutdown().await;
}

// OTP rule 15; ractor-supervisor takes a kill for a normal exit.
#[tokio::test]
async fn a_killed_transient_child_comes_back() {
    let journal = Journal::new();
    let transient = journal.probe("a").restart(Restart::Transient);
    let tree = Supervisor::one_for_one("app").child(transient).start().await.unwrap();
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    tree.shutdown().await;
}

// OTP rules 17 and 34.
#[tokio::test]
async fn a_transient_child_that_ended_well_rests_until_a_group_restart_revives_it() {
    let journal = Journal::new();
    let transient = journal.probe("a").restart(Restart::Transient);
    let tree = Supervisor::one_for_all("app").child(transient).child(journal.probe("b")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    a.cast(ProbeMsg::Stop).unwrap();
    stands(&tree, "app/a", ServiceState::Down).await;
    assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Down);

    tree.kill("app/b").unwrap();
    up(&tree, "app/b", 2).await;
    assert_eq!(a.call(ProbeMsg::Generation).await.unwrap(), 2);
    tree.shutdown().await;
}

// OTP rule 43; ractor-supervisor makes two full group restarts. The default budget forgives one restart.
#[tokio::test]
async fn two_siblings_dying_at_once_make_one_group_restart_and_cost_one_unit() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let journal = Journal::new();
        let tree = three(&journal, strategy).await;
        tree.kill("app/a").unwrap();
        tree.kill("app/c").unwrap();
        up(&tree, "app/c", 2).await;
        assert_eq!(journal.take(), ["end a#1", "end c#1", "end b#1", "start a#2", "start b#2", "start c#2"]);
        tree.kill("app/a").unwrap();
        assert_eq!(tree.wait().await.exit.kind(), "shutdown", "one unit was left, and this is the one too many");
    }
}

// OTP rules 44 and 46.
#[tokio::test]
async fn deaths_that_do_not_imply_each_other_cost_a_unit_each() {
    let journal = Journal::new();
    let tree = three(&journal, Strategy::OneForOne).await;
    tree.kill("app/a").unwrap();
    tree.kill("app/c").unwrap();
    assert_eq!(tree.wait().await.exit.kind(), "shutdown");

    journal.take();
    let tree = Supervisor::rest_for_one("app").intensity(2, SEC);
    let tree = tree.children(["a", "b", "c"].map(|name| journal.probe(name))).start().await.unwrap();
    journal.take();
    tree.kill("app/c").unwrap();
    tree.kill("app/a").unwrap();
    up(&tree, "app/c", 3).await;
    let story = ["end c#1", "end a#1", "start c#2", "end c#2", "end b#1", "start a#2", "start b#2", "start c#3"];
    assert_eq!(journal.take(), story);
    tree.shutdown().await;
}

// ractor-supervisor: kill, then a fixed 10 ms; a child slow to die counted as a failure.
#[tokio::test(start_paused = true)]
async fn a_group_restart_waits_for_the_slowest_and_no_longer() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_all("app")
        .child(journal.probe("a"))
        .child(Slow::child("slow", &journal, 200 * MS))
        .child(Slow::child("late", &journal, 3600 * SEC).shutdown(Shutdown::After(100 * MS)))
        .start()
        .await
        .unwrap();
    journal.take();
    let begun = Instant::now();
    tree.kill("app/a").unwrap();
    up(&tree, "app/late", 2).await;
    assert_eq!(begun.elapsed(), 300 * MS, "100 ms until one is killed, 200 ms until the other has stopped");
    let stops = ["end a#1", "stop late#1", "end late#1", "stop slow#1", "end slow#1"];
    assert_eq!(journal.take(), [&stops[..], &["start a#2", "start slow#2", "start late#2"]].concat());
    tree.shutdown().await;
}

// OTP rules 23, 30; RabbitMQ, Klarna: a restart that fails once more was never tried again.
#[tokio::test]
async fn a_failed_restart_is_tried_again_under_every_strategy_for_a_unit_each() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        for (units, survives) in [(3, true), (2, false)] {
            let (journal, starts) = (Journal::new(), Starts::failing([2, 3]));
            let tree = Supervisor::new("app", strategy).intensity(units, 60 * SEC);
            let tree = tree.child(Starter::child("a", &journal, &starts)).start().await.unwrap();
            tree.kill("app/a").unwrap();
            if survives {
                up(&tree, "app/a", 2).await;
                tree.shutdown().await;
            } else {
                assert_eq!(tree.wait().await.exit.kind(), "shutdown");
                assert_eq!(starts.made(), 3);
            }
        }
    }
}

// OTP rules 36 and 40.
#[tokio::test]
async fn a_start_that_fails_within_a_group_restart_is_retried_as_the_strategy_says() {
    let story = |strategy| async move {
        let (journal, starts) = (Journal::new(), Starts::failing([2]));
        let tree = Supervisor::new("app", strategy).budget(Intensity::unlimited());
        let tree = tree.child(journal.probe("a")).child(Starter::child("b", &journal, &starts));
        let tree = tree.child(journal.probe("c")).start().await.unwrap();
        journal.take();
        tree.kill("app/a").unwrap();
        up(&tree, "app/c", 2).await;
        let story = journal.take();
        tree.shutdown().await;
        story
    };
    let stops = ["end a#1", "end c#1", "end b#1", "start a#2", "fail b#2"];
    let all = story(Strategy::OneForAll).await;
    assert_eq!(all, [&stops[..], &["end a#2", "start a#3", "start b#2", "start c#2"]].concat());
    let rest = story(Strategy::RestForOne).await;
    assert_eq!(rest, [&stops[..], &["start b#2", "start c#2"]].concat());
}
