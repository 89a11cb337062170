//! Partitions that are supervisors: a subtree for each part of the keys.

use std::sync::Arc;

use fastrand::Rng;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    ChildKind, DynamicSupervisor, Intensity, LookupError, Partitioned, PartitionedSupervisors, StartError, Supervisor,
    SupervisorPartitions, Tree,
};

use crate::common::tree::{probe, soon, turns, up};

fn shards(journal: &Journal, partitions: usize) -> PartitionedSupervisors {
    let journal = journal.clone();
    let make = move |_| {
        let shard = Supervisor::one_for_all("shard").budget(Intensity::unlimited());
        shard.children(["db", "web"].map(|name| journal.probe(name)))
    };
    Partitioned::supervisors("shards", partitions, make).budget(Intensity::unlimited())
}

async fn app(journal: &Journal) -> (Tree, SupervisorPartitions) {
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(shards(journal, 3));
    let tree = app.start().await.unwrap();
    let shards = tree.supervisor_partitions("app/shards").unwrap();
    (tree, shards)
}

#[tokio::test]
async fn a_key_has_one_subtree_with_services_of_its_own() {
    let journal = Journal::new();
    let (tree, shards) = app(&journal).await;
    assert_eq!((shards.len(), tree.directory().kind("app/shards")), (3, Some(ChildKind::Partitioned)));
    for key in 0..100_u64 {
        let number = shards.partition_of(&key);
        let db = shards.lookup_for::<ProbeMsg>(&key, "db").unwrap();
        assert_eq!(&*db.path(), format!("app/shards/{number}/db"));
        assert_eq!(db, probe(&tree, &format!("app/shards/{number}/db")));
        assert_eq!(shards.supervisor_for(&key).unwrap().path(), format!("app/shards/{number}"));
        db.cast(ProbeMsg::Note(key)).unwrap();
    }
    // A crash is the affair of one subtree.
    let (one, other) = (probe(&tree, "app/shards/1/db"), probe(&tree, "app/shards/0/web"));
    one.cast(ProbeMsg::Panic("disk full")).unwrap();
    up(&tree, "app/shards/1/web", 2).await;
    assert_eq!(other.generation(), 1);
    assert_eq!(shards.count_children().await.unwrap().supervisors, 3);
    assert_eq!(shards.which_children().await.unwrap().len(), 3);
    tree.shutdown().await;
}

#[tokio::test]
async fn the_mapping_and_the_handles_outlast_restarts_of_a_subtree_and_of_all() {
    let journal = Journal::new();
    let (tree, shards) = app(&journal).await;
    let db = shards.lookup_for::<ProbeMsg>("ada", "db").unwrap();
    let number = shards.partition_of("ada");
    soon("a restart", tree.restart(&format!("app/shards/{number}"), "why not")).await.unwrap();
    assert_eq!(db.call(ProbeMsg::Generation).await.unwrap(), 2);
    tree.kill("app/shards").unwrap();
    up(&tree, "app/shards", 2).await;
    assert_eq!(db.call(ProbeMsg::Generation).await.unwrap(), 3);
    assert_eq!(shards.lookup_for::<ProbeMsg>("ada", "db").unwrap(), db);
    assert_eq!(soon("a roll", shards.restart_rolling(1, "settings")).await.unwrap(), 3);
    assert_eq!(db.call(ProbeMsg::Generation).await.unwrap(), 4);
    tree.shutdown().await;
}

#[tokio::test]
async fn subtrees_may_be_dynamic_supervisors() {
    let sessions = Partitioned::supervisors("sessions", 4, |_| DynamicSupervisor::new("pool"));
    let tree = sessions.start().await.unwrap();
    let (sessions, journal) = (tree.supervisor_partitions("sessions").unwrap(), Journal::new());
    for user in ["ada", "bob", "eve"] {
        sessions.dynamic_for(user).unwrap().start_child(journal.probe(user)).await.unwrap();
        sessions.lookup_for::<ProbeMsg>(user, user).unwrap().call(ProbeMsg::Generation).await.unwrap();
    }
    assert!(matches!(sessions.supervisor_for("ada"), Err(LookupError::WrongKind { .. })));
    assert_eq!(sessions.dynamic_for("ada").unwrap().tasks().run(async { 1 }).await.unwrap(), 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let journal = Journal::new();
    let none = shards(&journal, 0).start().await.unwrap_err();
    assert!(none.to_string().contains("shards"), "{none}");
    let many = shards(&journal, regrow::PARTITIONS_MAX + 1).start().await.unwrap_err();
    assert!(matches!(many, StartError::TooManyPartitions { .. }), "{many}");
    let (tree, shards) = app(&journal).await;
    assert!(matches!(tree.partitions::<ProbeMsg>("app/shards"), Err(LookupError::PartitionsAreSupervisors { .. })));
    assert!(matches!(tree.supervisor_partitions("app"), Err(LookupError::WrongKind { .. })));
    assert!(shards.lookup_for::<ProbeMsg>("ada", "none").is_err() && shards.supervisor(3).is_err());
    tree.shutdown().await;
}

/// Calls by key beside kills of services, subtrees and the whole: each has an answer, and in the end all are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_calls_by_key_are_answered() {
    for seed in 0..30_u64 {
        let mut random = Rng::with_seed(seed);
        let journal = Journal::new();
        let (tree, shards) = app(&journal).await;
        let tree = Arc::new(tree);
        let killer = tokio::spawn({
            let (tree, mut random) = (tree.clone(), random.fork());
            async move {
                for _ in 0..12 {
                    turns(random.usize(0..8)).await;
                    let number = random.usize(0..3);
                    let path = match random.u8(0..4) {
                        0 => "app/shards".to_owned(),
                        1 => format!("app/shards/{number}"),
                        _ => format!("app/shards/{number}/db"),
                    };
                    let _ = tree.kill(&path);
                }
            }
        });
        for key in 0..60_u64 {
            let db = shards.lookup_for::<ProbeMsg>(&key, "db").unwrap();
            let _ = soon("a call", db.call(ProbeMsg::Generation)).await;
        }
        killer.await.unwrap();
        for key in 0..10_u64 {
            let db = shards.lookup_for::<ProbeMsg>(&key, "db").unwrap();
            let answer = async {
                while db.call(ProbeMsg::Generation).await.is_err() {
                    tokio::task::yield_now().await;
                }
            };
            soon("an answer", answer).await;
            assert!(db.accounting().is_balanced(), "seed {seed}: {}", db.accounting());
        }
        soon("shutdown", tree.shutdown()).await;
    }
}
