//! Small benches that watch for regressions: the costs of a message, a call, a restart, a look-up and a decision.
//!
//! Run with `cargo bench --bench regressions`. `benches/peers` compares with other systems.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use regrow::{Child, Context, Handle, Intensity, Policy, Reply, Service, Supervisor, Tree};
use regrow_supervisors::{Action, Exit, Machine, Strategy};
use tokio::runtime::{Builder, Runtime};

fn main() {
    divan::main();
}

struct Counter(u64);

enum Msg {
    Add,
    Get(Reply<u64>),
}

impl Service for Counter {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Add => self.0 += 1,
            Msg::Get(reply) => {
                reply.send(self.0);
            }
        }
        Ok(())
    }
}

const KINDS: [bool; 2] = [false, true];

/// A counter with labels of its messages, for the watchdog.
struct Labelled(Counter);

impl Service for Labelled {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Add => self.0.0 += 1,
            Msg::Get(reply) => {
                reply.send(self.0.0);
            }
        }
        Ok(())
    }

    fn label(msg: &Msg) -> Option<&'static str> {
        Some(match msg {
            Msg::Add => "add",
            Msg::Get(_) => "get",
        })
    }
}

/// Watchdog of the counter.
#[derive(Debug, Clone, Copy)]
enum Watched {
    No,
    /// No watchdog, but a timer in the runtime, as in any real program. tokio parks more slowly then.
    NoButATimer,
    /// A watchdog with a short limit, so that it looks eighty times a second.
    Yes,
    /// The same watchdog, and messages with labels.
    ByLabel,
}

const WATCHED: [Watched; 4] = [Watched::No, Watched::NoButATimer, Watched::Yes, Watched::ByLabel];

/// A tree with one counter, in a bare task or in a ractor actor.
fn counter(is_actor: bool) -> (Runtime, Tree, Handle<Msg>) {
    watched_counter(is_actor, Watched::No)
}

fn watched_counter(is_actor: bool, watched: Watched) -> (Runtime, Tree, Handle<Msg>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let policy = Policy::default().watchdog(Duration::from_millis(100));
    let child = match watched {
        Watched::No | Watched::NoButATimer => Child::service("counter", |_| async { Ok(Counter(0)) }),
        Watched::Yes => Child::service("counter", |_| async { Ok(Counter(0)) }).policy(policy),
        Watched::ByLabel => Child::service("counter", |_| async { Ok(Labelled(Counter(0))) }).policy(policy),
    };
    if let Watched::NoButATimer = watched {
        runtime.spawn(async { tokio::time::sleep(Duration::from_secs(3600)).await });
    }
    let child = if is_actor { child.as_actor() } else { child };
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child);
    let tree = runtime.block_on(tree.start()).expect("it starts");
    let counter = tree.lookup("app/counter").expect("it is there");
    (runtime, tree, counter)
}

/// A thousand casts, and a call after them.
#[divan::bench(args = KINDS)]
fn cast(bencher: Bencher<'_, '_>, is_actor: bool) {
    let (runtime, _tree, counter) = counter(is_actor);
    bencher.counter(ItemsCount::new(1000u32)).bench_local(|| {
        for _ in 0..1000 {
            counter.cast(Msg::Add).expect("room for 1024");
        }
        runtime.block_on(counter.call(Msg::Get)).expect("an answer")
    });
}

#[divan::bench(args = KINDS)]
fn call(bencher: Bencher<'_, '_>, is_actor: bool) {
    let (runtime, _tree, counter) = counter(is_actor);
    bencher.counter(ItemsCount::new(100u32)).bench_local(|| {
        runtime.block_on(async {
            for _ in 0..100 {
                counter.call(Msg::Get).await.expect("an answer");
            }
        });
    });
}

/// The same, with and without a watchdog, which shows its cost per message.
#[divan::bench(args = WATCHED)]
fn cast_watched(bencher: Bencher<'_, '_>, watched: Watched) {
    let (runtime, _tree, counter) = watched_counter(false, watched);
    bencher.counter(ItemsCount::new(1000u32)).bench_local(|| {
        for _ in 0..1000 {
            counter.cast(Msg::Add).expect("room for 1024");
        }
        runtime.block_on(counter.call(Msg::Get)).expect("an answer")
    });
}

#[divan::bench(args = WATCHED)]
fn call_watched(bencher: Bencher<'_, '_>, watched: Watched) {
    let (runtime, _tree, counter) = watched_counter(false, watched);
    bencher.counter(ItemsCount::new(100u32)).bench_local(|| {
        runtime.block_on(async {
            for _ in 0..100 {
                counter.call(Msg::Get).await.expect("an answer");
            }
        });
    });
}

/// A kill and the next reply.
#[divan::bench(args = KINDS)]
fn restart(bencher: Bencher<'_, '_>, is_actor: bool) {
    let (runtime, _tree, counter) = counter(is_actor);
    bencher.bench_local(|| {
        runtime.block_on(async {
            counter.kill().expect("it runs");
            // The call may still reach the life that is ending.
            while counter.call(Msg::Get).await.is_err() {}
        });
    });
}

#[divan::bench]
fn look_up(bencher: Bencher<'_, '_>) {
    let (_runtime, tree, _) = counter(false);
    bencher.bench_local(|| tree.lookup::<Msg>("app/counter").expect("it is there"));
}

/// A thousand look-ups on each thread. The threads look up different names, so they share only the directory.
#[divan::bench(threads = [1, 2, 8])]
fn look_up_beside_others(bencher: Bencher<'_, '_>) {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let children = (0..1024).map(|n| Child::service(n.to_string(), |_| async { Ok(Counter(0)) }));
    let tree = runtime.block_on(Supervisor::one_for_one("app").children(children).start()).expect("it starts");
    let directory = tree.directory();
    bencher.counter(ItemsCount::new(1000u32)).bench(|| {
        let first = THREAD.with(|thread| thread * 128);
        for n in 0..1000 {
            let path = format!("app/{}", (first + n % 128) % 1024);
            divan::black_box(directory.lookup::<Msg>(&path).expect("it is there"));
        }
    });
}

/// The machine's part of a restart, among this many children.
#[divan::bench(args = [100, 10_000, 1_000_000])]
fn decide(bencher: Bencher<'_, '_>, children: usize) {
    let specs = (0..children).map(|index| regrow_supervisors::ChildSpec::new(index.to_string()));
    let flags = regrow_supervisors::Flags { intensity: Intensity::unlimited(), ..Strategy::OneForOne.into() };
    let mut machine = regrow_supervisors::StaticMachine::new(flags, specs).expect("they make sense");
    let now = Duration::ZERO;
    let mut latest = None;
    while let Some(action) = machine.poll_action() {
        if let Action::Start(attempt) = action {
            machine.handle_started(attempt, now);
            latest = Some(attempt);
        }
    }
    bencher.bench_local(|| {
        let Some(dying) = latest else { return };
        machine.handle_exit(dying, Exit::Killed, now);
        while let Some(action) = machine.poll_action() {
            if let Action::Start(attempt) = action {
                machine.handle_started(attempt, now);
                latest = Some(attempt);
            }
        }
        while machine.poll_report().is_some() {}
    });
}
