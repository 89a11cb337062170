//! What this thread is doing for a service right now: whose code it runs, and what that code's last panic was.
//!
//! Invariants:
//! 1. The marks are set only while code of a service runs and are put back when it returns, by unwinding too.

use std::cell::RefCell;
use std::sync::Arc;

use regrow_supervisors::Panic;

use crate::base::panics;
use crate::slot::signals::Signals;

thread_local! {
    static PORT: RefCell<Option<Arc<Signals>>> = const { RefCell::new(None) };
    /// The incarnation to which the task is linked whose code this thread runs.
    static LINKED: RefCell<Option<Arc<Signals>>> = const { RefCell::new(None) };
}

/// Runs `code` as code of the incarnation behind `signals`. A panic comes back as what it said and where.
pub(crate) fn run_as<R>(signals: &Arc<Signals>, code: impl FnOnce() -> R) -> Result<R, Panic> {
    run_with(&mut Some(signals.clone()), code)
}

/// As [`run_as`]; the mark is lent, and put back.
pub(crate) fn run_with<R>(mark: &mut Option<Arc<Signals>>, code: impl FnOnce() -> R) -> Result<R, Panic> {
    struct Restore<'a>(&'a mut Option<Arc<Signals>>);
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            PORT.with_borrow_mut(|signals| std::mem::swap(signals, self.0));
        }
    }
    PORT.with_borrow_mut(|signals| std::mem::swap(signals, mark));
    let _restore = Restore(mark);
    panics::catch(code)
}

/// Runs `code` as code of a task that is linked to the incarnation behind the mark, which is lent, and put back. It is not the
/// incarnation itself: what that must not do (call itself), its tasks may.
pub(crate) fn run_linked<R>(mark: &mut Option<Arc<Signals>>, code: impl FnOnce() -> R) -> Result<R, Panic> {
    struct Restore<'a>(&'a mut Option<Arc<Signals>>);
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            LINKED.with_borrow_mut(|signals| std::mem::swap(signals, self.0));
        }
    }
    LINKED.with_borrow_mut(|signals| std::mem::swap(signals, mark));
    let _restore = Restore(mark);
    panics::catch(code)
}

/// Lends the port of the incarnation whose code this thread runs, be it its own or that of a task linked to it.
pub(crate) fn caller<R>(code: impl FnOnce(&Signals) -> R) -> Option<R> {
    let lent = |signals: &RefCell<Option<Arc<Signals>>>| signals.try_borrow().ok().and_then(|signals| signals.clone());
    let signals = PORT.try_with(lent).ok().flatten().or_else(|| LINKED.try_with(lent).ok().flatten())?;
    Some(code(&signals))
}

/// The [number](Signals::supervisor) of the supervisor of the incarnation whose code this thread runs; 0 elsewhere.
pub(crate) fn supervisor() -> usize {
    let number =
        |signals: &RefCell<Option<Arc<Signals>>>| signals.borrow().as_ref().map(|signals| signals.supervisor());
    let own = PORT.try_with(number).ok().flatten();
    own.or_else(|| LINKED.try_with(number).ok().flatten()).unwrap_or_default()
}

/// Lends the port of the incarnation whose code this thread runs.
pub(crate) fn lent<R>(code: impl FnOnce(&Arc<Signals>) -> R) -> Option<R> {
    PORT.try_with(|signals| signals.borrow().as_ref().map(code)).ok().flatten()
}

/// Whether this thread runs code of the incarnation that `test` recognises.
pub(crate) fn is(test: impl FnOnce(&Signals) -> bool) -> bool {
    PORT.try_with(|signals| signals.borrow().as_deref().is_some_and(test)).unwrap_or(false)
}
