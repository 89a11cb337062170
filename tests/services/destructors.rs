//! Destructors of the user's that block, panic or call back: they hold up nothing but what they belong to.

use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    Abandon, Child, Context, DynamicSupervisor, Intensity, Partitioned, Restart, Service, ServiceChild, ServiceState,
    Shutdown, Supervisor, Tree,
};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

/// A value of the user's: runs this when it is dropped.
#[derive(Clone)]
struct Value(#[expect(dead_code, reason = "it is for its destructor")] Arc<OnDrop>);

struct OnDrop(Box<dyn Fn() + Send + Sync>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }
}

impl std::error::Error for Value {}

#[derive(Clone)]
enum Todo {
    /// Hangs, and yields.
    Hang,
    /// Fails with this.
    Fail(Value),
    /// Blocks the thread until the other end is dropped.
    Block(Arc<Mutex<mpsc::Receiver<()>>>, Value),
}

struct Doer;

impl Service for Doer {
    type Msg = Todo;

    async fn handle(&mut self, todo: Todo, _: &mut Context<Self>) -> anyhow::Result<()> {
        match todo {
            Todo::Hang => std::future::pending().await,
            Todo::Fail(value) => Err(value.into()),
            Todo::Block(gate, value) => {
                // The copy that the mailbox keeps is the last one.
                drop(value);
                let _ = gate.lock().unwrap().recv();
                Ok(())
            }
        }
    }
}

fn doer(name: &str) -> ServiceChild<Todo> {
    Child::service(name, |_| async { Ok(Doer) }).shutdown(Shutdown::Kill)
}

/// A child whose factory has captured the value.
fn captures(name: &str, value: Value) -> ServiceChild<Todo> {
    let child = Child::service(name, move |_| {
        let _captured = &value;
        async { Ok(Doer) }
    });
    child.shutdown(Shutdown::Kill)
}

async fn app(child: impl Into<Child>) -> Tree {
    let pool = DynamicSupervisor::new("pool").budget(Intensity::unlimited());
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    app.child(Journal::new().probe("p")).child(child).child(pool).start().await.unwrap()
}

/// Runs the case with a value whose destructor blocks, one whose destructor panics, and one whose destructor calls back.
async fn holds_up_nothing(child: impl Fn() -> Child, case: impl AsyncFn(&Tree, Value)) {
    for manner in ["blocks", "panics", "calls back"] {
        let tree = Arc::new(app(child()).await);
        let ((begin, begun), (open, gate)) = (mpsc::channel(), mpsc::channel::<()>());
        let (gate, in_tree) = (Mutex::new(gate), Arc::downgrade(&tree));
        let on_drop = move || {
            let _ = begin.send(());
            match manner {
                "blocks" => gate.lock().unwrap().recv().unwrap_or_default(),
                "panics" => panic!("boom"),
                _ => in_tree.upgrade().iter().for_each(|tree| call_back(tree)),
            }
        };
        case(&tree, Value(Arc::new(OnDrop(Box::new(on_drop))))).await;
        let is_run = move || begun.recv_timeout(LONG).expect("the destructor runs");
        tokio::task::spawn_blocking(is_run).await.unwrap();
        let p = tree.lookup::<ProbeMsg>("app/p").unwrap();
        p.kill().unwrap();
        let is_back = until(p.watch(), |status| status.generation == 2 && status.state == ServiceState::Up);
        timeout(LONG, is_back).await.unwrap_or_else(|_| panic!("the sibling is not back: the destructor {manner}"));
        let (app, pool) = (tree.supervisor("app").unwrap(), tree.dynamic("app/pool").unwrap());
        let answers =
            timeout(LONG, async { (app.count_children().await.unwrap(), pool.count_children().await.unwrap()) });
        answers.await.unwrap_or_else(|_| panic!("a supervisor does not answer: the destructor {manner}"));
        let directory = tree.directory();
        for supervisor in ["app", "app/pool"] {
            assert_eq!(directory.status(supervisor).unwrap().generation, 1, "{supervisor}: the destructor {manner}");
        }
        drop(open);
        tree.shutdown().await;
    }
}

/// Whatever a destructor may want of the tree.
fn call_back(tree: &Tree) {
    let (directory, letters) = (tree.directory(), tree.dead_letters());
    directory.entries();
    letters.list();
    let p = tree.lookup::<ProbeMsg>("app/p").unwrap();
    p.cast(ProbeMsg::Note(1)).unwrap();
    p.status();
    let _ = tree.lookup::<Todo>("app/n").map(|n| (n.cast(Todo::Hang), n.accounting()));
    let _ = tree.kill("app/pool/nothing");
    tree.events();
    if let Ok(pool) = tree.dynamic("app/pool") {
        tokio::spawn(async move { pool.start_child(doer("other")).await.map(drop) });
    }
}

/// One message is in hand, and this one is left in the mailbox of a child that is being terminated.
async fn leave_behind(tree: &Tree, todo: Todo) {
    let n = tree.lookup::<Todo>("app/n").unwrap();
    n.cast(Todo::Hang).unwrap();
    n.cast(todo).unwrap();
    terminate(tree, "n");
}

fn terminate(tree: &Tree, name: &'static str) {
    let app = tree.supervisor("app").unwrap();
    tokio::spawn(async move { app.terminate_child(name).await });
}

// Found with a message whose destructor slept: the siblings came back 1.6 s late.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_that_are_left_in_a_mailbox() {
    let case = async |tree: &Tree, value| leave_behind(tree, Todo::Fail(value)).await;
    holds_up_nothing(|| doer("n").into(), case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dead_letters_for_which_there_is_no_room() {
    let case = async |tree: &Tree, value| {
        tree.dead_letters().set_capacity(0);
        leave_behind(tree, Todo::Fail(value)).await;
    };
    holds_up_nothing(|| doer("n").into(), case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 5)]
async fn the_copy_of_a_message_whose_incarnation_is_abandoned() {
    let abandoned = || doer("n").redeliver(1).abandon(Abandon::After(Duration::ZERO)).into();
    static OPEN: OnceLock<Mutex<Vec<mpsc::Sender<()>>>> = OnceLock::new();
    let case = async |tree: &Tree, value| {
        let (open, gate) = mpsc::channel();
        OPEN.get_or_init(Mutex::default).lock().unwrap().push(open);
        let n = tree.lookup::<Todo>("app/n").unwrap();
        n.cast(Todo::Block(Arc::new(Mutex::new(gate)), value)).unwrap();
        while n.accounting().in_hand == 0 {
            tokio::task::yield_now().await;
        }
        terminate(tree, "n");
        until(n.watch(), |status| status.state == ServiceState::Down).await;
        OPEN.get().unwrap().lock().unwrap().clear();
    };
    holds_up_nothing(abandoned, case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_factory_of_a_child_has_captured_that_is_gone() {
    let case = async |tree: &Tree, value| {
        let pool = tree.dynamic("app/pool").unwrap();
        pool.start_child(captures("x", value).restart(Restart::Temporary)).await.unwrap();
        tokio::spawn(async move { pool.terminate_child("x").await });
    };
    holds_up_nothing(|| doer("n").into(), case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_factory_of_a_child_has_captured_that_is_refused() {
    let case = async |tree: &Tree, value| {
        let app = tree.supervisor("app").unwrap();
        tokio::spawn(async move { app.start_child(captures("n", value)).await.map(drop) });
    };
    holds_up_nothing(|| doer("n").into(), case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_error_of_a_life() {
    let case = async |tree: &Tree, value| {
        let n = tree.lookup::<Todo>("app/n").unwrap();
        n.cast(Todo::Fail(value)).unwrap();
        until(n.watch(), |status| status.generation == 2).await;
        n.kill().unwrap();
    };
    holds_up_nothing(|| doer("n").into(), case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_template_that_is_replaced() {
    let case = async |tree: &Tree, value: Value| {
        let pool = tree.dynamic("app/pool").unwrap();
        let make = move |name: String| {
            let _captured = &value;
            doer(&name)
        };
        pool.reconfigure(DynamicSupervisor::new("pool").template(make)).await.unwrap();
        tokio::spawn(async move { pool.reconfigure(DynamicSupervisor::new("pool")).await });
    };
    holds_up_nothing(|| doer("n").into(), case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_subtree_is_built_from_that_is_deleted() {
    for part in ["a child", "init", "the builder", "partitions"] {
        let case = async |tree: &Tree, value: Value| {
            let sub: Child = match part {
                "a child" => Supervisor::one_for_one("sub").child(captures("x", value)).into(),
                "init" => {
                    let init = move || {
                        let _captured = &value;
                        Ok(())
                    };
                    Supervisor::one_for_one("sub").init(init).into()
                }
                "the builder" => Child::supervisor("sub", move || {
                    let _captured = &value;
                    Supervisor::one_for_one("sub")
                }),
                _ => {
                    let make = move |_| {
                        let _captured = &value;
                        doer("any")
                    };
                    Partitioned::new("sub", 2, make).into()
                }
            };
            let app = tree.supervisor("app").unwrap();
            app.start_child(sub).await.unwrap();
            tokio::spawn(async move {
                app.terminate_child("sub").await.unwrap();
                app.delete_child("sub").await.unwrap();
            });
        };
        holds_up_nothing(|| doer("n").into(), case).await;
    }
}

/// Tells when it is dropped.
fn told() -> (Value, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let on_drop = move || {
        let _ = tell.send(());
    };
    (Value(Arc::new(OnDrop(Box::new(on_drop)))), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_for_the_destructors_of_what_was_left_behind() {
    for _ in 0..100 {
        let tree = app(doer("n")).await;
        let n = tree.lookup::<Todo>("app/n").unwrap();
        n.cast(Todo::Hang).unwrap();
        let values: Vec<_> = (0..100).map(|_| told()).collect();
        let (values, told): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        values.into_iter().for_each(|value| n.cast(Todo::Fail(value)).unwrap());
        tree.shutdown().await;
        told.iter().for_each(|told| told.try_recv().expect("it is dropped"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_does_not_wait_for_ever_for_a_destructor() {
    let tree = app(doer("n")).await;
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let on_drop = move || {
        let _ = gate.lock().unwrap().recv();
    };
    let blocks = Value(Arc::new(OnDrop(Box::new(on_drop))));
    leave_behind(&tree, Todo::Fail(blocks)).await;
    timeout(LONG, tree.shutdown_within(Duration::from_millis(400))).await.expect("it has a limit");
    drop(open);
}
