//! Background tasks and threads of regrow: the timer of a supervisor, the dependency watch, the watchdog, the watch of
//! a policy file. No supervisor looks after them, so this module does.
//!
//! Invariant: none of them ends by a panic in silence. The panic is logged as an error, and the work begins again.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use regrow_supervisors::Panic;
use tokio::task::{AbortHandle, JoinSet};

use crate::base::panics;
use crate::log::{line, one_line};

/// Pause between a panic and the next try. It leaves time for other work, if each try panics.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs in a task the future that `make` makes. After a panic, `make` makes another one, which runs next.
pub(crate) fn keep<F>(what: &'static str, make: impl Fn() -> F + Send + 'static) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    let kept = async move {
        while let Err(panic) = caught(pin!(make())).await {
            tell(what, &panic);
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::spawn(kept).abort_handle()
}

/// Does what [`keep`] does, on a thread that exists already.
pub(crate) fn keep_on_thread(what: &'static str, work: impl Fn()) {
    while let Err(panic) = panics::catch_own(&work) {
        tell(what, &panic);
        std::thread::sleep(PAUSE);
    }
}

/// Returns the output of the future, or its panic. The caller pins the future: it would be kept twice otherwise, and a
/// future that is awaited inside of ractor is moved at each message.
pub(crate) fn caught<F: Future + Unpin>(mut future: F) -> impl Future<Output = Result<F::Output, Panic>> {
    std::future::poll_fn(move |cx| match panics::catch_own(|| Pin::new(&mut future).poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
}

fn tell(what: &'static str, panic: &Panic) {
    line!(ERROR, { task = what, panic.text = %one_line(panic) }, "a task of the runtime panicked, which is a bug of regrow: it begins again");
}

/// Returns the text of a panic that has ended one of these tasks.
#[allow(dead_code, reason = "only experiments ask, and they are a feature")]
pub(crate) fn panic_of(tasks: &mut JoinSet<()>) -> Option<String> {
    let ended = std::iter::from_fn(|| tasks.try_join_next());
    ended.filter_map(|ended| ended.err()?.try_into_panic().ok()).map(|panic| panics::text_of(&*panic)).next()
}

/// Lets the task that was woken last run, before code of the user runs that may block.
///
/// tokio keeps that task for the worker that woke it, and no other worker can take it. After a start it is the
/// supervisor: blocking code would hold up the supervisor that has to abandon it.
pub(crate) fn yield_once() -> impl Future<Output = ()> {
    pause(true)
}

/// Lets other tasks run, once. `is_busy`: the task comes back without being woken.
pub(crate) async fn pause(is_busy: bool) {
    let mut has_paused = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_paused, true) {
            return Poll::Ready(());
        }
        if is_busy {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::base::hook;

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_begins_again_until_it_is_done() {
        hook::install();
        let tries = Arc::new(AtomicU32::new(0));
        let counted = tries.clone();
        let task = keep("a test", move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                assert!(number >= 2, "try {number}");
            }
        });
        tokio::time::sleep(PAUSE * 3).await;
        assert!(task.is_finished() && tries.load(Ordering::Relaxed) == 3);
    }

    #[tokio::test]
    async fn a_panic_comes_back_with_its_text_and_place() {
        hook::install();
        let panic = caught(pin!(async { panic!("a bug") })).await.map(|()| unreachable!()).unwrap_err();
        assert_eq!(&*panic.message, "a bug");
        assert!(panic.location.is_some_and(|place| place.contains("background.rs")));
    }

    #[tokio::test]
    async fn a_panic_among_tasks_that_are_joined_late_is_found() {
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending());
        tasks.spawn(async { panic!("a bug") });
        while tasks.len() == 2 && panic_of(&mut tasks).is_none_or(|text| text != "a bug") {
            tokio::task::yield_now().await;
        }
        assert_eq!(tasks.len(), 1);
    }
}
