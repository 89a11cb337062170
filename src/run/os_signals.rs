//! The signals that ask a process to end, received by a separate thread.
//!
//! Invariants:
//! 1. A signal is received even while every thread of the runtime is blocked by code that does not yield.
//! 2. The third signal since the latest [`listen`](Signals::listen) ends the process.
//!
//! Signals belong to the process, and so does the thread. tokio never gives a signal's default effect back. So the
//! thread stays, and with it the way to end a process that hangs after its tree is over.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::base::sync::lock;
use crate::log::line;

/// Time within which the same signal is the same request. Wrappers such as `timeout` signal their child, and then the
/// group that it is in.
const ECHO: Duration = Duration::from_millis(100);

/// Number of the signal that ends the process without waiting.
const LAST: u32 = 3;

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) name: &'static str,
    number: i32,
}

const INTERRUPT: Signal = Signal { name: "SIGINT", number: 2 };
#[cfg(unix)]
const TERMINATE: Signal = Signal { name: "SIGTERM", number: 15 };

/// The signals that were received so far.
#[derive(Debug, Clone, Copy)]
struct Received {
    count: u32,
    latest: Signal,
}

struct Listener {
    received: watch::Receiver<Received>,
    /// Number of signals that had been received at the latest `listen`.
    base: AtomicU32,
}

static LISTENER: Mutex<Option<Arc<Listener>>> = Mutex::new(None);

/// The signals from one moment on.
pub(crate) struct Signals {
    received: watch::Receiver<Received>,
    /// Number of the received signals that `next` has returned already.
    known: u32,
}

impl Signals {
    /// Listens for signals from now on. Waits until the thread receives them, which takes less than a millisecond the
    /// first time.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let mut listener = lock(&LISTENER);
        let listener = match &*listener {
            Some(listener) => listener.clone(),
            None => listener.insert(start()?).clone(),
        };
        let known = listener.received.borrow().count;
        listener.base.store(known, Ordering::Release);
        Ok(Self { received: listener.received.clone(), known })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        let known = self.known;
        let next = self.received.wait_for(|received| received.count > known).await.map(|received| received.latest);
        match next {
            Ok(signal) => {
                self.known += 1;
                signal
            }
            // The thread never ends. Without it no signal would come.
            Err(_) => std::future::pending().await,
        }
    }
}

fn start() -> std::io::Result<Arc<Listener>> {
    let (sender, received) = watch::channel(Received { count: 0, latest: INTERRUPT });
    let listener = Arc::new(Listener { received, base: AtomicU32::new(0) });
    let (tell, told) = mpsc::channel();
    let hearing = listener.clone();
    std::thread::Builder::new().name("regrow-signals".into()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell.send(Err(error))),
        };
        runtime.block_on(hear(&sender, &hearing.base, tell));
    })?;
    told.recv().unwrap_or_else(|_| Err(std::io::Error::other("the thread that hears signals has ended")))?;
    Ok(listener)
}

/// Ends the process. Code that blocks may hold the log, so the last line gets no more than a moment.
fn exit(signal: Signal) -> ! {
    let (tell, told) = mpsc::channel();
    let write = move || {
        line!(ERROR, { signal = signal.name }, "third signal: the process ends at once");
        let _ = tell.send(());
    };
    if std::thread::Builder::new().spawn(write).is_ok() {
        let _ = told.recv_timeout(Duration::from_millis(100));
    }
    std::process::exit(128 + signal.number);
}

async fn hear(sender: &watch::Sender<Received>, base: &AtomicU32, ready: mpsc::Sender<std::io::Result<()>>) {
    #[cfg(unix)]
    let heard = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt()).and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)))
    };
    #[cfg(windows)]
    let heard = tokio::signal::windows::ctrl_c();
    let mut heard = match heard {
        Ok(heard) => heard,
        Err(error) => return drop(ready.send(Err(error))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    let mut counted = None;
    loop {
        #[cfg(unix)]
        let signal = tokio::select! {
            Some(()) = heard.0.recv() => INTERRUPT,
            Some(()) = heard.1.recv() => TERMINATE,
            else => return,
        };
        #[cfg(windows)]
        let signal = match heard.recv().await {
            Some(()) => INTERRUPT,
            None => return,
        };
        let now = Instant::now();
        if is_echo(counted, signal, now) {
            continue;
        }
        counted = Some((signal, now));
        let count = sender.borrow().count + 1;
        sender.send_replace(Received { count, latest: signal });
        // Invariant 2.
        if count - base.load(Ordering::Acquire) >= LAST {
            exit(signal);
        }
    }
}

/// Whether the signal belongs to the one that was counted last.
fn is_echo(counted: Option<(Signal, Instant)>, signal: Signal, now: Instant) -> bool {
    counted.is_some_and(|(before, at)| before == signal && now.saturating_duration_since(at) < ECHO)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    // Found by a user with `timeout 10 app`: the second TERM, 0.2 ms after the first, killed what was about to stop.
    #[test]
    fn a_signal_that_comes_twice_at_once_is_one_and_another_or_a_later_one_counts() {
        let at = Instant::now();
        let is = |signal, after| is_echo(Some((TERMINATE, at)), signal, at + after);
        assert!(is(TERMINATE, Duration::ZERO) && is(TERMINATE, Duration::from_millis(99)));
        assert!(!is(TERMINATE, ECHO) && !is(INTERRUPT, Duration::ZERO));
        assert!(!is_echo(None, TERMINATE, at));
    }
}
