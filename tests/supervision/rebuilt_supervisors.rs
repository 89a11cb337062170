//! A supervisor whose description is made anew at each of its starts (OTP rule 100).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::common::tree::{MS, heard, hears_of, in_hand, probe, soon, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, Context, Intensity, LookupError, Refusal, Service, ServiceState, Supervisor, Tree};

/// Takes other messages than a probe does.
struct Other;

impl Service for Other {
    type Msg = &'static str;

    async fn handle(&mut self, _: &'static str, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

/// A tree whose subtree is described by `build`, which is told how often it has run before.
async fn tree(build: impl Fn(usize, Supervisor) -> Supervisor + Send + Sync + 'static) -> Tree {
    let runs = AtomicUsize::new(0);
    let sub = Child::supervisor("sub", move || {
        build(runs.fetch_add(1, SeqCst), Supervisor::one_for_one("the name given outside counts"))
    });
    Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub).start().await.unwrap()
}

#[tokio::test]
async fn it_is_described_once_for_the_boot_and_once_for_each_restart() {
    let journal = Journal::new();
    let (runs, probes) = (Arc::new(AtomicUsize::new(0)), journal.clone());
    let counted = runs.clone();
    let tree = tree(move |run, sub| {
        counted.store(run + 1, SeqCst);
        sub.child(probes.probe("a"))
    })
    .await;
    assert_eq!(runs.load(SeqCst), 1);
    // Its children's deaths do not concern its description.
    tree.kill("app/sub/a").unwrap();
    up(&tree, "app/sub/a", 2).await;
    assert_eq!(runs.load(SeqCst), 1);
    for restart in 1..4 {
        tree.kill("app/sub").unwrap();
        up(&tree, "app/sub", restart + 1).await;
        assert_eq!(runs.load(SeqCst) as u64, 1 + restart);
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn children_that_keep_name_and_message_keep_their_handles_and_mail() {
    let journal = Journal::new();
    let probes = journal.clone();
    let tree = tree(move |run, sub| {
        let deep = Supervisor::one_for_one("deep").child(probes.probe("b"));

        if run % 2 == 0 { sub.child(probes.probe("a")).child(deep) } else { sub.child(deep).child(probes.probe("a")) }
    })
    .await;
    let [a, b] = ["app/sub/a", "app/sub/deep/b"].map(|path| probe(&tree, path));
    for generation in 2..6 {
        for handle in [&a, &b] {
            handle.cast(ProbeMsg::Hang).unwrap();
            in_hand(handle).await;
            handle.cast(ProbeMsg::Note(generation)).unwrap();
        }
        tree.kill("app/sub").unwrap();
        for handle in [&a, &b] {
            assert_eq!(soon("the mail", handle.call(ProbeMsg::Noted)).await.unwrap(), [generation]);
            assert_eq!(handle.generation(), generation);
        }
    }
    assert_eq!(journal.alive_max(), 1);
    assert_eq!(tree.directory().entries().len(), 5);
    tree.shutdown().await;
}

#[tokio::test]
async fn children_that_vanish_are_gone_and_new_ones_are_there() {
    let journal = Journal::new();
    let probes = journal.clone();
    let tree = tree(move |run, sub| match run {
        0 => sub.child(probes.probe("a")).child(Supervisor::one_for_one("deep").child(probes.probe("b"))),
        1 => sub.child(probes.probe("c")),
        _ => sub.child(probes.probe("a")),
    })
    .await;
    let [a, b] = ["app/sub/a", "app/sub/deep/b"].map(|path| probe(&tree, path));
    let waiting = b.call(ProbeMsg::Keep);
    tree.kill("app/sub").unwrap();
    up(&tree, "app/sub", 2).await;
    for handle in [&a, &b] {
        assert_eq!(handle.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    }
    soon("the call", waiting).await.unwrap_err();
    let paths: Vec<_> = tree.directory().entries().into_iter().map(|entry| entry.path).collect();
    assert_eq!(paths.iter().map(|path| &**path).collect::<Vec<_>>(), ["app", "app/sub", "app/sub/c"]);
    assert!(matches!(tree.lookup::<ProbeMsg>("app/sub/a"), Err(LookupError::NoChild { .. })));

    // One that comes back after it was gone is another one: the old handle does not know it.
    tree.kill("app/sub").unwrap();
    up(&tree, "app/sub", 3).await;
    assert_eq!(a.status().state, ServiceState::Gone);
    assert_eq!(probe(&tree, "app/sub/a").call(ProbeMsg::Generation).await.unwrap(), 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_child_that_takes_other_messages_now_is_another_child() {
    let journal = Journal::new();
    let probes = journal.clone();
    let tree = tree(move |run, sub| match run {
        0 => sub.child(probes.probe("a")),
        _ => sub.child(Child::service("a", |_| async { Ok(Other) })),
    })
    .await;
    let before = probe(&tree, "app/sub/a");
    tree.kill("app/sub").unwrap();
    up(&tree, "app/sub", 2).await;
    assert_eq!(before.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    assert!(matches!(tree.lookup::<ProbeMsg>("app/sub/a"), Err(LookupError::WrongType { .. })));
    tree.lookup::<&'static str>("app/sub/a").unwrap().cast("hello").unwrap();
    tree.shutdown().await;
}

// OTP rule 107: a restart that fails is retried by the parent, for a unit each.
#[tokio::test(start_paused = true)]
async fn a_description_that_makes_no_sense_or_panics_is_a_failed_start() {
    let journal = Journal::new();
    let probes = journal.clone();
    let tree = tree(move |run, sub| match run {
        1 => sub.child(probes.probe("a")).child(probes.probe("a")),
        2 => sub.intensity(1, std::time::Duration::ZERO).child(probes.probe("a")),
        3 => panic!("no description"),
        _ => sub.child(probes.probe("a")),
    })
    .await;
    let (a, mut events) = (probe(&tree, "app/sub/a"), tree.events());
    tree.kill("app/sub").unwrap();
    assert_eq!(soon("an answer", a.call(ProbeMsg::Generation)).await.unwrap(), 2);
    tokio::time::sleep(MS).await;
    let failures: Vec<_> = heard(&mut events).into_iter().filter(|line| line.contains("failed to start")).collect();
    assert_eq!(
        failures[..2],
        [
            "app/sub#1 failed to start: failed: two children are named `app/sub/a`: rename one",
            "app/sub#1 failed to start: failed: the restart budget of `app/sub` has a period of zero: give it a longer one",
        ]
    );
    let start = "app/sub#1 failed to start: panicked: no description at tests/supervision/rebuilt_supervisors.rs:";
    assert!(failures.len() == 3 && failures[2].starts_with(start), "{failures:#?}");
    tree.kill("app/sub").unwrap();
    hears_of(&mut events, "app/sub#3 started").await;
    tree.shutdown().await;
}
