//! A bank as the source describes it, at a fixed moment.

use std::collections::BTreeMap;

use regrow::admin::wire::act::{ActKind, Acted};
use regrow::admin::wire::experiment::ExperimentState;
use regrow::admin::wire::greeting::{Capability, Greeting, Tree, TreeState};
use regrow::admin::wire::history::{Begin, Entry, History, Was};
use regrow::admin::wire::letter::{Letter, Letters};
use regrow::admin::wire::service::{Dependency, ServiceInFull, Setting};
use regrow::admin::wire::services::{Age, Group, LastExit, Messages, Restarts, Service, Services, State, Totals};

/// 2026-11-29 03:12:00Z.
pub(crate) const NOW: u64 = 1_795_921_920_000;

pub(crate) fn greeting() -> Greeting {
    Greeting {
        version: "0.1.0".into(),
        program: "bank".into(),
        pid: 4711,
        boot: "c0de".into(),
        started_at_ms: NOW - 7_200_000,
        now_ms: NOW,
        trees: vec![Tree {
            name: "bank".into(),
            state: TreeState::Up,
            ended: None,
            ended_at_ms: None,
            ready: true,
            not_ready: Vec::new(),
            boot: "b00f".into(),
            now_ms: NOW,
            newest: 41,
        }],
        capabilities: vec![Capability::Read, Capability::Control],
        parts: vec!["policy".into()],
    }
}

/// A child that is up and was never restarted.
pub(crate) fn service(path: &str) -> Service {
    Service {
        tree: "bank".into(),
        path: path.into(),
        template: path.into(),
        kind: "service".into(),
        state: State::Up,
        ready: true,
        since_ms: Some(NOW - 7_199_000),
        generation: 1,
        restarts: None,
        budget_left: None,
        next_try_in_ms: None,
        queued: 0,
        capacity: Some(1024),
        oldest: None,
        in_hand: None,
        last_exit: None,
        parked_by_order: None,
        was_terminated: false,
        waits_for: Vec::new(),
        messages: Messages { accepted: 1204, handled: 1204, ..Messages::default() },
        act: None,
    }
}

/// A child that its budget parked.
pub(crate) fn parked() -> Service {
    Service {
        state: State::Parked,
        ready: false,
        since_ms: Some(NOW - 192_000),
        generation: 7,
        restarts: Some(Restarts {
            total: 12,
            minute: 0,
            hour: 12,
            by_cause: BTreeMap::from([("panicked".into(), 10), ("killed".into(), 2)]),
            taken_along: 1,
        }),
        budget_left: Some(0),
        next_try_in_ms: Some(12_000),
        last_exit: Some(LastExit {
            cause: "panicked".into(),
            text: "index out of bounds: the len is 3 but the index is 7".into(),
            at_ms: Some(NOW - 192_000),
        }),
        messages: Messages { accepted: 90, handled: 77, crashed: 10, dead_lettered: 3, ..Messages::default() },
        act: Some("regrow revive bank/tellers/ledger --reason ...".into()),
        ..service("bank/tellers/ledger")
    }
}

/// A child between two incarnations, that waits for another one.
pub(crate) fn restarting() -> Service {
    Service {
        state: State::Restarting,
        ready: false,
        since_ms: Some(NOW - 800),
        generation: 3,
        restarts: Some(Restarts {
            total: 3,
            minute: 1,
            hour: 2,
            by_cause: BTreeMap::from([("failed".into(), 3)]),
            taken_along: 0,
        }),
        budget_left: Some(2),
        next_try_in_ms: Some(3_400),
        queued: 17,
        oldest: Some(Age { ms: 3_000, is_lower_bound: true }),
        last_exit: Some(LastExit {
            cause: "failed".into(),
            text: "connection refused (os error 111)".into(),
            at_ms: Some(NOW - 800),
        }),
        waits_for: vec!["bank/tellers/ledger".into()],
        act: Some("regrow revive bank/audit --reason ...".into()),
        ..service("bank/audit")
    }
}

pub(crate) fn services() -> Services {
    let supervisor = |path: &str| Service {
        kind: "supervisor".into(),
        capacity: None,
        messages: Messages::default(),
        ..service(path)
    };
    let teller = |number: u64| Service {
        template: "bank/tellers/*".into(),
        generation: number,
        restarts: Some(Restarts { total: number - 1, minute: number % 2, hour: number - 1, ..Restarts::default() })
            .filter(|restarts| restarts.total > 0),
        queued: number * 3,
        in_hand: Some(Age { ms: 40 * number, is_lower_bound: false }),
        since_ms: Some(NOW - number * 61_000),
        ..service(&format!("bank/tellers/teller-{number}"))
    };
    let mut rows = vec![supervisor("bank"), restarting(), Service { ready: false, ..service("bank/clock") }];
    rows.extend([supervisor("bank/tellers"), parked()]);
    rows.extend((1..=20).map(teller));
    let mut totals = Totals {
        children: 25,
        restarts_minute: 11,
        restarts_hour: 204,
        dead_letters: 3,
        queued: 647,
        ..Totals::default()
    };
    for row in &rows {
        *totals.by_state.entry(row.state).or_default() += 1;
    }
    Services {
        now_ms: NOW,
        totals,
        unwell: vec![restarting(), parked()],
        unwell_left_out: 0,
        doubtful: Vec::new(),
        doubtful_left_out: 0,
        rows,
        groups: Vec::new(),
        next: None,
    }
}

pub(crate) fn groups() -> Services {
    let group = |template: &str, up: u64, parked: u64| Group {
        tree: "bank".into(),
        template: template.into(),
        kind: "service".into(),
        totals: Totals {
            children: up + parked,
            by_state: BTreeMap::from([(State::Up, up), (State::Parked, parked)]),
            restarts_minute: 4,
            restarts_hour: 210,
            queued: 9,
            ..Totals::default()
        },
        messages: Messages { handled: 1_000_000, dead_lettered: 5, ..Messages::default() },
        restarts: 3_000,
    };
    let groups = vec![group("bank/sessions/*", 999_990, 10), group("bank/tellers/*", 20, 0)];
    Services { rows: Vec::new(), groups, unwell_left_out: 8, ..services() }
}

pub(crate) fn entry(seq: u64, path: &str, kind: &str, text: &str) -> Entry {
    Entry {
        seq,
        at_ms: NOW - 300_000 + seq * 1_000,
        path: path.into(),
        generation: 7,
        before: Some(State::Up),
        kind: kind.into(),
        cause: None,
        text: text.into(),
        is_failure: kind != "started",
        act: None,
    }
}

pub(crate) fn entries() -> Vec<Entry> {
    let acted = Acted {
        act: ActKind::Kill,
        path: "bank/tellers/ledger".into(),
        by: "uid 0".into(),
        reason: "it hangs since the deploy".into(),
        generation: Some(6),
        outcome: "done".into(),
        is_done: true,
    };
    let mut entries = vec![
        entry(41, "bank/tellers/ledger", "parked", "is parked, and tried again in 204.0s"),
        entry(
            40,
            "bank/tellers/ledger",
            "exited",
            "exited: panicked: index out of bounds: the len is 3 but the index is 7",
        ),
        entry(39, "bank/tellers/ledger", "started", "started"),
        entry(38, "bank/tellers/ledger", "acted", "act of an operator: kill by uid 0"),
    ];
    entries[3].act = Some(acted);
    entries
}

pub(crate) fn full() -> ServiceInFull {
    let setting = |field: &str, value: &str, origin: &str| Setting {
        field: field.into(),
        value: value.into(),
        origin: origin.into(),
    };
    ServiceInFull {
        service: parked(),
        why:
            "bank/tellers/ledger is parked: it panicked 12 times in 10s, and its budget forgives 10. The last exit was \
              a panic: index out of bounds: the len is 3 but the index is 7. The next try is in 12s."
                .into(),
        why_short: "parked: too many failures".into(),
        policy: vec![
            setting("budget", "10 in 10s", "/etc/bank/policy.toml:14"),
            setting("delay", "20ms", "the code"),
            setting("restart", "permanent", "default"),
        ],
        message_type: "bank::Order".into(),
        depends_on: vec![
            Dependency { path: "bank/clock".into(), ready: true },
            Dependency { path: "bank/audit".into(), ready: false },
        ],
        history: entries(),
        described: Some("409 accounts".into()),
        acts: vec!["revive".into(), "terminate".into()],
    }
}

pub(crate) fn history() -> History {
    History {
        tree: "bank".into(),
        now_ms: NOW,
        failures_begin: Begin { seq: 1, at_ms: NOW - 7_200_000, evicted: 0 },
        ordinary_begin: Begin { seq: 12, at_ms: NOW - 600_000, evicted: 904 },
        entries: entries(),
        as_it_was: Vec::new(),
        next_was: None,
        at_ms: None,
        next: None,
    }
}

pub(crate) fn as_it_was() -> History {
    let was = |path: &str, state| Was { path: path.into(), state, generation: 2 };
    let mut as_it_was =
        vec![was("bank", State::Up), was("bank/audit", State::Restarting), was("bank/tellers", State::Up)];
    as_it_was.extend((1..=15).map(|number| was(&format!("bank/tellers/teller-{number}"), State::Up)));
    as_it_was.push(was("bank/tellers/vault", State::Parked));
    History { as_it_was, at_ms: Some(NOW - 261_500), next: Some(38), ..history() }
}

pub(crate) fn letter() -> Letter {
    Letter {
        number: 17,
        path: "bank/tellers/ledger".into(),
        generation: 6,
        message_type: "bank::Order".into(),
        label: Some("transfer".into()),
        attempt: 2,
        reason: "parked".into(),
        reason_text: "its service was parked".into(),
        age_ms: 192_000,
        is_whole: true,
        described: None,
    }
}

pub(crate) fn letters() -> Letters {
    Letters {
        tree: "bank".into(),
        now_ms: NOW,
        are_kept: true,
        kept: 2,
        dropped: 9,
        by_reason: BTreeMap::from([("parked".into(), BTreeMap::from([("bank/tellers/ledger".into(), 2)]))]),
        letters: vec![letter(), Letter { number: 18, label: None, is_whole: false, age_ms: 1_200, ..letter() }],
        next: Some(18),
    }
}

pub(crate) fn experiment() -> ExperimentState {
    ExperimentState {
        number: 3,
        tree: "bank".into(),
        name: "kill the ledger".into(),
        started_at_ms: NOW - 30_000,
        is_over: true,
        report: Some("1 fault injected\nall claims held\n".into()),
        passed: Some(true),
    }
}
