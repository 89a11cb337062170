//! The record of a tree as it goes over the wire.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regrow_supervisors::Exit;

use crate::admin::row::{ago_ms, last_exit, millis};
use crate::admin::services::Record;
use crate::admin::wire::act::{ActKind as WireAct, Acted};
use crate::admin::wire::history::{Begin, Entry};
use crate::admin::wire::services::{LastExit, Service, State};
use crate::event::EventKind;
use crate::event::act::{Act, ActKind, ActOutcome};
use crate::recorder::entry::HistoryEntry;
use crate::recorder::history::RingBegins;
use crate::recorder::state::HistoryState;
use crate::tree::Directory;
use crate::tree::shared::Shared;

/// Returns an entry as it goes over the wire. `boot` is the time of the system when the clock of the tree was zero.
pub(crate) fn entry(entry: &HistoryEntry, boot: SystemTime) -> Entry {
    let acted = match entry.kind.event() {
        Some(EventKind::Acted { act }) => Some(acted(&entry.path, act)),
        Some(_) | None => None,
    };
    Entry {
        seq: entry.seq,
        at_ms: moment(boot, entry.at),
        path: entry.path.to_string(),
        generation: entry.generation,
        before: state(entry.before),
        kind: entry.kind.word().into(),
        cause: entry.kind.cause().map(|cause| cause.word().into()),
        text: entry.kind.to_string(),
        is_failure: entry.kind.is_failure(),
        act: acted,
    }
}

/// Returns an act as it goes over the wire.
pub(crate) fn acted(path: &str, act: &Act) -> Acted {
    Acted {
        act: wire_kind(act.kind),
        path: path.to_owned(),
        by: act.by.to_string(),
        reason: act.reason.to_string(),
        generation: act.generation,
        outcome: act.outcome.to_string(),
        is_done: matches!(act.outcome, ActOutcome::Done),
    }
}

/// Returns the state of a child as it goes over the wire. `None`: it was not listed.
pub(crate) fn state(state: HistoryState) -> Option<State> {
    match state {
        HistoryState::Absent => None,
        HistoryState::Waiting => Some(State::Waiting),
        HistoryState::Up => Some(State::Up),
        HistoryState::Restarting => Some(State::Restarting),
        HistoryState::Parked => Some(State::Parked),
        HistoryState::Down => Some(State::Down),
        HistoryState::Gone => Some(State::Gone),
    }
}

/// Returns the begin of a ring as it goes over the wire.
pub(crate) fn begin(ring: RingBegins, boot: SystemTime) -> Begin {
    Begin { seq: ring.seq, at_ms: moment(boot, ring.at), evicted: ring.evicted }
}

/// Returns a time of the tree's clock as a moment.
pub(crate) fn moment(boot: SystemTime, at: Duration) -> u64 {
    let since = boot.checked_add(at).unwrap_or(boot).duration_since(UNIX_EPOCH);
    millis(since.unwrap_or_default())
}

fn wire_kind(kind: ActKind) -> WireAct {
    match kind {
        ActKind::Kill => WireAct::Kill,
        ActKind::Restart => WireAct::Restart,
        ActKind::Terminate => WireAct::Terminate,
        ActKind::Start => WireAct::Start,
        ActKind::Park => WireAct::Park,
        ActKind::Revive => WireAct::Revive,
        ActKind::Replay => WireAct::Replay,
        ActKind::ReloadPolicy => WireAct::ReloadPolicy,
        ActKind::RunExperiment => WireAct::RunExperiment,
        ActKind::StopExperiment => WireAct::StopExperiment,
    }
}

/// The latest change of state and the latest end of each path that the record still holds. It is read once for a page of rows.
pub(crate) struct Changes {
    latest: HashMap<Arc<str>, (State, Duration)>,
    /// Places of the ends in the entries. Their texts are made for the rows that are shown.
    ends: HashMap<Arc<str>, usize>,
    entries: Vec<HistoryEntry>,
    shared: Arc<Shared>,
}

impl Changes {
    /// Reads the record of a tree.
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        let entries = Directory { shared: shared.clone() }.history_after(0).entries;
        let changes = entries.iter().filter(|entry| entry.after() != entry.before);
        let latest =
            changes.filter_map(|entry| Some((entry.path.clone(), (state(entry.after())?, entry.at)))).collect();
        let ends = entries.iter().enumerate().filter(|(_, entry)| end_of(entry).is_some());
        let ends = ends.map(|(place, entry)| (entry.path.clone(), place)).collect();
        Self { latest, ends, entries, shared: shared.clone() }
    }

    fn last_exit(&self, path: &str) -> Option<LastExit> {
        let entry = self.entries.get(*self.ends.get(path)?)?;
        Some(last_exit(end_of(entry)?, Some(self.shared.clock.now().saturating_sub(entry.at))))
    }
}

/// The exit of an entry, if no supervisor ordered it.
fn end_of(entry: &HistoryEntry) -> Option<&Exit> {
    let (EventKind::Exited { exit } | EventKind::StartFailed { exit }) = entry.kind.event()? else { return None };
    (exit.kind() != "shutdown").then_some(exit)
}

impl Changes {
    /// Time since which a child is in its state. One that is being started is told as waiting or restarting by the record.
    fn since(&self, path: &str, state: State) -> Option<Duration> {
        let (told, at) = self.latest.get(path)?;
        let is_same =
            *told == state || (state == State::Starting && matches!(told, State::Waiting | State::Restarting));
        is_same.then_some(*at)
    }
}

impl Record for Changes {
    /// The same for each look, as places in an order have to be.
    fn since_ms(&self, path: &str, state: State) -> Option<u64> {
        Some(moment(self.shared.clock.boot(), self.since(path, state)?))
    }

    fn fill(&self, row: &mut Service) {
        let since = self.since(&row.path, row.state);
        row.since_ms = since.map(|since| ago_ms(self.shared.clock.now().saturating_sub(since)));
        // A supervisor that was asked knows more.
        if row.last_exit.is_none() {
            row.last_exit = self.last_exit(&row.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::row;
    use crate::admin::shown::Shown;
    use crate::supervisor::Supervisor;
    use crate::testing::Journal;
    use crate::tree::clock::SET_SINCE;

    // Found by review: after a change of the system's clock, a service was up for an hour that had just been started.
    #[tokio::test]
    async fn ages_are_right_after_the_clock_of_the_system_was_set() {
        const HOUR: Duration = Duration::from_secs(3600);
        SET_SINCE.set(HOUR);
        let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await.unwrap();
        SET_SINCE.set(Duration::ZERO);
        let shown = Shown::new(&tree);
        let path: Arc<str> = "shop/db".into();
        let mut row = row::row(&shown.shared, &path, &shown.shared.directory.get(&path).unwrap(), None);
        Changes::of(&shown.shared).fill(&mut row);
        let minute = 60_000;
        assert!(row::now_ms() - row.since_ms.unwrap() < minute, "{row:?}");
        // The moments of the record are not changed, and the greeting says what time it is there.
        let history = tree.history();
        let now = moment(history.boot, history.now);
        assert!(row::now_ms() - now >= 3_600_000 && now.abs_diff(shown.greeted().now_ms) < minute);
        tree.shutdown().await;
        let end = shown.end().unwrap();
        assert!(row::now_ms() - end.at_ms < minute, "{}", end.at_ms);
    }
}
