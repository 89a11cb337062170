//! The panic hook: installed once for the process, it records the panics of services and calls the hook that was there
//! before.
//!
//! A hook of the user is called for every panic. The standard hook prints each panic to stderr; with `RUST_BACKTRACE=1`
//! it adds a backtrace of some 28 kB. That is too much for the panics of services, because their log lines say the
//! same:
//!
//! | log listens to warnings | `RUST_BACKTRACE` | stderr, for each place of a panic |
//! |---|---|---|
//! | yes | not set | text and place, once a second at most |
//! | yes | `1` | the same; the backtrace is a field of the log line, once an hour at most |
//! | no | not set | text and place, each time |
//! | no | `1` | text and place, each time, and the backtrace the first time |
//!
//! Panics of regrow's own tasks are bugs, and are treated in the same way. Panics by which tokio answers a question are
//! not printed at all. All others are left to the hook that was there before.
//!
//! Invariant: the hook calls no subscriber. The panic may come from a subscriber, with its locks held.

use std::collections::HashMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, Once};
use std::time::{Duration, Instant};

use crate::base::panics::{self, Own, Recorded, run_own};
use crate::base::sync::lock;
use crate::log;

/// Pause between two prints of the text and place of a panic, if the log has them too.
const PERIOD: Duration = Duration::from_secs(1);

/// Time at which a panic was last printed, by place. The code of the program bounds the number of places.
static PRINTED: LazyLock<Mutex<HashMap<Arc<str>, Instant>>> = LazyLock::new(Mutex::default);

/// Whether the standard hook prints backtraces.
static PRINTS_BACKTRACES: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0"));

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// Installs the hook, unless that was done before.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        // No hook is set now, so this takes the standard one.
        let is_standard = is_same(&*before, &*std::panic::take_hook());
        std::panic::set_hook(Box::new(move |info| {
            if panics::is_probing() {
                return;
            }
            match panics::record(info) {
                Some(recorded) if is_standard => print(&recorded, || before(info)),
                Some(_) | None => before(info),
            }
        }));
    });
}

/// Runs code that answers by a panic. `None` if it panicked, and nothing is printed.
pub(crate) fn probe<R>(code: impl FnOnce() -> R) -> Option<R> {
    install();
    run_own(Own::Probe, || catch_unwind(AssertUnwindSafe(code)).ok())
}

/// Number of places at which panics were printed.
pub(crate) fn places() -> usize {
    lock(&PRINTED).len()
}

/// Whether both are the same function. A wrong `false` costs no more than repeated backtraces on stderr.
#[allow(ambiguous_wide_pointer_comparisons, reason = "one function has one vtable here: the standard library makes it")]
fn is_same(a: &Hook, b: &Hook) -> bool {
    std::ptr::eq(a, b)
}

/// Prints the panic of a service as the table above says.
fn print(recorded: &Recorded, in_full: impl FnOnce()) {
    let is_logged = log::is_listened_to();
    let Recorded { message, location, has_backtrace } = recorded;
    let Some(location) = location else { return in_full() };
    let now = Instant::now();
    let before = lock(&PRINTED).get(location).copied();
    if is_logged && before.is_some_and(|at| now.saturating_duration_since(at) < PERIOD) {
        return;
    }
    lock(&PRINTED).insert(location.clone(), now);
    let is_wanted = !(*has_backtrace && is_logged) && before.is_none();
    if !*PRINTS_BACKTRACES || is_wanted {
        return in_full();
    }
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    // An error means that nothing reads it.
    let _ = writeln!(std::io::stderr(), "\nthread '{name}' panicked at {location}:\n{message}");
}
