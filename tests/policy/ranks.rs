//! What is special wins over what is general, whether code, a file or the environment says it. In running trees.
//!
//! Found by a newcomer: `[defaults]` of a file replaced what the code had said about one child, while defaults of the code
//! did not.

use crate::common::tree::{MS, SEC, in_hand, probe};
use regrow::policy::Policies;
use regrow::testing::Journal;
use regrow::{
    Backoff, ChildSpec, DynamicSupervisor, Intensity, OnRestart, Overflow, Policy, Restart, Shutdown, StartError,
    Supervisor, Tree,
};

const FILE: &str = "[defaults]\ndelay = \"20ms\"\nrestart = \"transient\"\nshutdown_timeout = \"2s\"\nmailbox = 2\n";

fn parse(text: &str) -> Policies {
    Policies::parse(text, "shop.toml").unwrap()
}

fn delay(first: std::time::Duration) -> Policy {
    Policy::default().backoff(Backoff::new(first))
}

async fn spec(tree: &Tree, path: &str) -> ChildSpec {
    let (supervisor, name) = path.rsplit_once('/').unwrap();
    match tree.supervisor(supervisor) {
        Ok(supervisor) => supervisor.child_spec(name).await.unwrap().unwrap(),
        Err(_) => tree.dynamic(supervisor).unwrap().child_spec(name).await.unwrap().unwrap(),
    }
}

async fn first_delay(tree: &Tree, path: &str) -> Option<std::time::Duration> {
    spec(tree, path).await.policy_rule().backoff.and_then(|backoff| backoff.growth()).map(|(first, ..)| first)
}

/// One service of each kind of rank, under the root's own defaults of 10 ms.
async fn shop(policies: &Policies) -> Tree {
    let journal = Journal::new();
    let workers = journal.clone();
    Supervisor::one_for_one("shop")
        .defaults(delay(10 * MS))
        .policies(policies)
        .child(journal.probe("till"))
        .child(journal.probe("gateway").policy(delay(5 * SEC)))
        .child(Supervisor::one_for_one("back").child(journal.probe("store")))
        .child(Supervisor::one_for_one("front").defaults(delay(SEC)).child(journal.probe("desk")))
        .child(
            DynamicSupervisor::new("workers").template(move |name: String| workers.probe(&name).policy(delay(7 * SEC))),
        )
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_the_code_says_about_a_child_or_its_siblings_stands_above_the_defaults_of_a_file() {
    for is_there_from_the_start in [true, false] {
        let tree = shop(&if is_there_from_the_start { parse(FILE) } else { Policies::default() }).await;
        let template = tree.dynamic("shop/workers").unwrap().template::<String>().unwrap();
        template.start_child("w-1".into()).await.unwrap();
        if !is_there_from_the_start {
            for path in ["shop/till", "shop/back/store"] {
                assert_eq!(first_delay(&tree, path).await, Some(10 * MS), "the root's defaults are for all: {path}");
            }
            tree.apply(&parse(FILE)).await.unwrap();
        }
        for (path, expected) in [
            ("shop/till", 20 * MS),
            ("shop/back/store", 20 * MS),
            ("shop/gateway", 5 * SEC),
            ("shop/front/desk", SEC),
            ("shop/workers/w-1", 7 * SEC),
        ] {
            assert_eq!(first_delay(&tree, path).await, Some(expected), "{path}, {is_there_from_the_start}");
        }
        // Their paths in the file are as special as the code, and the file is the later layer.
        let special = "[path.\"shop/*\"]\ndelay = \"3s\"\n[supervisor.\"shop/front\".defaults]\ndelay = \"4s\"\n";
        tree.apply(&parse(special)).await.unwrap();
        assert_eq!(first_delay(&tree, "shop/gateway").await, Some(3 * SEC));
        assert_eq!(first_delay(&tree, "shop/front/desk").await, Some(4 * SEC));
        // Nothing of it sticks: the code has each its own word back.
        let back = tree.apply(&Policies::default()).await.unwrap();
        assert!(!back.is_empty(), "{back}");
        for (path, expected) in [("shop/till", 10 * MS), ("shop/gateway", 5 * SEC), ("shop/front/desk", SEC)] {
            assert_eq!(first_delay(&tree, path).await, Some(expected), "{path}");
        }
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_type_a_shutdown_and_a_mailbox_that_the_code_names_stand_too() {
    let journal = Journal::new();
    let named = journal.probe("named").restart(Restart::Permanent).shutdown(Shutdown::After(5 * SEC));
    // What it names here is what it would have been anyway: it is named all the same.
    let named = named.capacity(1024).overflow(Overflow::Refuse).on_restart(OnRestart::Keep).wait_for_room(5 * SEC);
    let tree = Supervisor::one_for_one("app").policies(&parse(FILE)).child(named).child(journal.probe("open")).start();
    let tree = tree.await.unwrap();
    let (named, open) = (spec(&tree, "app/named").await, spec(&tree, "app/open").await);
    assert_eq!((named.restart_type(), named.shutdown_rule()), (Restart::Permanent, Shutdown::After(5 * SEC)));
    assert_eq!((open.restart_type(), open.shutdown_rule()), (Restart::Transient, Shutdown::After(2 * SEC)));
    for (path, room) in [("app/named", 3), ("app/open", 2)] {
        let probe = probe(&tree, path);
        probe.cast(regrow::testing::ProbeMsg::Hang).unwrap();
        in_hand(&probe).await;
        let taken = (0..3).filter(|note| probe.cast(regrow::testing::ProbeMsg::Note(*note)).is_ok()).count();
        assert_eq!(taken, room, "{path}");
    }
    drop(tree);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_reported_for_the_children_that_it_reaches() {
    let tree = shop(&Policies::default()).await;
    let applied = tree.apply(&parse("[defaults]\ndelay = \"20ms\"\n")).await.unwrap();
    let told: Vec<_> = applied.live.iter().map(|change| &*change.path).collect();
    assert_eq!(told, ["shop/till", "shop/back/store"]);
    tree.shutdown().await;
}

// A budget that the root gives every service decides about redelivery below a nested supervisor as well.
#[tokio::test(start_paused = true)]
async fn redelivery_is_checked_under_the_roots_defaults_at_every_depth() {
    let start = |restarts| {
        let nested = Supervisor::one_for_one("nested").child(clerk());
        let budget = Policy::default().budget(Intensity::new(restarts, SEC));
        Supervisor::one_for_one("app").budget(Intensity::unlimited()).defaults(budget).child(nested).start()
    };
    start(3).await.unwrap().shutdown().await;
    let refused = start(2).await.unwrap_err();
    assert!(matches!(&refused, StartError::TooManyRedeliveries { path, .. } if &**path == "app/nested/a"), "{refused}");
}

fn clerk() -> regrow::ServiceChild<u8> {
    struct Clerk;
    impl regrow::Service for Clerk {
        type Msg = u8;
        async fn handle(&mut self, _: u8, _: &mut regrow::Context<Self>) -> anyhow::Result<()> {
            Ok(())
        }
    }
    regrow::Child::service("a", |_| async { Ok(Clerk) }).redeliver(2)
}
