//! The service that systemd starts. It obeys the lines of its standard input.

use std::io::BufRead;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, Child, Directory, GiveUp, Handle, Intensity, Policy, Readiness, RunError, ServiceChild, Supervisor, Tree,
};

const SEC: Duration = Duration::from_secs(1);

fn say(line: &str) {
    eprintln!("{line}");
}

fn db() -> ServiceChild<ProbeMsg> {
    Journal::new().probe("db")
}

fn at_first_failure(then: GiveUp) -> Policy {
    Policy::default().budget(Intensity::new(0, 60 * SEC)).on_give_up(then)
}

fn shop(db: impl Into<Child>) -> Supervisor {
    Supervisor::one_for_one("shop").child(db).child(Journal::new().probe("web"))
}

pub(crate) fn run(mode: &str) -> Result<(), RunError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let mut runtime = match mode {
        "blocks-one" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let done = runtime.block_on(serve(mode));
    // A thread that reads the standard input goes on.
    runtime.shutdown_background();
    done
}

async fn serve(mode: &str) -> Result<(), RunError> {
    let late = Policy::default().readiness(Readiness::WhenSaid);
    let description = match mode {
        "well" | "drains" | "blocks" | "blocks-one" => shop(db()),
        "late" => shop(db().policy(late)),
        "parks" => shop(db().policy(at_first_failure(GiveUp::Park(Backoff::new(3600 * SEC))))),
        "gives-up" => shop(db().policy(at_first_failure(GiveUp::EndTree))),
        "boots" => {
            Supervisor::one_for_one("shop").child(Child::service("db", |_| std::future::pending::<never::Made>()))
        }
        "hostile" => Supervisor::one_for_one("shop").child(Journal::new().probe("db=\0READY=1").policy(late)),
        mode => panic!("no mode is named {mode}"),
    };
    let mut run = description.run_until_signal().sd_notify().when_up(obey);
    if mode == "drains" {
        run = run.drain(100 * SEC).within(200 * SEC);
    }
    run.await?;
    Ok(())
}

/// A factory that never returns.
mod never {
    use regrow::{Context, Service};

    pub(crate) struct Never;
    pub(crate) type Made = anyhow::Result<Never>;

    impl Service for Never {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
            Ok(())
        }
    }
}

/// Obeys each line, from now on.
fn obey(tree: &Tree) {
    say("ready");
    let directory = tree.directory();
    let app = tree.supervisor("shop").unwrap();
    let (lines, mut orders) = tokio::sync::mpsc::unbounded_channel();
    let (unblock, blocked) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match &*line {
                "unblock" => drop(unblock.send(())),
                _ => drop(lines.send(line)),
            }
        }
    });
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    tokio::spawn(async move {
        while let Some(line) = orders.recv().await {
            match &*line {
                "park" => db_of(&directory).cast(ProbeMsg::Panic("no disk")).unwrap(),
                "revive" => app.revive("db").await.unwrap(),
                "ready" => db_of(&directory).cast(ProbeMsg::Run(Box::new(|ctx| ctx.ready()))).unwrap(),
                "status" if directory.is_draining() && directory.entries().iter().all(|line| line.status.ready) => {
                    say("all up, draining");
                }
                "block" => {
                    say("blocked");
                    blocked.lock().unwrap().recv().unwrap();
                }
                line => panic!("no order is named {line}"),
            }
        }
    });
}

fn db_of(directory: &Directory) -> Handle<ProbeMsg> {
    directory.lookup("shop/db").unwrap()
}
