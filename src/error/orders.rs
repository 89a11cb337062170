//! Reasons why an order to a supervisor was not carried out: one small error for each kind of order.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::error::manage::ManageError;
use crate::error::not_running::NotRunning;
use crate::error::start::StartError;

/// Reason why no child was started. Nothing of it is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StartChildError {
    /// The description makes no sense.
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
    /// The child has been asked to stop and has not ended yet. Give the order again after its end:
    /// [`terminate_child`](crate::SupervisorHandle::terminate_child) completes then.
    Stopping {
        /// The child.
        path: Arc<str>,
    },
    /// The supervisor has as many children as it may have.
    MaxChildren {
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
    /// The child did not start.
    Failed {
        /// The child.
        path: Arc<str>,
        /// The exit of the start.
        exit: Exit,
    },
    /// The supervisor is booting, and its boot waits for the factory that gave this order. Give the order when the child
    /// is up, or from a task that is not linked to it (`tokio::spawn`).
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

/// Reason why a child that rests was not started by order. It is as it was, and rests if its start failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RestartChildError {
    /// The supervisor has no such child.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// The child is running.
    Running {
        /// The child.
        path: Arc<str>,
    },
    /// The child is being restarted.
    Restarting {
        /// The child.
        path: Arc<str>,
    },
    /// The child has been asked to stop and has not ended yet. Give the order again after its end:
    /// [`terminate_child`](crate::SupervisorHandle::terminate_child) completes then.
    Stopping {
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
    /// The supervisor is booting, and its boot waits for the factory that gave this order. Give the order when the child
    /// is up, or from a task that is not linked to it (`tokio::spawn`).
    Booting {
        /// The supervisor.
        path: Arc<str>,
        /// The child that is being started and gave the order.
        caller: Arc<str>,
    },
    /// The supervisor is of another kind than when this handle was looked up, and does not take this order.
    WrongKind {
        /// The supervisor.
        path: Arc<str>,
    },
    /// The supervisor is not running: it is ending, over, or between two lives (OTP rule 70).
    NotRunning {
        /// The supervisor.
        path: Arc<str>,
    },
}

/// Reason why an order to restart a child did not bring up a new incarnation: see
/// [`Handle::restart`](crate::Handle::restart). Except for [`Failed`](Self::Failed), the order ended no incarnation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RestartError {
    /// There is no such child: it was deleted, it has ended for good, or its mailbox is in no tree.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// The child is being started. A start that hangs is ended by [`kill`](crate::Handle::kill).
    Starting {
        /// The child.
        path: Arc<str>,
    },
    /// The child has ended, and is to be started again: it waits for a delay, its group, or services that it depends
    /// on.
    Restarting {
        /// The child.
        path: Arc<str>,
    },
    /// The child is parked, or was parked when it was to be started for this order.
    Parked {
        /// The child.
        path: Arc<str>,
    },
    /// The child is down: it has ended and is not restarted, or another order has stopped it meanwhile.
    Down {
        /// The child.
        path: Arc<str>,
    },
    /// The child is ending already, because of another order or on its own. Nothing was added to that.
    Stopping {
        /// The child.
        path: Arc<str>,
    },
    /// The old incarnation has ended, and the new one did not start. Its supervisor tries again as after any start that
    /// failed.
    Failed {
        /// The child.
        path: Arc<str>,
        /// The exit of the start.
        exit: Exit,
    },
    /// The order would end the code that waits for it: the child, or one below it, gave the order. A service ends itself
    /// with [`Context::stop`](crate::Context::stop) or [`exit`](crate::Context::exit). Any other order can be given from
    /// a task that is not linked to an incarnation (`tokio::spawn`).
    ToItself {
        /// The child to be restarted.
        path: Arc<str>,
        /// The child that gave the order.
        caller: Arc<str>,
    },
    /// The supervisor is booting, and its boot waits for the factory that gave this order. Give the order when the child
    /// is up, or from a task that is not linked to it (`tokio::spawn`).
    Booting {
        /// The supervisor.
        path: Arc<str>,
        /// The child that is being started and gave the order.
        caller: Arc<str>,
    },
    /// The child is the root of its tree: no supervisor could start it again.
    IsRoot {
        /// The root.
        path: Arc<str>,
    },
    /// The supervisor is not running: it is ending, over, or between two lives.
    NotRunning {
        /// The supervisor.
        path: Arc<str>,
    },
}

/// Reason why a child was not revived. Nothing was changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ReviveError {
    /// The supervisor has no such child.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// The child is running.
    Running {
        /// The child.
        path: Arc<str>,
    },
    /// The child has been asked to stop and has not ended yet. Give the order again after its end:
    /// [`terminate_child`](crate::SupervisorHandle::terminate_child) completes then.
    Stopping {
        /// The child.
        path: Arc<str>,
    },
    /// The child rests, and only [`restart_child`](crate::SupervisorHandle::restart_child) brings it back.
    Down {
        /// The child.
        path: Arc<str>,
    },
    /// The supervisor is not running: it is ending, over, or between two lives (OTP rule 70).
    NotRunning {
        /// The supervisor.
        path: Arc<str>,
    },
}

/// Reason why a child was not parked by order: see [`Handle::park`](crate::Handle::park). Except for
/// [`Down`](Self::Down), nothing was changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ParkError {
    /// The supervisor has no such child.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// The child is new, and the order that brought it still waits for its start. Terminate it instead.
    Starting {
        /// The child.
        path: Arc<str>,
    },
    /// An order has parked the child already.
    Parked {
        /// The child.
        path: Arc<str>,
    },
    /// The child has been asked to stop and has not ended yet.
    Stopping {
        /// The child.
        path: Arc<str>,
    },
    /// The child is down, or another order has terminated it meanwhile. It does not run, and nothing but an order starts
    /// it.
    Down {
        /// The child.
        path: Arc<str>,
    },
    /// The order would end the code that waits for it: the child, or one below it, gave the order. A service ends itself
    /// with [`Context::stop`](crate::Context::stop) or [`exit`](crate::Context::exit). Any other order can be given from
    /// a task that is not linked to an incarnation (`tokio::spawn`).
    ToItself {
        /// The child to be parked.
        path: Arc<str>,
        /// The child that gave the order.
        caller: Arc<str>,
    },
    /// The supervisor is booting, and its boot waits for the factory that gave this order. Give the order when the child
    /// is up, or from a task that is not linked to it (`tokio::spawn`).
    Booting {
        /// The supervisor.
        path: Arc<str>,
        /// The child that is being started and gave the order.
        caller: Arc<str>,
    },
    /// The child is the root of its tree: no supervisor could revive it.
    IsRoot {
        /// The root.
        path: Arc<str>,
    },
    /// The supervisor is not running: it is ending, over, or between two lives (OTP rule 70).
    NotRunning {
        /// The supervisor.
        path: Arc<str>,
    },
}

/// Reason why a child was not stopped. Nothing was changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StopChildError {
    /// The supervisor has no such child.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// The order would end the code that waits for it: the child, or one below it, gave the order. A service ends itself
    /// with [`Context::stop`](crate::Context::stop) or [`exit`](crate::Context::exit). Any other order can be given from
    /// a task that is not linked to an incarnation (`tokio::spawn`).
    ToItself {
        /// The child to be ended.
        path: Arc<str>,
        /// The child that gave the order.
        caller: Arc<str>,
    },
    /// The supervisor is booting, and its boot waits for the factory that gave this order. Give the order when the child
    /// is up, or from a task that is not linked to it (`tokio::spawn`).
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

/// Reason why a child was not deleted. Nothing was changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeleteChildError {
    /// The supervisor has no such child.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// The child is running.
    Running {
        /// The child.
        path: Arc<str>,
    },
    /// The child is being restarted.
    Restarting {
        /// The child.
        path: Arc<str>,
    },
    /// The child has been asked to stop and has not ended yet. Give the order again after its end:
    /// [`terminate_child`](crate::SupervisorHandle::terminate_child) completes then.
    Stopping {
        /// The child.
        path: Arc<str>,
    },
    /// The supervisor is of another kind than when this handle was looked up, and does not take this order.
    WrongKind {
        /// The supervisor.
        path: Arc<str>,
    },
    /// The supervisor is not running: it is ending, over, or between two lives (OTP rule 70).
    NotRunning {
        /// The supervisor.
        path: Arc<str>,
    },
}

/// Reason why a new description was not put in force. Nothing was changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ReconfigureError {
    /// The description makes no sense.
    Refused(StartError),
    /// The supervisor is of another kind than when this handle was looked up, and does not take this order.
    WrongKind {
        /// The supervisor.
        path: Arc<str>,
    },
    /// The supervisor is not running: it is ending, over, or between two lives (OTP rule 70).
    NotRunning {
        /// The supervisor.
        path: Arc<str>,
    },
}

impl From<StartError> for StartChildError {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}

impl From<StartError> for ReconfigureError {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}

/// Makes an error one of the parts of [`ManageError`], which has the texts.
macro_rules! part_of_manage_error {
    ($part:ident: $($variant:ident $fields:tt),*) => {
        impl $part {
            /// Returns the reason why an order of this kind was not carried out.
            pub(crate) fn of(error: ManageError) -> Self {
                match error {
                    $(ManageError::$variant $fields => Self::$variant $fields,)*
                    other => unreachable!("{} for another kind of order: {other}", stringify!($part)),
                }
            }
        }

        impl From<$part> for ManageError {
            fn from(error: $part) -> Self {
                match error {
                    $($part::$variant $fields => Self::$variant $fields,)*
                }
            }
        }

        impl From<NotRunning> for $part {
            fn from(error: NotRunning) -> Self {
                Self::NotRunning { path: error.path }
            }
        }

        impl fmt::Display for $part {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                ManageError::from(self.clone()).fmt(f)
            }
        }

        impl std::error::Error for $part {}
    };
}

part_of_manage_error!(StartChildError: Refused(error), AlreadyStarted { path }, AlreadyPresent { path }, Stopping { path }, MaxChildren { path }, WrongTemplate { path, asked }, Failed { path, exit }, Booting { path, caller }, NotRunning { path });
part_of_manage_error!(RestartChildError: NotFound { path }, Running { path }, Restarting { path }, Stopping { path }, Failed { path, exit }, Booting { path, caller }, WrongKind { path }, NotRunning { path });
part_of_manage_error!(RestartError: NotFound { path }, Starting { path }, Restarting { path }, Parked { path }, Down { path }, Stopping { path }, Failed { path, exit }, ToItself { path, caller }, Booting { path, caller }, IsRoot { path }, NotRunning { path });
part_of_manage_error!(ReviveError: NotFound { path }, Running { path }, Stopping { path }, Down { path }, NotRunning { path });
part_of_manage_error!(ParkError: NotFound { path }, Starting { path }, Parked { path }, Stopping { path }, Down { path }, ToItself { path, caller }, Booting { path, caller }, IsRoot { path }, NotRunning { path });
part_of_manage_error!(StopChildError: NotFound { path }, ToItself { path, caller }, Booting { path, caller }, NotRunning { path });
part_of_manage_error!(DeleteChildError: NotFound { path }, Running { path }, Restarting { path }, Stopping { path }, WrongKind { path }, NotRunning { path });
part_of_manage_error!(ReconfigureError: Refused(error), WrongKind { path }, NotRunning { path });
