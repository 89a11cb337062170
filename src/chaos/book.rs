//! The book of a run: what happened to whom, when, and which fault it came of.
//!
//! Invariant: it stays small, however long the run. Everything is counted; of single things the latest are kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::chaos::fault::Trigger;
use crate::chaos::log::Log;
use crate::chaos::report::{FaultRecord, Life, LogLine, Messages, ServiceRecord, Totals};
use crate::directory::Entry;
use crate::event::{Event, EventKind};
use crate::slot::accounting::Accounting;
use crate::slot::status::State;

/// Faults that are kept.
const FAULTS_MAX: usize = 10_000;
/// Lives, recoveries and spells of parking of one service.
const LATEST_MAX: usize = 200;
/// Siblings of one fault.
const SIBLINGS_MAX: usize = 10;

#[derive(Debug)]
pub(super) struct Book {
    begun: Instant,
    log: Log,
    /// By their numbers.
    faults: BTreeMap<usize, FaultRecord>,
    /// Faults whose targets have not recovered, by their numbers: those of them that are down.
    open: BTreeMap<usize, Vec<Arc<str>>>,
    services: BTreeMap<Arc<str>, Service>,
    pub(super) totals: Totals,
}

#[derive(Debug, Default)]
struct Service {
    lives: Vec<Life>,
    restarts: u64,
    parked: u32,
    parked_spells: Vec<(f64, Option<f64>)>,
    down_since: Option<f64>,
    unavailable: f64,
    recoveries: Vec<f64>,
    before: Accounting,
}

impl Book {
    /// Opened when somebody begins to listen.
    pub(super) fn open() -> Self {
        Self {
            begun: Instant::now(),
            log: Log::default(),
            faults: BTreeMap::new(),
            open: BTreeMap::new(),
            services: BTreeMap::new(),
            totals: Totals::default(),
        }
    }

    /// The first fault may come now: what was before is not counted.
    pub(super) fn begin(&mut self, entries: &[Entry]) {
        *self = Self::open();
        for entry in entries {
            let mut service = Service { before: entry.accounting, ..Service::default() };
            if entry.status.state == State::Up {
                service.lives.push(Life { generation: entry.status.generation, from: 0.0, to: None, exit: None });
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

    /// A fault was injected, or was not.
    pub(super) fn inject(&mut self, record: FaultRecord) {
        let FaultRecord { number, ref fault, ref targets, ref missed, .. } = record;
        let end = missed.as_ref().map_or(String::new(), |why| format!(": missed, {why}"));
        self.say(format!("fault {number}: {fault} at {}{end}", targets.join(", ")));
        if record.missed.is_some() {
            self.totals.missed += 1;
        } else {
            self.open.insert(number, Vec::new());
            match self.totals.faults.iter_mut().find(|(kind, _)| *kind == record.kind) {
                Some((_, count)) => *count += 1,
                None => self.totals.faults.push((record.kind.clone(), 1)),
            }
        }
        self.faults.insert(number, record);
        if self.faults.len() > FAULTS_MAX
            && let Some((oldest, _)) = self.faults.pop_first()
        {
            self.open.remove(&oldest);
        }
    }

    pub(super) fn heal(&mut self, number: usize) {
        let at = self.now();
        if let Some(fault) = self.faults.get_mut(&number) {
            fault.healed_at = Some(at);
            if fault.detected_after.is_none() {
                self.open.remove(&number);
            }
        }
        self.say(format!("fault {number} is healed"));
    }

    /// How many faults are at work.
    pub(super) fn at_work(&self) -> usize {
        self.open.len()
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
                self.totals.parked += 1;
                let service = self.service(&event.path);
                service.parked += 1;
                // A probe that failed parks it again, without a break.
                if service.parked_spells.last().is_none_or(|(_, to)| to.is_some()) {
                    keep(&mut service.parked_spells, (at, None));
                }
            }
            EventKind::GaveUp { .. } => self.totals.escalations += 1,
            EventKind::StartFailed { .. }
            | EventKind::Ignored
            | EventKind::ShutdownError { .. }
            | EventKind::Delayed { .. }
            | EventKind::Waiting
            | EventKind::Overdue { .. }
            | EventKind::Blocks { .. }
            | EventKind::Down
            | EventKind::Gone => {}
        }
    }

    fn service(&mut self, path: &Arc<str>) -> &mut Service {
        self.services.entry(path.clone()).or_default()
    }

    fn started(&mut self, event: &Event, at: f64) {
        self.totals.restarts += 1;
        let service = self.service(&event.path);
        // Another one under the same name: its books begin with it.
        if service.lives.last().is_some_and(|life| event.generation <= life.generation) {
            service.before = Accounting::default();
        }
        service.restarts += 1;
        keep(&mut service.lives, Life { generation: event.generation, from: at, to: None, exit: None });
        if let Some((_, to @ None)) = service.parked_spells.last_mut() {
            *to = Some(at);
        }
        if let Some(since) = service.down_since.take() {
            service.unavailable += at - since;
            keep(&mut service.recoveries, round(at - since));
            longest(&mut self.totals.recovery_max, round(at - since));
        }
        let faults = &mut self.faults;
        self.open.retain(|number, down| {
            let before = down.len();
            down.retain(|path| *path != event.path);
            // All of its targets that went down are up again.
            let has_recovered = down.is_empty() && before > 0;
            if let (true, Some(fault)) = (has_recovered, faults.get_mut(number)) {
                fault.recovered_after = Some(round(at - fault.at));
            }
            !has_recovered
        });
    }

    fn ended(&mut self, event: &Event, at: f64, exit: &str) {
        let service = self.service(&event.path);
        // One that was abandoned has ended already, or never began.
        let Some(life) = service.lives.last_mut().filter(|life| life.to.is_none()) else { return };
        life.to = Some(at);
        life.exit = Some(exit.to_owned());
        service.down_since = Some(at);
        for (number, down) in &mut self.open {
            let Some(fault) = self.faults.get_mut(number) else { continue };
            if fault.targets.iter().any(|target| **target == *event.path) {
                down.push(event.path.clone());
                if fault.detected_after.is_none() {
                    let after = round(at - fault.at);
                    fault.detected_after = Some(after);
                    longest(&mut self.totals.detection_max, after);
                }
            } else if fault.detected_after.is_some()
                && fault.siblings_touched.len() < SIBLINGS_MAX
                && !fault.siblings_touched.iter().any(|path| **path == *event.path)
            {
                fault.siblings_touched.push(event.path.to_string());
            }
        }
    }

    /// What became of each, of those who are listed still and of those who are not.
    pub(super) fn services(&mut self, entries: &[Entry]) -> Vec<ServiceRecord> {
        let now = self.now();
        let after: HashMap<_, _> = entries.iter().map(|entry| (&entry.path, entry.accounting)).collect();
        let record = |(path, service): (&Arc<str>, &Service)| {
            let going_on = service.down_since.map_or(0.0, |since| now - since);
            let unavailable = round(service.unavailable + going_on);
            ServiceRecord {
                path: path.to_string(),
                lives: service.lives.clone(),
                restarts: service.restarts,
                parked: service.parked,
                parked_spells: service.parked_spells.clone(),
                unavailable,
                availability: if now > 0.0 { round(1.0 - unavailable / now) } else { 1.0 },
                recoveries: service.recoveries.clone(),
                messages: after
                    .get(path)
                    .map_or(Messages::default(), |after| Messages::between(&service.before, after)),
            }
        };
        self.services.iter().map(record).collect()
    }

    /// The log, and the faults.
    pub(super) fn take(&mut self) -> (Vec<LogLine>, Vec<FaultRecord>) {
        let at = self.now();
        (self.log.take(at), std::mem::take(&mut self.faults).into_values().collect())
    }

    /// Everything taken together.
    pub(super) fn totals(&self, services: &[ServiceRecord]) -> Totals {
        let mut totals = self.totals.clone();
        let mut recoveries: Vec<f64> = services.iter().flat_map(|service| service.recoveries.iter().copied()).collect();
        let mut detections: Vec<f64> = self.faults.values().filter_map(|fault| fault.detected_after).collect();
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

impl Messages {
    fn between(before: &Accounting, after: &Accounting) -> Self {
        Self {
            // What was there at the beginning belongs to the sum.
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
    pub(super) fn is(self, kind: &EventKind) -> bool {
        match self {
            Self::Exited => matches!(kind, EventKind::Exited { .. }),
            Self::Started => matches!(kind, EventKind::Started { .. }),
            Self::StartFailed => matches!(kind, EventKind::StartFailed { .. }),
            Self::Delayed => matches!(kind, EventKind::Delayed { .. }),
            Self::Parked => matches!(kind, EventKind::Parked { .. }),
        }
    }
}

/// One more, if need be instead of the oldest.
fn keep<T>(latest: &mut Vec<T>, one: T) {
    if latest.len() >= LATEST_MAX {
        latest.drain(..LATEST_MAX / 2);
    }
    latest.push(one);
}

fn longest(longest: &mut Option<f64>, time: f64) {
    *longest = Some(longest.map_or(time, |longest| longest.max(time)));
}

/// The median, and the 99th of a hundred.
fn quantiles(times: &mut [f64]) -> (Option<f64>, Option<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
    (at(0.5), at(0.99))
}

pub(super) fn seconds(time: Duration) -> f64 {
    round(time.as_secs_f64())
}

/// To the microsecond, so that what is written is what was meant.
fn round(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}
