//! The recorder alone: every kind of entry, the ends of the rings, and the order.

use std::sync::atomic::AtomicU8;

use regrow_supervisors::{DependencyGone, Exit, FailuresSeen, GiveUpReason, Hang, Panic};

use super::*;
use crate::error::gave_up::GaveUp;
use crate::event::act::{Act, ActKind, ActOutcome};
use crate::slot::kept::KeptInfo;

const MS: Duration = Duration::from_millis(1);

/// A child with its state, whose events are noted.
struct Child<'a> {
    recorder: &'a Recorder,
    path: Arc<str>,
    recorded: AtomicU8,
}

impl<'a> Child<'a> {
    fn new(recorder: &'a Recorder, path: &str) -> Self {
        Self { recorder, path: path.into(), recorded: AtomicU8::new(HistoryState::Waiting as u8) }
    }

    fn has(&self, at: Duration, generation: u64, event: &EventKind) {
        self.recorder.note(Some(&self.recorded), at, &self.path, generation, event);
    }
}

fn entries(recorder: &Recorder) -> Vec<HistoryEntry> {
    recorder.copy_after(0).take_entries()
}

fn started() -> EventKind {
    EventKind::Started { info: None, outage: None }
}

fn every_kind() -> Vec<EventKind> {
    let exit = || Exit::failed("disk full");
    let path = || -> Arc<str> { "app/db".into() };
    let outage = Outage { time: 7 * MS, attempts: 3 };
    let why = Arc::new(GaveUp {
        supervisor: "app".into(),
        child: "app/web".into(),
        exit: exit(),
        reason: GiveUpReason::Significant,
        ends_tree: false,
        cause: None,
    });
    let kept =
        KeptInfo { type_name: "u32", bytes: Some(4), age: MS, generation: 3, lives: 2, failed: 2, is_set_aside: true };
    let hang = Hang::new(MS, "Msg");
    let act = Act {
        kind: ActKind::Kill,
        by: "uid 0".into(),
        reason: "it leaks".into(),
        generation: Some(4),
        outcome: ActOutcome::Refused("already replaced".into()),
    };
    vec![
        started(),
        EventKind::Started { info: None, outage: Some(outage) },
        EventKind::Started { info: Some("port 80".into()), outage: Some(outage) },
        EventKind::StartFailed { exit: exit() },
        EventKind::StartFailed { exit: Exit::Killed },
        EventKind::Ignored,
        EventKind::Exited { exit: Exit::Normal },
        EventKind::Exited { exit: Exit::Shutdown },
        EventKind::Exited { exit: Exit::ShutdownWith("upgrade".into()) },
        EventKind::Exited { exit: Exit::ChildFailedToStart { child: "db".into(), cause: Arc::new(exit()) } },
        EventKind::Exited { exit: Exit::Killed },
        EventKind::Exited { exit: exit() },
        EventKind::Exited { exit: Exit::Panicked(Panic::new("boom")) },
        EventKind::Exited { exit: Exit::Hung(hang) },
        EventKind::ShutdownError { exit: Exit::Killed },
        EventKind::Abandoned,
        EventKind::Delayed { delay: 50 * MS },
        EventKind::Waiting,
        EventKind::TooManyFailures { failures: FailuresSeen { failed: 3, messages: 9, within: MS }, exit: exit() },
        EventKind::KeptSetAside { kept: Arc::new(kept), exit: exit() },
        EventKind::Renewed { dependency: path() },
        EventKind::DependencyGone { dependency: path(), then: DependencyGone::Park },
        EventKind::Parked { probe_in: Some(9 * MS), reason: None },
        EventKind::Overdue { exit: exit() },
        EventKind::Overran { exit: exit() },
        EventKind::RestartOrdered { reason: "upgrade".into() },
        EventKind::Blocks { time: 3 * MS },
        EventKind::Down,
        EventKind::Gone,
        EventKind::GaveUp { why: why.clone() },
        EventKind::GivenUp { why },
        EventKind::Acted { act: Arc::new(act) },
    ]
}

#[test]
fn every_kind_of_event_comes_back_as_it_was_told() {
    let recorder = Recorder::default();
    let child = Child::new(&recorder, "app/web");
    let mut before = HistoryState::Waiting;
    let mut words = Vec::new();
    for event in every_kind() {
        child.has(MS, 5, &event);
        let entry = entries(&recorder).pop().expect("it was noted");
        let HistoryKind::Event(noted) = &entry.kind else { panic!("{entry}") };
        assert_eq!((noted.to_string(), noted.word()), (event.to_string(), event.word()));
        assert_eq!((entry.kind.word(), entry.before, entry.generation), (event.word(), before, 5), "{event}");
        assert_eq!(entry.after(), HistoryState::from_byte(child.recorded.load(Ordering::Relaxed)));
        if let (EventKind::Started { outage, .. }, EventKind::Started { outage: told, .. }) = (noted, &event) {
            assert_eq!(outage, told);
        }
        before = entry.after();
        words.push(Word::of_event(&event));
    }
    let facts = [HistoryKind::TreeUp, HistoryKind::Lost, HistoryKind::TreeOver { exit: Exit::Shutdown }];
    for fact in facts {
        recorder.note_fact(&child.recorded, MS, &child.path, 5, fact.clone());
        let entry = entries(&recorder).pop().expect("it was noted");
        assert_eq!(entry.kind.to_string(), fact.to_string());
        words.push(Word::of(&fact));
    }
    // A new kind needs a line above.
    assert!(Word::ALL.iter().all(|word| words.contains(word)), "{words:?}");
}

#[test]
fn failures_outlive_a_million_ordinary_starts() {
    let recorder = Recorder::default();
    let (bad, good) = (Child::new(&recorder, "app/bad"), Child::new(&recorder, "app/good"));
    for number in 0..4096 {
        bad.has(number * MS, 1, &EventKind::Exited { exit: Exit::failed("disk full") });
    }
    for number in 0..1_000_000 {
        good.has(5000 * MS, number, &started());
    }
    let mut copied = recorder.copy_after(0);
    assert_eq!((copied.failures.seq, copied.failures.at, copied.failures.is_cut), (1, Duration::ZERO, false));
    assert_eq!((copied.ordinary.at, copied.ordinary.is_cut), (5000 * MS, true));
    let begins = copied.ordinary.seq;
    let entries = copied.take_entries();
    assert!((2 * 4096..=2 * 4096 + 64).contains(&entries.len()), "{}", entries.len());
    assert_eq!(begins as usize, 4096 + 1_000_000 + 1 - (entries.len() - 4096));
    assert_eq!(entries[4095].at, 4095 * MS);
    assert_eq!(entries[4096].seq, begins);
    let counted: Vec<_> = copied.counts.iter().map(|count| (count.kind, count.count)).collect();
    assert_eq!(counted, [("started", 1_000_000), ("exited", 4096)]);
}

#[test]
fn an_outage_leaves_with_its_entry() {
    let recorder = Recorder::default();
    let child = Child::new(&recorder, "app/web");
    let attempts = |number: u32| number.is_multiple_of(3).then_some(Outage { time: MS, attempts: number });
    for number in 0..20_000 {
        child.has(MS, 1, &EventKind::Started { info: None, outage: attempts(number) });
    }
    for entry in entries(&recorder) {
        let HistoryKind::Event(EventKind::Started { outage, .. }) = entry.kind else { panic!("{entry}") };
        assert_eq!(outage, attempts(u32::try_from(entry.seq - 1).expect("few entries")));
    }
}

#[test]
fn time_never_runs_backwards() {
    let recorder = Recorder::default();
    let (a, b) = (Child::new(&recorder, "app/a"), Child::new(&recorder, "app/b"));
    b.has(3 * MS, 1, &started());
    // Its supervisor took the facts before, and has told them only now.
    a.has(2 * MS, 1, &started());
    assert_eq!(entries(&recorder).iter().map(|entry| entry.at).collect::<Vec<_>>(), [3 * MS, 3 * MS]);
}

#[test]
fn a_reader_gets_what_came_after_the_entry_it_has_seen() {
    let recorder = Recorder::default();
    let child = Child::new(&recorder, "app/web");
    for event in every_kind() {
        child.has(MS, 1, &event);
    }
    let all = entries(&recorder);
    for seen in [0, 1, 7, all.len() as u64] {
        let after: Vec<_> = recorder.copy_after(seen).take_entries().iter().map(|entry| entry.seq).collect();
        assert!(after.into_iter().eq(seen + 1..=all.len() as u64));
    }
}

// Found by a planted bug: without the check the children of a tree that was over came up again in its history.
#[test]
fn nothing_is_noted_after_the_end_of_the_tree() {
    let recorder = Recorder::default();
    let (root, web) = (Child::new(&recorder, "app"), Child::new(&recorder, "app/web"));
    web.has(MS, 1, &started());
    recorder.note_fact(&root.recorded, 2 * MS, &root.path, 1, HistoryKind::TreeOver { exit: Exit::Shutdown });
    let counts = recorder.copy_after(0).counts;
    for event in every_kind() {
        web.has(3 * MS, 2, &event);
    }
    recorder.note_fact(&web.recorded, 3 * MS, &web.path, 1, HistoryKind::Lost);
    recorder.note_fact(&root.recorded, 3 * MS, &root.path, 2, HistoryKind::TreeOver { exit: Exit::Killed });
    let mut copied = recorder.copy_after(0);
    assert_eq!((copied.latest, &copied.counts), (2, &counts));
    let words: Vec<_> = copied.take_entries().iter().map(|entry| entry.kind.word()).collect();
    assert_eq!(words, ["started", "tree_over"]);
    assert_eq!(HistoryState::from_byte(web.recorded.load(Ordering::Relaxed)), HistoryState::Up, "its state stays, too");
}
