//! Exits: the ways in which a life ends, and whether they are abnormal.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::rule::ExitKind;

/// The reason for which an incarnation ended, or for which an attempt to start one failed.
///
/// Clones share their text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Exit {
    /// The service finished without being told to.
    Normal,
    /// The service was asked to stop, and did.
    Shutdown,
    /// A shutdown that says more: OTP's `{shutdown, Term}`.
    ShutdownWith(Arc<str>),
    /// The end of a supervisor at its boot, because this child could not be started ([OTP rule 11](crate::rules)). The
    /// causes nest (OTP rule 12). Like every shutdown it is a clean exit.
    ChildFailedToStart {
        /// The child's name.
        child: Arc<str>,
        /// The exit of the failed attempt.
        cause: Arc<Exit>,
    },
    /// The service was killed.
    Killed,
    /// The service returned an error.
    Failed(Failure),
    /// The service panicked.
    Panicked(Panic),
    /// The watchdog killed the service: a message was in hand for too long, or a task gave no sign of life.
    Hung(Hang),
}

impl Exit {
    /// A failure that says no more than this text.
    pub fn failed(message: impl Into<Arc<str>>) -> Self {
        Self::Failed(Failure::new(message))
    }

    /// Whether a [transient](crate::Restart::Transient) child is restarted after this exit (OTP rule 15).
    ///
    /// ```
    /// use regrow_supervisors::Exit;
    /// assert!(Exit::Killed.is_abnormal() && Exit::failed("disk full").is_abnormal());
    /// assert!(!Exit::Normal.is_abnormal() && !Exit::ShutdownWith("upgrade".into()).is_abnormal());
    /// ```
    pub fn is_abnormal(&self) -> bool {
        match self {
            Self::Normal | Self::Shutdown | Self::ShutdownWith(_) | Self::ChildFailedToStart { .. } => false,
            Self::Killed | Self::Failed(_) | Self::Panicked(_) | Self::Hung(_) => true,
        }
    }

    /// Returns the kind of this exit that the rules of a policy are about.
    pub fn on(&self) -> ExitKind {
        match self {
            Self::Normal => ExitKind::Normal,
            Self::Shutdown | Self::ShutdownWith(_) | Self::ChildFailedToStart { .. } => ExitKind::Shutdown,
            Self::Killed => ExitKind::Killed,
            Self::Failed(_) => ExitKind::Failed,
            Self::Panicked(_) => ExitKind::Panicked,
            Self::Hung(_) => ExitKind::Hung,
        }
    }

    /// Whether the exit is an error of a type that is registered under this name.
    pub fn is_error_named(&self, name: &str) -> bool {
        match self {
            Self::Failed(failure) => failure.names.iter().any(|known| **known == *name),
            _ => false,
        }
    }

    /// Returns a word for the kind of exit, the same in logs, events and files.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown | Self::ShutdownWith(_) | Self::ChildFailedToStart { .. } => "shutdown",
            Self::Killed => "killed",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::Hung(_) => "hung",
        }
    }

    /// Returns the exit without the error value that it came from and without a backtrace, for a record that is kept for
    /// long.
    ///
    /// ```
    /// use regrow_supervisors::{Exit, Failure};
    /// let exit = Exit::Failed(Failure::with_cause("disk full", [0_u8; 4096])).without_cause();
    /// assert_eq!(exit.to_string(), "failed: disk full");
    /// assert!(matches!(exit, Exit::Failed(failure) if failure.cause::<[u8; 4096]>().is_none()));
    /// ```
    pub fn without_cause(self) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(Failure { cause: None, ..failure }),
            Self::Panicked(panic) => Self::Panicked(Panic { backtrace: None, ..panic }),
            Self::ChildFailedToStart { child, cause } => {
                Self::ChildFailedToStart { child, cause: Arc::new(Self::clone(&cause).without_cause()) }
            }
            Self::Normal | Self::Shutdown | Self::ShutdownWith(_) | Self::Killed | Self::Hung(_) => self,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::ShutdownWith(reason) => write!(f, "shutdown ({reason})"),
            Self::ChildFailedToStart { child, cause } => write!(f, "child `{child}` failed to start: {cause}"),
            Self::Killed => f.write_str("killed"),
            Self::Failed(failure) => write!(f, "failed: {failure}"),
            Self::Panicked(panic) => write!(f, "panicked: {panic}"),
            Self::Hung(hang) => write!(f, "hung: {hang}"),
        }
    }
}

/// An error, and the function that drops it when its last clone is gone.
struct Cause {
    error: Option<Box<dyn Any + Send + Sync>>,
    dropped_by: fn(Box<dyn Any + Send + Sync>),
}

impl Drop for Cause {
    fn drop(&mut self) {
        if let Some(error) = self.error.take() {
            (self.dropped_by)(error);
        }
    }
}

/// An error that ended a life: its text, and the error value for code that wants to look closer.
#[derive(Clone)]
#[must_use]
pub struct Failure {
    message: Arc<str>,
    cause: Option<Arc<Cause>>,
    /// The registered names of its type.
    names: Arc<[Arc<str>]>,
}

impl Failure {
    /// A failure known by its text alone.
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into(), cause: None, names: Arc::default() }
    }

    /// A failure that keeps the error it came from.
    pub fn with_cause(message: impl Into<Arc<str>>, cause: impl Any + Send + Sync) -> Self {
        let cause = Cause { error: Some(Box::new(cause)), dropped_by: drop };
        Self { message: message.into(), cause: Some(Arc::new(cause)), names: Arc::default() }
    }

    /// Gives the error to `dropped_by` when the last clone of this failure is dropped, wherever that happens. Has no
    /// effect on a clone, or after a clone was made.
    pub fn dropped_by(mut self, dropped_by: fn(Box<dyn Any + Send + Sync>)) -> Self {
        if let Some(cause) = self.cause.as_mut().and_then(Arc::get_mut) {
            cause.dropped_by = dropped_by;
        }
        self
    }

    /// Sets the names under which the type of the error is registered, for [rules](crate::ExitRule::error).
    pub fn named(self, names: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self { names: names.into_iter().collect(), ..self }
    }

    /// Returns the text, with the error's sources.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the error value, if it is a `T`. The runtime keeps the `anyhow::Error` that a service returned.
    pub fn cause<T: Any>(&self) -> Option<&T> {
        self.cause.as_ref()?.error.as_ref()?.downcast_ref()
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failure").field(&self.message).finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A panic that ended a life: its text and its place.
///
/// The backtrace is data: neither `Display` nor `Debug` prints it.
#[derive(Clone)]
pub struct Panic {
    /// The panic's text.
    pub message: Arc<str>,
    /// `file:line:column` of the panic, if it was observed.
    pub location: Option<Arc<str>>,
    /// The backtrace, if the environment asked for one (`RUST_BACKTRACE=1`).
    pub backtrace: Option<Arc<str>>,
}

impl Panic {
    /// A panic known by its text alone.
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into(), location: None, backtrace: None }
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backtrace = self.backtrace.as_deref().map(|text| format!("{} lines", text.lines().count()));
        f.debug_struct("Panic")
            .field("message", &self.message)
            .field("location", &self.location)
            .field("backtrace", &backtrace)
            .finish()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "{} at {location}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A message that took too long, or a task that was silent for too long, as the watchdog found it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Hang {
    /// The time for which the message was in hand, without waits for other services. For a circle: the time for which
    /// the circle has lasted.
    pub time: Duration,
    /// The label of the message, if the service gives it one, or its type. `its start` or `its end` if no message is in
    /// hand. `no sign of life` for a task, which has no messages.
    pub message: Arc<str>,
    /// The service that the hanging one waited for when it was found: for its answer, or for room in its mailbox. Time
    /// spent in such a wait does not count. So this is set for a circle, and seldom otherwise.
    pub waiting_for: Option<Arc<str>>,
    /// The services that wait for each other in a circle, this one first. Empty if there is no circle.
    pub cycle: Arc<[Arc<str>]>,
}

/// The text that stands in place of a message for a task.
const SILENCE: &str = "no sign of life";

impl Hang {
    /// A message that was in hand for this time.
    pub fn new(time: Duration, message: impl Into<Arc<str>>) -> Self {
        Self { time, message: message.into(), waiting_for: None, cycle: Arc::default() }
    }

    /// A task that has given no sign of life for this time.
    pub fn silence(time: Duration) -> Self {
        Self::new(time, SILENCE)
    }

    /// Whether this is a task that gave no sign of life.
    pub fn is_silence(&self) -> bool {
        *self.message == *SILENCE
    }
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.cycle.first() {
            match self.is_silence() {
                true => f.write_str("it waits in a circle: "),
                false => write!(f, "`{}` waits in a circle: ", self.message),
            }?;
            self.cycle.iter().try_for_each(|path| write!(f, "{path} -> "))?;
            return f.write_str(first);
        }
        match self.is_silence() {
            true => write!(f, "{SILENCE} for {:.1?}", self.time),
            false => write!(f, "`{}` in hand for {:.1?}", self.message, self.time),
        }?;
        match &self.waiting_for {
            Some(path) => write!(f, ", waiting for `{path}`"),
            None => Ok(()),
        }
    }
}
