//! Dynamic supervisors whose children have a restart budget each.

use std::time::Duration;

use regrow::policy::Policies;
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    Child, DynamicHandle, DynamicSupervisor, EventKind, GiveUp, Intensity, Policy, Refusal, ServiceState, StartError,
    Supervisor, Tree,
};

use crate::common::tree::{SEC, parked, probe, soon, up};

fn sessions(restarts: u32) -> DynamicSupervisor {
    // The shared budget forgives nothing.
    DynamicSupervisor::new("sessions").intensity(0, SEC).budget_each(Intensity::new(restarts, 60 * SEC))
}

async fn tree_of(sessions: DynamicSupervisor, names: impl IntoIterator<Item = String>) -> (Tree, DynamicHandle) {
    let tree = Supervisor::one_for_one("app").intensity(0, SEC).child(sessions).start().await.unwrap();
    let (handle, journal) = (tree.dynamic("app/sessions").unwrap(), Journal::new());
    for started in handle.start_children(names.into_iter().map(|name| journal.probe(&name))).await {
        started.unwrap();
    }
    (tree, handle)
}

async fn gone(tree: &Tree, path: &str) {
    let Some(watch) = tree.directory().watch(path) else { return };
    soon("gone", until(watch, |status| status.state == ServiceState::Gone)).await;
}

// Reported: two bad requests to one session ended the other 998.
#[tokio::test(start_paused = true)]
async fn bad_requests_to_one_session_end_that_session_and_no_other() {
    let (tree, handle) = tree_of(sessions(1), (0..1000).map(|user| user.to_string())).await;
    let (bad, mut events) = (probe(&tree, "app/sessions/7"), tree.events());
    bad.cast(ProbeMsg::Fail("a bad request")).unwrap();
    up(&tree, "app/sessions/7", 2).await;
    bad.cast(ProbeMsg::Fail("a bad request")).unwrap();
    let told = regrow::testing::until_event(&mut events, |event| matches!(event.kind, EventKind::GivenUp { .. }));
    let text = "app/sessions/7#2 ends for good: failed: a bad request (its own budget of 1 restart in 60s is used up)";
    assert_eq!(told.await.unwrap().to_string(), text);
    gone(&tree, "app/sessions/7").await;
    assert_eq!(bad.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    assert_eq!(handle.count_children().await.unwrap().active, 999);
    assert!(
        (0..1000)
            .filter(|user| *user != 7)
            .all(|user| { probe(&tree, &format!("app/sessions/{user}")).generation() == 1 })
    );
    // The name is free again, and the new session has a budget of its own.
    handle.start_child(Journal::new().probe("7")).await.unwrap();
    probe(&tree, "app/sessions/7").kill().unwrap();
    up(&tree, "app/sessions/7", 2).await;
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_a_child_or_defaults_of_its_supervisor_win() {
    let defaults = sessions(0).defaults(Policy::default().budget(Intensity::new(1, 60 * SEC)));
    let (tree, handle) = tree_of(defaults, ["a".to_owned()]).await;
    let own = Policy::default().budget(Intensity::new(2, 60 * SEC)).on_give_up(GiveUp::park(10 * SEC));
    handle.start_child(Journal::new().probe("b").policy(own)).await.unwrap();
    for (path, restarts) in [("app/sessions/a", 1), ("app/sessions/b", 2)] {
        let why = tree.why(path).await.unwrap();
        let left = why.budget.expect("a limit");
        assert_eq!((left.restarts_max, left.is_own), (restarts, true), "{path}");
    }
    let b = probe(&tree, "app/sessions/b");
    for generation in [2, 3] {
        b.kill().unwrap();
        up(&tree, "app/sessions/b", generation).await;
    }
    b.kill().unwrap();
    parked(&b).await;
    tree.shutdown().await;
}

// A root's defaults are for every service of its tree. The budget of each child is for direct children.
#[tokio::test(start_paused = true)]
async fn a_dynamic_root_gives_its_direct_children_a_budget_each_and_no_one_further_down() {
    let root = DynamicSupervisor::new("root").budget_each(Intensity::new(3, 60 * SEC));
    let tree = root.start().await.unwrap();
    let handle = tree.dynamic("root").unwrap();
    let sub = Supervisor::one_for_one("sub").child(Journal::new().probe("deep"));
    handle.start_child(Child::from(sub)).await.unwrap();
    let budget = |path: &'static str| {
        let why = tree.why(path);
        async move { why.await.unwrap().budget.map(|left| (left.restarts_max, left.is_own)) }
    };
    assert_eq!(budget("root/sub").await, Some((3, true)));
    assert_eq!(budget("root/sub/deep").await, Some((1, false)));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_file_sets_the_same() {
    let file = "[supervisor.\"app/sessions\".defaults]\nmax_restarts = 1\nwithin = \"1m\"\non_give_up = \"stop\"\n";
    let pool = DynamicSupervisor::new("sessions").intensity(0, SEC);
    let policies = Policies::parse(file, "file.toml").unwrap();
    let tree = Supervisor::one_for_one("app").policies(&policies).child(pool).start().await.unwrap();
    let handle = tree.dynamic("app/sessions").unwrap();
    handle.start_child(Journal::new().probe("a")).await.unwrap();
    handle.start_child(Journal::new().probe("b")).await.unwrap();
    let a = probe(&tree, "app/sessions/a");
    a.kill().unwrap();
    up(&tree, "app/sessions/a", 2).await;
    a.kill().unwrap();
    gone(&tree, "app/sessions/a").await;
    assert_eq!(probe(&tree, "app/sessions/b").generation(), 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_budget_that_makes_no_sense_is_refused_and_so_is_a_change_while_it_runs() {
    let senseless = DynamicSupervisor::new("sessions").budget_each(Intensity::new(1, Duration::ZERO));
    let error = Supervisor::one_for_one("app").child(senseless).start().await.unwrap_err();
    let says = "the restart policy of `app/sessions/*` is not valid: the budget's period is zero";
    assert!(matches!(&error, StartError::BadPolicy { .. }) && error.to_string() == says, "{error}");

    let (tree, handle) = tree_of(sessions(1), []).await;
    let error = handle.reconfigure(sessions(2)).await.unwrap_err();
    assert!(error.to_string().contains("budget_each"), "{error}");
    handle.reconfigure(sessions(1).max_children(7)).await.unwrap();
    tree.shutdown().await;
}

/// 40 seeds: many children crash at random, at the same time and while others come. Each ends with its own third crash.
#[tokio::test(start_paused = true)]
async fn crashes_of_many_children_at_the_same_time_are_counted_for_each_alone() {
    for seed in 0..40 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (tree, handle) = tree_of(sessions(2), (0..8).map(|user| user.to_string())).await;
        let mut crashes = [0_u64; 8];
        for round in 0..30 {
            let user = dice.usize(..8);
            let path = format!("app/sessions/{user}");
            if crashes[user] < 3 {
                crashes[user] += 1;
                probe(&tree, &path).kill().unwrap();
                match crashes[user] {
                    3 => {}
                    _ => up(&tree, &path, crashes[user] + 1).await,
                }
            }
            if dice.u8(..6) == 0 {
                handle.start_child(Journal::new().probe(&format!("new{round}"))).await.unwrap();
            }
        }
        for (user, crashes) in crashes.into_iter().enumerate() {
            let path = format!("app/sessions/{user}");
            match crashes {
                3 => gone(&tree, &path).await,
                _ => assert_eq!(probe(&tree, &path).generation(), crashes + 1, "seed {seed}"),
            }
        }
        assert_eq!(tree.supervisor("app").unwrap().count_children().await.unwrap().active, 1);
        assert!(tree.shutdown().await.is_clean());
    }
}
