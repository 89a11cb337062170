//! Bare tasks and ractor actors: what ractor sees of a child that asks for an actor, and that everything else is the same
//! for both.

use std::sync::mpsc;
use std::time::Duration;

use crate::common::kinds::{HOMES, Home, all_are_actors};
use crate::common::tree::{
    Census, Gate, Inert, MS, SEC, Slow, hears, hears_of, in_hand, probe, soon, stands, starting, up,
};
use regrow::ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Abandon, Child, Context, DynamicSupervisor, Exit, Inbox, Intensity, Partitioned, Reply, Restart, Service,
    ServiceState, Shutdown, Supervisor, Tree,
};

fn app() -> Supervisor {
    Supervisor::one_for_one("app").budget(Intensity::unlimited())
}

async fn one(journal: &Journal, home: Home) -> Tree {
    app().child(home.of(journal.probe("a"))).start().await.unwrap()
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

/// How many actors ractor finds below this one.
fn cells(of: &ActorCell) -> usize {
    of.get_children().iter().map(|child| 1 + cells(child)).sum()
}

async fn root(tree: &Tree) -> ActorCell {
    tree.lookup::<Reply<ActorCell>>("app/spy").unwrap().call(|reply| reply).await.unwrap()
}

fn spy() -> Child {
    Child::actor("spy", || (Spy, ())).into()
}

/// One of each kind, and how many actors it brings along in any case: a `Child::actor` has its own and a warden.
fn kinds(home: Home) -> [(Child, usize); 4] {
    let thread = Child::thread("thread", |inbox: Inbox<()>| {
        inbox.for_each(drop);
        Ok(())
    });
    [
        (home.of(Journal::new().probe("service")).into(), 0),
        (home.of_task(Child::task("task", |_| std::future::pending())).into(), 0),
        (home.of(thread).into(), 0),
        (home.of(Child::actor("actor", || (Spy, ()))).into(), 2),
    ]
}

#[tokio::test]
async fn ractor_sees_a_child_that_asks_for_an_actor_and_no_other() {
    if all_are_actors() {
        return;
    }
    for home in HOMES {
        let pool = DynamicSupervisor::new("pool").budget(Intensity::unlimited());
        let tree = app().child(spy()).child(pool).start().await.unwrap();
        let (root, app, pool) = (root(&tree).await, tree.supervisor("app").unwrap(), tree.dynamic("app/pool").unwrap());
        for ((in_the_tree, own), (in_the_pool, _)) in kinds(home).into_iter().zip(kinds(home)) {
            let added = own + usize::from(home == Home::Actor);
            let before = cells(&root);
            app.start_child(in_the_tree).await.unwrap();
            assert_eq!(cells(&root), before + added, "{home:?}");
            pool.start_child(in_the_pool).await.unwrap();
            assert_eq!(cells(&root), before + 2 * added, "{home:?}");
        }
        tree.shutdown().await;
    }
}

#[tokio::test]
async fn ractor_sees_partitions_that_ask_for_actors_and_no_others() {
    if all_are_actors() {
        return;
    }
    for (home, added) in [(Home::Task, 0), (Home::Actor, 3)] {
        let parts = Partitioned::new("parts", 3, move |_| home.of(Journal::new().probe("p")));
        let tree = app().child(spy()).child(parts).start().await.unwrap();
        // The spy, its warden, and the supervisor of the partitions.
        assert_eq!(cells(&root(&tree).await), 3 + added);
        tree.shutdown().await;
    }
}

#[tokio::test]
async fn it_comes_back_after_a_panic_an_error_a_kill_and_a_stop_with_its_queue() {
    for home in HOMES {
        let journal = Journal::new();
        let tree = one(&journal, home).await;
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
            hears_of(&mut events, &format!("app/a#{generation} exited: {exit}")).await;
            assert_eq!(soon("an answer", a.call(ProbeMsg::Noted)).await.unwrap(), [generation]);
        }
        assert_eq!((a.generation(), journal.alive_max()), (5, 1));
        assert!(a.accounting().is_balanced());
        assert!(tree.shutdown().await.is_clean());
        assert_eq!(journal.lines().last().unwrap(), "end a#5");
    }
}

#[tokio::test]
async fn the_call_in_hand_crashes_with_it() {
    for home in HOMES {
        let tree = one(&Journal::new(), home).await;
        let a = probe(&tree, "app/a");
        let error = a.call(|reply| ProbeMsg::PanicOn(reply, "boom")).await.unwrap_err();
        assert!(matches!(error.exit(), Some(Exit::Panicked(panic)) if &*panic.message == "boom"), "{error:?}");
        let call = a.call(ProbeMsg::HangOn);
        in_hand(&a).await;
        a.kill().unwrap();
        let error = soon("the call", call).await.unwrap_err();
        assert!(matches!(error.exit(), Some(Exit::Killed)), "{error:?}");
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_has_its_time_to_stop_and_is_killed_after_it() {
    for home in HOMES {
        let journal = Journal::new();
        let slow = |name, time| home.of(Slow::child(name, &journal, time).shutdown(Shutdown::After(2 * SEC)));
        let tree = app().child(slow("patient", SEC)).child(slow("endless", 60 * SEC)).start().await.unwrap();
        let report = tree.shutdown().await;
        assert_eq!(report.took, 3 * SEC);
        assert_eq!(report.killed.iter().map(|path| &**path).collect::<Vec<_>>(), ["app/endless"]);
        assert_eq!(journal.lines()[2..], ["stop endless#1", "end endless#1", "stop patient#1", "end patient#1"]);
    }
}

#[tokio::test]
async fn its_linked_tasks_end_with_it_and_their_panic_ends_it() {
    for home in HOMES {
        let (journal, census) = (Journal::new(), Census::default());
        let tree = one(&journal, home).await;
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
        hears_of(&mut events, "app/a#2 exited: panicked: a task's").await;
        up(&tree, "app/a", 3).await;
        assert_eq!((census.alive(), census.ever()), (0, 2));
        tree.shutdown().await;
    }
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

// Real threads and real time: a paused clock jumps ahead while a thread is blocked, as tokio does not see the thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_does_not_yield_is_abandoned_fenced_and_replaced() {
    for home in HOMES {
        let (gate, (tell, told)) = (Gate::default(), mpsc::channel());
        let _opener = gate.opener();
        let child =
            Child::service_with("blocker", (gate.clone(), tell), |(gate, tell), _| async { Ok(Blocker(gate, tell)) });
        let tree = app().child(home.of(child.abandon(Abandon::After(20 * MS)))).start().await.unwrap();
        let (handle, mut events) = (tree.lookup::<Reply<u64>>("app/blocker").unwrap(), tree.events());
        let call = handle.call(|reply| reply);
        gate.reached().await;
        handle.kill().unwrap();
        hears(&mut events, "app/blocker#1 was abandoned").await;
        let error = soon("the call", call).await.unwrap_err();
        assert!(matches!(error.exit(), Some(Exit::Killed)), "{error:?}");
        assert_eq!(soon("the next", handle.call(|reply| reply)).await.unwrap(), 2);
        assert!(told.recv_timeout(Duration::from_secs(60)).unwrap());
        gate.open();
        let could_answer = soon("the zombie", tokio::task::spawn_blocking(move || told.recv_timeout(60 * SEC))).await;
        assert!(!could_answer.unwrap().unwrap(), "what is fenced completes no reply");
        assert!(soon("the end", tree.shutdown()).await.is_clean());
    }
}

#[tokio::test]
async fn a_task_that_fails_is_tried_again_until_it_is_done() {
    for home in HOMES {
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
        let tree = app().child(home.of_task(task)).start().await.unwrap();
        stands(&tree, "app/t", ServiceState::Down).await;
        assert_eq!(journal.lines(), ["t#1", "t#2", "t#3"]);
        tree.shutdown().await;
    }
}

#[tokio::test]
async fn a_start_that_fails_hangs_or_ignores_is_answered() {
    for home in HOMES {
        let app = app().start().await.unwrap();
        let pool = app.supervisor("app").unwrap();
        let failing = Child::service("f", |_: Context<Inert>| async { anyhow::bail!("no luck") });
        assert!(pool.start_child(home.of(failing)).await.unwrap_err().to_string().contains("no luck"));
        let ignoring = Child::service("i", |_: Context<Inert>| async { regrow::ignore() }).restart(Restart::Temporary);
        assert_eq!(pool.start_child(home.of(ignoring)).await.unwrap(), regrow::StartOutcome::Ignored);
        let hung = Child::service("h", |_: Context<Inert>| std::future::pending::<anyhow::Result<Inert>>());
        let start = tokio::spawn({
            let pool = pool.clone();
            async move { pool.start_child(home.of(hung)).await }
        });
        starting(&app, "app/h").await;
        pool.terminate_child("h").await.unwrap();
        assert!(soon("the start", start).await.unwrap().is_err());
        app.shutdown().await;
    }
}

#[tokio::test]
async fn pools_and_partitions_that_are_killed_leave_no_child_behind() {
    for home in HOMES {
        let (pooled, parted) = (Journal::new(), Journal::new());
        let (of, parts) = (pooled.clone(), parted.clone());
        let pool = DynamicSupervisor::new("pool").numbered().template(move |()| home.of(of.probe("p")));
        let parts = Partitioned::new("parts", 3, move |_| home.of(parts.probe("p")));
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
}

/// Blocks its thread at the first gate: in its factory, its handler, its stop hook or its destructor.
struct Blocks(usize, Gate);

const STAGES: [&str; 4] = ["factory", "handler", "stop hook", "destructor"];

impl Blocks {
    fn child(name: &str, stage: usize, gate: &Gate) -> regrow::ServiceChild<()> {
        Child::service_with(name, gate.clone(), move |gate, _| async move {
            if stage == 0 {
                gate.pass();
            }
            Ok(Blocks(stage, gate))
        })
    }
}

impl Service for Blocks {
    type Msg = ();

    async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if self.0 == 1 {
            self.1.pass();
        }
        ctx.stop();
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if self.0 == 2 {
            self.1.pass();
        }
        Ok(())
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        if self.0 == 3 {
            self.1.pass();
        }
    }
}

// tokio keeps the task that a worker woke last for that worker. If the worker blocks, that task must not be the
// supervisor.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn code_that_blocks_a_thread_holds_up_no_supervisor() {
    let check = async {
        for (round, home) in (0..8).flat_map(|round| HOMES.map(|home| (round, home))) {
            let stage = round % STAGES.len();
            let tree = app().child(Journal::new().probe("a")).start().await.unwrap();
            let (app, gate) = (tree.supervisor("app").unwrap(), Gate::default());
            let _opener = gate.opener();
            let child = home.of(Blocks::child("b", stage, &gate).restart(Restart::Temporary));
            let start = tokio::spawn({
                let app = app.clone();
                async move { app.start_child(child).await }
            });
            if stage > 0 {
                soon("the start", start).await.unwrap().unwrap();
                tree.lookup::<()>("app/b").unwrap().send(()).await.unwrap();
            }
            while !gate.is_reached() {
                tokio::time::sleep(MS).await;
            }
            for _ in 0..3 {
                let children = soon(STAGES[stage], app.count_children()).await.unwrap();
                assert_eq!(children.specs, 2, "{home:?}");
            }
            gate.open();
            soon("the end", tree.shutdown()).await;
        }
    };
    // On a worker, like what it is about.
    tokio::spawn(check).await.unwrap();
}
