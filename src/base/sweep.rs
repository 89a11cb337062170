//! Drops values of the user in a way in which a destructor that is slow, blocks or panics holds up nothing else.
//!
//! A supervisor finds such values when a child is gone: messages in a mailbox, captures of a factory, the error of the
//! last life. It drops none of them itself. Values that it finds in one turn are laid aside, and dropped in tasks: one
//! task for the values of each child.
//!
//! Invariants:
//! 1. While code of a supervisor runs, values that go through [`drop_quietly`] and [`Kept`] are laid aside, under
//!    whatever lock.
//! 2. Values that were laid aside are handed over when the turn of the supervisor ends, also if it ends by a panic. A
//!    lot that a runtime drops unfinished is dropped on the spot.
//! 3. A panic of one destructor does not keep another from running.

use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regrow_supervisors::{Exit, Failure};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::base::background::yield_once;
use crate::base::panics;

/// Number of values that are dropped before other tasks run.
const BATCH: usize = 64;

thread_local! {
    /// Values that the supervisor running on this thread has laid aside.
    static ASIDE: RefCell<Option<Aside>> = const { RefCell::new(None) };
}

struct Aside {
    sweeps: Arc<Sweeps>,
    lots: Vec<Lot>,
}

/// Values that one child leaves behind.
struct Lot {
    /// Path of the child; `None` for a value without one, which is a separate lot.
    path: Option<Arc<str>>,
    what: &'static str,
    values: Vec<Box<dyn Any + Send>>,
    /// Counter of the tree, which is not over before this is dropped.
    sweeps: Option<Arc<Sweeps>>,
}

/// Number of lots of a tree that are still to be dropped.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    open: AtomicUsize,
    done: Notify,
}

impl Sweeps {
    /// Completes when nothing is left to be dropped.
    pub(crate) async fn are_done(&self) {
        loop {
            let mut done = pin!(self.done.notified());
            done.as_mut().enable();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            done.await;
        }
    }
}

impl Lot {
    fn new(path: Option<Arc<str>>, what: &'static str, sweeps: Option<Arc<Sweeps>>) -> Self {
        if let Some(sweeps) = &sweeps {
            sweeps.open.fetch_add(1, Ordering::AcqRel);
        }
        Self { path, what, values: Vec::new(), sweeps }
    }

    /// Drops the values in a task, or here if there is no runtime.
    fn hand_over(self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.sweep());
        }
    }

    async fn sweep(mut self) {
        // Values are dropped in the order in which they were laid aside.
        self.values.reverse();
        while !self.values.is_empty() {
            for _ in 0..BATCH {
                self.drop_one();
            }
            yield_once().await;
        }
    }

    fn drop_one(&mut self) {
        if let Some(value) = self.values.pop() {
            panics::drop_here(value, self.path.as_deref().unwrap_or_default(), self.what);
        }
    }
}

/// Invariant 2.
impl Drop for Lot {
    fn drop(&mut self) {
        while !self.values.is_empty() {
            self.drop_one();
        }
        if let Some(sweeps) = &self.sweeps
            && sweeps.open.fetch_sub(1, Ordering::AcqRel) == 1
        {
            sweeps.done.notify_waiters();
        }
    }
}

/// Runs code of a supervisor: a turn. Values that it lays aside are handed over at the end.
pub(crate) fn turn<R>(sweeps: &Arc<Sweeps>, code: impl FnOnce() -> R) -> R {
    struct Turn(Option<Aside>);
    impl Drop for Turn {
        fn drop(&mut self) {
            let Some(aside) = ASIDE.replace(self.0.take()) else { return };
            // Most turns lay nothing aside.
            if !aside.lots.is_empty() {
                aside.lots.into_iter().for_each(Lot::hand_over);
            }
        }
    }
    let aside = Aside { sweeps: sweeps.clone(), lots: Vec::new() };
    let _turn = Turn(ASIDE.replace(Some(aside)));
    code()
}

/// Polls a future of a supervisor: each poll is a [`turn`].
pub(crate) fn turns<F: Future + Unpin>(sweeps: Arc<Sweeps>, mut future: F) -> impl Future<Output = F::Output> {
    poll_fn(move |cx| turn(&sweeps, || Pin::new(&mut future).poll(cx)))
}

/// Whether code of a supervisor runs on this thread.
pub(crate) fn is_turn() -> bool {
    ASIDE.try_with(|aside| aside.try_borrow().is_ok_and(|aside| aside.is_some())).unwrap_or(false)
}

/// Lays the value aside if code of a supervisor runs on this thread. Otherwise it is returned.
fn lay_aside<T: Send + 'static>(value: T, path: Option<&Arc<str>>, what: &'static str) -> Option<T> {
    let mut value = Some(value);
    let _ = ASIDE.try_with(|aside| {
        let mut aside = aside.borrow_mut();
        let Some(Aside { sweeps, lots }) = &mut *aside else { return };
        let Some(value) = value.take() else { return };
        let is_same = |lot: &&mut Lot| path.is_some() && lot.path.as_ref() == path && lot.what == what;
        match lots.last_mut().filter(is_same) {
            Some(lot) => lot.values.push(Box::new(value)),
            None => {
                let mut lot = Lot::new(path.cloned(), what, Some(sweeps.clone()));
                lot.values.push(Box::new(value));
                lots.push(lot);
            }
        }
    });
    value
}

/// Drops a value of the user that the child at `path` has left: here, or later if code of a supervisor runs. A panic in
/// its destructor is logged and goes no further.
pub(crate) fn drop_quietly<T: Send + 'static>(value: T, path: &Arc<str>, what: &'static str) {
    if std::mem::needs_drop::<T>()
        && let Some(value) = lay_aside(value, Some(path), what)
    {
        panics::drop_here(value, path, what);
    }
}

/// Drops a value of the user in a task, because a lock may be held here. Drops it here if there is no runtime.
pub(crate) fn drop_elsewhere(value: Box<dyn Any + Send>, what: &'static str) {
    if let Some(value) = lay_aside(value, None, what) {
        let mut lot = Lot::new(None, what, None);
        lot.values.push(value);
        lot.hand_over();
    }
}

/// Returns the exit. Its error will be dropped in a separate task, and under no lock.
pub(crate) fn kept(exit: Exit) -> Exit {
    match exit {
        Exit::Failed(failure) => Exit::Failed(failure.dropped_by(|error| drop_elsewhere(error, "an error"))),
        other => other,
    }
}

/// Returns the exit of code that failed with this error, kept in the same way.
pub(crate) fn failed(error: anyhow::Error) -> Exit {
    let text = format!("{error:#}");
    kept(Exit::Failed(Failure::with_cause(text, error)))
}

/// Code of the user that is kept: a factory, with all that it has captured. A supervisor may drop the last reference to
/// it.
pub(crate) struct Kept<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Kept<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) fn get(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for Kept<T> {
    fn drop(&mut self) {
        let what = "the factory of a child";
        if std::mem::needs_drop::<T>()
            && let Some(value) = self.0.take().and_then(|value| lay_aside(value, None, what))
        {
            panics::drop_here(value, "", what);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Tells(mpsc::Sender<u8>, u8);

    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(self.1).expect("the test listens");
            assert!(self.1 != 2, "boom");
        }
    }

    #[test]
    fn without_a_runtime_all_is_dropped_at_the_end_of_the_turn() {
        let (sweeps, (tell, told), path) = (Arc::default(), mpsc::channel(), Arc::<str>::from("app/a"));
        turn(&sweeps, || {
            (1..=3).for_each(|number| drop_quietly(Tells(tell.clone(), number), &path, "a message"));
            drop(Kept::new(Tells(tell.clone(), 4)));
            assert!(told.try_recv().is_err(), "a supervisor drops nothing itself");
        });
        drop_quietly(Tells(tell, 5), &path, "a message");
        let mut told: Vec<_> = told.iter().collect();
        told.sort();
        assert_eq!(told, [1, 2, 3, 4, 5]);
        assert_eq!(sweeps.open.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_a_tree_has_laid_aside_can_be_waited_for() {
        let (sweeps, (tell, told)) = (Arc::default(), mpsc::channel());
        turn(&sweeps, || drop_elsewhere(Box::new(Tells(tell, 1)), "an error"));
        assert!(told.try_recv().is_err());
        sweeps.are_done().await;
        assert_eq!(told.try_recv(), Ok(1));
    }
}
