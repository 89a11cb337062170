//! All reasons why an order to a supervisor was not carried out, in one type, with their texts.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::error::not_running::NotRunning;
use crate::error::start::StartError;

/// Reason why an order to a supervisor was not carried out, whatever the order. Each method returns a smaller error,
/// which `?` turns into this one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ManageError {
    /// The description makes no sense. Nothing was changed.
    Refused(StartError),
    /// A child of this name is running (OTP rule 60).
    AlreadyStarted {
        /// The child.
        path: Arc<str>,
    },
    /// A child of this name is down or being restarted (OTP rule 60).
    AlreadyPresent {
        /// The child.
        path: Arc<str>,
    },
    /// There is no such child.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// The child is running (OTP rules 62, 63).
    Running {
        /// The child.
        path: Arc<str>,
    },
    /// The child is being restarted (OTP rules 62, 63).
    Restarting {
        /// The child.
        path: Arc<str>,
    },
    /// The child has been asked to stop and has not ended yet. Give the order again after its end: [`terminate_child`]
    /// completes then.
    ///
    /// [`terminate_child`]: crate::SupervisorHandle::terminate_child
    Stopping {
        /// The child.
        path: Arc<str>,
    },
    /// The child is being started.
    Starting {
        /// The child.
        path: Arc<str>,
    },
    /// The child is parked.
    Parked {
        /// The child.
        path: Arc<str>,
    },
    /// The generation that was meant is over, and a later one has come up. Nothing was changed.
    Replaced {
        /// The child.
        path: Arc<str>,
        /// The generation that was meant.
        meant: u64,
        /// The latest generation that came up.
        latest: u64,
    },
    /// The child is the root of its tree: no supervisor could start it again.
    IsRoot {
        /// The root.
        path: Arc<str>,
    },
    /// The child rests, and only a start by order brings it back.
    Down {
        /// The child.
        path: Arc<str>,
    },
    /// The child did not start.
    Failed {
        /// The child.
        path: Arc<str>,
        /// The exit of the start.
        exit: Exit,
    },
    /// The supervisor has as many children as it may have.
    MaxChildren {
        /// The supervisor.
        path: Arc<str>,
    },
    /// The supervisor is of another kind than when this handle was looked up, and does not take this order.
    WrongKind {
        /// The supervisor.
        path: Arc<str>,
    },
    /// The dynamic supervisor's template has been replaced by one for other values.
    WrongTemplate {
        /// The supervisor.
        path: Arc<str>,
        /// The type of the values that the template handle was given.
        asked: &'static str,
    },
    /// The order would end the code that waits for it: a child was to be terminated from inside itself, or from below
    /// it. Nothing was done.
    ///
    /// A service ends itself with [`Context::stop`](crate::Context::stop) or [`exit`](crate::Context::exit). Any other
    /// order can be given from a task that is not linked to an incarnation (`tokio::spawn`).
    ToItself {
        /// The child to be ended.
        path: Arc<str>,
        /// The child that gave the order.
        caller: Arc<str>,
    },
    /// The supervisor is booting. It serves orders about children when the boot is done, and the boot waits for the
    /// factory that gave this order. Nothing was done. Give the order when the child is up, or from a task that is not
    /// linked to it (`tokio::spawn`).
    Booting {
        /// The supervisor.
        path: Arc<str>,
        /// The child that is being started and gave the order.
        caller: Arc<str>,
    },
    /// The supervisor is not running: it is ending, over, or between two lives (OTP rule 70).
    NotRunning {
        /// The supervisor.
        path: Arc<str>,
    },
}

impl From<NotRunning> for ManageError {
    fn from(error: NotRunning) -> Self {
        Self::NotRunning { path: error.path }
    }
}

impl From<StartError> for ManageError {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for ManageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::AlreadyStarted { path } => {
                write!(f, "`{path}` is running already: choose another name, or terminate it first")
            }
            Self::AlreadyPresent { path } => {
                write!(f, "`{path}` is there already, down or being restarted: restart it, or delete it first")
            }
            Self::NotFound { path } => write!(f, "there is no child `{path}`"),
            Self::Running { path } => write!(f, "`{path}` is running: terminate it first"),
            Self::Stopping { path } => write!(f, "`{path}` is stopping: wait for its end first"),
            Self::Down { path } => write!(f, "`{path}` is down: start it with `restart_child` of its supervisor"),
            Self::Restarting { path } => {
                write!(f, "`{path}` is being restarted: wait until it is up, or terminate it first")
            }
            Self::Starting { path } => write!(f, "`{path}` is being started: wait until it is up"),
            Self::Parked { path } => write!(f, "`{path}` is parked: revive it, or wait for its next try"),
            Self::Replaced { path, meant, latest } => {
                write!(f, "`{path}` is already replaced: generation {meant} was meant, {latest} is the latest")
            }
            Self::IsRoot { path } => write!(f, "`{path}` is the root, and has no supervisor: shut the tree down"),
            Self::Failed { path, exit } => write!(f, "`{path}` did not start: {exit}"),
            Self::MaxChildren { path } => {
                write!(f, "`{path}` has as many children as it may have: end one first, or raise `max_children`")
            }
            Self::WrongKind { path } => write!(f, "`{path}` is now a supervisor of another kind: look it up again"),
            Self::WrongTemplate { path, asked } => {
                write!(f, "`{path}` has no template for values of type `{asked}` any more: get its template again")
            }
            Self::ToItself { path, caller } if path == caller => {
                write!(
                    f,
                    "`{path}` cannot wait for its own end: stop it with `ctx.stop()`, or give the order from a task \
                     outside of it (`tokio::spawn`)"
                )
            }
            Self::ToItself { path, caller } => {
                write!(
                    f,
                    "`{caller}` would end with `{path}`, and cannot wait for that: give the order from a task outside of \
                     it (`tokio::spawn`)"
                )
            }
            Self::Booting { path, caller } => {
                write!(
                    f,
                    "`{path}` boots, and waits for the factory of `{caller}`: give the order when `{caller}` is up, or from \
                     a task outside of it (`tokio::spawn`)"
                )
            }
            Self::NotRunning { path } => {
                write!(f, "the supervisor `{path}` is not running: give the order again if it comes back")
            }
        }
    }
}

impl std::error::Error for ManageError {}
