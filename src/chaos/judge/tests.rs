//! Parks, as the judge sees them: true stories raise no alarm, and each lie is found.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{
    AutoShutdown, Backoff, BudgetClock, ChildSpec, ChildState, Exit, GiveUp, Intensity, Jitter, Policy, Restart,
    StopOrder, Strategy,
};
use tokio::time::Instant;

use super::Judge;
use crate::tree::statements::{Enrolled, Roll, Seen, Statement, Testimony, What};

/// A judge and the supervisor `app` with the children `a` and `b`, of which each restarts the other.
struct Court {
    judge: Judge,
    now: Duration,
}

impl Court {
    fn new() -> Self {
        let child = |name: &str, attempt| Enrolled {
            path: format!("app/{name}").into(),
            spec: ChildSpec::new(name.to_owned()).restart(Restart::Permanent),
            standing: ChildState::Up,
            is_ready: true,
            attempt: Some(attempt),
            steps: 0,
            left: None,
            is_half_open: false,
        };
        Self::of_children([child("a", 1), child("b", 2)])
    }

    fn of_children(children: impl Into<Vec<Enrolled>>) -> Self {
        let roll = Roll {
            strategy: Strategy::OneForAll,
            auto_shutdown: AutoShutdown::Never,
            intensity: Intensity::new(9, Duration::from_secs(5)),
            clock: BudgetClock::All,
            stop_order: StopOrder::OneByOne,
            is_dynamic: false,
            is_booting: false,
            is_ending: false,
            is_killed: false,
            children: children.into(),
        };
        let mut court = Self { judge: Judge::new(true, Instant::now(), Vec::new()), now: Duration::ZERO };
        court.says(Seen::Roll(Box::new(roll)));
        court.later();
        court
    }

    fn says(&mut self, seen: Seen) -> &mut Self {
        let testimony = Testimony { supervisor: "app".into(), life: 1, at: self.now, seen };
        self.judge.hear(Statement::Testimony(testimony));
        self
    }

    fn of(&mut self, name: &str, what: What) -> &mut Self {
        self.says(Seen::Child { path: format!("app/{name}").into(), what })
    }

    fn ordered(&mut self, call: u64, name: &str, is_park: bool) -> &mut Self {
        self.says(Seen::Ordered { call, path: Some(format!("app/{name}").into()), is_park })
    }

    fn done(&mut self, call: u64) -> &mut Self {
        self.says(Seen::Answered { call, is_done: true })
    }

    fn later(&mut self) -> &mut Self {
        self.now += Duration::from_millis(10);
        self
    }

    /// The park of `a`, as it happens.
    fn parks(&mut self) -> &mut Self {
        self.ordered(1, "a", true).of("a", What::Ask).later();
        self.of("a", What::Ended(1, Exit::Shutdown)).of("a", What::ParkedByOrder).done(1).later()
    }

    fn found(&self) -> Vec<Arc<str>> {
        self.judge.violations.iter().map(|violation| violation.evidence.as_str().into()).collect()
    }
}

#[test]
fn a_park_and_a_group_restart_that_passes_the_child_over_raise_no_alarm() {
    let mut court = Court::new();
    court.parks().of("b", What::Ended(2, Exit::Killed)).of("b", What::Start(3)).of("b", What::Started(3)).later();
    court.ordered(2, "a", false).done(2).of("a", What::Start(4)).of("a", What::Started(4)).later();
    assert!(court.found().is_empty(), "{:?}", court.found());
}

#[test]
fn a_child_that_is_started_although_an_order_has_parked_it_is_found() {
    let mut court = Court::new();
    court.parks().of("a", What::Start(3));
    assert_eq!(court.found()[..], ["app/a is started: an order has parked it, and none has revived it".into()]);
    // Also with its group.
    let mut court = Court::new();
    court.parks().of("b", What::Ended(2, Exit::Killed)).of("a", What::Start(3));
    assert!(court.found().iter().any(|found| found.contains("an order has parked it")), "{:?}", court.found());
}

#[test]
fn a_park_that_is_answered_and_did_not_happen_is_found() {
    let mut court = Court::new();
    court.ordered(1, "a", true).done(1);
    assert_eq!(court.found()[..], ["app/a was to be parked by order, and is not".into()]);
    // A refusal promises nothing.
    let mut court = Court::new();
    court.ordered(1, "a", true).says(Seen::Answered { call: 1, is_done: false });
    assert!(court.found().is_empty(), "{:?}", court.found());
}

#[test]
fn a_park_that_no_order_asked_for_is_found() {
    let mut court = Court::new();
    court.of("a", What::ParkedByOrder);
    assert_eq!(court.found()[..], ["app/a is parked by order, and no order said so".into()]);
}

// "is parked for 847.482ms: its policy says between 252.000ms and 756.000ms": the park before the experiment was longer.
#[test]
fn a_child_that_was_parked_before_the_experiment_may_be_parked_for_any_time_of_its_curve() {
    let ms = Duration::from_millis;
    let probes = Backoff::new(ms(100)).max_delay(ms(900)).jitter(Jitter::Decorrelated);
    let parked = |probe_in| {
        let policy = Policy::default().budget(Intensity::new(0, ms(500))).on_give_up(GiveUp::Park(probes.clone()));
        let mut court = Court::of_children([Enrolled {
            path: "app/a".into(),
            spec: ChildSpec::new("a").policy(policy),
            standing: ChildState::Parked,
            is_ready: false,
            attempt: None,
            steps: 0,
            left: None,
            is_half_open: true,
        }]);
        court.of("a", What::Start(1)).of("a", What::Started(1)).later();
        court.of("a", What::Ended(1, Exit::Killed)).of("a", What::Parked(probe_in));
        court.found()
    };
    assert!(parked(ms(900)).is_empty(), "{:?}", parked(ms(900)));
    assert_eq!(
        parked(ms(901))[..],
        ["app/a is parked for 901.000ms: its policy says between 100.000ms and 900.000ms".into()]
    );
    assert_eq!(parked(ms(99)).len(), 1);
}
