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
    static MARKS: Marks = const { Marks { own: RefCell::new(None), linked: RefCell::new(None) } };
}

/// Whose code this thread runs. In one place, so that one look finds both.
struct Marks {
    /// The incarnation.
    own: RefCell<Option<Arc<Signals>>>,
    /// The incarnation to which the task is linked.
    linked: RefCell<Option<Arc<Signals>>>,
}

/// What a call has to know of the code that makes it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caller {
    /// The address of the port of the incarnation; 0 for code of none, and of a task.
    pub(crate) signals: usize,
    /// The [number](Signals::supervisor) of the supervisor of the incarnation, or of the one that the task is linked to; 0 for
    /// other code.
    pub(crate) supervisor: usize,
    /// Its waits are recorded: it is an incarnation in a tree with a watched child.
    pub(crate) is_watched: bool,
}

impl Caller {
    /// The code that this thread runs.
    #[inline]
    pub(crate) fn here() -> Self {
        MARKS.try_with(Self::marked).unwrap_or_default()
    }

    #[inline]
    fn marked(marks: &Marks) -> Self {
        if let Some(signals) = &*marks.own.borrow() {
            let (supervisor, is_watched) = (signals.supervisor(), signals.is_watched());
            return Self { signals: Arc::as_ptr(signals).addr(), supervisor, is_watched };
        }
        let linked = marks.linked.borrow();
        Self { supervisor: linked.as_ref().map_or(0, |signals| signals.supervisor()), ..Self::default() }
    }
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
            MARKS.with(|marks| std::mem::swap(&mut *marks.own.borrow_mut(), self.0));
        }
    }
    MARKS.with(|marks| std::mem::swap(&mut *marks.own.borrow_mut(), mark));
    let _restore = Restore(mark);
    panics::catch(code)
}

/// Runs `code` as code of a task that is linked to the incarnation behind the mark, which is lent, and put back. It is not the
/// incarnation itself: what that must not do (call itself), its tasks may.
pub(crate) fn run_linked<R>(mark: &mut Option<Arc<Signals>>, code: impl FnOnce() -> R) -> Result<R, Panic> {
    struct Restore<'a>(&'a mut Option<Arc<Signals>>);
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            MARKS.with(|marks| std::mem::swap(&mut *marks.linked.borrow_mut(), self.0));
        }
    }
    MARKS.with(|marks| std::mem::swap(&mut *marks.linked.borrow_mut(), mark));
    let _restore = Restore(mark);
    panics::catch(code)
}

/// Lends the port of the incarnation whose code this thread runs, be it its own or that of a task linked to it.
pub(crate) fn caller<R>(code: impl FnOnce(&Signals) -> R) -> Option<R> {
    let marked =
        |signals: &RefCell<Option<Arc<Signals>>>| signals.try_borrow().ok().and_then(|signals| signals.clone());
    let signals = MARKS.try_with(|marks| marked(&marks.own).or_else(|| marked(&marks.linked))).ok().flatten()?;
    Some(code(&signals))
}

/// Lends the port of the incarnation whose code this thread runs.
pub(crate) fn lent<R>(code: impl FnOnce(&Arc<Signals>) -> R) -> Option<R> {
    MARKS.try_with(|marks| marks.own.borrow().as_ref().map(code)).ok().flatten()
}

/// Whether this thread runs code of the incarnation that `test` recognises.
pub(crate) fn is(test: impl FnOnce(&Signals) -> bool) -> bool {
    MARKS.try_with(|marks| marks.own.borrow().as_deref().is_some_and(test)).unwrap_or(false)
}
