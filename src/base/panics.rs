//! Panics of the user's code on this thread, and the replies that the code held when it panicked.
//!
//! Invariants:
//! 1. The text of a panic is recorded only while code of a service, or watched code of regrow, runs on this thread. A
//!    panic of any other code belongs to the user's hook alone. The hook that records is in `hook.rs`.
//! 2. A reply that code of a service drops is an orphan until the end of that code is known. The outermost [`catch`]
//!    leaves no orphan behind.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind};
use std::sync::Arc;

use regrow_supervisors::{Exit, Panic};

use crate::log::{line, one_line};

thread_local! {
    static TEARDOWN: RefCell<Option<Exit>> = const { RefCell::new(None) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static OWN: Cell<Own> = const { Cell::new(Own::None) };
    static PANIC: RefCell<Option<Panic>> = const { RefCell::new(None) };
    static ORPHANS: RefCell<Vec<Arc<dyn Orphan>>> = const { RefCell::new(Vec::new()) };
    static HAS_ORPHANS: Cell<bool> = const { Cell::new(false) };
}

/// Reply that was dropped, and waits for the outcome of the code that dropped it.
pub(crate) trait Orphan: Send + Sync {
    /// The code that dropped it has returned (`None`), or has ended its incarnation with this exit.
    fn orphaned(&self, exit: Option<&Exit>);
}

/// Runs `code` and catches its panic.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, Panic> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            LISTENING.set(self.0);
        }
    }
    let restore = Restore(LISTENING.replace(true));
    let outcome = catch_within(code);
    // Invariant 2.
    if outcome.is_ok() && !restore.0 {
        settle_orphans(None);
    }
    outcome
}

/// Does what [`catch`] does, for code that already runs under a mark.
pub(crate) fn catch_within<R>(code: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(code)).map_err(caught)
}

/// Code of regrow that may panic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    None,
    /// Work: a panic is a bug.
    Work,
    /// Probe: a panic is an answer.
    Probe,
}

pub(super) fn run_own<R>(own: Own, code: impl FnOnce() -> R) -> R {
    struct Restore(Own);
    impl Drop for Restore {
        fn drop(&mut self) {
            OWN.set(self.0);
        }
    }
    let _restore = Restore(OWN.replace(own));
    code()
}

/// Runs code of regrow and catches its panic. No mark is set: no service drops what this code drops.
pub(crate) fn catch_own<R>(code: impl FnOnce() -> R) -> Result<R, Panic> {
    run_own(Own::Work, || catch_within(code))
}

/// Runs `code`. A panic in it is told, and goes on.
#[allow(dead_code, reason = "only checkpoints call it, and they are a feature")]
pub(crate) fn observed<R>(code: impl FnOnce() -> R, tell: impl FnOnce(Panic)) -> R {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|payload| {
        tell(panic_of(text_of(&*payload), PANIC.with_borrow(Option::clone)));
        resume_unwind(payload)
    })
}

/// Returns the panic with this text. `recorded`: the one that was recorded last, which may be one that the user's own
/// code has caught.
fn panic_of(text: String, recorded: Option<Panic>) -> Panic {
    recorded.filter(|panic| *panic.message == text).unwrap_or_else(|| Panic::new(text))
}

#[cold]
fn caught(payload: Box<dyn Any + Send>) -> Panic {
    let panic = panic_of(text_of(&*payload), PANIC.take());
    // A payload is a value of the user, and its destructor may panic like any other.
    std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(payload))));
    settle_orphans(Some(&Exit::Panicked(panic.clone())));
    panic
}

/// Adopts a dropped reply until the end of the code that dropped it is known. `false` if no code of a service runs on
/// this thread.
pub(crate) fn adopt(call: impl FnOnce() -> Arc<dyn Orphan>) -> bool {
    if !LISTENING.try_with(Cell::get).unwrap_or(false) {
        return false;
    }
    let adopted = ORPHANS.try_with(|orphans| orphans.borrow_mut().push(call())).is_ok();
    HAS_ORPHANS.set(adopted);
    adopted
}

/// Settles the orphans: the code that dropped them has returned (`None`), or has ended its incarnation with this exit.
#[inline]
pub(crate) fn settle_orphans(exit: Option<&Exit>) {
    if HAS_ORPHANS.get() {
        settle_all(exit);
    }
}

#[cold]
fn settle_all(exit: Option<&Exit>) {
    HAS_ORPHANS.set(false);
    for orphan in ORPHANS.take() {
        orphan.orphaned(exit);
    }
}

/// Drops a value of the user, here and now. A panic in its destructor is logged and goes no further. See also
/// [`sweep::drop_quietly`](crate::base::sweep::drop_quietly).
pub(crate) fn drop_here(value: impl Sized, path: &str, what: &'static str) {
    if let Err(panic) = catch(|| drop(value)) {
        line!(ERROR, { path = %path, dropped = %what, panic.text = %one_line(&panic) }, "a destructor panicked");
    }
}

/// Drops values that belong to a life that ended with `exit`. Calls to which they hold the reply then end with that
/// exit.
pub(crate) fn tear_down(exit: &Exit, what: impl Sized) -> Result<(), Panic> {
    struct Restore(Option<Exit>);
    impl Drop for Restore {
        fn drop(&mut self) {
            TEARDOWN.set(self.0.take());
        }
    }
    let _restore = Restore(TEARDOWN.replace(Some(exit.clone())));
    catch(|| drop(what))
}

/// Returns the exit of the life that is being torn down on this thread.
pub(crate) fn teardown() -> Option<Exit> {
    TEARDOWN.try_with(|exit| exit.borrow().clone()).ok().flatten()
}

/// Whether a panic on this thread is an answer, and must not be printed.
pub(crate) fn is_probing() -> bool {
    OWN.try_with(Cell::get) == Ok(Own::Probe)
}

/// Records a panic, if code of a service or watched code of regrow runs on this thread. `None` if the panic is of other
/// code.
pub(crate) fn record(info: &PanicHookInfo<'_>) -> Option<Recorded> {
    if OWN.try_with(Cell::get) != Ok(Own::Work) && !LISTENING.try_with(Cell::get).unwrap_or(false) {
        return None;
    }
    let backtrace = Backtrace::capture();
    let has_backtrace = backtrace.status() == BacktraceStatus::Captured;
    let panic = Panic {
        message: text_of(info.payload()).into(),
        location: info.location().map(|location| location.to_string().into()),
        backtrace: has_backtrace.then(|| backtrace.to_string().into()),
    };
    let (message, location) = (panic.message.clone(), panic.location.clone());
    // Not `set`: the old value must not be dropped inside a hook that already holds it.
    let _ = PANIC.try_with(|slot| slot.try_borrow_mut().map(|mut slot| *slot = Some(panic)));
    Some(Recorded { message, location, has_backtrace })
}

/// Record of a panic.
pub(crate) struct Recorded {
    pub(crate) message: Arc<str>,
    pub(crate) location: Option<Arc<str>>,
    pub(crate) has_backtrace: bool,
}

pub(crate) fn text_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is no text".to_owned()
    }
}
