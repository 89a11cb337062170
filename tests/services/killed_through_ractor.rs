//! Parts of a tree killed through ractor: regrow's docs tell users not to, and it happens all the same. No service
//! lives twice, none is left behind, and the tree still works.
//!
//! ractor takes the children's supervisor away first, kills them in no order and waits for none of them. So their deaths
//! are told when ractor drops the supervisor, and not one by one. Those that live in bare tasks it does not know: the supervisor kills them when ractor drops
//! it.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::common::kinds::{HOMES, Home};
use crate::common::tree::{Census, Gate, MS, Resident, hears, in_hand, probe, soon, stands, up};
use regrow::ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    CallError, Child, Context, Handle, Inbox, Intensity, Refusal, Reply, Restart, Service, ServiceChild, ServiceState,
    Supervisor, TaskChild, Tree,
};

/// A ractor actor, which knows its own cell, and by that its supervisor's.
struct Spy(Census);

impl Actor for Spy {
    type Msg = Ask;
    type State = (Linger, Resident);
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok((Linger(5 * MS), self.0.enter()))
    }

    async fn handle(
        &self,
        myself: ActorRef<Ask>,
        Ask(reply): Ask,
        _: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // Between it and the supervisor there is the one that hears of its end.
        let supervisor = myself.get_cell().try_get_supervisor().and_then(|warden| warden.try_get_supervisor());
        reply.send(supervisor.expect("it has a supervisor"));
        Ok(())
    }
}

struct Ask(Reply<ActorCell>);

#[cfg(feature = "cluster")]
impl regrow::ractor::Message for Ask {}

/// Drops slowly.
struct Linger(Duration);

impl Drop for Linger {
    fn drop(&mut self) {
        std::thread::sleep(self.0);
    }
}

/// A service that is slow to go, with a task that is too.
struct Slow(#[allow(dead_code)] (Linger, Resident));

impl Service for Slow {
    type Msg = ();

    async fn handle(&mut self, (): (), _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        std::future::pending().await
    }
}

fn slow(name: &str, census: &Census) -> ServiceChild<()> {
    Child::service_with(name, census.clone(), |census, ctx: Context<Slow>| async move {
        // A life is a state and a task.
        anyhow::ensure!(census.alive() == 0, "the life before is not gone");
        let owned = (Linger(5 * MS), census.enter());
        ctx.spawn(async move {
            let _owned = owned;
            std::future::pending().await
        });
        Ok(Slow((Linger(5 * MS), census.enter())))
    })
}

/// A task that is slow to go.
fn task(name: &str, census: &Census) -> TaskChild {
    let census = census.clone();
    Child::task(name, move |_| {
        let owned = (Linger(5 * MS), census.enter());
        async move {
            let _owned = owned;
            std::future::pending().await
        }
    })
}

async fn spied(tree: &Tree, path: &str) -> ActorCell {
    let spy = tree.lookup::<Ask>(path).unwrap();
    loop {
        match soon("the cell", spy.call(Ask)).await {
            Ok(cell) => return cell,
            // Handed on to an actor that was killed before it came to it: the law ends at the hand-over.
            Err(CallError::Unanswered { .. } | CallError::Crashed { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn kill_a_supervisor_again_and_again(home: Home) {
    let journal = Journal::new();
    let [states, deep, tasks, spies] = [(); 4].map(|()| Census::default());
    let spy = spies.clone();
    let below = Supervisor::one_for_one("below").budget(Intensity::unlimited()).child(home.of(slow("deep", &deep)));
    let sub = Supervisor::one_for_one("sub")
        .budget(Intensity::unlimited())
        .child(home.of(journal.probe("a")))
        .child(home.of(slow("slow", &states)))
        .child(below.child(home.of(journal.probe("b"))))
        .child(home.of_task(task("task", &tasks)))
        .child(home.of(Child::actor("spy", move || (Spy(spy.clone()), ()))));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub).start().await.unwrap();
    let directory = tree.directory();
    for generation in 2..30 {
        spied(&tree, "app/sub/spy").await.kill();
        for path in ["app/sub", "app/sub/below", "app/sub/a", "app/sub/below/b"] {
            up(&tree, path, generation).await;
        }
        for entry in directory.entries() {
            stands(&tree, &entry.path, ServiceState::Up).await;
        }
        probe(&tree, "app/sub/below/b").call(ProbeMsg::Generation).await.unwrap();
        // It can still be reached by its path: nothing of the old life speaks for the new one.
        tree.kill("app/sub/below").unwrap();
        up(&tree, "app/sub/below/b", generation).await;
    }
    soon("the end", tree.shutdown()).await;
    assert_eq!(journal.alive_max(), 1);
    for (census, each) in [(states, 2), (deep, 2), (tasks, 1), (spies, 1)] {
        assert_eq!((census.alive(), census.alive_max()), (0, each));
    }
}

// Found by reading: no code was left to tell these deaths, and a follower of the events saw the dead as up.
#[tokio::test]
async fn the_deaths_below_a_killed_supervisor_are_told() {
    let journal = Journal::new();
    let spy = Child::actor("spy", || (Spy(Census::default()), ()));
    let below = Supervisor::one_for_one("below").child(journal.probe("b"));
    let rests = journal.probe("rests").restart(Restart::Temporary);
    let sub = Supervisor::one_for_one("sub").child(journal.probe("a")).child(rests).child(below).child(spy);
    let tree = Supervisor::one_for_one("app").child(sub).start().await.unwrap();
    let mut events = tree.events();
    probe(&tree, "app/sub/rests").cast(ProbeMsg::Stop).unwrap();
    hears(&mut events, "app/sub/rests#1 is gone").await;
    spied(&tree, "app/sub/spy").await.kill();
    hears(&mut events, "app/sub/a#1 exited: killed").await;
    up(&tree, "app/sub/below/b", 2).await;
    hears(&mut events, "app/sub#2 started").await;
    let history = tree.history();
    let told = |path: &str| -> Vec<_> { history.of(path).map(|entry| entry.to_string()).collect() };
    for path in ["app/sub/a", "app/sub/below", "app/sub/below/b"] {
        let lives = ["#1 started", "#1 exited: killed", "#2 started"].map(|line| format!("{path}{line}"));
        assert_eq!(told(path), lives);
    }
    let of_rests = told("app/sub/rests");
    assert_eq!(of_rests.iter().filter(|line| line.contains("exited")).count(), 1, "it had ended before: {of_rests:?}");
    tree.shutdown().await;
}

#[tokio::test]
async fn a_killed_supervisor_comes_back_and_nobody_lives_twice() {
    for home in HOMES {
        kill_a_supervisor_again_and_again(home).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_supervisor_comes_back_and_nobody_lives_twice_on_two_threads() {
    for home in HOMES {
        kill_a_supervisor_again_and_again(home).await;
    }
}

// A thread cannot be dropped: its next life waits until it has returned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_thread_is_waited_for() {
    for home in HOMES {
        let census = Census::default();
        let (tell, told) = mpsc::channel::<()>();
        let told = Arc::new(std::sync::Mutex::new(told));
        let counted = census.clone();
        let thread = Child::thread("thread", move |inbox: Inbox<()>| {
            let _resident = counted.enter();
            for () in inbox {
                told.lock().unwrap().recv()?;
            }
            Ok(())
        });
        let sub = Supervisor::one_for_one("sub").budget(Intensity::unlimited()).child(home.of(thread));
        let spy = Child::actor("spy", || (Spy(Census::default()), ()));
        let tree =
            Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub.child(spy)).start().await.unwrap();
        let thread: Handle<()> = tree.lookup("app/sub/thread").unwrap();
        thread.cast(()).unwrap();
        in_hand(&thread).await;
        let mut events = tree.events();
        let sub = spied(&tree, "app/sub/spy").await;
        let cells = sub.get_children();
        sub.kill();
        hears(&mut events, "app/sub#1 exited: killed").await;
        stands(&tree, "app/sub", ServiceState::Starting).await;
        // The thread is let go when ractor has dropped what runs it, and its successor has had every chance.
        while cells.iter().any(|cell| cell.get_status() != ActorStatus::Stopped) {
            tokio::task::yield_now().await;
        }
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        tell.send(()).unwrap();
        up(&tree, "app/sub/thread", 2).await;
        assert_eq!(census.alive_max(), 1);
        let books = thread.accounting();
        assert_eq!((books.handled, books.crashed), (1, 0), "what it had in hand was settled by its own end");
        soon("the end", tree.shutdown()).await;
        assert_eq!(census.alive(), 0);
    }
}

#[tokio::test]
async fn killing_every_cell_below_a_supervisor_is_a_crash_of_each() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(journal.probe("a").as_actor());
    let tree = tree.child(Child::actor("spy", || (Spy(Census::default()), ()))).child(journal.probe("b").as_actor());
    let tree = tree.start().await.unwrap();
    for generation in 2..10 {
        let children = spied(&tree, "app/spy").await.get_children();
        assert!(children.len() >= 3);
        children.iter().for_each(ActorCell::kill);
        for path in ["app/a", "app/b", "app/spy"] {
            up(&tree, path, generation).await;
        }
    }
    assert_eq!(journal.alive_max(), 1);
    tree.shutdown().await;
}

// Found by mutants: the task has let go of the state, and is still busy when ractor drops the life.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_service_that_ractor_kills_is_over_when_its_linked_task_is() {
    let (census, gate) = (Census::default(), Gate::default());
    let _opener = gate.opener();
    let child =
        Child::service_with("slow", (census.clone(), gate.clone()), |(census, gate), ctx: Context<Slow>| async move {
            anyhow::ensure!(census.alive() == 0, "the life before is not gone");
            let owned = census.enter();
            ctx.spawn(async move {
                let _owned = owned;
                gate.pass();
                std::future::pending().await
            });
            Ok(Slow((Linger(Duration::ZERO), census.enter())))
        });
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child.as_actor());
    let tree = tree.child(Child::actor("spy", || (Spy(Census::default()), ()))).start().await.unwrap();
    let slow: Handle<()> = tree.lookup("app/slow").unwrap();
    let until_alive = async |number| {
        let alive = async {
            while census.alive() != number {
                tokio::task::yield_now().await;
            }
        };
        soon("the state", alive).await;
    };
    until_alive(2).await;
    gate.reached().await;
    let root = spied(&tree, "app/spy").await;
    root.get_children().iter().for_each(ActorCell::kill);
    until_alive(1).await;
    // The supervisor has its turn, more than once.
    for generation in 2..5 {
        up(&tree, "app/spy", generation).await;
        tree.kill("app/spy").unwrap();
    }
    assert_eq!(slow.accounting().attempts, 1, "its task is alive");
    gate.open();
    up(&tree, "app/slow", 2).await;
    assert_eq!(slow.accounting().attempts, 2);
    soon("the end", tree.shutdown()).await;
    assert_eq!((census.alive(), census.alive_max()), (0, 2));
}

// A kill in each stage: in the factory, while it starts, while it is replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_kills_mixes_up_no_two_lives() {
    for home in HOMES {
        storm(home).await;
    }
}

async fn storm(home: Home) {
    let journal = Journal::new();
    let census = Census::default();
    let deep = Supervisor::one_for_all("deep").budget(Intensity::unlimited()).child(home.of(journal.probe("b")));
    let sub =
        Supervisor::one_for_one("sub").budget(Intensity::unlimited()).child(home.of(journal.probe("a"))).child(deep);
    let tree =
        Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub).child(home.of(slow("slow", &census)));
    let tree = tree.child(home.of(Child::actor("spy", || (Spy(Census::default()), ())))).start().await.unwrap();
    for round in 0..100 {
        let root = spied(&tree, "app/spy").await;
        for cell in root.get_children() {
            for cell in cell.get_children() {
                cell.get_children().iter().for_each(ActorCell::kill);
                cell.kill();
            }
            cell.kill();
        }
        for _ in 0..round % 16 {
            tokio::task::yield_now().await;
        }
    }
    for entry in tree.directory().entries() {
        stands(&tree, &entry.path, ServiceState::Up).await;
    }
    probe(&tree, "app/sub/deep/b").call(ProbeMsg::Generation).await.unwrap();
    soon("the end", tree.shutdown()).await;
    assert_eq!((journal.alive_max(), census.alive(), census.alive_max()), (1, 0, 2));
    let mut starts: Vec<_> = journal.take().into_iter().filter(|line| line.starts_with("start")).collect();
    let lives = starts.len();
    starts.sort();
    starts.dedup();
    assert_eq!(starts.len(), lives, "no generation is given twice");
}

#[tokio::test]
async fn a_killed_root_ends_the_tree() {
    for home in HOMES {
        let journal = Journal::new();
        let sub = Supervisor::one_for_one("sub").child(home.of(journal.probe("b")));
        let tree = Supervisor::one_for_one("app").child(home.of(journal.probe("a"))).child(sub);
        let tree = tree.child(Child::actor("spy", || (Spy(Census::default()), ()))).start().await.unwrap();
        let (a, b) = (probe(&tree, "app/a"), probe(&tree, "app/sub/b"));
        let call = b.call(ProbeMsg::Keep);
        spied(&tree, "app/spy").await.kill();
        assert_eq!(soon("the end", tree.wait()).await.exit.kind(), "killed");
        soon("the call", call).await.unwrap_err();
        for handle in [a, b] {
            assert_eq!(handle.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
        }
        let ended = |name: &str| journal.lines().contains(&format!("end {name}#1"));
        soon("the last one", async {
            while !(ended("a") && ended("b")) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
