//! Each cell of the table of acts.

use std::sync::Arc;
use std::time::Duration;

use super::{ActError, Acted, Deed};
use crate::error::manage::ManageError;
use crate::slot::status::ServiceState;
use crate::testing::{Journal, until, until_event};
use crate::tree::KillError;
use crate::{
    Child, Dependency, DynamicSupervisor, EventKind, Intensity, Partitioned, Policy, Readiness, Supervisor, Tree,
};

const DEEDS: [Deed; 6] = [Deed::Kill, Deed::Restart, Deed::Terminate, Deed::Start, Deed::Park, Deed::Revive];

/// The paths of children of each kind, all below the root.
const EACH: [&str; 9] = [
    "app/service",
    "app/task",
    "app/thread",
    "app/actor",
    "app/fixed",
    "app/pool",
    "app/shards",
    "app/pool/job",
    "app/shards/0",
];

struct Idle;

impl ractor::Actor for Idle {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ractor::ActorRef<()>, (): ()) -> Result<(), ractor::ActorProcessingErr> {
        Ok(())
    }
}

async fn tree() -> Tree {
    let journal = Journal::new();
    let partition = journal.clone();
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("service"))
        .child(Child::task("task", |ctx| async move {
            ctx.stopping().await;
            Ok(())
        }))
        .child(Child::thread("thread", |mut inbox: crate::Inbox<()>| {
            while inbox.next().is_some() {}
            Ok(())
        }))
        .child(Child::actor("actor", || (Idle, ())))
        .child(Supervisor::one_for_one("fixed").child(journal.probe("leaf")))
        .child(DynamicSupervisor::new("pool").budget(Intensity::unlimited()))
        .child(Partitioned::new("shards", 2, move |_| partition.probe("shard")).budget(Intensity::unlimited()))
        .start()
        .await
        .expect("it starts");
    tree.dynamic("app/pool").expect("it is there").start_child(journal.probe("job")).await.expect("it starts");
    tree
}

fn state(tree: &Tree, path: &str) -> Option<ServiceState> {
    tree.directory().status(path).map(|status| status.state)
}

fn generation(tree: &Tree, path: &str) -> u64 {
    tree.directory().status(path).map_or(0, |status| status.generation)
}

async fn act(tree: &Tree, deed: Deed, path: &str, meant: Option<u64>) -> Result<Acted, ActError> {
    tree.shared.act(deed, path, "why not".into(), meant).await
}

/// Waits until the child is up in this generation.
async fn is_up(tree: &Tree, path: &str, generation: u64) {
    let watch = tree.directory().watch(path).expect("it is there");
    until(watch, move |status| status.state == ServiceState::Up && status.generation == generation).await;
}

fn is_dynamic(path: &str) -> bool {
    path.starts_with("app/pool/")
}

fn is_partition(path: &str) -> bool {
    path.starts_with("app/shards/")
}

#[tokio::test(start_paused = true)]
async fn a_kill_ends_the_incarnation_of_any_child() {
    let tree = tree().await;
    for path in EACH.into_iter().rev() {
        let before = generation(&tree, path);
        assert_eq!(act(&tree, Deed::Kill, path, None).await.ok(), Some(Acted::Done), "{path}");
        is_up(&tree, path, before + 1).await;
        let outdated = act(&tree, Deed::Kill, path, Some(before)).await;
        assert!(matches!(outdated, Err(ActError::Replaced { .. })), "{path}: {outdated:?}");
        assert_eq!(act(&tree, Deed::Kill, path, Some(before + 1)).await.ok(), Some(Acted::Done), "{path}");
        is_up(&tree, path, before + 2).await;
    }
    tree.shutdown().await;
}

// The order waits while a group is restarted, and finds another generation then.
#[tokio::test(start_paused = true)]
async fn an_order_that_waited_is_checked_when_it_is_carried_out() {
    let journal = Journal::new();
    let slow = Child::task("slow", |ctx| async move {
        ctx.stopping().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(())
    });
    let tree = Supervisor::one_for_all("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("db"))
        .child(slow)
        .start()
        .await
        .expect("it starts");
    for deed in [Deed::Park, Deed::Terminate, Deed::Restart] {
        let before = generation(&tree, "app/slow");
        let mut events = tree.events();
        tree.kill("app/db").expect("it runs");
        until_event(&mut events, |event| &*event.path == "app/db" && matches!(event.kind, EventKind::Exited { .. }))
            .await;
        let late = act(&tree, deed, "app/slow", Some(before)).await;
        let found =
            matches!(late, Err(ActError::Replaced { meant, latest, .. }) if (meant, latest) == (before, before + 1));
        assert!(found, "{deed:?}: {late:?}");
        assert_eq!(state(&tree, "app/slow"), Some(ServiceState::Up));
    }
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_brings_up_the_next_generation_of_any_child() {
    let tree = tree().await;
    // Children of supervisors first: a dynamic supervisor that is restarted has none.
    for path in EACH.into_iter().rev() {
        let before = generation(&tree, path);
        assert_eq!(act(&tree, Deed::Restart, path, Some(before)).await.ok(), Some(Acted::Up(before + 1)), "{path}");
        let outdated = act(&tree, Deed::Restart, path, Some(before)).await;
        assert!(matches!(outdated, Err(ActError::Replaced { .. })), "{path}: {outdated:?}");
        assert_eq!(generation(&tree, path), before + 1, "{path}");
    }
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_termination_stops_any_child_but_a_partition_and_a_start_brings_it_back() {
    let tree = tree().await;
    for path in EACH.into_iter().rev() {
        if is_partition(path) {
            for deed in [Deed::Terminate, Deed::Start] {
                assert!(matches!(act(&tree, deed, path, None).await, Err(ActError::IsPartition { .. })), "{path}");
            }
            continue;
        }
        if is_dynamic(path) {
            assert!(matches!(act(&tree, Deed::Start, path, None).await, Err(ActError::IsDynamic { .. })));
            assert_eq!(act(&tree, Deed::Terminate, path, Some(1)).await.ok(), Some(Acted::Done));
            assert!(matches!(act(&tree, Deed::Start, path, None).await, Err(ActError::NotFound { .. })));
            continue;
        }
        let before = generation(&tree, path);
        let running = act(&tree, Deed::Start, path, None).await;
        assert!(matches!(running, Err(ActError::Refused(ManageError::Running { .. }))), "{path}: {running:?}");
        assert_eq!(act(&tree, Deed::Terminate, path, Some(before)).await.ok(), Some(Acted::Done), "{path}");
        assert_eq!(state(&tree, path), Some(ServiceState::Down), "{path}");
        for deed in [Deed::Restart, Deed::Park, Deed::Revive] {
            let down = act(&tree, deed, path, None).await;
            assert!(matches!(down, Err(ActError::Refused(ManageError::Down { .. }))), "{deed:?} {path}: {down:?}");
        }
        assert!(matches!(act(&tree, Deed::Kill, path, None).await, Err(ActError::NotKilled(KillError::NotRunning(_)))));
        assert_eq!(act(&tree, Deed::Start, path, Some(before)).await.ok(), Some(Acted::Up(before + 1)), "{path}");
    }
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_park_sets_any_child_aside_and_a_revival_starts_it() {
    let tree = tree().await;
    for path in EACH.into_iter().rev() {
        let before = generation(&tree, path);
        assert!(matches!(
            act(&tree, Deed::Revive, path, None).await,
            Err(ActError::Refused(ManageError::Running { .. }))
        ));
        let outdated = act(&tree, Deed::Park, path, Some(before + 7)).await;
        assert!(matches!(outdated, Err(ActError::Replaced { .. })), "{path}: {outdated:?}");
        assert_eq!(act(&tree, Deed::Park, path, Some(before)).await.ok(), Some(Acted::Done), "{path}");
        tokio::time::sleep(Duration::from_secs(100_000)).await;
        assert_eq!(state(&tree, path), Some(ServiceState::Parked { until: None }), "{path}");
        let why = tree.why(path).await.expect("it is there").to_string();
        assert!(why.starts_with(&format!("`{path}` is parked by order: why not.")), "{why}");
        let again = act(&tree, Deed::Park, path, None).await;
        assert!(matches!(again, Err(ActError::Refused(ManageError::Parked { .. }))), "{path}: {again:?}");
        if !is_dynamic(path) && !is_partition(path) {
            let start = act(&tree, Deed::Start, path, None).await;
            assert!(matches!(start, Err(ActError::Refused(ManageError::Parked { .. }))), "{path}: {start:?}");
        }
        let restart = act(&tree, Deed::Restart, path, None).await;
        assert!(matches!(restart, Err(ActError::Refused(ManageError::Parked { .. }))), "{path}: {restart:?}");
        assert_eq!(act(&tree, Deed::Revive, path, Some(before)).await.ok(), Some(Acted::Done), "{path}");
        is_up(&tree, path, before + 1).await;
    }
    tree.shutdown().await;
}

// A child that has not come up yet is shown in generation 0.
#[tokio::test(start_paused = true)]
async fn a_child_that_was_never_up_has_generation_zero() {
    let needs = Policy::default().depends_on([Dependency::ready("db")]);
    let journal = Journal::new();
    let db = journal.probe("db").policy(Policy::default().readiness(Readiness::WhenSaid));
    let tree = Supervisor::one_for_one("app").child(db).child(journal.probe("web").policy(needs));
    let tree = tree.start().await.expect("it starts");
    assert_eq!(generation(&tree, "app/web"), 0);
    assert!(matches!(
        act(&tree, Deed::Park, "app/web", Some(1)).await,
        Err(ActError::Replaced { meant: 1, latest: 0, .. })
    ));
    assert_eq!(act(&tree, Deed::Park, "app/web", Some(0)).await.ok(), Some(Acted::Done));
    assert_eq!(act(&tree, Deed::Revive, "app/web", Some(0)).await.ok(), Some(Acted::Done));
    is_up(&tree, "app/web", 1).await;
    assert!(matches!(act(&tree, Deed::Park, "app/web", Some(0)).await, Err(ActError::Replaced { .. })));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_to_the_root_or_to_a_path_that_nothing_has() {
    let tree = tree().await;
    for deed in DEEDS {
        let refused = act(&tree, deed, "app", None).await.expect_err("it is the root");
        assert!(matches!(refused, ActError::IsRoot { .. }), "{refused:?}");
        assert!(refused.to_string().starts_with("`app` is the root"), "{refused}");
        for path in ["", "app/nobody", "nobody", "app/service/below", "app//service", "/app/service"] {
            let refused = act(&tree, deed, path, None).await.expect_err("nothing has this path");
            assert!(matches!(refused, ActError::NotFound { .. }), "{path}: {refused:?}");
        }
    }
    assert_eq!(state(&tree, "app"), Some(ServiceState::Up));
    tree.shutdown().await;
}

/// Each refusal names the path, and what to do.
#[tokio::test(start_paused = true)]
async fn refusals_name_the_path_and_what_to_do() {
    let tree = Arc::new(tree().await);
    let said = |deed, path: &'static str, meant| {
        let tree = tree.clone();
        async move { act(&tree, deed, path, meant).await.expect_err("it is refused").to_string() }
    };
    assert_eq!(
        said(Deed::Restart, "app/service", Some(9)).await,
        "`app/service` is already replaced: generation 9 was meant, 1 is the latest"
    );
    assert_eq!(
        said(Deed::Park, "app", None).await,
        "`app` is the root, which cannot be made to wait to be revived: shut the tree down"
    );
    assert_eq!(
        said(Deed::Terminate, "app/shards/1", None).await,
        "`app/shards/1` is a partition, and its keys would have no service: park it, or resize its supervisor"
    );
    assert_eq!(
        said(Deed::Start, "app/pool/job", None).await,
        "`app/pool/job` is a child of a dynamic supervisor, and is never down: revive it if it is parked or waits"
    );
    tree.shutdown().await;
}
