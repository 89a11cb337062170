//! The service that `tests/signals` sends signals to. Everything it says goes to its standard error.

use std::time::Duration;

use regrow::{
    Child, Context, Intensity, Policy, Reply, Restart, RunError, Service, ServiceChild, Shutdown, Supervisor,
    TaskContext,
};

const MS: Duration = Duration::from_millis(1);

fn say(line: &str) {
    eprintln!("{line}");
}

/// Says when it starts, when it is asked to stop, and when it is dropped.
struct Talker {
    label: String,
    stops_in: Option<Duration>,
}

impl Service for Talker {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }

    async fn stopped(&mut self, _: &mut Context<Self>) -> anyhow::Result<()> {
        say(&format!("stop {}", self.label));
        match self.stops_in {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
        Ok(())
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        say(&format!("end {}", self.label));
    }
}

/// A child that needs this time to stop; without one, it never does.
fn talker(name: &'static str, stops_in: Option<Duration>) -> ServiceChild<()> {
    Child::service(name, move |_: Context<Talker>| async move {
        say(&format!("start {name}"));
        Ok(Talker { label: name.to_owned(), stops_in })
    })
}

/// A server of which only the readiness probe is left.
fn http() -> Child {
    let serve = |ctx: TaskContext| async move {
        let mut ticks = tokio::time::interval(20 * MS);
        let stopping = ctx.stopping();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                () = &mut stopping => return Ok(()),
                _ = ticks.tick() => say(if ctx.directory().is_draining() { "serving: not ready" } else { "serving: ready" }),
            }
        }
    };
    Child::task("http", serve).restart(Restart::Permanent).into()
}

/// A server whose port another one has.
fn http_without_port() -> Child {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let serve = move |_| {
        let address = other.local_addr();
        async move {
            let _listener = tokio::net::TcpListener::bind(address?).await?;
            std::future::pending().await
        }
    };
    Child::task("http", serve).restart(Restart::Permanent).into()
}

/// Blocks the thread that it runs on for good.
fn blocked() -> Child {
    let block = |_| async {
        tokio::time::sleep(MS).await;
        say("blocked");
        loop {
            std::thread::park();
        }
    };
    Child::task("blocked", block).into()
}

/// Works on one message for 400 ms in all, and may take a second: it blocks its thread, or awaits timers.
struct Worker {
    blocks: bool,
}

impl Service for Worker {
    type Msg = Reply<()>;

    async fn handle(&mut self, reply: Reply<()>, _: &mut Context<Self>) -> anyhow::Result<()> {
        say("working");
        for _ in 0..200 {
            if self.blocks { std::thread::sleep(2 * MS) } else { tokio::time::sleep(2 * MS).await }
        }
        reply.send(());
        Ok(())
    }
}

fn worker(blocks: bool) -> [Child; 2] {
    let worker = Child::service("worker", move |_| async move { Ok(Worker { blocks }) });
    let asks = |ctx: TaskContext| async move {
        let done = ctx.lookup::<Reply<()>>("worker")?.call(|reply| reply).await;
        say(&format!("outcome {done:?}"));
        std::future::pending().await
    };
    [worker.policy(Policy::default().watchdog(1000 * MS)).into(), Child::task("customer", asks).into()]
}

pub(crate) fn run(mode: &str) -> Result<(), RunError> {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).without_time();
    log.with_max_level(tracing::Level::INFO).init();
    // Whatever happens, it is over in the end.
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(60));
        std::process::exit(99);
    });
    let mut runtime = match mode {
        "blocked" => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(serve(mode))
}

async fn serve(mode: &str) -> Result<(), RunError> {
    let shop = Supervisor::one_for_one("shop");
    let hangs = talker("hangs", None);
    let (shop, limit, drain) = match mode {
        "port-taken" => (shop.child(http_without_port()), None, Duration::ZERO),
        "no-start" => {
            let broken = Child::service("db", |_: Context<Talker>| async { anyhow::bail!("no such file") });
            (shop.child(broken), None, Duration::ZERO)
        }
        "slow" => {
            let slow = talker("slow", Some(1200 * MS));
            (shop.child(talker("quick", Some(10 * MS))).child(slow), None, Duration::ZERO)
        }
        "unclean" => (shop.child(hangs.shutdown(Shutdown::After(100 * MS))), None, Duration::ZERO),
        "limited" => {
            let elder = talker("elder", Some(MS));
            (shop.child(elder).child(hangs.shutdown(Shutdown::Wait)), Some(400 * MS), Duration::ZERO)
        }
        "paused-blocking" => (shop.children(worker(true)), None, Duration::ZERO),
        "paused-awaiting" => (shop.children(worker(false)), None, Duration::ZERO),
        "hangs" => (shop.child(hangs.shutdown(Shutdown::Wait)), None, Duration::ZERO),
        "blocked" => (shop.child(blocked()), None, Duration::ZERO),
        "drains" => (shop.child(http()), None, 200 * MS),
        "drains-long" => (shop.child(http()), None, 50_000 * MS),
        "drains-nested" => {
            let budget = || Intensity::new(50, 1000 * MS);
            let names = ["a", "b", "c", "d"];
            let nested = |name: &str| {
                Supervisor::one_for_one(name).budget(budget()).children(names.map(|name| talker(name, Some(MS))))
            };
            (shop.budget(budget()).child(nested("one")).child(nested("two")).child(http()), None, 50_000 * MS)
        }
        "drains-beyond" => (shop.child(http()), Some(400 * MS), 50_000 * MS),
        "longest" => (shop.child(http()), Some(Duration::MAX), Duration::MAX),
        "shortest" => (shop.child(http()), Some(Duration::ZERO), Duration::ZERO),
        "starting" => {
            let late = Child::service("late", |_: Context<Talker>| std::future::pending());
            (shop.child(talker("early", Some(MS))).child(late), None, 50_000 * MS)
        }
        mode => panic!("no such mode: {mode}"),
    };
    let mut run = shop.run_until_signal().drain(drain).when_up(|_| say("ready"));
    if let Some(limit) = limit {
        run = run.within(limit);
    }
    let report = run.await?;
    say(&format!("clean: {}; report: {report}", report.is_clean()));
    Ok(())
}
