//! Marks of a thread: the service for which it runs code right now, or to which the running task is linked.
//!
//! Invariant: the marks are set only while code of a service runs, and are restored when it returns, also by unwinding.

use std::cell::RefCell;
use std::sync::Arc;

use regrow_supervisors::Panic;

use crate::base::panics;
use crate::slot::signals::Signals;

thread_local! {
    static MARKS: Marks = const { Marks { own: RefCell::new(None), linked: RefCell::new(None) } };
}

/// Incarnation for which this thread runs code. Both are in one place, so that one look finds both.
struct Marks {
    /// The incarnation itself runs.
    own: RefCell<Option<Arc<Signals>>>,
    /// A task runs that is linked to this incarnation.
    linked: RefCell<Option<Arc<Signals>>>,
}

/// Facts about the running code that a call needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caller {
    /// Address of the signals of the running incarnation; 0 for other code, and for a task.
    pub(crate) signals: usize,
    /// [Number](Signals::supervisor) of the supervisor of the incarnation, or of the incarnation to which the task is
    /// linked; 0 for other code.
    pub(crate) supervisor: usize,
    /// Whether its waits are recorded: it is an incarnation in a tree with a watched child.
    pub(crate) is_watched: bool,
}

impl Caller {
    /// Returns the facts about the code that this thread runs.
    #[inline]
    pub(crate) fn here() -> Self {
        MARKS.try_with(Self::marked).unwrap_or_default()
    }

    #[inline]
    fn marked(marks: &Marks) -> Self {
        if let Some(signals) = &*marks.own.borrow() {
            let (supervisor, is_watched) = (signals.supervisor(), signals.is_watched());
            return Self { signals: signals.address(), supervisor, is_watched };
        }
        let linked = marks.linked.borrow();
        Self { supervisor: linked.as_ref().map_or(0, |signals| signals.supervisor()), ..Self::default() }
    }
}

/// Runs `code` as code of the incarnation with these `signals`. A panic is returned with its text and place.
#[inline]
pub(crate) fn run_as<R>(signals: &Arc<Signals>, code: impl FnOnce() -> R) -> Result<R, Panic> {
    run_with(&mut Some(signals.clone()), code)
}

/// Does what [`run_as`] does. The mark is lent, and restored afterwards.
#[inline]
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

/// Runs `code` as code of a task that is linked to the incarnation in the mark. The mark is lent, and restored
/// afterwards. The task is not the incarnation: it may do what the incarnation must not do (call itself).
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

/// Calls `code` with the signals of the incarnation for which this thread runs code, or to which the running task is
/// linked.
pub(crate) fn caller<R>(code: impl FnOnce(&Signals) -> R) -> Option<R> {
    let marked =
        |signals: &RefCell<Option<Arc<Signals>>>| signals.try_borrow().ok().and_then(|signals| signals.clone());
    let signals = MARKS.try_with(|marks| marked(&marks.own).or_else(|| marked(&marks.linked))).ok().flatten()?;
    Some(code(&signals))
}

/// Calls `code` with the signals of the incarnation for which this thread runs code.
pub(crate) fn lent<R>(code: impl FnOnce(&Arc<Signals>) -> R) -> Option<R> {
    MARKS.try_with(|marks| marks.own.borrow().as_ref().map(code)).ok().flatten()
}

/// Whether this thread runs code of an incarnation that satisfies `test`.
pub(crate) fn is(test: impl FnOnce(&Signals) -> bool) -> bool {
    MARKS.try_with(|marks| marks.own.borrow().as_deref().is_some_and(test)).unwrap_or(false)
}
