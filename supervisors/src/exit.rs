//! How a life ended, and whether that is abnormal.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::rule::ExitKind;

/// Why an incarnation ended, or why an attempt to start one came to nothing.
///
/// Clones share their text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Exit {
    /// It finished by itself.
    Normal,
    /// It was asked to stop, and did.
    Shutdown,
    /// A shutdown that says more: OTP's `{shutdown, Term}`.
    ShutdownWith(Arc<str>),
    /// A supervisor that ended because this child could not be started at its boot ([OTP rule 11](crate::rules)). The
    /// causes nest (OTP rule 12). Like every shutdown it is a clean exit.
    ChildFailedToStart {
        /// The child's name.
        child: Arc<str>,
        /// Why it did not start.
        cause: Arc<Exit>,
    },
    /// It was killed.
    Killed,
    /// It returned an error.
    Failed(Failure),
    /// It panicked.
    Panicked(Panic),
    /// Its watchdog killed it: it worked on one message for too long, or was a task that gave no sign of life.
    Hung(Hang),
}

impl Exit {
    /// A failure that says no more than this text.
    pub fn failed(message: impl Into<Arc<str>>) -> Self {
        Self::Failed(Failure::new(message))
    }

    /// Whether a [transient](crate::Restart::Transient) child that ended so is restarted (OTP rule 15).
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

    /// The kind of end that rules are about.
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

    /// Whether it is an error whose type is registered under this name.
    pub fn is_error_named(&self, name: &str) -> bool {
        match self {
            Self::Failed(failure) => failure.names.iter().any(|known| **known == *name),
            _ => false,
        }
    }

    /// One word for the kind of exit, the same in logs, events and files.
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

/// The error, and what drops it when the last clone is gone.
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

/// An error that ended a life: its text, and the error itself for those who want to look closer.
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

    /// Gives the error to `dropped_by` when the last clone of this is dropped, wherever that is. Without effect if this is a
    /// clone, or has been cloned.
    pub fn dropped_by(mut self, dropped_by: fn(Box<dyn Any + Send + Sync>)) -> Self {
        if let Some(cause) = self.cause.as_mut().and_then(Arc::get_mut) {
            cause.dropped_by = dropped_by;
        }
        self
    }

    /// The names under which the type of the error is registered, for [rules](crate::ExitRule::error).
    pub fn named(self, names: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self { names: names.into_iter().collect(), ..self }
    }

    /// The text, sources included.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error itself, when it is a `T`. The runtime keeps the `anyhow::Error` that a service returned.
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

/// A panic that ended a life: what it said, and where.
///
/// The backtrace is data: neither `Display` nor `Debug` prints it.
#[derive(Clone)]
pub struct Panic {
    /// The panic's text.
    pub message: Arc<str>,
    /// `file:line:column` of the panic, where it could be observed.
    pub location: Option<Arc<str>>,
    /// The backtrace, where the environment asked for one (`RUST_BACKTRACE=1`).
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

/// A message that took too long, or a task that was silent for too long, and what was known of it when the watchdog acted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Hang {
    /// How long the message had been in hand, waits for other services left out. For a circle: how long it had stood.
    pub time: Duration,
    /// Its label, where the service gives it one, or its type. `its start` or `its end` if no message is in hand.
    /// `no sign of life` for a task, which has no messages.
    pub message: Arc<str>,
    /// The service whose answer, or whose room, it waited for when it was found. Time that is waited does not count, so that
    /// there is one in a circle, and seldom otherwise.
    pub waiting_for: Option<Arc<str>>,
    /// The services that wait for each other in a circle, this one first. Empty where there is none.
    pub cycle: Arc<[Arc<str>]>,
}

/// What is said of a task in place of a message.
const SILENCE: &str = "no sign of life";

impl Hang {
    /// A message that took so long.
    pub fn new(time: Duration, message: impl Into<Arc<str>>) -> Self {
        Self { time, message: message.into(), waiting_for: None, cycle: Arc::default() }
    }

    /// A task that has given no sign of life for this time.
    pub fn silence(time: Duration) -> Self {
        Self::new(time, SILENCE)
    }

    /// Whether it is a task that has not said that it is alive.
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
