//! Looking at a tree: entries, statuses, books and look-ups, none of which asks a service for anything.

use std::time::Duration;

use crate::common::tree::{Gate, SEC, Slow, probe, stands, up};
use regrow::ractor::{Actor, ActorProcessingErr, ActorRef};
use regrow::testing::{Journal, Probe, ProbeMsg, until};
use regrow::{
    Child, ChildKind, Context, EventKind, Handle, Inbox, Intensity, LookupError, Restart, ServiceState, Shutdown,
    Supervisor,
};

struct Nothing;

impl Actor for Nothing {
    type Msg = u8;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<u8>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

#[tokio::test]
async fn everything_is_listed_with_its_kind_its_status_and_its_messages() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub")
        .child(Child::task("task", |_| std::future::pending()))
        .child(Child::thread("thread", |inbox: Inbox<String>| {
            inbox.for_each(drop);
            Ok(())
        }))
        .child(Child::actor("actor", || (Nothing, ())));
    let tree = Supervisor::one_for_one("app").child(journal.probe("z").restart(Restart::Transient)).child(sub);
    let tree = tree.child(journal.probe("a")).start().await.unwrap();
    let directory = tree.directory();
    probe(&tree, "app/z").cast(ProbeMsg::Stop).unwrap();
    stands(&tree, "app/z", ServiceState::Down).await;

    let entries = directory.entries();
    let lines: Vec<_> = entries.iter().map(|entry| format!("{} {} {}", entry.path, entry.kind, entry.status)).collect();
    let listed = [
        "app supervisor up (generation 1)",
        "app/a service up (generation 1)",
        "app/sub supervisor up (generation 1)",
        "app/sub/actor actor up (generation 1)",
        "app/sub/task task up (generation 1)",
        "app/sub/thread thread up (generation 1)",
        "app/z service down (generation 1)",
    ];
    assert_eq!(lines, listed);
    let types: Vec<_> = entries.iter().map(|entry| entry.message_type.rsplit("::").next().unwrap()).collect();
    assert_eq!(types, ["NoMessages", "ProbeMsg", "NoMessages", "u8", "NoMessages", "String", "ProbeMsg"]);
    assert_eq!(directory.kind("app/sub/thread"), Some(ChildKind::Thread));
    assert_eq!(directory.status("app/z").unwrap().state, ServiceState::Down);
    assert_eq!((directory.kind("app/x"), directory.status("app/x")), (None, None));
    assert!(directory.watch("app/x").is_none());
    assert_eq!(tree.path(), "app");
    tree.shutdown().await;
    assert!(directory.entries().iter().all(|entry| entry.status.state == ServiceState::Gone));
}

#[tokio::test]
async fn a_lookup_that_finds_nothing_says_what_was_asked_for() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    for (path, why) in [
        ("/app/a", "; did you mean `app/a`? a path begins with the root"),
        ("", ""),
        ("shop", ""),
        ("app/", ": `app` has no child ``"),
        ("app//a", ": `app` has no child ``"),
        ("app/b", ": `app` has no child `b`"),
        ("app/a/", ": `app/a` is a service, and has no children"),
        ("app/a/b/c", ": `app/a` is a service, and has no children"),
    ] {
        let error = tree.lookup::<ProbeMsg>(path).unwrap_err();
        assert_eq!(error.to_string(), format!("nothing is named `{path}` in this tree{why}"));
    }
    for error in [tree.lookup::<ProbeMsg>("a").unwrap_err(), tree.directory().lookup::<ProbeMsg>("a").unwrap_err()] {
        assert_eq!(error, LookupError::NotFullPath { path: "a".into(), meant: "app/a".into() });
        let said = "nothing is named `a` in this tree; did you mean `app/a`? a path begins with the root";
        assert_eq!(error.to_string(), said);
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn a_lookup_with_the_wrong_messages_names_both_types() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    let error = tree.lookup::<String>("app/a").unwrap_err();
    let LookupError::WrongType { ref path, found, asked } = error else { panic!("{error}") };
    assert_eq!((&**path, found, asked), ("app/a", "regrow::testing::ProbeMsg", "alloc::string::String"));
    assert_eq!(
        error.to_string(),
        "`app/a` takes messages of type `regrow::testing::ProbeMsg`, not `alloc::string::String`"
    );
    let error = tree.lookup::<ProbeMsg>("app").unwrap_err();
    assert!(matches!(error, LookupError::TakesNoMessages { found: ChildKind::Supervisor, .. }), "{error:?}");
    assert_eq!(error.to_string(), "`app` is a supervisor, and takes no messages: find it with `supervisor`");
    tree.shutdown().await;
}

/// Where a service finds itself: in the context of this one, by these names.
async fn found_from(tree: &regrow::Tree, from: &str, name: &'static str) -> Result<String, LookupError> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let look = move |ctx: &Context<Probe>| {
        let found = ctx.lookup::<ProbeMsg>(name).map(|handle| handle.path().to_string());
        let _ = tell.send(found);
    };
    probe(tree, from).cast(ProbeMsg::Run(Box::new(look))).unwrap();
    told.await.unwrap()
}

// Beside it, one scope further up at a time, then as a full path; a leading slash asks for a full path alone.
#[tokio::test]
async fn a_service_finds_the_nearest_of_that_name() {
    let journal = Journal::new();
    let deep = Supervisor::one_for_one("deep").child(journal.probe("me")).child(journal.probe("x"));
    let sub = Supervisor::one_for_one("sub").child(deep).child(journal.probe("x")).child(journal.probe("y"));
    let tree = Supervisor::one_for_one("app").child(sub).child(journal.probe("y")).child(journal.probe("z"));
    let tree = tree.start().await.unwrap();
    for (name, path) in [
        ("x", "app/sub/deep/x"),
        ("y", "app/sub/y"),
        ("z", "app/z"),
        ("me", "app/sub/deep/me"),
        ("deep/x", "app/sub/deep/x"),
        ("sub/x", "app/sub/x"),
        ("app/y", "app/y"),
        ("/app/y", "app/y"),
    ] {
        assert_eq!(found_from(&tree, "app/sub/deep/me", name).await.as_deref(), Ok(path), "{name}");
    }
    for name in ["nobody", "/x", "/sub/x", ""] {
        let error = found_from(&tree, "app/sub/deep/me", name).await.unwrap_err();
        let is_relative = !name.starts_with('/');
        assert!(is_relative || !matches!(error, LookupError::NotFullPath { .. }), "{name}: {error}");
        assert!(error.to_string().starts_with("nothing is named `"), "{name}: {error}");
    }
    let error = found_from(&tree, "app/sub/deep/me", "mee").await.unwrap_err();
    let said =
        "nothing is named `mee` in this tree: `app/sub/deep` has no child `mee`; did you mean `app/sub/deep/me`?";
    assert_eq!(error.to_string(), said);
    // Further up.
    let error = found_from(&tree, "app/sub/deep/me", "subb/x").await.unwrap_err();
    let said = "nothing is named `subb/x` in this tree: `app` has no child `subb`; did you mean `app/sub`?";
    assert_eq!(error.to_string(), said);
    let error = found_from(&tree, "app/sub/deep/me", "deep").await.unwrap_err();
    assert!(matches!(error, LookupError::TakesNoMessages { .. }), "{error}");
    tree.shutdown().await;
}

// kameo finds nothing by name after a restart.
#[tokio::test(start_paused = true)]
async fn a_lookup_finds_the_same_service_before_during_and_after_a_restart() {
    let journal = Journal::new();
    let slow = Slow::child("slow", &journal, Duration::from_secs(1));
    let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(slow).start().await.unwrap();
    let before = probe(&tree, "app/a");
    tree.kill("app/a").unwrap();
    stands(&tree, "app/a", ServiceState::Restarting).await;
    let during = probe(&tree, "app/a");
    during.cast(ProbeMsg::Note(1)).unwrap();
    up(&tree, "app/a", 2).await;
    let after: Handle<ProbeMsg> = tree.directory().lookup("app/a").unwrap();
    assert!(before == during && during == after);
    assert_eq!(after.call(ProbeMsg::Noted).await.unwrap(), [1]);
    tree.shutdown().await;
}

// LiveDashboard #156: asking a process for its children crashed it. Here a hung service does not even notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observing_asks_no_service_for_anything() {
    let (journal, gate) = (Journal::new(), Gate::default());
    let _open = gate.opener();
    let blocked = gate.clone();
    let tree = Supervisor::one_for_one("app").child(journal.probe("stuck")).child(journal.probe("a"));
    let tree = tree.start().await.unwrap();
    let (stuck, directory) = (probe(&tree, "app/stuck"), tree.directory());
    stuck.cast(ProbeMsg::Run(Box::new(move |_| blocked.pass()))).unwrap();
    gate.reached().await;
    stuck.cast(ProbeMsg::Note(1)).unwrap();

    for _ in 0..100 {
        assert_eq!(directory.entries().len(), 3);
        let books = stuck.accounting();
        assert!(books.is_balanced() && (books.accepted, books.in_hand, books.queued) == (2, 1, 1), "{books}");
        let status = directory.status("app/stuck").unwrap();
        assert_eq!((status, stuck.generation(), stuck.watch().borrow().state), (stuck.status(), 1, ServiceState::Up));
        assert!(tree.lookup::<ProbeMsg>("app/stuck").is_ok() && tree.events().try_next().is_none());
        assert!(format!("{tree:?} {directory:?} {stuck:?}").contains("app/stuck"));
    }
    assert_eq!(stuck.accounting().accepted, 2, "nobody has sent it anything");
    gate.open();
    assert_eq!(stuck.call(ProbeMsg::Noted).await.unwrap(), [1]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_watch_sees_where_a_child_stands_and_its_supervisor_too() {
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").budget(Intensity::new(0, Duration::from_secs(1)));
    let sub = sub.restart(Restart::Transient).child(journal.probe("a"));
    let tree = Supervisor::one_for_one("app").child(sub).start().await.unwrap();
    let directory = tree.directory();
    let [a, sub] = ["app/sub/a", "app/sub"].map(|path| directory.watch(path).unwrap());
    assert_eq!(a.borrow().to_string(), "up (generation 1)");
    tree.kill("app/sub/a").unwrap();
    for watch in [a, sub] {
        let status = until(watch, |status| status.state == ServiceState::Down).await;
        assert_eq!(status.generation, 1);
    }
    tree.shutdown().await;
}

/// The next item, as a function that knows nothing but `Stream` takes it.
async fn next_of<S: futures_core::Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|cx| std::pin::Pin::new(&mut *stream).poll_next(cx)).await
}

#[tokio::test(start_paused = true)]
async fn events_are_a_stream_and_none_is_lost_by_one_who_stops_waiting() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").intensity(9, SEC).child(journal.probe("a")).start().await.unwrap();
    let mut events = tree.events();
    assert!(events.try_next().is_none());
    // It waits, and stops waiting.
    assert!(tokio::time::timeout(SEC, next_of(&mut events)).await.is_err());
    assert!(tokio::time::timeout(SEC, events.next()).await.is_err());
    assert!(events.try_next().is_none());
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    let exited = events.try_next().unwrap().unwrap();
    assert_eq!(exited.to_string(), "app/a#1 exited: killed");
    assert_eq!(next_of(&mut events).await.unwrap().unwrap().to_string(), "app/a#2 started");
    tree.shutdown().await;
    let mut last = None;
    while let Some(event) = next_of(&mut events).await {
        last = Some(event.unwrap().to_string());
    }
    assert_eq!(last.as_deref(), Some("app/a#2 exited: shutdown"));
    assert!(events.next().await.is_none() && events.try_next().is_none());
}

// Found by mutants: an outage could begin with any end, and no test noticed.
#[tokio::test]
async fn an_outage_begins_with_a_failure_and_not_with_an_end_that_was_ordered_or_normal() {
    let journal = Journal::new();
    let child = journal.probe("a").restart(Restart::Permanent).shutdown(Shutdown::Kill);
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start().await.unwrap();
    let (mut events, app) = (tree.events(), tree.supervisor("app").unwrap());
    let mut was_out = async || {
        loop {
            if let EventKind::Started { outage, .. } = events.next().await.unwrap().unwrap().kind {
                return outage.is_some();
            }
        }
    };
    app.terminate_child("a").await.unwrap();
    app.restart_child("a").await.unwrap();
    assert!(!was_out().await, "killed as ordered");
    probe(&tree, "app/a").cast(ProbeMsg::Stop).unwrap();
    assert!(!was_out().await, "a normal end");
    tree.kill("app/a").unwrap();
    assert!(was_out().await, "a kill that was no order");
    tree.shutdown().await;
}
