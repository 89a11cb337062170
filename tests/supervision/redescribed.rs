//! Children that become children of another kind: the generations of a path go on, and what an older description had listed
//! leaves with it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::common::tree::{SEC, hears, probe, starting, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, Context, Intensity, KillError, Refusal, Service, ServiceState, Supervisor, TaskContext, Tree};

struct Idle;

impl Service for Idle {
    type Msg = ();

    async fn handle(&mut self, (): (), _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

fn calm(name: &str) -> Supervisor {
    Supervisor::one_for_one(name).budget(Intensity::unlimited())
}

fn job(name: &str) -> regrow::TaskChild {
    Child::task(name, |ctx: TaskContext| async move {
        ctx.stopping().await;
        Ok(())
    })
}

/// The child `c` as each of three kinds.
fn kind(journal: &Journal, number: usize) -> Child {
    match number % 3 {
        0 => journal.probe("c").into(),
        1 => calm("c").child(journal.probe("x")).into(),
        _ => job("c").into(),
    }
}

fn generation(tree: &Tree, path: &str) -> u64 {
    tree.directory().status(path).expect("it is listed").generation
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.directory().entries().into_iter().map(|entry| entry.path.to_string()).collect()
}

fn starts(tree: &Tree, path: &str) -> u64 {
    tree.directory()
        .figures()
        .into_iter()
        .find(|figures| &**figures.template() == path)
        .expect("it has figures")
        .starts()
}

// Found by a random walk: the new slot began again with generation 1, and an act that meant the first one hit it.
#[tokio::test(start_paused = true)]
async fn a_child_of_another_kind_goes_on_with_the_generations_of_its_path() {
    let journal = Journal::new();
    for is_running in [true, false] {
        let tree = calm("app").child(kind(&journal, 0)).start().await.unwrap();
        let (app, mut events) = (tree.supervisor("app").unwrap(), tree.events());
        for number in 1..10 {
            if !is_running {
                app.terminate_child("c").await.unwrap();
            }
            app.reconfigure(calm("app").child(kind(&journal, number))).await.unwrap();
            assert_eq!(generation(&tree, "app/c"), number as u64, "running: {is_running}, number {number}");
            if is_running {
                tree.restart("app/c", "rebuilt").await.unwrap();
            } else {
                app.restart_child("c").await.unwrap();
            }
            assert_eq!(generation(&tree, "app/c"), number as u64 + 1, "running: {is_running}, number {number}");
            let meant = tree.directory().kill_generation("app/c", 1);
            assert!(matches!(meant, Err(KillError::Replaced { meant: 1, .. })), "{meant:?}");
            assert_eq!(starts(&tree, "app/c"), number as u64 + 1, "each life is counted once");
        }
        tree.shutdown().await;
        let mut told = Vec::new();
        while let Some(event) = events.next().await {
            let event = event.unwrap();
            if &*event.path == "app/c" && ["started", "exited"].contains(&event.kind.word()) {
                told.push((event.kind.word(), event.generation));
            }
        }
        let lives: Vec<_> = (1..=10).flat_map(|number| [("started", number), ("exited", number)]).collect();
        assert_eq!(told, lives[1..], "running: {is_running}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_life_that_comes_up_under_an_older_description_has_its_generation_alone() {
    let journal = Journal::new();
    let slow = Child::service("c", |ctx: Context<Idle>| async move {
        if ctx.generation() == 2 {
            tokio::time::sleep(5 * SEC).await;
        }
        Ok(Idle)
    });
    let tree = calm("app").child(slow).start().await.unwrap();
    let app = tree.supervisor("app").unwrap();
    let mut events = tree.events();
    tree.kill("app/c").unwrap();
    starting(&tree, "app/c").await;
    app.reconfigure(calm("app").child(kind(&journal, 1))).await.unwrap();
    hears(&mut events, "app/c#2 started").await;
    assert_eq!((generation(&tree, "app/c"), app.which_children().await.unwrap()[0].generation), (2, 2));
    tree.restart("app/c", "rebuilt").await.unwrap();
    assert_eq!(generation(&tree, "app/c"), 3);
    assert_eq!(starts(&tree, "app/c"), 3);
    tree.shutdown().await;
}

// Found by reading: the supervisor began again with the description it had at first, of which nothing told what the other
// one had listed.
#[tokio::test(start_paused = true)]
async fn what_is_below_a_service_that_became_a_supervisor_leaves_when_it_is_a_service_again() {
    let journal = Journal::new();
    let sub = |number| calm("sub").child(kind(&journal, number));
    for is_restarted in [true, false] {
        let tree = calm("app").child(sub(0)).start().await.unwrap();
        tree.supervisor("app/sub").unwrap().reconfigure(sub(1)).await.unwrap();
        tree.restart("app/sub/c", "rebuilt").await.unwrap();
        let (x, c) = (probe(&tree, "app/sub/c/x"), tree.directory().watch("app/sub/c").unwrap());
        assert_eq!(
            (paths(&tree), x.status().state),
            (vec!["app".into(), "app/sub".into(), "app/sub/c".into(), "app/sub/c/x".into()], ServiceState::Up)
        );
        if is_restarted {
            tree.restart("app/sub", "as it was").await.unwrap();
        } else {
            tree.kill("app/sub").unwrap();
            up(&tree, "app/sub", 2).await;
        }
        assert_eq!(paths(&tree), ["app", "app/sub", "app/sub/c"]);
        assert_eq!(x.status().state, ServiceState::Gone);
        assert_eq!(c.borrow().state, ServiceState::Gone, "the supervisor that it was has no further life");
        // The generations of the path go on in the slot of its first description.
        up(&tree, "app/sub/c", 3).await;
        assert_eq!(probe(&tree, "app/sub/c").call(ProbeMsg::Generation).await.unwrap(), 3);
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_of_another_kind_in_each_life_of_its_supervisor_has_each_generation_once() {
    let (journal, runs) = (Journal::new(), AtomicUsize::new(0));
    let made = journal.clone();
    let sub = Child::supervisor("sub", move || {
        let run = runs.fetch_add(1, SeqCst);
        calm("sub").child(kind(&made, run))
    });
    let tree = calm("app").child(sub).start().await.unwrap();
    for number in 1..8 {
        up(&tree, "app/sub/c", number).await;
        tree.restart("app/sub", "rebuilt").await.unwrap();
    }
    up(&tree, "app/sub/c", 8).await;
    assert_eq!(starts(&tree, "app/sub/c"), 8);
    tree.shutdown().await;
}

// Found by reading: the mailbox of the other description stayed open, and kept messages that no life would handle.
#[tokio::test(start_paused = true)]
async fn the_mailbox_of_a_description_that_is_lost_is_closed() {
    let journal = Journal::new();
    let tree = calm("app").child(calm("sub").child(journal.probe("c"))).start().await.unwrap();
    let sub = tree.supervisor("app/sub").unwrap();
    sub.reconfigure(calm("sub").child(Child::service("c", |_: Context<Idle>| async { Ok(Idle) }))).await.unwrap();
    tree.restart("app/sub/c", "rebuilt").await.unwrap();
    let other = tree.lookup::<()>("app/sub/c").unwrap();
    other.cast(()).unwrap();
    tree.restart("app/sub", "as it was").await.unwrap();
    up(&tree, "app/sub/c", 3).await;
    assert_eq!(other.cast(()).unwrap_err().refusal(), Refusal::Gone);
    assert_eq!(starts(&tree, "app/sub/c"), 3);
    tree.shutdown().await;
}
