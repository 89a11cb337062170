//! Line of text on all services of a tree: how many there are, and which are not well.

use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::HealthSource;
use crate::event::Events;
use crate::log::one_line;
use crate::slot::erased::AnySlot;
use crate::slot::status::{ServiceState, ServiceStatus};

/// Number of services that are named for each trouble.
const NAMED_MAX: usize = 3;

/// Number of bytes of a line. systemd reads 4,096 of a message.
const BYTES_MAX: usize = 1000;

/// Number of services whose next state is waited for. More of them tell a change by their events only.
const WATCHED_MAX: usize = 64;

/// State of a service that is not well, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Parked,
    Down,
    Restarting,
    Waiting,
    Starting,
    NotReady,
}

impl Trouble {
    /// The trouble of a service, if it has one. `is_done`: it ended as it should.
    fn of(status: ServiceStatus, is_done: bool) -> Option<Self> {
        match status.state {
            ServiceState::Parked { .. } => Some(Self::Parked),
            ServiceState::Down => (!is_done).then_some(Self::Down),
            ServiceState::Restarting => Some(Self::Restarting),
            ServiceState::Waiting => Some(Self::Waiting),
            ServiceState::Starting => Some(Self::Starting),
            ServiceState::Up => (!status.ready).then_some(Self::NotReady),
            ServiceState::Gone => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Down => "down",
            Self::Restarting => "restarting",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::NotReady => "not ready",
        }
    }
}

/// Result of a look at all services of a tree.
pub(crate) struct StatusLine {
    /// The line, such as `12 services, 1 parked: shop/db`. It begins with `not ready: ` if a required service is missing.
    /// Control characters are escaped.
    pub(crate) text: String,
    /// Services that are not well, and the status that was seen.
    unsettled: Vec<(Arc<dyn AnySlot>, ServiceStatus)>,
}

impl StatusLine {
    /// Looks at all services of the tree.
    pub(crate) fn read(source: &HealthSource) -> Self {
        let mut services: usize = 0;
        let in_trouble = source.shared.directory.picked(|path, listed| {
            if listed.kind.is_supervisor() {
                return None;
            }
            let status = listed.slot.status();
            let is_done = listed.slot.completion().is_some();
            let has_ended = status.state == ServiceState::Gone || (status.state == ServiceState::Down && is_done);
            services = services.saturating_add(usize::from(!has_ended));
            Some((Trouble::of(status, is_done)?, path.clone(), listed.slot.clone(), status))
        });
        let mut troubles: Vec<_> = in_trouble.iter().map(|(trouble, path, ..)| (*trouble, path.clone())).collect();
        troubles.sort_unstable();
        let unsettled = in_trouble.into_iter().take(WATCHED_MAX).map(|(.., slot, status)| (slot, status)).collect();
        let is_missing = !source.shared.missing().is_empty();
        Self { text: text(services, &troubles, is_missing), unsettled }
    }

    /// Waits until the line may be another one: an event, or another state of a service that is not well. Returns
    /// `false` once the tree is over.
    pub(crate) async fn changes(self, events: &mut Events) -> bool {
        let mut changes: Vec<_> = self.unsettled.into_iter().map(|(slot, seen)| another(slot, seen)).collect();
        let changed = std::future::poll_fn(|cx| {
            let is_any = changes.iter_mut().any(|change| change.as_mut().poll(cx).is_ready());
            if is_any { Poll::Ready(()) } else { Poll::Pending }
        });
        tokio::select! {
            biased;
            event = events.next() => event.is_some(),
            () = changed => true,
        }
    }
}

/// Waits until the status of the service is no more the one that was seen.
fn another(slot: Arc<dyn AnySlot>, seen: ServiceStatus) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut watch = slot.watch();
        while *watch.borrow_and_update() == seen {
            if watch.changed().await.is_err() {
                // The service is gone, and an event has told that.
                return std::future::pending().await;
            }
        }
    })
}

fn text(services: usize, troubles: &[(Trouble, Arc<str>)], is_missing: bool) -> String {
    let mut text = String::from(if is_missing { "not ready: " } else { "" });
    let noun = if services == 1 { "service" } else { "services" };
    let _ = write!(text, "{services} {noun}");
    for group in troubles.chunk_by(|(a, _), (b, _)| a == b) {
        let word = group.first().map_or("", |(trouble, _)| trouble.word());
        let names: Vec<_> = group.iter().take(NAMED_MAX).map(|(_, path)| one_line(&**path).to_string()).collect();
        let _ = write!(text, ", {} {word}: {}", group.len(), names.join(", "));
        match group.len().saturating_sub(NAMED_MAX) {
            0 => {}
            more => drop(write!(text, " and {more} more")),
        }
    }
    if text.len() > BYTES_MAX {
        let end = (0..=BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(services: usize, troubles: &[(Trouble, &str)]) -> String {
        let mut troubles: Vec<_> = troubles.iter().map(|(trouble, path)| (*trouble, Arc::from(*path))).collect();
        troubles.sort_unstable();
        text(services, &troubles, false)
    }

    #[test]
    fn the_worst_comes_first_and_three_of_a_kind_are_named() {
        assert_eq!(line(1, &[]), "1 service");
        assert_eq!(line(12, &[(Trouble::Parked, "shop/db")]), "12 services, 1 parked: shop/db");
        let many = [
            (Trouble::Starting, "a"),
            (Trouble::Restarting, "b"),
            (Trouble::Restarting, "c"),
            (Trouble::Restarting, "d"),
            (Trouble::Restarting, "e"),
            (Trouble::Parked, "f"),
        ];
        assert_eq!(line(9, &many), "9 services, 1 parked: f, 4 restarting: b, c, d and 1 more, 1 starting: a");
        assert_eq!(text(2, &[], true), "not ready: 2 services");
    }

    #[test]
    fn the_line_is_one_line_and_bounded() {
        let hostile = line(1, &[(Trouble::Down, "a\nREADY=1\r\0\u{1b}[2J")]);
        assert_eq!(hostile, "1 service, 1 down: a\\nREADY=1\\r\\0\\u{1b}[2J");
        let long = "\u{e9}".repeat(900);
        let line = line(3, &[(Trouble::Down, &long), (Trouble::Parked, &long)]);
        assert!(line.len() <= BYTES_MAX + 3 && line.ends_with("..."), "{}", line.len());
    }
}
