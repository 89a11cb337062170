//! Does one job, in the process that was made for it.

use std::process::ExitCode;

use anyhow::Result;

use crate::job::{Job, Outcome};
use crate::system::{DELIBERATE, System, SystemName};
use crate::systems::actix::Actix;
use crate::systems::kameo::Kameo;
use crate::systems::ractor::Ractor;
use crate::systems::regrow::{self, Regrow};
use crate::systems::tokio::Tokio;
use crate::work;
use crate::workload::Mode;

/// The other programs are told their job by the first one.
pub fn called_by_peers() -> ExitCode {
    match (std::env::args().nth(1).as_deref(), std::env::args().nth(2)) {
        (Some("run"), Some(job)) => main(&job),
        _ => {
            eprintln!("this is called by `peers`");
            ExitCode::from(2)
        }
    }
}

/// Does the job that `text` describes and prints what came of it.
pub fn main(text: &str) -> ExitCode {
    silence_deliberate_panics();
    match serde_json::from_str(text)
        .map_err(Into::into)
        .and_then(run)
        .and_then(|done| Ok(serde_json::to_string(&done)?))
    {
        Ok(line) => {
            println!("{line}");
            // Whatever still runs is of no interest, and taking it apart would only take time.
            std::process::exit(0)
        }
        Err(error) => {
            eprintln!("{error:#}");
            std::process::exit(1)
        }
    }
}

fn run(job: Job) -> Result<Outcome> {
    match (job.system, job.mode) {
        (SystemName::Regrow | SystemName::RegrowChaos, _) => on_tokio::<Regrow<{ regrow::PLAIN }>>(job),
        (SystemName::RegrowActor, _) => on_tokio::<Regrow<{ regrow::ACTOR }>>(job),
        (SystemName::RegrowDynamic, _) => on_tokio::<Regrow<{ regrow::DYNAMIC }>>(job),
        (SystemName::RegrowStartChildren, _) => on_tokio::<Regrow<{ regrow::START_CHILDREN }>>(job),
        (SystemName::RegrowWatched, _) => on_tokio::<Regrow<{ regrow::WATCHED }>>(job),
        (SystemName::TokioBounded, _) => on_tokio::<Tokio<true>>(job),
        (SystemName::TokioUnbounded, _) => on_tokio::<Tokio<false>>(job),
        (SystemName::Ractor | SystemName::RactorSpans, _) => on_tokio::<Ractor>(job),
        #[cfg(feature = "ractor-supervisor")]
        (SystemName::RactorSupervisor, _) => on_tokio::<crate::systems::ractor_supervisor::RactorSupervisor>(job),
        #[cfg(not(feature = "ractor-supervisor"))]
        (SystemName::RactorSupervisor, _) => anyhow::bail!("{} is in another program", job.system),
        (SystemName::Kameo, _) => on_tokio::<Kameo<true>>(job),
        (SystemName::KameoUnbounded, _) => on_tokio::<Kameo<false>>(job),
        (SystemName::Actix, Mode::St) => on_actix::<Actix<false>>(job),
        (SystemName::Actix, Mode::Mt) => on_actix::<Actix<true>>(job),
        (SystemName::Erlang | SystemName::ErlangDynamic, _) => anyhow::bail!("{} is a program of its own", job.system),
    }
}

/// The driver is a task in both modes: on a thread outside of the workers, each wake-up would cross threads.
fn on_tokio<S: System>(job: Job) -> Result<Outcome> {
    let mut builder = match job.mode {
        Mode::St => tokio::runtime::Builder::new_current_thread(),
        Mode::Mt => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(async { S::spawn(work::run::<S>(job)).await? });
    std::mem::forget(runtime);
    done
}

fn on_actix<S: System>(job: Job) -> Result<Outcome> {
    let system = actix::System::new();
    let done = system.block_on(async { S::spawn(work::run::<S>(job)).await? });
    std::mem::forget(system);
    done
}

/// Set before the first tree starts, for regrow calls the hook that it finds.
fn silence_deliberate_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        if text != Some(DELIBERATE) {
            before(info);
        }
    }));
}
