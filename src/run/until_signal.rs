//! A tree that runs until the process is asked to end: from the signal to the exit status.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::base::time::later;
use crate::log::{line, millis, one_line};
use crate::run::os_signals::{Signal, Signals};
use crate::run::run_error::RunError;
use crate::run::systemd::Systemd;
use crate::slot::fact::Fact;
use crate::supervisor::description::Description;
use crate::tree::Tree;
use crate::tree::report::{ShutdownReport, UncleanEnd};
use crate::tree::root::Root;
use crate::tree::shutdown::{Bounds, LAST_PART};

impl Tree {
    /// Runs until the tree ends or the process is asked to end (Ctrl-C, and SIGTERM on Unix). Then stops the tree in
    /// order.
    ///
    /// Signals that come before this is awaited end the process at once. To handle signals during the start too, use
    /// [`Supervisor::run_until_signal`](crate::Supervisor::run_until_signal). [`RunUntilSignal`] says what further
    /// signals do, how the end is bounded and what it returns.
    pub fn run_until_signal(&self) -> RunUntilSignal<'_> {
        RunUntilSignal::new(What::Tree(self))
    }
}

/// A tree that runs until the process is asked to end. It begins when it is awaited.
///
/// ```no_run
/// use regrow::{Child, RunError, Supervisor};
/// use std::time::Duration;
///
/// #[tokio::main]
/// async fn main() -> Result<(), RunError> {
///     Supervisor::one_for_one("shop")
///         .child(Child::task("http", |ctx| async move {
///             ctx.stopping().await;
///             Ok(())
///         }))
///         .run_until_signal()
///         .drain(Duration::from_secs(3))
///         .within(Duration::from_secs(25))
///         .await?;
///     Ok(())
/// }
/// ```
///
/// # Signals
///
/// | signal (SIGINT or SIGTERM) | what it does |
/// |---|---|
/// | first, during the start | children that are up are stopped in order, and those that are starting are not waited for |
/// | first | [readiness](Tree::is_draining) turns false, the tree serves on for the [drain](Self::drain), then stops in order |
/// | second | everything that is left is killed at once, unasked if the drain goes on; a child that outlives its kill by a second is abandoned |
/// | third | ends the process with the status 128 plus the number of the signal, in every state, and also after this has returned |
///
/// The same signal again within 100 ms counts as one: wrappers such as `timeout` send it to a process and then to its
/// group. A separate thread receives signals, even while every thread of the runtime is blocked. Each step from the
/// signal to the end is logged at INFO.
///
/// # What it returns
///
/// An error if the end was not wanted: the root gave up, was killed, or did not boot. A `main` that returns it exits
/// with status 1, and the reason is its last line.
///
/// The report if a signal asked for the end and the root obeyed, or if the tree ended because its work was done. Some
/// children may have failed or have been killed on the way. The report [is not clean](ShutdownReport::is_clean) then,
/// and the log says so at WARN. To exit non-zero in that case too, return `report.into_result()`. By default it is no
/// error, because the orchestrator asked for the end and got it: a rollout with one slow child is no failed service.
///
/// If the [limit](Self::within) was reached or a second signal came, the root itself was killed, and that is an error.
///
/// A runtime does not end before code that blocks its threads. After an end with [abandoned](ShutdownReport::abandoned)
/// children, the process may hang when `main` returns. Use `Runtime::shutdown_background` or `std::process::exit` then.
///
/// Dropping the future lets a tree that was started before run on, and no signal is waited for any more. Signals do not
/// get their default effect back, but the third one still ends the process. A tree that this future started is killed.
/// If it is still starting, what is up is stopped in order.
#[must_use = "it does nothing until it is awaited"]
pub struct RunUntilSignal<'a> {
    what: What<'a>,
    limit: Option<Duration>,
    drain: Duration,
    when_up: Option<WhenUp<'a>>,
    tells_systemd: bool,
}

type WhenUp<'a> = Box<dyn FnOnce(&Tree) + Send + 'a>;

enum What<'a> {
    Tree(&'a Tree),
    Description(Box<Description>),
}

impl<'a> RunUntilSignal<'a> {
    fn new(what: What<'a>) -> Self {
        Self { what, limit: None, drain: Duration::ZERO, when_up: None, tells_systemd: false }
    }

    pub(crate) fn starting(description: Description) -> Self {
        Self::new(What::Description(Box::new(description)))
    }

    /// Limits the time from the signal to the end, with the drain included, as [`Tree::shutdown_within`] does. Default:
    /// the shutdown times of the children.
    ///
    /// Take a few seconds less than the orchestrator waits: 25 s under Kubernetes, which kills after 30 s.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Lets the tree serve on for this time after the signal, with [readiness](Tree::is_draining) off, before it stops.
    /// Load balancers need that time to notice. Default: zero.
    ///
    /// A drain that is longer than the [limit](Self::within) leaves no time for an ordered stop, and ends with a kill.
    pub fn drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// Runs `then` once, when all children are up: to look up handles, follow a policy file or notify a process
    /// supervisor. It must not block.
    pub fn when_up(mut self, then: impl FnOnce(&Tree) + Send + 'a) -> Self {
        self.when_up = Some(Box::new(then));
        self
    }

    /// Tells systemd how the tree is, as `sd_notify` does. Default: it is not told. Nothing happens on other systems than
    /// Linux, and if the variable `NOTIFY_SOCKET` is not set.
    ///
    /// | message | when |
    /// |---|---|
    /// | `READY=1` | the tree is [ready](crate::health::TreeHealth::is_ready), and not only up, for the first time. Without it, systemd fails the start after its `TimeoutStartSec` |
    /// | `STATUS=` | one line, such as `12 services, 1 parked: shop/db`, after an event that changes it; at most one a second. `systemctl status` shows it |
    /// | `STOPPING=1` | the drain begins, before anything is stopped |
    /// | `EXTEND_TIMEOUT_USEC=` | with `STOPPING=1`, if there is a [limit](Self::within): systemd then waits that long even if its `TimeoutStopSec` is shorter |
    /// | `WATCHDOG=1` | at half of the unit's `WatchdogSec`, while the tree [answers](crate::health::HealthSource::check). systemd restarts a process that gives no sign, so a blocked runtime or a root that is over ends there |
    ///
    /// Paths in the status are escaped, and cannot add another message. Messages are sent by a thread of their own. A
    /// socket that does not answer is logged once, and changes nothing else. A `NOTIFY_SOCKET` that begins with `@` is
    /// not supported.
    ///
    /// [`regrow::health`](crate::health) has a unit file.
    #[cfg(feature = "sd-notify")]
    pub fn sd_notify(mut self) -> Self {
        self.tells_systemd = true;
        self
    }

    async fn run(self) -> Result<ShutdownReport, RunError> {
        let Self { what, limit, drain, when_up, tells_systemd } = self;
        let tell = |tree: &Tree| if tells_systemd { Systemd::find(tree, limit) } else { None };
        match what {
            What::Tree(tree) => {
                if tree.has_ended() {
                    return verdict(tree.wait().await);
                }
                let signals = Signals::listen().map_err(RunError::Signals)?;
                let systemd = tell(tree);
                Run { tree, signals, limit, systemd: &systemd }.serve(drain, when_up).await
            }
            What::Description(description) => {
                // This comes first: a signal while the tree starts must not end the process.
                let mut signals = Signals::listen().map_err(RunError::Signals)?;
                let mut tree = Tree::launch(*description).await.map_err(RunError::Start)?;
                let systemd = tell(&tree);
                let early = tokio::select! {
                    _ = tree.wait_for(|root| !matches!(root, Root::Booting)) => None,
                    signal = signals.next() => Some(signal),
                };
                if let Some(signal) = early {
                    let run = Run { tree: &tree, signals, limit, systemd: &systemd };
                    let report = run.end(signal, Duration::ZERO).await;
                    if let Some(systemd) = &systemd {
                        systemd.finish().await;
                    }
                    // A child may have failed to start before it was stopped.
                    return match report.exit {
                        Exit::ChildFailedToStart { .. } => Err(RunError::Start(tree.boot_error(report.exit))),
                        _ => verdict(report),
                    };
                }
                tree = tree.booted().await.map_err(RunError::Start)?;
                Run { tree: &tree, signals, limit, systemd: &systemd }.serve(drain, when_up).await
            }
        }
    }
}

struct Run<'a> {
    tree: &'a Tree,
    signals: Signals,
    limit: Option<Duration>,
    systemd: &'a Option<Systemd>,
}

impl Run<'_> {
    async fn serve(mut self, drain: Duration, when_up: Option<WhenUp<'_>>) -> Result<ShutdownReport, RunError> {
        if let Some(then) = when_up {
            then(self.tree);
        }
        let signal = tokio::select! {
            biased;
            _ = self.tree.ended() => None,
            signal = self.signals.next() => Some(signal),
        };
        let systemd = self.systemd;
        let report = match signal {
            Some(signal) => self.end(signal, drain).await,
            None => self.tree.wait().await,
        };
        if let Some(systemd) = systemd {
            systemd.finish().await;
        }
        verdict(report)
    }

    /// Ends the tree, from the first signal on.
    async fn end(mut self, signal: Signal, drain: Duration) -> ShutdownReport {
        let (tree, begun) = (self.tree, Instant::now());
        let bounds = self.limit.map_or_else(Bounds::default, |limit| Bounds::new(begun, limit));
        let path = tree.path();
        line!(INFO, { path = %path, signal = signal.name }, "signal received");
        let mut second = None;
        // Readiness turns false before anything is stopped, also without a drain.
        tree.shared.ending.begin_to_drain();
        if let Some(systemd) = self.systemd {
            systemd.tell_stopping();
        }
        if !drain.is_zero() {
            line!(INFO, { path = %path, drain_ms = millis(drain) }, "draining: readiness is off, and the tree serves on");
            let until = bounds.kill_at.into_iter().chain([later(begun, drain)]).min();
            tokio::select! {
                biased;
                _ = tree.has_ended_by(until) => {}
                signal = self.signals.next() => second = Some(signal),
            }
        }
        // After a second signal, or a drain that took all the time there was, no child is asked to stop any more.
        let is_late = bounds.kill_at.is_some_and(|at| at <= Instant::now());
        if second.is_none() && !is_late {
            let (children, limit_ms) = (tree.running(), self.limit.map(millis));
            line!(INFO, { path = %path, children, limit_ms }, "stopping");
            tree.order_stop();
            tokio::select! {
                biased;
                _ = tree.has_ended_by(bounds.kill_at) => {}
                signal = self.signals.next() => second = Some(signal),
            }
        }
        if !tree.has_ended() {
            self.kill(second, bounds).await;
        }
        tree.report(begun, bounds.abandon_at).await
    }

    async fn kill(self, second: Option<Signal>, bounds: Bounds) {
        let (path, children) = (self.tree.path(), self.tree.running());
        let abandon_at = match second {
            Some(signal) => {
                line!(WARN, { path = %path, signal = signal.name, children }, "second signal: killing all that is left");
                bounds.abandon_at.into_iter().chain([later(Instant::now(), LAST_PART)]).min()
            }
            None => {
                line!(WARN, { path = %path, children }, "the limit is reached: killing all that is left");
                bounds.abandon_at
            }
        };
        self.tree.kill_all();
        if !self.tree.has_ended_by(abandon_at).await {
            self.tree.inbox.push(Fact::Abandon);
        }
    }
}

/// Logs how the tree ended, and decides whether that is an error.
fn verdict(report: ShutdownReport) -> Result<ShutdownReport, RunError> {
    let (path, took_ms) = (&report.path, millis(report.took));
    let (kind, text) = (report.exit.kind(), &report.exit);
    if report.is_clean() {
        line!(INFO, { path = %path, exit.kind = %kind, exit.text = %one_line(text), took_ms }, "tree ended");
        return Ok(report);
    }
    if report.was_wanted() {
        line!(WARN, { path = %path, exit.kind = %kind, exit.text = %one_line(text), took_ms, report = %one_line(&report) }, "tree ended, but not as asked");
        return Ok(report);
    }
    line!(ERROR, { path = %path, exit.kind = %kind, exit.text = %one_line(text), took_ms, report = %one_line(&report) }, "tree ended, and should not have");
    Err(RunError::Ended(UncleanEnd::new(report)))
}

impl<'a> IntoFuture for RunUntilSignal<'a> {
    type Output = Result<ShutdownReport, RunError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for RunUntilSignal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunUntilSignal").field("limit", &self.limit).field("drain", &self.drain).finish_non_exhaustive()
    }
}
