//! The measured operations. Each runs on one thread.

use std::time::Duration;

use regrow::{
    Child, Context, DynamicSupervisor, Handle, Intensity, Policy, Reply, Service, Strategy, Supervisor, Tree,
};
use tokio::runtime::Builder;

use crate::book::Unit;

/// An operation that can be done a given number of times.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// Repetitions of the first run; the second run has twice as many.
    pub(crate) times: usize,
    /// Number of the things in the name that one repetition does.
    pub(crate) parts: usize,
    pub(crate) run: fn(usize),
}

const fn counted(name: &'static str, times: usize, run: fn(usize)) -> Operation {
    Operation { name, unit: Unit::Instructions, times, parts: 1, run }
}

const fn weighed(name: &'static str, times: usize, run: fn(usize)) -> Operation {
    Operation { name, unit: Unit::Bytes, times, parts: 1, run }
}

const fn in_parts(mut operation: Operation, parts: usize) -> Operation {
    operation.parts = parts;
    operation
}

/// All operations, in the order of the output.
pub(crate) const OPERATIONS: &[Operation] = &[
    counted("cast", 20_000, |times| on_a_tree(&[Kind::Plain], async move |tree| cast(&tree, times).await)),
    counted("call", 10_000, |times| on_a_tree(&[Kind::Plain], async move |tree| call(&tree, times).await)),
    in_parts(
        counted("call, 64 callers", 320, |times| {
            on_a_tree(&[Kind::Plain], async move |tree| call_64(&tree, times).await);
        }),
        64,
    ),
    counted("call from a service", 10_000, |times| {
        on_a_tree(&[Kind::Plain, Kind::Plain], async move |tree| relay(&tree, times).await);
    }),
    counted("call from a service, watchdog on", 10_000, |times| {
        on_a_tree(&[Kind::Watched, Kind::Watched], async move |tree| relay(&tree, times).await);
    }),
    counted("cast, 64 producers, mailbox full", 20_000, |times| {
        on_a_tree(&[Kind::Plain], async move |tree| cast_64(&tree, times).await);
    }),
    counted("look-up by name", 10_000, |times| {
        on_a_tree(&[Kind::Plain], async move |tree| {
            for _ in 0..times {
                let _handle: Handle<Msg> = tree.lookup("app/0").expect("it is there");
            }
        });
    }),
    counted("kill to reply", 1_000, |times| {
        on_a_tree(&[Kind::Plain], async move |tree| kill(&tree, times).await);
    }),
    counted("kill to reply, as actor", 1_000, |times| {
        on_a_tree(&[Kind::Actor], async move |tree| kill(&tree, times).await);
    }),
    in_parts(
        counted("restart of a child by one_for_all", 10, |rounds| {
            let children = [Kind::Plain; GROUP];
            on(static_tree(Strategy::OneForAll, &children), async move |tree| kill_all(&tree, rounds).await);
        }),
        GROUP,
    ),
    counted("start of a child", 1_000, |children| on_a_tree(&vec![Kind::Plain; children], async |_| ())),
    counted("start and stop of a child", 1_000, |children| {
        on_a_tree(&vec![Kind::Plain; children], async |tree| {
            assert!(tree.shutdown().await.is_clean());
        });
    }),
    counted("start of a child, dynamic", 1_000, |children| on(dynamic_tree(children), async |_| ())),
    counted("start of a child, start_children", 1_000, |children| on(started_at_once(children), async |_| ())),
    weighed("bytes of an idle child", 1_000, |children| on_a_tree(&vec![Kind::Plain; children], async |_| ())),
    weighed("bytes of an idle child, dynamic", 1_000, |children| on(dynamic_tree(children), async |_| ())),
    weighed("bytes of an idle child, as actor", 1_000, |children| {
        on_a_tree(&vec![Kind::Actor; children], async |_| ())
    }),
];

/// Number of children in the group that restarts as a whole.
const GROUP: usize = 100;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    Actor,
    Watched,
}

struct Counter(u64);

enum Msg {
    Add,
    Get(Reply<u64>),
    /// Makes this service call that one this many times.
    Relay(Box<(Handle<Msg>, usize, Reply<u64>)>),
}

impl Service for Counter {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Add => self.0 += 1,
            Msg::Get(reply) => {
                reply.send(self.0);
            }
            Msg::Relay(relay) => {
                // Boxed, since each idle child has room for the largest future that its handler may await.
                Box::pin(async move {
                    let (to, times, reply) = *relay;
                    let mut seen = 0;
                    for _ in 0..times {
                        seen = to.call(Msg::Get).await?;
                    }
                    reply.send(seen);
                    anyhow::Ok(())
                })
                .await?;
            }
        }
        Ok(())
    }
}

fn on<F: Future<Output = ()>>(tree: impl Future<Output = Tree>, then: impl FnOnce(Tree) -> F) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let tree = tree.await;
        then(tree).await;
    });
    // The process exits here: drops are not a part of the operation.
    std::process::exit(0);
}

fn on_a_tree<F: Future<Output = ()>>(children: &[Kind], then: impl FnOnce(Tree) -> F) {
    on(static_tree(Strategy::OneForOne, children), then);
}

fn counter(place: usize, kind: Kind) -> regrow::ServiceChild<Msg> {
    let child = Child::service(place.to_string(), |_| async { Ok(Counter(0)) });
    match kind {
        Kind::Plain => child,
        Kind::Actor => child.as_actor(),
        Kind::Watched => child.policy(Policy::default().watchdog(Duration::from_secs(10))),
    }
}

async fn static_tree(strategy: Strategy, children: &[Kind]) -> Tree {
    let supervisor = match strategy {
        Strategy::OneForOne => Supervisor::one_for_one("app"),
        Strategy::OneForAll => Supervisor::one_for_all("app"),
        Strategy::RestForOne => Supervisor::rest_for_one("app"),
    };
    let children = children.iter().enumerate().map(|(place, kind)| counter(place, *kind));
    supervisor.budget(Intensity::unlimited()).children(children).start().await.expect("it starts")
}

async fn dynamic_tree(children: usize) -> Tree {
    let tree = DynamicSupervisor::new("app").budget(Intensity::unlimited()).start().await.expect("it starts");
    let pool = tree.dynamic("app").expect("it is dynamic");
    for place in 0..children {
        pool.start_child(counter(place, Kind::Plain)).await.expect("it starts");
    }
    tree
}

async fn started_at_once(children: usize) -> Tree {
    let tree = DynamicSupervisor::new("app").budget(Intensity::unlimited()).start().await.expect("it starts");
    let pool = tree.dynamic("app").expect("it is dynamic");
    let started = pool.start_children((0..children).map(|place| counter(place, Kind::Plain))).await;
    assert!(started.iter().all(Result::is_ok));
    tree
}

fn handle(tree: &Tree, place: usize) -> Handle<Msg> {
    tree.lookup(&format!("app/{place}")).expect("it is there")
}

async fn cast(tree: &Tree, times: usize) {
    let counter = handle(tree, 0);
    for _ in 0..times {
        counter.send(Msg::Add).await.expect("it is taken");
    }
    assert_eq!(counter.call(Msg::Get).await.expect("an answer"), times as u64);
}

async fn cast_64(tree: &Tree, times: usize) {
    let (counter, each) = (handle(tree, 0), times / 64);
    let producer = |counter: Handle<Msg>| async move {
        for _ in 0..each {
            counter.send(Msg::Add).await.expect("it is taken");
        }
    };
    let producers: Vec<_> = (0..64).map(|_| tokio::spawn(producer(counter.clone()))).collect();
    for producer in producers {
        producer.await.expect("it does not panic");
    }
    assert_eq!(counter.call(Msg::Get).await.expect("an answer"), 64 * each as u64);
}

async fn call(tree: &Tree, times: usize) {
    let counter = handle(tree, 0);
    for _ in 0..times {
        counter.call(Msg::Get).await.expect("an answer");
    }
}

/// Makes this many calls by each of 64 callers.
async fn call_64(tree: &Tree, times: usize) {
    let counter = handle(tree, 0);
    let caller = |counter: Handle<Msg>| async move {
        for _ in 0..times {
            counter.call(Msg::Get).await.expect("an answer");
        }
    };
    let callers: Vec<_> = (0..64).map(|_| tokio::spawn(caller(counter.clone()))).collect();
    for caller in callers {
        caller.await.expect("it does not panic");
    }
}

async fn relay(tree: &Tree, times: usize) {
    let (caller, callee) = (handle(tree, 0), handle(tree, 1));
    caller.call(|reply| Msg::Relay(Box::new((callee, times, reply)))).await.expect("an answer");
}

async fn kill(tree: &Tree, times: usize) {
    let counter = handle(tree, 0);
    for life in 1..=times as u64 {
        counter.kill().expect("it runs");
        while counter.call(Msg::Get).await.is_err() {}
        assert_eq!(counter.generation(), life + 1);
    }
}

async fn kill_all(tree: &Tree, rounds: usize) {
    let handles: Vec<_> = (0..GROUP).map(|place| handle(tree, place)).collect();
    for round in 1..=rounds as u64 {
        handles[0].kill().expect("it runs");
        for handle in &handles {
            while handle.generation() == round {
                tokio::task::yield_now().await;
            }
        }
    }
}
