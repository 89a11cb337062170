//! Builders that run a tree until a signal ends it.

use crate::run::until_signal::RunUntilSignal;
use crate::supervisor::Supervisor;
use crate::supervisor::dynamic::DynamicSupervisor;
use crate::supervisor::partitioned::Partitioned;

macro_rules! runs_until_signal {
    ($Builder:ty $(, $($generics:tt)*)?) => {
        impl $(<$($generics)*>)? $Builder {
            /// Starts the tree as `start` does, and runs it until it ends or the process is asked to end (Ctrl-C, and
            /// SIGTERM on Unix). Then stops it in order. A signal during the start stops what is up.
            ///
            /// [`RunUntilSignal`](crate::RunUntilSignal) says what further signals do, how the end is bounded and what
            /// it returns.
            pub fn run_until_signal(self) -> RunUntilSignal<'static> {
                RunUntilSignal::starting(self.into())
            }
        }
    };
}
runs_until_signal!(Supervisor);
runs_until_signal!(DynamicSupervisor);
runs_until_signal!(Partitioned<M>, M: Send + 'static);
