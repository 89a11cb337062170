//! What this thread is doing for a service right now: whose code it runs, and what that code's last panic was.
//!
//! Invariants:
//! 1. The marks are set only while code of a service runs and are put back when it returns, by unwinding too.
//! 2. A reply that code of a service drops is an orphan until it is known how that code ends: the outermost mark leaves
//!    none behind.
//! 3. What a panic says is recorded only under the mark, and where code of the runtime's own is watched. A panic of any
//!    other code belongs to the user's hook alone. The hook that records is in `hook.rs`.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Arc;

use regrow_supervisors::{Exit, Panic};

use crate::call::Fate;
use crate::hook;
use crate::log::{line, one_line};
use crate::slot::signals::Signals;

thread_local! {
    static MARKS: Marks = const { Marks { own: RefCell::new(None), linked: RefCell::new(None) } };
    static TEARDOWN: RefCell<Option<Exit>> = const { RefCell::new(None) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static OWN: Cell<Own> = const { Cell::new(Own::None) };
    static PANIC: RefCell<Option<Panic>> = const { RefCell::new(None) };
    static ORPHANS: RefCell<Vec<Arc<dyn Fate>>> = const { RefCell::new(Vec::new()) };
    static HAS_ORPHANS: Cell<bool> = const { Cell::new(false) };
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
            let (supervisor, is_watched) = (signals.supervisor(), signals.watchdog().is_on());
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
    catch(code)
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
    catch(code)
}

/// Lends the port of the incarnation whose code this thread runs, be it its own or that of a task linked to it.
pub(crate) fn caller<R>(code: impl FnOnce(&Signals) -> R) -> Option<R> {
    let marked =
        |signals: &RefCell<Option<Arc<Signals>>>| signals.try_borrow().ok().and_then(|signals| signals.clone());
    let signals = MARKS.try_with(|marks| marked(&marks.own).or_else(|| marked(&marks.linked))).ok().flatten()?;
    Some(code(&signals))
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

/// As [`catch`], for code that already runs under a mark.
pub(crate) fn catch_within<R>(code: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(code)).map_err(caught)
}

/// Code of the runtime's own that may panic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    None,
    /// A panic of it is a bug.
    Work,
    /// A panic of it is an answer.
    Probe,
}

fn run_own<R>(own: Own, code: impl FnOnce() -> R) -> R {
    struct Restore(Own);
    impl Drop for Restore {
        fn drop(&mut self) {
            OWN.set(self.0);
        }
    }
    let _restore = Restore(OWN.replace(own));
    code()
}

/// Runs code of the runtime's own and catches its panic. No mark is set: what it drops is dropped by no service.
pub(crate) fn catch_own<R>(code: impl FnOnce() -> R) -> Result<R, Panic> {
    run_own(Own::Work, || catch_within(code))
}

/// Runs code that answers by a panic: `None`, and no word about it.
pub(crate) fn probe<R>(code: impl FnOnce() -> R) -> Option<R> {
    hook::install();
    run_own(Own::Probe, || catch_unwind(AssertUnwindSafe(code)).ok())
}

#[cold]
fn caught(payload: Box<dyn Any + Send>) -> Panic {
    // What the hook recorded last may be of a panic that the user's own code has caught.
    let text = text_of(&*payload);
    let panic = PANIC.take().filter(|panic| *panic.message == text).unwrap_or_else(|| Panic::new(text));
    // A payload is a value of the user's, and its destructor may panic like any other.
    std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(payload))));
    settle_orphans(Some(&Exit::Panicked(panic.clone())));
    panic
}

/// Takes a dropped reply over until it is known how the code ends that dropped it; `false` when no code of a service
/// runs on this thread.
pub(crate) fn adopt(call: impl FnOnce() -> Arc<dyn Fate>) -> bool {
    if !LISTENING.try_with(Cell::get).unwrap_or(false) {
        return false;
    }
    let adopted = ORPHANS.try_with(|orphans| orphans.borrow_mut().push(call())).is_ok();
    HAS_ORPHANS.set(adopted);
    adopted
}

/// The code that dropped them has come back (`None`), or is the end of its incarnation.
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

/// Drops a value of the user's, here and now. A panic in its destructor becomes a log line and goes no further. See
/// also [`sweep::drop_quietly`](crate::sweep::drop_quietly).
pub(crate) fn drop_here(value: impl Sized, path: &str, what: &'static str) {
    if let Err(panic) = catch(|| drop(value)) {
        line!(ERROR, { path = %path, dropped = %what, panic.text = %one_line(&panic) }, "a destructor panicked");
    }
}

/// Drops what belongs to a life that ended with `exit`, so that replies it still holds can say why they never come.
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

/// How the life ended whose remains are being dropped on this thread.
pub(crate) fn teardown() -> Option<Exit> {
    TEARDOWN.try_with(|exit| exit.borrow().clone()).ok().flatten()
}

/// Lends the port of the incarnation whose code this thread runs.
pub(crate) fn lent<R>(code: impl FnOnce(&Arc<Signals>) -> R) -> Option<R> {
    MARKS.try_with(|marks| marks.own.borrow().as_ref().map(code)).ok().flatten()
}

/// Whether this thread runs code of the incarnation that `test` recognises.
pub(crate) fn is(test: impl FnOnce(&Signals) -> bool) -> bool {
    MARKS.try_with(|marks| marks.own.borrow().as_deref().is_some_and(test)).unwrap_or(false)
}

/// Whether a panic on this thread is an answer, and no word is to be said about it.
pub(crate) fn is_probing() -> bool {
    OWN.try_with(Cell::get) == Ok(Own::Probe)
}

/// Remembers what a panic says, if code of a service or watched code of the runtime's own runs on this thread. `None`: the
/// panic is none of ours.
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
    // Not `set`: dropping the value before must not run inside a hook that already holds it.
    let _ = PANIC.try_with(|slot| slot.try_borrow_mut().map(|mut slot| *slot = Some(panic)));
    Some(Recorded { message, location, has_backtrace })
}

/// What was remembered of a panic.
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
