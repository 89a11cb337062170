//! A look-up that fails names what is there instead, in the words in which it was described; lists are read in part.

use crate::common::tree::soon;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, ChildKind, DynamicSupervisor, Inbox, LookupError, Partitioned, Supervisor, Tree};

/// A child of each kind.
async fn zoo() -> Tree {
    let journal = Journal::new();
    let partition = journal.clone();
    let thread = Child::thread("thread", |inbox: Inbox<u8>| {
        inbox.for_each(drop);
        Ok(())
    });
    let zoo = Supervisor::one_for_one("zoo")
        .child(journal.probe("ledger"))
        .child(thread)
        .child(Child::task("task", |_| std::future::pending()))
        .child(Supervisor::one_for_one("feeds").child(journal.probe("prices")))
        .child(DynamicSupervisor::new("pool"))
        .child(Partitioned::new("ring", 2, move |_| partition.probe("partition")));
    soon("the zoo", zoo.start()).await.unwrap()
}

#[tokio::test]
async fn a_lookup_of_what_takes_no_messages_says_what_it_is_and_how_it_is_found() {
    let tree = zoo().await;
    for (name, said) in [
        ("task", "`zoo/task` is a task, and takes no messages"),
        ("feeds", "`zoo/feeds` is a supervisor, and takes no messages: find it with `supervisor`"),
        ("pool", "`zoo/pool` is a dynamic supervisor, and takes no messages: find it with `dynamic`"),
        ("ring", "`zoo/ring` is a partitioned supervisor, and takes no messages: find it with `partitions`"),
        ("thread", "`zoo/thread` takes messages of type `u8`, not `regrow::testing::ProbeMsg`"),
    ] {
        assert_eq!(tree.lookup::<ProbeMsg>(&format!("zoo/{name}")).unwrap_err().to_string(), said);
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn a_lookup_of_a_supervisor_says_what_is_there_instead() {
    let tree = zoo().await;
    for (name, said) in [
        ("task", "`zoo/task` is a task, not a supervisor"),
        ("thread", "`zoo/thread` is a thread, not a supervisor: find it with `lookup`"),
        ("ledger", "`zoo/ledger` is a service, not a supervisor: find it with `lookup`"),
        ("pool", "`zoo/pool` is a dynamic supervisor, not a supervisor: find it with `dynamic`"),
        ("fees", "nothing is named `zoo/fees` in this tree: `zoo` has no child `fees`; did you mean `zoo/feeds`?"),
    ] {
        assert_eq!(tree.supervisor(&format!("zoo/{name}")).unwrap_err().to_string(), said);
    }
    // A name alone is no path, and the path is suggested, as for services.
    for error in [tree.dynamic("pool").unwrap_err(), tree.dynamic("/zoo/pool").unwrap_err()] {
        assert!(error.to_string().ends_with("; did you mean `zoo/pool`? a path begins with the root"), "{error}");
    }
    assert!(matches!(tree.dynamic("zoo/poool"), Err(LookupError::NoChild { meant: Some(_), .. })));
    assert!(matches!(tree.partitions::<u8>("zoo/x"), Err(LookupError::NoChild { meant: None, .. })));
    assert!(matches!(tree.why("zoo/ledgr").await, Err(LookupError::NoChild { meant: Some(_), .. })));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_lookup_that_leads_nowhere_says_where_the_way_ends() {
    let tree = zoo().await;
    for (path, said) in [
        ("zoo/feeds/price", ": `zoo/feeds` has no child `price`; did you mean `zoo/feeds/prices`?"),
        ("zoo/feed/prices", ": `zoo` has no child `feed`; did you mean `zoo/feeds`?"),
        ("zoo/ledger/prices", ": `zoo/ledger` is a service, and has no children"),
        ("zoo/nothing/like/it", ": `zoo` has no child `nothing`"),
        ("ledger", "; did you mean `zoo/ledger`? a path begins with the root"),
        ("/zoo/ledger", "; did you mean `zoo/ledger`? a path begins with the root"),
        ("park/ledger", ""),
    ] {
        let error = tree.lookup::<ProbeMsg>(path).unwrap_err();
        assert_eq!(error.to_string(), format!("nothing is named `{path}` in this tree{said}"));
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn the_entries_of_a_part_are_in_the_order_of_their_paths() {
    let tree = zoo().await;
    let directory = tree.directory();
    let paths =
        |entries: Vec<regrow::DirectoryEntry>| entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>();
    let services = directory.entries_where(|_, kind| kind == ChildKind::Service);
    assert_eq!(paths(services), ["zoo/feeds/prices", "zoo/ledger", "zoo/ring/0", "zoo/ring/1"]);
    assert_eq!(paths(directory.entries_below("zoo/ring")), ["zoo/ring", "zoo/ring/0", "zoo/ring/1"]);
    assert!(directory.entries_below("zoo/rin").is_empty());
    // The filter may look at the directory itself: no lock is held.
    assert_eq!(directory.entries_where(|path, _| directory.entry(path).is_some()), directory.entries());
    tree.shutdown().await;
}
