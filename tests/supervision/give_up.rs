//! A budget that is used up: it ends the child alone for good, or the whole tree.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    Child, DynamicSupervisor, EventKind, GiveUp, Intensity, Policy, Refusal, ReviveError, ServiceState, Supervisor,
    Tree,
};

use crate::common::tree::{SEC, probe, soon, stands, up};

fn policy(restarts: u32, then: GiveUp) -> Policy {
    Policy::default().budget(Intensity::new(restarts, 60 * SEC)).on_give_up(then)
}

async fn down(tree: &Tree, path: &str) {
    stands(tree, path, ServiceState::Down).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_ends_for_good_leaves_its_siblings_alone_and_says_why() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_all("app")
        .intensity(0, SEC)
        .child(journal.probe("a").policy(policy(0, GiveUp::Stop)))
        .child(journal.probe("b"))
        .start()
        .await
        .unwrap();
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    let letters = tree.dead_letters();
    a.cast(ProbeMsg::Fail("disk full")).unwrap();
    a.cast(ProbeMsg::Note(7)).unwrap();
    let given_up = regrow::testing::until_event(&mut events, |event| matches!(event.kind, EventKind::GivenUp { .. }))
        .await
        .unwrap();
    let text = "app/a#1 ends for good: failed: disk full (its own budget of 0 restarts in 60s is used up)";
    assert_eq!(given_up.to_string(), text);
    down(&tree, "app/a").await;

    assert_eq!(a.cast(ProbeMsg::Note(8)).unwrap_err().refusal(), Refusal::Down);
    assert!(matches!(letters.list()[..], [ref letter] if letter.reason.kind() == "down"));
    assert_eq!(probe(&tree, "app/b").generation(), 1);
    let why = a.why().await;
    assert_eq!(why.given_up.as_ref().map(|why| (&*why.supervisor, why.exit.kind())), Some(("app", "failed")));
    let why = why.to_string();
    assert!(why.starts_with("`app/a` is down for good: only an order brings it back. Its last life ended"), "{why}");
    assert!(why.ends_with("does not start it again: its own budget of 0 restarts in 60s is used up."), "{why}");

    // It is required: the tree is not ready, and that is not waited for.
    assert!(!tree.directory().is_ready());
    let error = tree.ready(3600 * SEC).await.unwrap_err();
    assert!(error.limit.is_none() && error.to_string().contains("`app/a` is down for good"), "{error}");

    let report = tree.shutdown().await;
    assert!(report.was_wanted() && !report.is_clean());
    assert_eq!(report.given_up.iter().map(|why| &*why.child).collect::<Vec<_>>(), ["app/a"]);
    assert!(report.to_string().contains("; ended for good before that: app/a (failed: disk full)"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn an_order_starts_it_again_and_all_is_well() {
    let tree = Supervisor::one_for_one("app")
        .child(Journal::new().probe("a").policy(policy(1, GiveUp::Stop)))
        .start()
        .await
        .unwrap();
    let (a, app) = (probe(&tree, "app/a"), tree.supervisor("app").unwrap());
    for generation in [1, 3] {
        a.kill().unwrap();
        up(&tree, "app/a", generation + 1).await;
        a.kill().unwrap();
        down(&tree, "app/a").await;
        match generation {
            1 => drop(app.restart_child("a").await.unwrap()),
            _ => tree.revive("app/a").await.unwrap(),
        }
        up(&tree, "app/a", generation + 2).await;
        assert!(a.why().await.given_up.is_none() && tree.directory().is_ready());
    }
    assert!(matches!(tree.revive("app/a").await, Err(ReviveError::Running { .. })));
    assert!(tree.shutdown().await.is_clean());
}

// A permanent job that ends normally, again and again, has not done its work.
#[tokio::test(start_paused = true)]
async fn a_normal_end_that_was_one_too_many_is_no_success() {
    let required = policy(2, GiveUp::Stop).health(regrow::Health::Required);
    let job = Child::task("job", |_| async { Ok(()) }).restart(regrow::Restart::Permanent).policy(required);
    let tree = Supervisor::one_for_one("app").child(job).start().await.unwrap();
    down(&tree, "app/job").await;
    assert!(!tree.directory().is_ready());
    assert_eq!(tree.why("app/job").await.unwrap().status.generation, 3);
    assert!(!tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_child_that_ends_for_good_is_gone_and_the_others_work_on() {
    let journal = Journal::new();
    let jobs = DynamicSupervisor::new("jobs").intensity(0, SEC);
    let tree = Supervisor::one_for_one("app").intensity(0, SEC).child(jobs).start().await.unwrap();
    let jobs = tree.dynamic("app/jobs").unwrap();
    for name in ["a", "b"] {
        jobs.start_child(journal.probe(name).policy(policy(1, GiveUp::Stop))).await.unwrap();
    }
    let (a, mut events) = (probe(&tree, "app/jobs/a"), tree.events());
    a.kill().unwrap();
    up(&tree, "app/jobs/a", 2).await;
    a.kill().unwrap();
    let is_of_a = |event: &regrow::Event| &*event.path == "app/jobs/a";
    let told = regrow::testing::until_event(&mut events, |event| {
        is_of_a(event) && matches!(event.kind, EventKind::GivenUp { .. } | EventKind::Gone)
    });
    assert!(matches!(told.await.unwrap().kind, EventKind::GivenUp { .. }));
    soon("gone", until(a.watch(), |status| status.state == ServiceState::Gone)).await;
    assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    assert_eq!(probe(&tree, "app/jobs/b").generation(), 1);
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn the_tree_ends_with_a_child_that_it_cannot_live_without() {
    let journal = Journal::new();
    let inner = Supervisor::one_for_one("inner")
        .budget(Intensity::unlimited())
        .child(journal.probe("license").policy(policy(0, GiveUp::EndTree)));
    let outer = Supervisor::one_for_one("outer").budget(Intensity::unlimited()).child(inner);
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("db"))
        .child(outer)
        .start()
        .await
        .unwrap();
    probe(&tree, "app/outer/inner/license").cast(ProbeMsg::Fail("no license")).unwrap();
    let report = soon("the end", tree.wait()).await;
    assert!(!report.is_clean() && !report.was_wanted());
    let gave_up = report.gave_up.clone().expect("it gave up");
    assert_eq!((&*gave_up.innermost().child, gave_up.ends_tree), ("app/outer/inner/license", true));
    let text = "gave up on `app/outer`, which gave up on `app/outer/inner`, which gave up on `app/outer/inner/license`: \
                failed: no license (its own budget of 0 restarts in 60s is used up, and the tree does not go on without it)";
    assert_eq!(gave_up.to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn a_start_fails_that_a_child_ends_with_its_tree() {
    let starts = Arc::new(AtomicU64::new(0));
    let child = {
        let starts = starts.clone();
        Child::task("a", move |_| {
            starts.fetch_add(1, SeqCst);
            async { anyhow::bail!("no license") }
        })
    };
    let inner = Supervisor::one_for_one("inner").child(child.policy(policy(2, GiveUp::EndTree)));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(inner).start().await.unwrap();
    let report = soon("the end", tree.wait()).await;
    assert_eq!(
        (report.gave_up.expect("it gave up").innermost().child.as_ref(), starts.load(SeqCst)),
        ("app/inner/a", 3)
    );
}

/// 60 seeds: siblings fail at random, and so does the child that ends the tree. The tree ends exactly once, with it.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_tree_is_not_lost_in_a_race_with_other_restarts() {
    for seed in 0..60 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let journal = Journal::new();
        let inner = Supervisor::one_for_all("inner")
            .budget(Intensity::unlimited())
            .child(journal.probe("x").policy(policy(0, GiveUp::EndTree)))
            .child(journal.probe("y"));
        let tree = Supervisor::one_for_all("app")
            .budget(Intensity::unlimited())
            .child(journal.probe("a"))
            .child(inner)
            .child(journal.probe("z"))
            .start()
            .await
            .unwrap();
        let mut victims = vec!["app/inner/x", "app/inner/y", "app/a", "app/z", "app/z"];
        dice.shuffle(&mut victims);
        for victim in victims {
            // One whose group is stopping refuses.
            drop(probe(&tree, victim).kill());
            if dice.bool() {
                tokio::task::yield_now().await;
            }
        }
        let x = probe(&tree, "app/inner/x");
        // The group may have stopped it before it was killed.
        while tokio::time::timeout(SEC, tree.wait()).await.is_err() {
            drop(x.kill());
        }
        let report = tree.wait().await;
        let gave_up = report.gave_up.unwrap_or_else(|| panic!("seed {seed}: {}", report.exit));
        assert_eq!((&*gave_up.innermost().child, gave_up.ends_tree), ("app/inner/x", true), "seed {seed}");
    }
}
