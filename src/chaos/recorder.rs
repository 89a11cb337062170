//! The record of a run: what happened to which child, when, and because of which fault.
//!
//! Invariant: its size is bounded, however long the run. Everything is counted; of single things the latest are kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::chaos::active::FaultEvent;
use crate::chaos::fault::Trigger;
use crate::chaos::fault_log::{FaultLog, longest};
use crate::chaos::log::Log;
use crate::chaos::report::{FaultRecord, LifeRecord, LogLine, MessageCounts, ServiceRecord, Totals};
use crate::event::{Event, EventKind};
use crate::slot::accounting::Accounting;
use crate::slot::status::ServiceState;
use crate::tree::directory::DirectoryEntry;

/// Lives, recoveries and spells of parking of one service.
const LATEST_MAX: usize = 200;

/// Services that came and went during the run.
const GONE_MAX: usize = 10_000;

#[derive(Debug)]
pub(super) struct Recorder {
    begun: Instant,
    log: Log,
    fault_log: FaultLog,
    /// Faults that hit a child, or are armed.
    injected: u32,
    /// Events that were not seen.
    missed_events: u64,
    services: BTreeMap<Arc<str>, Service>,
    /// Services that came during the run and are gone, in the order in which they went. Some may have come again.
    gone: VecDeque<Arc<str>>,
    pub(super) totals: Totals,
}

#[derive(Debug, Default)]
struct Service {
    lives: Vec<LifeRecord>,
    restarts: u64,
    parked: u32,
    parked_spells: Vec<(f64, Option<f64>)>,
    down_since: Option<f64>,
    unavailable: f64,
    recoveries: Vec<f64>,
    before: Accounting,
    /// The time from which it counts: the beginning of the run, or its first life.
    since: f64,
    /// The time at which its spec was forgotten, if it came during the run. It counts until then.
    gone: Option<f64>,
    /// Whether it came after the beginning.
    is_late: bool,
}

impl Recorder {
    /// Makes an empty record, which begins now.
    pub(super) fn open() -> Self {
        Self {
            begun: Instant::now(),
            log: Log::default(),
            fault_log: FaultLog::default(),
            injected: 0,
            missed_events: 0,
            services: BTreeMap::new(),
            gone: VecDeque::new(),
            totals: Totals::default(),
        }
    }

    /// Begins again just before the first fault: nothing before that is counted.
    pub(super) fn begin(&mut self, entries: &[DirectoryEntry]) {
        *self = Self::open();
        for entry in entries {
            let mut service = Service { before: entry.accounting, ..Service::default() };
            if entry.status.state == ServiceState::Up {
                service.lives.push(LifeRecord { generation: entry.status.generation, from: 0.0, to: None, exit: None });
            } else {
                service.down_since = Some(0.0);
            }
            self.services.insert(entry.path.clone(), service);
        }
    }

    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    pub(super) fn now(&self) -> f64 {
        seconds(self.begun.elapsed())
    }

    pub(super) fn say(&mut self, what: impl Into<String>) {
        let at = self.now();
        self.log.write(at, what);
    }

    /// Records a fault that was injected or missed. An armed fault can strike from now on.
    pub(super) fn inject(&mut self, record: FaultRecord, is_armed: bool) {
        let FaultRecord { number, ref fault, ref targets, ref missed, .. } = record;
        let end = missed.as_ref().map_or(String::new(), |why| format!(": missed, {why}"));
        self.say(format!("fault {number}: {fault} at {}{end}", targets.join(", ")));
        if record.missed.is_some() {
            self.totals.missed += 1;
        } else {
            self.injected += 1;
        }
        if record.struck_at.is_some() {
            self.count(&record.kind);
        }
        self.fault_log.inject(record, is_armed);
    }

    /// Records that a fault takes effect on an incarnation, which may end because of it.
    pub(super) fn strikes(&mut self, number: usize, path: &Arc<str>, generation: Option<u64>, is_last: bool) {
        let at = self.now();
        if let Some(kind) = self.fault_log.strikes(number, path, generation, at, is_last) {
            self.count(&kind);
        }
    }

    fn count(&mut self, kind: &str) {
        match self.totals.faults.iter_mut().find(|(counted, _)| counted == kind) {
            Some((_, count)) => *count += 1,
            None => self.totals.faults.push((kind.to_owned(), 1)),
        }
    }

    pub(super) fn clear(&mut self, number: usize) {
        let at = self.now();
        self.fault_log.clear(number, at);
        self.say(format!("fault {number} is healed"));
    }

    pub(super) fn clear_all(&mut self) {
        let at = self.now();
        self.fault_log.clear_all(at);
        self.say("all faults are healed");
    }

    /// Returns the number of faults at work.
    pub(super) fn faults_at_work(&self) -> usize {
        self.fault_log.count()
    }

    /// Records that events came faster than they could be noted, and were lost.
    pub(super) fn miss(&mut self, missed: u64) {
        self.missed_events += missed;
        self.fault_log.forget();
        self.say(format!("{missed} events were not seen"));
    }

    pub(super) fn missed_events(&self) -> u64 {
        self.missed_events
    }

    /// Records what an incarnation reports of its faults.
    pub(super) fn hear(&mut self, told: &FaultEvent) {
        match told {
            FaultEvent::Starting { .. } => {}
            FaultEvent::Strikes { number, path, generation, is_last } => {
                self.strikes(*number, path, *generation, *is_last);
            }
            FaultEvent::Passes { number, path } => self.fault_log.passes(*number, path),
        }
    }

    pub(super) fn note(&mut self, event: &Event) {
        let at = self.now();
        self.log.write(at, event.to_string());
        match &event.kind {
            EventKind::Started { .. } => self.started(event, at),
            EventKind::Exited { exit } => self.ended(event, at, &exit.to_string()),
            EventKind::Abandoned => {
                self.totals.abandoned += 1;
                self.ended(event, at, "abandoned");
            }
            EventKind::Parked { .. } => {
                let service = self.service(&event.path);
                // A probe that failed lengthens the spell.
                if service.parked_spells.last().is_none_or(|(_, to)| to.is_some()) {
                    service.parked += 1;
                    keep(&mut service.parked_spells, (at, None));
                    self.totals.parked += 1;
                }
            }
            EventKind::GaveUp { .. } => self.totals.escalations += 1,
            EventKind::StartFailed { .. } => {
                self.fault_log.ended(&event.path, event.generation, at, &mut self.totals);
            }
            EventKind::Down | EventKind::Gone | EventKind::Ignored => {
                self.fault_log.stays_down(&event.path);
                if matches!(event.kind, EventKind::Gone) {
                    self.gone(&event.path, at);
                }
            }
            EventKind::ShutdownError { .. }
            | EventKind::Delayed { .. }
            | EventKind::RestartOrdered { .. }
            | EventKind::Waiting
            | EventKind::DependencyGone { .. }
            | EventKind::Overdue { .. }
            | EventKind::Overran { .. }
            | EventKind::GivenUp { .. }
            | EventKind::Renewed { .. }
            | EventKind::TooManyFailures { .. }
            | EventKind::KeptSetAside { .. }
            | EventKind::Acted { .. }
            | EventKind::Blocks { .. } => {}
        }
    }

    /// Ends the record of a service that came late. Of many such services the latest are kept.
    fn gone(&mut self, path: &Arc<str>, at: f64) {
        let Some(service) = self.services.get_mut(path).filter(|service| service.is_late) else { return };
        service.gone = Some(at);
        self.gone.push_back(path.clone());
        if self.gone.len() > GONE_MAX
            && let Some(oldest) = self.gone.pop_front()
            && self.services.get(&oldest).is_some_and(|service| service.gone.is_some())
        {
            self.services.remove(&oldest);
        }
    }

    fn service(&mut self, path: &Arc<str>) -> &mut Service {
        let since = self.now();
        let late = || Service { since, down_since: Some(since), is_late: true, ..Service::default() };
        self.services.entry(path.clone()).or_insert_with(late)
    }

    fn started(&mut self, event: &Event, at: f64) {
        // The very first start is no restart, however late it comes.
        let is_restart = event.generation > 1;
        self.totals.restarts += u64::from(is_restart);
        let service = self.service(&event.path);
        // Another service under the same name begins with empty message counts.
        if service.lives.last().is_some_and(|life| event.generation <= life.generation) {
            service.before = Accounting::default();
        }
        // The time while it was gone does not count as downtime.
        if let Some(gone) = service.gone.take() {
            service.unavailable += service.down_since.take().map_or(0.0, |since| gone - since);
            service.since += at - gone;
        }
        // A service that came late counts from its first life on.
        if service.is_late && service.lives.is_empty() {
            (service.since, service.down_since) = (at, None);
        }
        service.restarts += u64::from(is_restart);
        keep(&mut service.lives, LifeRecord { generation: event.generation, from: at, to: None, exit: None });
        if let Some((_, to @ None)) = service.parked_spells.last_mut() {
            *to = Some(at);
        }
        if let Some(since) = service.down_since.take() {
            service.unavailable += at - since;
            if is_restart {
                keep(&mut service.recoveries, round(at - since));
                longest(&mut self.totals.recovery_max, round(at - since));
            }
        }
        self.fault_log.started(&event.path, at);
    }

    fn ended(&mut self, event: &Event, at: f64, exit: &str) {
        self.fault_log.ended(&event.path, event.generation, at, &mut self.totals);
        let service = self.service(&event.path);
        // An incarnation that was abandoned has ended already, or never began.
        let Some(life) = service.lives.last_mut().filter(|life| life.to.is_none()) else { return };
        life.to = Some(at);
        life.exit = Some(exit.to_owned());
        service.down_since = Some(at);
    }

    /// Returns the records of all services, whether they are still listed or not.
    pub(super) fn services(&mut self, entries: &[DirectoryEntry]) -> Vec<ServiceRecord> {
        let now = self.now();
        let after: HashMap<_, _> = entries.iter().map(|entry| (&entry.path, entry.accounting)).collect();
        let record = |(path, service): (&Arc<str>, &Service)| {
            let end = service.gone.unwrap_or(now);
            let going_on = service.down_since.map_or(0.0, |since| end - since);
            let unavailable = round(service.unavailable + going_on);
            ServiceRecord {
                path: path.to_string(),
                lives: service.lives.clone(),
                restarts: service.restarts,
                parked: service.parked,
                parked_spells: service.parked_spells.clone(),
                unavailable,
                availability: if end > service.since { round(1.0 - unavailable / (end - service.since)) } else { 1.0 },
                recoveries: service.recoveries.clone(),
                budget: None,
                messages: after
                    .get(path)
                    .map_or(MessageCounts::default(), |after| MessageCounts::between(&service.before, after)),
            }
        };
        self.services.iter().map(record).collect()
    }

    /// Takes the log and the faults.
    pub(super) fn take(&mut self) -> (Vec<LogLine>, Vec<FaultRecord>) {
        let at = self.now();
        (self.log.take(at), self.fault_log.take())
    }

    /// Sums up the services and the faults.
    pub(super) fn totals(&self, services: &[ServiceRecord]) -> Totals {
        let mut totals = self.totals.clone();
        let mut recoveries: Vec<f64> = services.iter().flat_map(|service| service.recoveries.iter().copied()).collect();
        let mut detections = self.fault_log.detections();
        let struck: u32 = totals.faults.iter().map(|(_, count)| count).sum();
        totals.unstruck = self.injected.saturating_sub(struck);
        (totals.recovery_p50, totals.recovery_p99) = quantiles(&mut recoveries);
        (totals.detection_p50, totals.detection_p99) = quantiles(&mut detections);
        let shares: f64 = services.iter().map(|service| service.availability).sum();
        totals.availability = if services.is_empty() { 1.0 } else { round(shares / services.len() as f64) };
        for service in services {
            totals.messages.add(&service.messages);
        }
        totals
    }
}

impl MessageCounts {
    fn between(before: &Accounting, after: &Accounting) -> Self {
        Self {
            // Messages that were there at the beginning belong to the sum.
            accepted: (after.accepted + before.queued + before.in_hand).saturating_sub(before.accepted),
            handled: after.handled.saturating_sub(before.handled),
            crashed: after.crashed.saturating_sub(before.crashed),
            returned: after.returned.saturating_sub(before.returned),
            dead_lettered: after.dead_lettered.saturating_sub(before.dead_lettered),
            repeated: after.redelivered.saturating_sub(before.redelivered),
            left: after.queued + after.in_hand,
        }
    }

    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.handled += other.handled;
        self.crashed += other.crashed;
        self.returned += other.returned;
        self.dead_lettered += other.dead_lettered;
        self.repeated += other.repeated;
        self.left += other.left;
    }
}

impl Trigger {
    pub(super) fn of(kind: &EventKind) -> Option<Self> {
        match kind {
            EventKind::Exited { .. } => Some(Self::Exited),
            EventKind::Started { .. } => Some(Self::Started),
            EventKind::StartFailed { .. } => Some(Self::StartFailed),
            EventKind::Delayed { .. } => Some(Self::Delayed),
            EventKind::Parked { .. } => Some(Self::Parked),
            _ => None,
        }
    }
}

/// Adds an item. A full list loses its older half first.
fn keep<T>(latest: &mut Vec<T>, one: T) {
    if latest.len() >= LATEST_MAX {
        latest.drain(..LATEST_MAX / 2);
    }
    latest.push(one);
}

/// Returns the median and the 99th percentile.
fn quantiles(times: &mut [f64]) -> (Option<f64>, Option<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
    (at(0.5), at(0.99))
}

pub(super) fn seconds(time: Duration) -> f64 {
    round(time.as_secs_f64())
}

/// Rounds to the microsecond, so that what is written and read back is equal.
pub(super) fn round(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    // Found by reading, with the list of all tables: the record kept each service that there ever was.
    #[test]
    fn of_services_that_came_and_went_the_latest_are_kept() {
        let mut recorder = Recorder::open();
        for number in 0..GONE_MAX + 500 {
            let path: Arc<str> = format!("app/pool/{number}").into();
            for kind in [EventKind::Started { info: None, outage: None }, EventKind::Gone] {
                recorder.note(&Event { path: path.clone(), generation: 1, kind });
            }
        }
        assert_eq!((recorder.services.len(), recorder.gone.len()), (GONE_MAX, GONE_MAX));
        assert!(!recorder.services.contains_key("app/pool/499") && recorder.services.contains_key("app/pool/500"));
    }
}
