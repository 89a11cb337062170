//! Builders that run a tree until a signal ends it.

use crate::run::until_signal::RunUntilSignal;
use crate::supervisor::settings::every_builder;

every_builder! {
    /// Starts the tree as `start` does, and runs it until it ends or the process is asked to end (Ctrl-C, and
    /// SIGTERM on Unix). Then stops it in order. A signal during the start stops what is up.
    ///
    /// [`RunUntilSignal`](crate::RunUntilSignal) says what further signals do, how the end is bounded and what
    /// it returns.
    pub fn run_until_signal(self) -> RunUntilSignal<'static> {
        RunUntilSignal::starting(self.into())
    }
}
