//! The socket of systemd, and the thread that writes to it.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::oneshot;

use crate::base::sync::lock;
use crate::log::{line, one_line};

/// Variable with the path of the socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Something that systemd is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    Ready,
    Stopping,
    /// Line of text without control characters.
    Status(String),
    Watchdog,
    /// The stop may take this long.
    Extend(Duration),
}

impl Notice {
    fn state(&self) -> NotifyState<'_> {
        match self {
            Self::Ready => NotifyState::Ready,
            Self::Stopping => NotifyState::Stopping,
            Self::Status(text) => NotifyState::Status(text),
            Self::Watchdog => NotifyState::Watchdog,
            // 71 minutes are the longest that can be asked for.
            Self::Extend(time) => NotifyState::ExtendTimeoutUsec(u32::try_from(time.as_micros()).unwrap_or(u32::MAX)),
        }
    }
}

/// Work of the thread.
enum Work {
    /// Sends one message with these lines.
    Send(Vec<Notice>),
    /// Tells that all before it is sent.
    Tell(oneshot::Sender<()>),
}

/// The socket of systemd. A thread of its own sends, so that a full socket blocks no code of the tree.
pub(super) struct Socket {
    thread: mpsc::Sender<Work>,
    /// Longest time of the stop, if it is limited.
    stops_within: Option<Duration>,
    told: Mutex<Told>,
}

/// State of the conversation: what was told so far.
#[derive(Default)]
struct Told {
    status: String,
    is_ready: bool,
    is_stopping: bool,
}

impl Socket {
    /// Finds the socket. `None` if systemd did not start this process, or does not want to be told.
    pub(super) fn find(stops_within: Option<Duration>) -> Option<Self> {
        std::env::var_os(SOCKET).filter(|path| !path.is_empty())?;
        let (thread, work) = mpsc::channel();
        let started = std::thread::Builder::new().name("regrow-systemd".into()).spawn(move || write(&work));
        if let Err(error) = started {
            line!(WARN, { error = %one_line(&error) }, "no thread can be started, and systemd is told nothing");
            return None;
        }
        Some(Self { thread, stops_within, told: Mutex::default() })
    }

    /// Tells what is new: that the tree is ready, and its status line. Nothing is told once the tree stops.
    pub(super) fn tell(&self, is_ready: bool, status: &str) {
        let mut told = lock(&self.told);
        if told.is_stopping {
            return;
        }
        let mut notices = Vec::new();
        if is_ready && !std::mem::replace(&mut told.is_ready, true) {
            notices.push(Notice::Ready);
        }
        if told.status != status {
            told.status = status.into();
            notices.push(Notice::Status(status.into()));
        }
        self.send(notices);
    }

    /// Tells that the tree stops, the first time.
    pub(super) fn tell_stopping(&self) {
        let mut told = lock(&self.told);
        if !std::mem::replace(&mut told.is_stopping, true) {
            let mut notices = vec![Notice::Stopping, Notice::Status("stopping".into())];
            notices.extend(self.stops_within.map(Notice::Extend));
            self.send(notices);
        }
    }

    /// Sends one message, if it has a line.
    pub(super) fn send(&self, notices: Vec<Notice>) {
        if !notices.is_empty() {
            // The thread lives as long as this sender does.
            let _ = self.thread.send(Work::Send(notices));
        }
    }

    /// Waits until all that was told before is sent.
    pub(super) async fn is_sent(&self) {
        let (tell, told) = oneshot::channel();
        let _ = self.thread.send(Work::Tell(tell));
        let _ = told.await;
    }
}

/// Sends what comes, until the socket is dropped. The first failure is logged.
fn write(work: &mpsc::Receiver<Work>) {
    let mut has_failed = false;
    for work in work {
        match work {
            Work::Tell(done) => drop(done.send(())),
            Work::Send(notices) => {
                let states: Vec<_> = notices.iter().map(Notice::state).collect();
                if let Err(error) = sd_notify::notify(&states)
                    && !std::mem::replace(&mut has_failed, true)
                {
                    let path = std::env::var_os(SOCKET).unwrap_or_default();
                    let path = path.to_string_lossy();
                    line!(WARN, { socket = %one_line(&*path), error = %one_line(&error) }, "systemd cannot be told: is NOTIFY_SOCKET right?");
                }
            }
        }
    }
}
