//! The experiments of an `Admin`: one at a time in each tree, and the reports of the latest.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::admin::answer::Refused;
use crate::admin::row;
use crate::admin::shown::Shown;
use crate::admin::wire::envelope::IssueCode;
use crate::admin::wire::experiment::ExperimentState;
use crate::base::sync::lock;

/// Experiments that are remembered, those that run included.
const REMEMBERED_MAX: usize = 32;
/// Time for which the end of a stopped experiment is waited for.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Result of an experiment that came to its end.
pub(crate) struct Report {
    pub(crate) text: String,
    pub(crate) passed: bool,
}

/// An experiment that was read and can be run.
pub(crate) struct Prepared {
    pub(crate) name: String,
    pub(crate) run: Pin<Box<dyn Future<Output = Result<Report, String>> + Send>>,
}

/// Reader and runner of experiments. The room of experiments is above this one, so it is given as a value.
pub(crate) trait Experimenter: Send + Sync {
    /// Reads the content of an experiment file, or says what is wrong with it. Nothing has begun then.
    fn prepare(&self, shown: &Shown, file: &str, seed: Option<u64>) -> Result<Prepared, String>;
}

/// The experiments of one `Admin`.
#[derive(Default)]
pub(crate) struct Experiments {
    experimenter: OnceLock<Arc<dyn Experimenter>>,
    state: Arc<Mutex<Register>>,
    /// Notified when an experiment has ended.
    ended: Arc<Notify>,
}

#[derive(Default)]
struct Register {
    latest: u64,
    known: VecDeque<Known>,
}

struct Known {
    state: ExperimentState,
    /// Absent until it is spawned, and when it is over.
    task: Option<AbortHandle>,
    /// Whether a stop came before the task was there.
    is_to_stop: bool,
}

impl Experiments {
    /// Lets experiments be run.
    #[allow(dead_code, reason = "only the room of experiments calls it, and it is a feature")]
    pub(crate) fn allow(&self, experimenter: Arc<dyn Experimenter>) {
        let _ = self.experimenter.set(experimenter);
    }

    /// Whether experiments can be run.
    pub(crate) fn are_allowed(&self) -> bool {
        self.experimenter.get().is_some()
    }

    /// Begins an experiment.
    pub(crate) fn run(&self, shown: &Shown, file: &str, seed: Option<u64>) -> Result<ExperimentState, Refused> {
        let Some(experimenter) = self.experimenter.get() else {
            let text = "the program was not told to run experiments: it calls `Admin::allow_experiments`, in code";
            return Err(Refused::new(IssueCode::NotAvailable, text).about("chaos"));
        };
        let prepared = experimenter
            .prepare(shown, file, seed)
            .map_err(|error| Refused::bad(format!("the experiment cannot be run: {error}")).about("file"))?;
        let mut register = lock(&self.state);
        let running = register.known.iter().find(|known| *known.state.tree == *shown.name && !known.state.is_over);
        if let Some(running) = running {
            let (number, name) = (running.state.number, &running.state.name);
            let text = format!("experiment {number} (`{name}`) runs in `{}`: wait for its end, or stop it", shown.name);
            return Err(Refused::new(IssueCode::Busy, text).about(number.to_string()));
        }
        register.latest = register.latest.saturating_add(1);
        let state = ExperimentState {
            number: register.latest,
            tree: shown.name.to_string(),
            name: prepared.name,
            started_at_ms: row::now_ms(),
            is_over: false,
            report: None,
            passed: None,
        };
        while register.known.len() >= REMEMBERED_MAX
            && let Some(over) = register.known.iter().position(|known| known.state.is_over)
        {
            register.known.remove(over);
        }
        // Its end is noted when the task has been dropped, whatever ended it.
        let end = AtEnd { state: self.state.clone(), ended: self.ended.clone(), number: state.number, result: None };
        register.known.push_back(Known { state: state.clone(), task: None, is_to_stop: false });
        drop(register);
        // Without the lock: a runtime that shuts down drops the task within this call, and its end takes the lock.
        let task = tokio::spawn(async move {
            let mut end = end;
            end.result = Some(prepared.run.await);
        });
        self.note_task(state.number, task.abort_handle());
        Ok(state)
    }

    /// Notes the task of an experiment, or ends it if a stop came meanwhile.
    fn note_task(&self, number: u64, task: AbortHandle) {
        let mut register = lock(&self.state);
        let Some(known) = register.known.iter_mut().find(|known| known.state.number == number) else { return };
        if known.is_to_stop {
            drop(register);
            task.abort();
        } else if !known.state.is_over {
            known.task = Some(task);
        }
    }

    /// Lists the experiments, newest first.
    pub(crate) fn list(&self) -> Vec<ExperimentState> {
        lock(&self.state).known.iter().rev().map(|known| known.state.clone()).collect()
    }

    /// Returns an experiment.
    pub(crate) fn get(&self, number: u64) -> Option<ExperimentState> {
        lock(&self.state).known.iter().find(|known| known.state.number == number).map(|known| known.state.clone())
    }

    /// Stops an experiment, which rolls its faults back, and waits for its end.
    pub(crate) async fn stop(&self, number: u64) {
        let task = {
            let mut register = lock(&self.state);
            let known = register.known.iter_mut().find(|known| known.state.number == number && !known.state.is_over);
            let Some(known) = known else { return };
            known.is_to_stop = true;
            known.task.clone()
        };
        if let Some(task) = task {
            task.abort();
        }
        let ended = async {
            loop {
                let mut ended = pin!(self.ended.notified());
                ended.as_mut().enable();
                if self.get(number).is_none_or(|known| known.is_over) {
                    return;
                }
                ended.await;
            }
        };
        // Code that does not yield keeps it for longer: the answer then says that it is not over yet.
        let _ = timeout(STOP_LIMIT, ended).await;
    }
}

/// Notes the end of an experiment when it is dropped.
struct AtEnd {
    state: Arc<Mutex<Register>>,
    ended: Arc<Notify>,
    number: u64,
    result: Option<Result<Report, String>>,
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        let mut register = lock(&self.state);
        let Some(known) = register.known.iter_mut().find(|known| known.state.number == self.number) else { return };
        known.state.is_over = true;
        known.task = None;
        (known.state.report, known.state.passed) = match self.result.take() {
            Some(Ok(report)) => (Some(report.text), Some(report.passed)),
            Some(Err(error)) => (Some(format!("it did not run: {error}")), None),
            None => (Some("it was stopped, and its faults were rolled back".into()), None),
        };
        drop(register);
        self.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::supervisor::Supervisor;

    struct Endless;

    impl Experimenter for Endless {
        fn prepare(&self, _: &Shown, _: &str, _: Option<u64>) -> Result<Prepared, String> {
            Ok(Prepared { name: "endless".into(), run: Box::pin(std::future::pending()) })
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    // Found by reading: a runtime that shuts down drops a new task at once, and the end of the experiment then waited for a
    // lock of its own thread.
    #[test]
    fn an_experiment_that_begins_while_the_runtime_ends_is_over_at_once() {
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            let (alive, ending) = (runtime(), runtime());
            let tree = alive.block_on(Supervisor::one_for_one("shop").start()).unwrap();
            let experiments = Experiments::default();
            experiments.allow(Arc::new(Endless));
            let of_ending = ending.handle().clone();
            ending.shutdown_background();
            let begun = {
                let _entered = of_ending.enter();
                experiments.run(&Shown::new(&tree), "", None)
            };
            let number = begun.unwrap().number;
            done.send(experiments.get(number).unwrap().is_over).unwrap();
        });
        assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(true));
    }

    #[test]
    fn a_stop_before_the_task_is_there_ends_it() {
        let runtime = runtime();
        runtime.block_on(async {
            let tree = Supervisor::one_for_one("shop").start().await.unwrap();
            let experiments = Experiments::default();
            experiments.allow(Arc::new(Endless));
            let begun = experiments.run(&Shown::new(&tree), "", None).unwrap();
            // The moment between the entry and the task, as another thread sees it.
            let task = {
                let mut register = lock(&experiments.state);
                register.known[0].task.take().unwrap()
            };
            let later = async {
                tokio::task::yield_now().await;
                experiments.note_task(begun.number, task);
            };
            tokio::join!(experiments.stop(begun.number), later);
            assert!(experiments.get(begun.number).unwrap().is_over);
        });
    }
}
