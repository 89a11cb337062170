//! What an operator can tell from the log alone: what is back, what is down for good, and what waits for what.

use crate::common::log::Log;
use crate::common::tree::{Inert, MS, SEC, hears, hears_of, probe, soon, up};
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    Backoff, Child, ExitKind, ExitRule, GiveUp, Intensity, Policy, Readiness, RuleAction, ServiceState, Supervisor,
    Tree,
};

/// Crashes the probe so many times, as soon as it is up again.
async fn crash(tree: &Tree, path: &str, times: u64) {
    for generation in 1..=times {
        up(tree, path, generation).await;
        probe(tree, path).cast(ProbeMsg::Fail("again")).unwrap();
    }
}

// A new user's log of a short crash loop ended with counts, and the child that had long been healthy looked down.
#[tokio::test(start_paused = true)]
async fn the_return_that_ends_a_crash_loop_is_written_after_the_counts_and_no_other_is() {
    let (log, _listening) = Log::listen();
    let backoff = || Policy::default().backoff(Backoff::new(20 * MS).factor(1.0));
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = tree.child(journal.probe("a").policy(backoff())).child(journal.probe("b")).start().await.unwrap();
    crash(&tree, "app/a", 3).await;
    up(&tree, "app/a", 4).await;
    tokio::time::sleep(2 * SEC).await;
    let lines = log.take();
    let story = [
        "INFO child is restarted later path=app/a generation=3 delay_ms=20",
        "INFO lines about this child were held back path=app/a held_back=1",
        "INFO child is back path=app/a generation=4 down_ms=20 attempts=1",
    ];
    assert_eq!(lines[lines.len() - 3..], story, "{lines:#?}");

    // One that failed again is not back.
    crash(&tree, "app/b", 7).await;
    tree.kill("app/b").unwrap();
    tree.shutdown().await;
    let lines = log.take();
    assert!(!lines.iter().any(|line| line.contains("is back path=app/b generation=8")), "{lines:#?}");
}

// A panic's text of two lines broke its line in two, and escape codes reached the terminal.
#[tokio::test]
async fn a_text_of_the_users_stays_in_its_line() {
    let (log, _listening) = Log::listen();
    let tree = Supervisor::one_for_one("app").intensity(0, SEC).child(Journal::new().probe("a")).start().await.unwrap();
    probe(&tree, "app/a").cast(ProbeMsg::Fail("a\nb \u{1b}[31mred")).unwrap();
    soon("the end", tree.wait()).await;
    let lines = log.take();
    assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:#?}");
    let told = lines.iter().filter(|line| line.contains(r"failed: a\nb \u{1b}[31mred"));
    assert_eq!(told.count(), 3, "the exit, and the ends of the supervisor and of the tree: {lines:#?}");
}

// A job that was done read like one that a rule had put down for good.
#[tokio::test(start_paused = true)]
async fn a_child_that_is_down_says_how_it_ended_and_warns_if_that_was_a_failure() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let stop = Policy::default().rule(ExitRule::new(RuleAction::Stop).on(ExitKind::Failed));
    let slow = Policy::default().backoff(Backoff::new(60 * SEC));
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(Child::task("done", |_| async { Ok(()) }))
        .child(journal.probe("broken").policy(stop))
        .child(journal.probe("ordered"))
        .child(journal.probe("later").policy(slow))
        .start()
        .await
        .unwrap();
    let mut events = tree.events();
    probe(&tree, "app/broken").cast(ProbeMsg::Fail("for good")).unwrap();
    hears(&mut events, "app/broken#1 is down").await;
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("ordered").await.unwrap();
    // It had failed, and an order called its restart off.
    probe(&tree, "app/later").cast(ProbeMsg::Fail("for now")).unwrap();
    hears_of(&mut events, "app/later#1 is started again").await;
    app.terminate_child("later").await.unwrap();
    let lines = [
        "INFO child is down path=app/done generation=1 exit.kind=normal exit.text=normal",
        "WARN child is down path=app/broken generation=1 exit.kind=failed exit.text=failed: for good",
        "INFO child is down path=app/ordered generation=1 exit.kind=shutdown exit.text=shutdown",
        "INFO child is down path=app/later generation=1 exit.kind=failed exit.text=failed: for now",
    ];
    let told: Vec<_> = log.take().into_iter().filter(|line| line.contains("child is down")).collect();
    assert_eq!(told, lines);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_waits_or_is_parked_for_others_says_for_which() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let park = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(60 * SEC));
    let says = Policy::default().readiness(Readiness::WhenSaid);
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("db").policy(park))
        .child(Child::task("job", |_| std::future::pending()).policy(says.clone()))
        .child(Child::task("load", |_| std::future::pending()).policy(says))
        .child(
            Supervisor::one_for_one("sub")
                .child(journal.probe("a").policy(Policy::default().depends_on(["job", "load"]))),
        )
        .child(journal.probe("b").policy(Policy::default().depends_on(["db"])))
        .start()
        .await
        .unwrap();
    up(&tree, "app/b", 1).await;
    let mut events = tree.events();
    probe(&tree, "app/db").cast(ProbeMsg::Fail("gone")).unwrap();
    hears_of(&mut events, "app/db#1 is parked").await;
    tree.kill("app/b").unwrap();
    let watch = tree.directory().watch("app/b").unwrap();
    soon("parked", until(watch, |status| matches!(status.state, ServiceState::Parked { .. }))).await;
    let told: Vec<_> =
        log.take().into_iter().filter(|line| line.contains("waits") || line.contains("parked")).collect();
    let lines = [
        "INFO child waits for services that it depends on path=app/sub/a generation=0 services=app/job, app/load",
        "ERROR child is parked path=app/db generation=1 probe_in_ms=60000",
        "INFO child waits for services that it depends on path=app/b generation=1 services=app/db",
        "WARN child is parked path=app/b generation=1 probe_in_ms=60000 dependency=app/db",
    ];
    assert_eq!(told, lines);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_back_and_has_yet_to_say_that_it_is_ready_is_told_as_such() {
    let (log, _listening) = Log::listen();
    let says = Policy::default().readiness(Readiness::WhenSaid);
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a").policy(says)).start().await.unwrap();
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    hears_nothing_more(&log, "INFO child is back path=app/a generation=2 down_ms=0 attempts=1 ready=false").await;
    tree.shutdown().await;
}

// Found by mutants: one that had said so was told as one that had not.
#[tokio::test(start_paused = true)]
async fn a_child_that_is_back_and_has_said_in_its_factory_that_it_is_ready_is_just_back() {
    let (log, _listening) = Log::listen();
    let says = Policy::default().readiness(Readiness::WhenSaid);
    let child = Child::service("a", |ctx: regrow::Context<Inert>| async move {
        ctx.ready();
        Ok(Inert)
    });
    let tree = Supervisor::one_for_one("app").child(child.policy(says)).start().await.unwrap();
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    hears_nothing_more(&log, "INFO child is back path=app/a generation=2 down_ms=0 attempts=1").await;
    tree.shutdown().await;
}

/// The line is there once all that can be done without a pause is done.
async fn hears_nothing_more(log: &Log, line: &str) {
    tokio::time::sleep(MS).await;
    let lines = log.take();
    assert!(lines.iter().any(|told| told == line), "{lines:#?}");
}

// The time that was left by then was written, rounded down: 19 for 20, and 29999 for 30000.
#[tokio::test]
async fn a_planned_time_is_told_as_it_was_planned() {
    let (log, _listening) = Log::listen();
    let policy = Policy::default().backoff(Backoff::new(20 * MS).factor(1.0));
    let policy = policy.budget(Intensity::new(1, 60 * SEC)).on_give_up(GiveUp::park(30 * SEC));
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a").policy(policy)).start().await.unwrap();
    let mut events = tree.events();
    let a = probe(&tree, "app/a");
    (0..2).for_each(|_| a.cast(ProbeMsg::Fail("boom")).unwrap());
    hears_of(&mut events, "app/a#2 is parked").await;
    let lines = log.take();
    assert!(
        lines.iter().any(|line| line.ends_with("is restarted later path=app/a generation=1 delay_ms=20")),
        "{lines:#?}"
    );
    assert!(
        lines.iter().any(|line| line.ends_with("is parked path=app/a generation=2 probe_in_ms=30000")),
        "{lines:#?}"
    );
    tree.shutdown().await;
}
