//! systemd is told how the tree is: ready, stopping, a status line, and signs of life.
//!
//! Invariants:
//! 1. Messages are sent in the order in which they were told, by one thread: a send may block when systemd is slow, and
//!    must not hold up the runtime.
//! 2. `STOPPING=1` is told once, and no status after it.
//! 3. Nothing is sent without a change. The watchdog's signs of life are the only timer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::base::background;
use crate::base::time::part;
use crate::event::Events;
use crate::health::status_line::StatusLine;
use crate::health::{DEFAULT_ANSWER_LIMIT, HealthSource, Life};
use crate::log::line;
use crate::run::systemd_socket::{Notice, Socket};
use crate::tree::Tree;
use crate::tree::shutdown::LAST_PART;

/// Shortest time between two status lines. What happens meanwhile is told with the next one.
const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// A look at a large tree takes time. The pause after it is at least this many times as long.
const PAUSE_PER_LOOK: u32 = 50;

/// Number of events that are skipped before a look, at most.
const EVENTS_SKIPPED: u32 = 10_000;

/// Longest wait for the last message to be sent.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Messenger to systemd, from the start of a tree to its end. When it is dropped, nothing more is told.
pub(super) struct Systemd {
    socket: Arc<Socket>,
    tasks: Vec<AbortHandle>,
}

impl Systemd {
    /// Begins to tell about this tree, if systemd started this process and wants to know.
    pub(super) fn find(tree: &Tree, limit: Option<Duration>) -> Option<Self> {
        let socket = Arc::new(Socket::find(limit.map(|limit| limit.saturating_add(LAST_PART)))?);
        let source = tree.health_source();
        let (told, seen, directory) = (socket.clone(), source.clone(), tree.directory());
        let follow = background::keep("the status for systemd", move || {
            let events = Events::new(directory.shared().subscribe(), &directory.shared().counts);
            follow(seen.clone(), events, told.clone())
        });
        let mut tasks = vec![follow];
        // Half of the time leaves room for one sign of life that comes late.
        if let Some(period) = sd_notify::watchdog_enabled().map(|time| part(time, 2)).filter(|period| !period.is_zero())
        {
            let told = socket.clone();
            tasks.push(background::keep("the watchdog of systemd", move || {
                give_signs(source.clone(), told.clone(), period)
            }));
        }
        Some(Self { socket, tasks })
    }

    /// Tells that the tree stops, unless that is told already.
    pub(super) fn tell_stopping(&self) {
        self.socket.tell_stopping();
    }

    /// Waits until all is sent, as the tree is over. A process that exits would leave the last messages unsent.
    pub(super) async fn finish(&self) {
        self.tell_stopping();
        self.tasks.iter().for_each(AbortHandle::abort);
        let _ = timeout(LAST_WAIT, self.socket.is_sent()).await;
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Tells when the tree is ready for the first time, the status line when it changes, and that the tree stops.
async fn follow(source: HealthSource, mut events: Events, socket: Arc<Socket>) {
    let (mut first_ready, mut drains) = (pin!(source.first_ready()), pin!(source.drains()));
    let (mut is_ready, mut may_be_ready) = (false, true);
    loop {
        // One look sees the effect of all events that have come. A burst must not ask for a look each.
        let mut bounded = 0..EVENTS_SKIPPED;
        while bounded.next().is_some() && events.try_next().is_some() {}
        let begun = Instant::now();
        let seen = StatusLine::read(&source);
        let pause = STATUS_PAUSE.max(begun.elapsed().saturating_mul(PAUSE_PER_LOOK));
        socket.tell(is_ready, &seen.text);
        let change = async {
            let goes_on = seen.changes(&mut events).await;
            sleep(pause).await;
            goes_on
        };
        let goes_on = tokio::select! {
            biased;
            () = &mut drains => false,
            ready = &mut first_ready, if may_be_ready => {
                (is_ready, may_be_ready) = (ready, false);
                true
            }
            goes_on = change => goes_on,
        };
        if !goes_on {
            return socket.tell_stopping();
        }
    }
}

/// Gives a sign of life in each period in which the tree answers.
async fn give_signs(source: HealthSource, socket: Arc<Socket>, period: Duration) {
    let limit = DEFAULT_ANSWER_LIMIT.min(part(period, 2));
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match source.check_life(limit).await {
            Life::Live => socket.send(vec![Notice::Watchdog]),
            Life::Over { .. } => return,
            Life::Blocked { .. } | Life::Silent { .. } => {
                line!(WARN, { path = %source.tree() }, "the tree does not answer, and systemd gets no sign of life");
            }
        }
    }
}
