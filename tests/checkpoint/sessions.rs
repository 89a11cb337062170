//! Dynamic services with a checkpoint each: they come and go under names that are used again, in one tree or in two.

use regrow::checkpoint::{Checkpoints, FileStore, MemoryStore};
use regrow::{CallError, DynamicSupervisor, Handle, Restart, Supervisor, Tree};

use crate::common::tree::soon;
use crate::tally::{Msg, add, count, grouped, plain};

async fn pool() -> Tree {
    let pool = DynamicSupervisor::new("pool");
    Supervisor::one_for_one("app").child(pool).start().await.unwrap()
}

#[tokio::test]
async fn a_session_that_is_started_again_under_its_name_finds_its_value_and_one_that_is_discarded_does_not() {
    let (store, tree) = (Checkpoints::new(MemoryStore::new()), pool().await);
    let pool = tree.dynamic("app/pool").unwrap();
    for round in 0..3 {
        for make in [plain, grouped] {
            let session = make("user-1", store.clone()).restart(Restart::Temporary);
            soon("a start", pool.start_child(session)).await.unwrap();
            let session: Handle<Msg> = pool.lookup("user-1").unwrap();
            assert!(session.saves().unwrap().saves == 0, "the figures are of this service");
            add(&session, 1).await;
            session.cast(Msg::Note(1)).unwrap();
            assert_eq!(count(&session).await % 2, 0);
            soon("the stop", pool.terminate_child("user-1")).await.unwrap();
        }
        if round == 1 {
            store.discard("app/pool/user-1").await.unwrap();
        }
    }
    soon("a start", pool.start_child(plain("user-1", store.clone()))).await.unwrap();
    let session = pool.lookup("user-1").unwrap();
    assert_eq!(count(&session).await, 4);
    tree.shutdown().await;
}

#[tokio::test]
async fn two_trees_on_one_store_supersede_each_other_and_the_error_names_the_other_one() {
    let directory = tempfile::tempdir().unwrap();
    for store in [Checkpoints::new(MemoryStore::new()), Checkpoints::new(FileStore::open(directory.path()).unwrap())] {
        let (first, second) =
            (crate::tally::tree([plain("a", store.clone())]).await, crate::tally::tree([plain("a", store)]).await);
        let (one, other) = (crate::tally::find(&first, "a"), crate::tally::find(&second, "a"));
        assert_eq!(add(&other, 1).await, 1);
        let outcome = soon("an end", one.call(|reply| Msg::Add(10, reply))).await;
        let Err(CallError::Crashed { exit, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(exit.to_string().contains("app/a"), "{exit}");
        // The next life of the first one has the right to save, and the value of the other.
        assert_eq!(add(&one, 10).await, 11);
        first.shutdown().await;
        second.shutdown().await;
    }
}
