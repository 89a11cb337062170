//! The partitioned supervisor: one partition per key, through crashes and restarts of whatever is above.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::common::tree::{SEC, soon, stands, up};
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    Child, ChildKind, ChildState, Handle, Intensity, LookupError, Partitioned, Partitions, Restart, ServiceState,
    StartError, Supervisor, Tree, mailbox,
};

fn cache(journal: &Journal, partitions: usize) -> Partitioned<ProbeMsg> {
    let journal = journal.clone();
    Partitioned::new("cache", partitions, move |_| journal.probe("whatever"))
}

async fn app(cache: Partitioned<ProbeMsg>) -> (Tree, Partitions<ProbeMsg>) {
    let tree = Supervisor::one_for_one("app").child(cache.budget(Intensity::unlimited())).start().await.unwrap();
    let cache = tree.partitions("app/cache").unwrap();
    (tree, cache)
}

fn paths(cache: &Partitions<ProbeMsg>) -> Vec<String> {
    cache.handles().iter().map(|handle| handle.path().to_string()).collect()
}

async fn noted(handle: &Handle<ProbeMsg>) -> Vec<u64> {
    soon("an answer", handle.call(ProbeMsg::Noted)).await.unwrap()
}

#[tokio::test]
async fn a_key_has_one_partition_and_every_partition_has_keys() {
    let (tree, cache) = app(cache(&Journal::new(), 4)).await;
    assert_eq!((cache.len(), cache.path()), (4, "app/cache"));
    assert_eq!(paths(&cache), ["app/cache/0", "app/cache/1", "app/cache/2", "app/cache/3"]);
    let mut shares = [0; 4];
    for key in 0..1000 {
        let handle = cache.handle_for(&key);
        assert_eq!(handle, cache.clone().handle_for(&key));
        assert_eq!(handle, cache.handles()[cache.partition_of(&key)]);
        assert_eq!(handle, tree.lookup(&format!("app/cache/{}", cache.partition_of(&key))).unwrap());
        shares[cache.partition_of(&key)] += 1;
    }
    assert!(shares.iter().all(|&share| share > 150), "{shares:?}");
    assert_eq!(cache.handle_for("a key"), cache.handle_for(&String::from("a key")), "as with a HashMap");
    tree.shutdown().await;
}

#[tokio::test]
async fn each_partition_knows_its_number_and_where_it_stands() {
    let journal = Journal::new();
    let seen = journal.clone();
    let cache = Partitioned::new("cache", 3, move |index| {
        seen.write(format!("made {index}"));
        seen.probe("p")
    });
    let (tree, cache) = app(cache).await;
    assert_eq!(journal.lines()[..3], ["made 0", "made 1", "made 2"]);
    assert_eq!(journal.lines()[3..], ["start 0#1", "start 1#1", "start 2#1"]);
    let lines = cache.which_children().await.unwrap();
    let lines: Vec<_> = lines.iter().map(|child| (&*child.path, child.kind, child.standing)).collect();
    let line = |path| (path, ChildKind::Service, ChildState::Up);
    assert_eq!(lines, [line("app/cache/0"), line("app/cache/1"), line("app/cache/2")]);
    assert_eq!(tree.directory().kind("app/cache"), Some(ChildKind::Partitioned));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_partition_that_is_killed_comes_back_alone_under_its_handle_with_its_queue() {
    let journal = Journal::new();
    let (tree, cache) = app(cache(&journal, 3)).await;
    let mine = cache.handle_for("key");
    mine.cast(ProbeMsg::Panic("boom")).unwrap();
    mine.cast(ProbeMsg::Note(1)).unwrap();
    assert_eq!(noted(&mine).await, [1]);
    assert_eq!(mine, cache.handle_for("key"));
    let mut generations: Vec<_> = cache.handles().iter().map(Handle::generation).collect();
    generations.sort();
    assert_eq!(generations, [1, 1, 2]);
    tree.shutdown().await;
}

#[tokio::test]
async fn all_handles_stay_through_restarts_of_the_supervisor_and_of_those_above() {
    let journal = Journal::new();
    let above = Supervisor::one_for_one("above").child(cache(&journal, 3));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(above).start().await.unwrap();
    let cache: Partitions<ProbeMsg> = tree.partitions("app/above/cache").unwrap();
    let handles = cache.handles();
    for (victim, generation) in [("app/above/cache", 2), ("app/above", 3)] {
        // These are not handled before the end.
        for handle in &handles {
            handle.cast(ProbeMsg::Hang).unwrap();
            handle.cast(ProbeMsg::Note(generation)).unwrap();
        }
        tree.kill(victim).unwrap();
        for handle in &handles {
            assert_eq!(noted(handle).await, [generation], "the queue is kept");
            assert_eq!(handle.generation(), generation);
        }
        assert_eq!(cache.handles(), handles);
        assert_eq!(tree.partitions::<ProbeMsg>("app/above/cache").unwrap().handles(), handles);
    }
    assert_eq!(journal.alive_max(), 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn out_of_budget_the_supervisor_is_restarted_with_all_its_partitions() {
    let journal = Journal::new();
    let cache = cache(&journal, 2).intensity(1, 60 * SEC);
    let tree = Supervisor::one_for_one("app").child(cache).start().await.unwrap();
    let cache = tree.partitions::<ProbeMsg>("app/cache").unwrap();
    let [a, b] = &cache.handles()[..] else { panic!("two of them") };
    a.cast(ProbeMsg::Panic("one")).unwrap();
    a.cast(ProbeMsg::Panic("one too many")).unwrap();
    soon("b", until(b.watch(), |status| status.state == ServiceState::Up && status.generation == 2)).await;
    assert_eq!(soon("a", a.call(ProbeMsg::Generation)).await.unwrap(), 3);
    tree.shutdown().await;
    assert!([a, b].iter().all(|handle| handle.status().state == ServiceState::Gone));
}

#[tokio::test]
async fn no_partitions_are_refused_by_their_path() {
    let journal = Journal::new();
    let error = Supervisor::one_for_one("app").child(cache(&journal, 0)).start().await.unwrap_err();
    assert!(matches!(&error, StartError::ZeroPartitions { path } if &**path == "app/cache"), "{error:?}");
    assert_eq!(error.to_string(), "the partitioned supervisor `app/cache` has no partitions: give it one or more");

    let tree = Supervisor::one_for_one("app").start().await.unwrap();
    let error = tree.supervisor("app").unwrap().start_child(cache(&journal, 0)).await.unwrap_err();
    assert_eq!(error.to_string(), "the partitioned supervisor `app/cache` has no partitions: give it one or more");
    assert!(tree.partitions::<ProbeMsg>("app/cache").is_err());
    tree.shutdown().await;
}

#[tokio::test]
async fn a_look_up_with_the_wrong_type_or_of_something_else_says_so() {
    let (tree, _) = app(cache(&Journal::new(), 2)).await;
    let error = tree.partitions::<u32>("app/cache").unwrap_err();
    assert!(matches!(&error, LookupError::WrongType { path, .. } if &**path == "app/cache"), "{error:?}");
    assert_eq!(error.to_string(), "`app/cache` takes messages of type `regrow::testing::ProbeMsg`, not `u32`");
    let error = tree.partitions::<ProbeMsg>("app").unwrap_err();
    assert_eq!(error.to_string(), "`app` is a supervisor, not a partitioned supervisor: find it with `supervisor`");
    let error = tree.supervisor("app/cache").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`app/cache` is a partitioned supervisor, not a supervisor: find it with `partitions`"
    );
    assert!(matches!(tree.partitions::<ProbeMsg>("cache"), Err(LookupError::NotFullPath { .. })));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_service_finds_the_partitions_beside_it_and_serves_through_them() {
    let journal = Journal::new();
    let tree =
        Supervisor::one_for_one("app").child(cache(&journal, 2)).child(journal.probe("client")).start().await.unwrap();
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    tree.lookup::<ProbeMsg>("app/client")
        .unwrap()
        .cast(ProbeMsg::Run(Box::new(move |ctx| {
            let cache = ctx.partitions::<ProbeMsg>("cache").unwrap();
            cache.handle_for(&5).cast(ProbeMsg::Note(5)).unwrap();
            assert!(ctx.partitions::<ProbeMsg>("client").is_err() && ctx.dynamic("cache").is_err());
            told.send(cache).unwrap();
        })))
        .unwrap();
    let cache = soon("the client", tell.recv()).await.unwrap();
    assert_eq!(noted(&cache.handle_for(&5)).await, [5]);
    tree.shutdown().await;
    assert_eq!(cache.handle_for(&5).status().state, ServiceState::Gone);
    assert!(cache.which_children().await.is_err() && cache.resize(3).await.is_err());
}

#[tokio::test]
async fn as_a_child_it_starts_stops_and_ignores_like_any_supervisor() {
    let journal = Journal::new();
    let init = AtomicUsize::new(0);
    let cache = cache(&journal, 2).restart(Restart::Transient).init(move || match init.fetch_add(1, SeqCst) {
        0 => Ok(()),
        1 => anyhow::bail!("not yet"),
        _ => regrow::ignore(),
    });
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(cache).start().await.unwrap();
    let cache = tree.partitions::<ProbeMsg>("app/cache").unwrap();
    assert_eq!(journal.take(), ["start 0#1", "start 1#1"]);
    tree.kill("app/cache").unwrap();
    stands(&tree, "app/cache", ServiceState::Down).await;
    for handle in cache.handles() {
        soon("down", until(handle.watch(), |status| status.state == ServiceState::Down)).await;
    }
    let app = tree.supervisor("app").unwrap();
    app.delete_child("cache").await.unwrap();
    assert!(cache.handles().iter().all(|handle| handle.status().state == ServiceState::Gone));
    assert_eq!(tree.directory().entries().len(), 1);
    tree.shutdown().await;
}

#[tokio::test]

async fn partitions_keep_their_handles_when_the_description_above_is_made_anew() {
    let journal = Journal::new();
    let of = journal.clone();
    let above = Child::supervisor("s", move || Supervisor::one_for_one("s").child(cache(&of, 2)).child(of.probe("a")));
    let tree = Supervisor::one_for_one("app").child(above).start().await.unwrap();
    let cache = tree.partitions::<ProbeMsg>("app/s/cache").unwrap();
    let (a, key) = (tree.lookup::<ProbeMsg>("app/s/a").unwrap(), cache.handle_for("key"));
    tree.kill("app/s").unwrap();
    up(&tree, "app/s", 2).await;
    assert_eq!(soon("a", a.call(ProbeMsg::Generation)).await.unwrap(), 2, "a service keeps its handles");
    assert_ne!(key.status().state, ServiceState::Gone, "and so does a partition");
    assert_ne!(cache.handle_for("key").status().state, ServiceState::Gone, "`Partitions` are valid for ever");
    tree.shutdown().await;
}

#[tokio::test]

async fn a_mailbox_that_the_factory_brings_along_is_refused() {
    let journal = Journal::new();
    let (given, handle) = mailbox();
    let given = std::sync::Mutex::new(Some(given));
    let cache = Partitioned::new("cache", 2, move |_| match given.lock().unwrap().take() {
        Some(given) => journal.probe("p").mailbox(given),
        None => journal.probe("p"),
    });
    let refused = Supervisor::one_for_one("app").child(cache).start().await.unwrap_err();
    assert!(matches!(refused, StartError::NoEffect { setting: "mailbox", .. }), "{refused}");
    assert_eq!(handle.status().state, ServiceState::Gone, "its handle is told");
}
