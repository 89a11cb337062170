//! The order in which children stop: dependents first, also across subtrees; all at once where that is asked for, or nothing
//! depends on anything (issue: a shutdown is bounded by what its user says).

use std::time::Duration;

use crate::common::log::Log;
use crate::common::story::{Story, find};
use crate::common::tree::{SEC, Slow, in_hand, soon, up};
use crate::common::worker::{Job, generation, hooked, run};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Dependency, DynamicSupervisor, Intensity, Partitioned, Policy, Restart, Shutdown, Strategy, Supervisor, Tree,
};
use tokio::time::Instant;

fn needs(other: &'static str) -> Policy {
    Policy::default().depends_on([other])
}

fn forgiving(strategy: Strategy, name: &str) -> Supervisor {
    Supervisor::new(name, strategy).budget(Intensity::unlimited())
}

async fn crash(tree: &Tree, path: &str) {
    find(tree, path).kill().unwrap();
}

// Found by the reports of other systems (process-compose #145, dinit #499): the stop order ignored dependencies.
#[tokio::test]
async fn a_dependent_reaches_what_it_depends_on_until_it_has_stopped() {
    let story = Story::default();
    let told = story.clone();
    let web = hooked("web", move |ctx| {
        let told = told.clone();
        async move {
            let answer = ctx.lookup::<Job>("db")?.call(generation).await;
            told.tell(format!("web, db answers: {answer:?}"));
            Ok(())
        }
    });
    let web = web.policy(needs("db"));
    let tree = forgiving(Strategy::OneForAll, "app").child(web).child(story.service("db")).child(story.service("x"));
    let tree = soon("start", tree.start()).await.unwrap();
    up(&tree, "app/web", 1).await;

    crash(&tree, "app/x").await;
    up(&tree, "app/web", 2).await;
    assert_eq!(story.take(), ["web, db answers: Ok(1)", "db"], "in a group restart");
    soon("shutdown", tree.shutdown()).await;
    assert_eq!(story.take(), ["x", "web, db answers: Ok(2)", "db"], "at the end");
}

#[tokio::test]
async fn a_subtree_stops_before_the_one_that_its_services_depend_on() {
    let story = Story::default();
    let feeds = Supervisor::one_for_one("feeds").child(story.service("feed").policy(needs("pools/pool")));
    let pools = Supervisor::one_for_one("pools").child(story.service("pool"));
    let web = story.service("web").policy(needs("/app/pools/pool"));
    let tree = Supervisor::one_for_one("app").child(feeds).child(web).child(pools).child(story.service("x"));
    let tree = soon("start", tree.start()).await.unwrap();
    up(&tree, "app/feeds/feed", 1).await;
    up(&tree, "app/web", 1).await;
    soon("shutdown", tree.shutdown()).await;
    assert_eq!(story.take(), ["x", "web", "feed", "pool"]);
}

#[tokio::test]
async fn subtrees_that_depend_on_each_other_stop_in_reverse_and_the_start_warns() {
    let (log, _listening) = Log::listen();
    let story = Story::default();
    let left =
        Supervisor::one_for_one("left").child(story.service("a").policy(needs("right/b"))).child(story.service("c"));
    let right =
        Supervisor::one_for_one("right").child(story.service("b")).child(story.service("d").policy(needs("left/c")));
    let tree = Supervisor::one_for_one("app").child(left).child(right);
    let tree = soon("start", tree.start()).await.unwrap();
    let lines = log.take();
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("circle=left -> right -> left")).collect();
    assert_eq!(warnings.len(), 1, "{lines:?}");
    assert!(warnings[0].starts_with("WARN") && warnings[0].contains("path=app"), "{warnings:?}");
    up(&tree, "app/left/a", 1).await;
    soon("shutdown", tree.shutdown()).await;
    assert_eq!(story.take(), ["d", "b", "c", "a"]);
}

#[tokio::test]
async fn a_start_by_order_counts_and_warns_if_it_closes_a_circle() {
    let (log, _listening) = Log::listen();
    let story = Story::default();
    let left = Supervisor::one_for_one("left").child(story.service("a"));
    let right = Supervisor::one_for_one("right").child(story.service("b"));
    let tree = soon("start", Supervisor::one_for_one("app").child(left).child(right).start()).await.unwrap();
    let (left, right) = (tree.supervisor("app/left").unwrap(), tree.supervisor("app/right").unwrap());

    left.start_child(story.service("c").policy(needs("right/b"))).await.unwrap();
    assert!(!log.take().iter().any(|line| line.contains("circle")));
    right.start_child(story.service("d").policy(needs("left/a"))).await.unwrap();
    // The root looks when it is next told something.
    tree.supervisor("app").unwrap().which_children().await.unwrap();
    assert!(log.take().iter().any(|line| line.contains("circle=left -> right -> left")));

    right.terminate_child("d").await.unwrap();
    right.delete_child("d").await.unwrap();
    story.take();
    soon("shutdown", tree.shutdown()).await;
    assert_eq!(story.take(), ["c", "a", "b"], "the circle is open again, and the left depends on the right");
}

#[cfg(feature = "policy")]
#[tokio::test]
async fn other_policies_for_a_tree_that_runs_change_the_order() {
    use regrow::policy::Policies;

    let story = Story::default();
    let left = Supervisor::one_for_one("left").child(story.service("a"));
    let right = Supervisor::one_for_one("right").child(story.service("b"));
    let tree = Supervisor::one_for_one("app").child(story.service("w")).child(left).child(right);
    let tree = soon("start", tree.start()).await.unwrap();
    let file = "[path.\"app/left/a\"]\ndepends_on = [\"right/b\"]\n[path.\"app/w\"]\ndepends_on = [\"/app/left/a\"]\n";
    soon("apply", tree.apply(&Policies::parse(file, "policies.toml").unwrap())).await.unwrap();
    soon("shutdown", tree.shutdown()).await;
    assert_eq!(story.take(), ["w", "a", "b"]);
}

// Found by a newcomer: 16 busy workers took 16 s, although none knows of another.
#[tokio::test(start_paused = true)]
async fn busy_partitions_take_as_long_as_one_of_them() {
    let journal = Journal::new();
    let pool = Partitioned::new("pool", 16, move |_| journal.probe("w").shutdown(Shutdown::After(SEC)));
    let tree = soon("start", Supervisor::one_for_one("app").child(pool).start()).await.unwrap();
    for worker in tree.partitions::<ProbeMsg>("app/pool").unwrap().handles() {
        worker.cast(ProbeMsg::Hang).unwrap();
        in_hand(&worker).await;
    }
    let begun = Instant::now();
    let report = tree.shutdown().await;
    assert!(begun.elapsed() < SEC + SEC / 2, "{report}");
    assert_eq!(report.killed.len(), 16);
}

/// How long a supervisor of three children takes that need a second each to stop.
async fn takes(supervisor: Supervisor, restarts: bool) -> Duration {
    let journal = Journal::new();
    let children = ["a", "b", "c"].map(|name| Slow::child(name, &journal, SEC).shutdown(Shutdown::Wait));
    let tree = Supervisor::one_for_one("app").child(supervisor.children(children));
    let tree = soon("start", tree.start()).await.unwrap();
    let begun = Instant::now();
    if restarts {
        tree.lookup::<()>("app/pair/b").unwrap().kill().unwrap();
        up(&tree, "app/pair/c", 2).await;
        let took = begun.elapsed();
        soon("shutdown", tree.shutdown()).await;
        return took;
    }
    soon("shutdown", tree.shutdown()).await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn together_takes_as_long_as_the_slowest_and_the_default_one_after_the_other() {
    let pair = || forgiving(Strategy::OneForAll, "pair");
    for (name, time, least) in [
        ("default", takes(pair(), false).await, 3 * SEC),
        ("default, group restart", takes(pair(), true).await, 2 * SEC),
        ("together", takes(pair().stop_together(), false).await, SEC),
        ("together, group restart", takes(pair().stop_together(), true).await, SEC),
    ] {
        assert!(time >= least && time < least + SEC / 2, "{name}: {time:?}");
    }
}

#[tokio::test]
async fn together_a_dependency_still_outlives_its_dependents() {
    let story = Story::default();
    let told = story.clone();
    let web = hooked("web", move |_| {
        let told = told.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            told.tell("web");
            Ok(())
        }
    });
    let tree = Supervisor::one_for_one("app").stop_together();
    let tree = tree.child(web.policy(needs("db"))).child(story.service("db")).child(story.service("x"));
    let tree = soon("start", tree.start()).await.unwrap();
    up(&tree, "app/web", 1).await;
    soon("shutdown", tree.shutdown()).await;
    assert_eq!(story.take(), ["x", "web", "db"]);
}

#[tokio::test]
async fn sessions_stop_before_the_session_that_they_depend_on() {
    let story = Story::default();
    let tree = soon("start", DynamicSupervisor::new("pool").start()).await.unwrap();
    let pool = tree.dynamic("pool").unwrap();
    pool.start_child(story.service("db")).await.unwrap();
    pool.start_child(story.service("web").policy(needs("db"))).await.unwrap();
    find(&tree, "pool/web").cast(run(|_| async { Ok(()) })).unwrap();
    soon("shutdown", tree.shutdown()).await;
    assert_eq!(story.take(), ["web", "db"]);
}

// Found by trees drawn at random: a sibling was forgotten in the same step, and the order that no service asked for any
// more was heeded for as long as the tree lived.
#[tokio::test]
async fn a_session_that_is_gone_has_no_say_in_the_order() {
    let story = Story::default();
    let never = Policy::default().depends_on([Dependency::completed("db")]);
    let tree = forgiving(Strategy::OneForAll, "app")
        .child(DynamicSupervisor::new("pool"))
        .child(story.service("never").policy(never).restart(Restart::Temporary))
        .child(story.service("db"))
        .child(story.service("x"));
    let tree = soon("start", tree.start()).await.unwrap();
    let session = story.service("session").policy(needs("/app/db"));
    tree.dynamic("app/pool").unwrap().start_child(session).await.unwrap();

    crash(&tree, "app/x").await;
    up(&tree, "app/x", 2).await;
    assert_eq!(story.take(), ["session", "db"], "the session depends on it");
    tree.dynamic("app/pool").unwrap().start_child(story.service("other")).await.unwrap();
    soon("shutdown", tree.shutdown()).await;
    assert_eq!(story.take(), ["x", "db", "other"], "the youngest stop first");
}
