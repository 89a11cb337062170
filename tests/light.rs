//! Light children: a bare tokio task instead of a ractor actor, and everything else the same.

#[path = "common/tree.rs"]
mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{Census, Gate, Inert, MS, SEC, Slow, hears, in_hand, probe, soon, stands, up};
use regrow::ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Abandon, CallError, Child, Context, DynamicSupervisor, Exit, Intensity, Partitioned, Reply, Restart, Service,
    Shutdown, State, Supervisor, Tree,
};

fn app() -> Supervisor {
    Supervisor::one_for_one("app").budget(Intensity::unlimited())
}

async fn one(journal: &Journal) -> Tree {
    app().child(journal.probe("a").light()).start().await.unwrap()
}

/// Tells the cell of its supervisor.
struct Spy;

impl Actor for Spy {
    type Msg = Reply<ActorCell>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        reply: Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        // Between the two there is the one that hears of its end.
        let mut above = myself.get_cell().try_get_supervisor().expect("it has one");
        while let Some(next) = above.try_get_supervisor() {
            above = next;
        }
        reply.send(above);
        Ok(())
    }
}

#[tokio::test]
async fn ractor_does_not_see_it_and_sees_the_others() {
    // Here everybody is.
    if std::env::var_os("REGROW_LIGHT").is_some() {
        return;
    }
    let journal = Journal::new();
    let spy = Child::actor("spy", || (Spy, ()));
    let tree = app().child(spy).child(journal.probe("b")).child(journal.probe("a").light()).start().await.unwrap();
    let root = tree.lookup::<Reply<ActorCell>>("app/spy").unwrap().call(|reply| reply).await.unwrap();
    let before = root.get_children().len();
    let app = tree.supervisor("app").unwrap();
    app.start_child(journal.probe("c").light()).await.unwrap();
    app.start_child(Child::task("t", |_| std::future::pending()).light()).await.unwrap();
    assert_eq!(root.get_children().len(), before);
    app.start_child(journal.probe("d")).await.unwrap();
    assert_eq!(root.get_children().len(), before + 1);
    app.terminate_child("b").await.unwrap();
    assert_eq!(tree.directory().entries().len(), 7);
    tree.shutdown().await;
}

#[tokio::test]
async fn it_comes_back_after_a_panic_an_error_a_kill_and_a_stop_with_its_queue() {
    let journal = Journal::new();
    let tree = one(&journal).await;
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    for (generation, (end, exit)) in (1..).zip([
        (ProbeMsg::Panic("boom"), "panicked: boom"),
        (ProbeMsg::Fail("no luck"), "failed: no luck"),
        (ProbeMsg::Stop, "normal"),
        (ProbeMsg::Hang, "killed"),
    ]) {
        let is_hung = matches!(end, ProbeMsg::Hang);
        a.cast(end).unwrap();
        a.cast(ProbeMsg::Note(generation)).unwrap();
        if is_hung {
            in_hand(&a).await;
            a.kill().unwrap();
        }
        common::hears_of(&mut events, &format!("app/a#{generation} exited: {exit}")).await;
        assert_eq!(soon("an answer", a.call(ProbeMsg::Noted)).await.unwrap(), [generation]);
    }
    assert_eq!((a.generation(), journal.alive_max()), (5, 1));
    assert!(a.accounting().is_balanced());
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(journal.lines().last().unwrap(), "end a#5");
}

#[tokio::test]
async fn the_call_in_hand_crashes_with_it() {
    let tree = one(&Journal::new()).await;
    let a = probe(&tree, "app/a");
    let error = a.call(|reply| ProbeMsg::PanicOn(reply, "boom")).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Crashed { exit: Exit::Panicked(panic), .. } if &*panic.message == "boom"),
        "{error:?}"
    );
    let call = a.call(ProbeMsg::HangOn);
    in_hand(&a).await;
    a.kill().unwrap();
    let error = soon("the call", call).await.unwrap_err();
    assert!(matches!(error, CallError::Crashed { exit: Exit::Killed, .. }), "{error:?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn it_has_its_time_to_stop_and_is_killed_after_it() {
    let journal = Journal::new();
    let slow = |name, time| Slow::child(name, &journal, time).shutdown(Shutdown::After(2 * SEC)).light();
    let tree = app().child(slow("patient", SEC)).child(slow("endless", 60 * SEC)).start().await.unwrap();
    let report = tree.shutdown().await;
    assert_eq!(report.took, 3 * SEC);
    assert_eq!(report.killed.iter().map(|path| &**path).collect::<Vec<_>>(), ["app/endless"]);
    assert_eq!(journal.lines()[2..], ["stop endless#1", "end endless#1", "stop patient#1", "end patient#1"]);
}

#[tokio::test]
async fn its_linked_tasks_end_with_it_and_their_panic_ends_it() {
    let (journal, census) = (Journal::new(), Census::default());
    let tree = one(&journal).await;
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    let spawn = |panics: bool| {
        let resident = census.enter();
        ProbeMsg::Run(Box::new(move |ctx| {
            ctx.spawn(async move {
                let _resident = resident;
                match panics {
                    true => panic!("a task's"),
                    false => std::future::pending().await,
                }
            });
        }))
    };
    a.cast(spawn(false)).unwrap();
    a.call(ProbeMsg::Generation).await.unwrap();
    assert_eq!(census.alive(), 1);
    a.kill().unwrap();
    assert_eq!(soon("the next", a.call(ProbeMsg::Generation)).await.unwrap(), 2);
    assert_eq!(census.alive(), 0, "gone before the next one was built");
    a.cast(spawn(true)).unwrap();
    common::hears_of(&mut events, "app/a#2 exited: panicked: a task's").await;
    up(&tree, "app/a", 3).await;
    assert_eq!((census.alive(), census.ever()), (0, 2));
    tree.shutdown().await;
}

/// Blocks its thread at a gate, and tells whether it could still answer behind it.
struct Blocker(Gate, mpsc::Sender<bool>);

impl Service for Blocker {
    type Msg = Reply<u64>;

    async fn handle(&mut self, reply: Reply<u64>, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if ctx.generation() == 1 {
            self.0.pass();
        }
        let _ = self.1.send(reply.send(ctx.generation()));
        Ok(())
    }
}

// Real threads and real time: virtual time would run ahead of a blocked thread (PITFALLS 23).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_does_not_yield_is_abandoned_fenced_and_replaced() {
    let (gate, (tell, told)) = (Gate::default(), mpsc::channel());
    let _opener = gate.opener();
    let child =
        Child::service_with("blocker", (gate.clone(), tell), |(gate, tell), _| async { Ok(Blocker(gate, tell)) });
    let tree = app().child(child.abandon(Abandon::After(20 * MS)).light()).start().await.unwrap();
    let (handle, mut events) = (tree.lookup::<Reply<u64>>("app/blocker").unwrap(), tree.events());
    let call = handle.call(|reply| reply);
    gate.reached().await;
    handle.kill().unwrap();
    hears(&mut events, "app/blocker#1 was abandoned").await;
    let error = soon("the call", call).await.unwrap_err();
    assert!(matches!(error, CallError::Crashed { exit: Exit::Killed, .. }), "{error:?}");
    assert_eq!(soon("the next", handle.call(|reply| reply)).await.unwrap(), 2);
    assert!(told.recv_timeout(Duration::from_secs(60)).unwrap());
    gate.open();
    let could_answer = soon("the zombie", tokio::task::spawn_blocking(move || told.recv_timeout(60 * SEC))).await;
    assert!(!could_answer.unwrap().unwrap(), "what is fenced completes no reply");
    assert!(soon("the end", tree.shutdown()).await.is_clean());
}

#[tokio::test]
async fn a_light_task_is_a_task() {
    let journal = Journal::new();
    let work = journal.clone();
    let task = Child::task("t", move |ctx| {
        let journal = work.clone();
        async move {
            journal.write(format!("t#{}", ctx.generation()));
            anyhow::ensure!(ctx.generation() > 2, "again");
            Ok(())
        }
    });
    let tree = app().child(task.light()).start().await.unwrap();
    stands(&tree, "app/t", State::Down).await;
    assert_eq!(journal.lines(), ["t#1", "t#2", "t#3"]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_start_that_fails_hangs_or_ignores_is_as_ever() {
    let app = app().start().await.unwrap();
    let pool = app.supervisor("app").unwrap();
    let failing = Child::service("f", |_: Context<Inert>| async { anyhow::bail!("no luck") }).light();
    assert!(pool.start_child(failing).await.unwrap_err().to_string().contains("no luck"));
    let ignoring = Child::service("i", |_: Context<Inert>| async { regrow::ignore() }).restart(Restart::Temporary);
    assert_eq!(pool.start_child(ignoring.light()).await.unwrap(), regrow::Outcome::Ignored);
    let hung = Child::service("h", |_: Context<Inert>| std::future::pending::<anyhow::Result<Inert>>()).light();
    let start = tokio::spawn({
        let pool = pool.clone();
        async move { pool.start_child(hung).await }
    });
    while app.directory().status("app/h").is_none_or(|status| status.state != State::Starting) {
        tokio::task::yield_now().await;
    }
    pool.terminate_child("h").await.unwrap();
    assert!(soon("the start", start).await.unwrap().is_err());
    app.shutdown().await;
}

#[tokio::test]
async fn pools_and_partitions_of_light_children_leave_nobody_behind_when_they_are_killed() {
    let (pooled, parted) = (Journal::new(), Journal::new());
    let (of, parts) = (pooled.clone(), parted.clone());
    let pool = DynamicSupervisor::new("pool").numbered().template(move |()| of.probe("p").light());
    let parts = Partitioned::new("parts", 3, move |_| parts.probe("p").light());
    let tree = app().child(pool).child(parts).start().await.unwrap();
    let template = tree.dynamic("app/pool").unwrap().template::<()>().unwrap();
    for _ in 0..3 {
        template.start_child(()).await.unwrap();
    }
    for path in ["app/pool", "app/parts"] {
        tree.kill(path).unwrap();
        up(&tree, path, 2).await;
    }
    assert_eq!(tree.directory().entries().len(), 6);
    tree.shutdown().await;
    for (journal, lives) in [(pooled, 3), (parted, 6)] {
        let count = |what: &str| journal.lines().iter().filter(|line| line.starts_with(what)).count();
        assert_eq!((count("start"), count("end"), journal.alive_max()), (lives, lives, 1));
    }
}

/// All cells below this one.
fn cells(of: &ActorCell) -> usize {
    of.get_children().iter().map(|child| 1 + cells(child)).sum()
}

#[tokio::test]
async fn it_is_the_default_in_a_dynamic_supervisor_and_can_be_refused_there() {
    // Here everybody is.
    if std::env::var_os("REGROW_LIGHT").is_some() {
        return;
    }
    let journal = Journal::new();
    let spy = Child::actor("spy", || (Spy, ()));
    let pool = DynamicSupervisor::new("pool").budget(Intensity::unlimited());
    let tree = app().child(spy).child(pool).start().await.unwrap();
    let root = tree.lookup::<Reply<ActorCell>>("app/spy").unwrap().call(|reply| reply).await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    let before = cells(&root);
    pool.start_child(journal.probe("a")).await.unwrap();
    assert_eq!(cells(&root), before);
    pool.start_child(journal.probe("b").as_actor()).await.unwrap();
    assert_eq!(cells(&root), before + 1);
    tree.shutdown().await;
}
