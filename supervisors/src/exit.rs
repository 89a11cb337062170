//! How a life ended, and whether that is abnormal.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

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
    /// A supervisor that ended because this child could not be started at its boot (OTP rule 11). The causes nest
    /// (OTP rule 12). Like every shutdown it is a clean exit.
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
            Self::Killed | Self::Failed(_) | Self::Panicked(_) => true,
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
        }
    }
}

/// An error that ended a life: its text, and the error itself for those who want to look closer.
#[derive(Clone)]
pub struct Failure {
    message: Arc<str>,
    cause: Option<Arc<dyn Any + Send + Sync>>,
}

impl Failure {
    /// A failure known by its text alone.
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into(), cause: None }
    }

    /// A failure that keeps the error it came from.
    pub fn with_cause(message: impl Into<Arc<str>>, cause: impl Any + Send + Sync) -> Self {
        Self { message: message.into(), cause: Some(Arc::new(cause)) }
    }

    /// The text, sources included.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error itself, when it is a `T`. The runtime keeps the `anyhow::Error` that a service returned.
    pub fn cause<T: Any>(&self) -> Option<&T> {
        self.cause.as_ref()?.downcast_ref()
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
#[derive(Debug, Clone)]
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

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "{} at {location}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
