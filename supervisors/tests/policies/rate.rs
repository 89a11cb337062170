//! A budget by rate: a child of which too many messages fail within a window is parked, ended or escalates.

use crate::common::{MS, Script, permanent, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    AutoShutdown, Backoff, ChildSpec, ChildState, ExitRule, FailureRate, Flags, GiveUp, GiveUpReason, Intensity,
    Policy, PolicyError, RuleAction,
};

/// More than half of at least ten messages in 10 s.
fn rated(name: &str, then: GiveUp) -> ChildSpec {
    permanent(name).policy(policy(then))
}

fn policy(then: GiveUp) -> Policy {
    Policy::default().failure_rate(FailureRate::new(50, 10, 10_000 * MS)).on_give_up(then)
}

fn parks() -> GiveUp {
    GiveUp::Park(Backoff::new(1000 * MS).max_delay(4000 * MS))
}

fn none() -> Intensity {
    Intensity::new(0, 5000 * MS)
}

#[test]
fn a_child_that_is_up_is_stopped_and_parked_and_its_siblings_hear_nothing() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let specs = [permanent("db"), rated("api", parks()), permanent("web")];
        let mut tree = Script::within(none(), strategy, specs);
        tree.fails_at("api", 10, 5).expect([]).fails_at("api", 2, 2).expect(["stop api"]).stopped("api");
        tree.expect(["park api until 1s"])
            .tells(["too_many_failures api 7 of 12 messages in 10s failed", "parked api until 1s"]);
        let why = tree.why("api");
        assert!(why.is_half_open && why.exit.expect("a failure").to_string() == "failed: bad");
        tree.after(1000).starts(["api"]).stands("db", Some(ChildState::Up)).stands("web", Some(ChildState::Up));
    }
}

#[test]
fn a_probe_begins_with_an_empty_window_and_one_that_fails_again_is_parked_for_longer() {
    let mut tree = Script::within(none(), OneForOne, [rated("api", parks())]);
    tree.fails_at("api", 10, 10).expect(["stop api"]).stopped("api").expect(["park api until 1s"]).after(1000);
    tree.starts(["api"]).fails_at("api", 9, 9).expect([]).fails_at("api", 1, 1).expect(["stop api"]).stopped("api");
    tree.expect(["park api until 3s"]).after(2000).starts(["api"]);
    // Probation is that of parking: a crash parks it at once, and a life that lasts ends it.
    tree.fails("api").expect(["park api until 7s"]).after(4000).starts(["api"]).after(5000);
    assert!(!tree.why("api").is_half_open);
}

#[test]
fn crashes_count_too_and_then_the_end_is_decided_by_the_rate() {
    let mut tree = Script::within(Intensity::unlimited(), OneForOne, [rated("api", parks())]);
    for life in 1..10 {
        tree.fails_at("api", 1, 1).fails("api").expect(["start api"]).started("api");
        assert_eq!(tree.why("api").failures.map(|seen| seen.failed), Some(life));
    }
    tree.fails_at("api", 1, 1).fails("api").expect(["park api until 1s"]);
}

#[test]
fn failures_that_are_old_do_not_count() {
    let mut tree = Script::within(none(), OneForOne, [rated("api", parks())]);
    for _ in 0..100 {
        tree.fails_at("api", 9, 9).expect([]).after(10_000);
    }
    // As many as are good: 9 of 18.
    tree.fails_at("api", 9, 9).after(5000).fails_at("api", 9, 0).expect([]);
}

#[test]
fn the_other_reactions_end_the_child_its_supervisor_or_the_tree() {
    let mut tree = Script::within(none(), OneForOne, [rated("api", GiveUp::Stop), permanent("web")]);
    tree.fails_at("api", 10, 6).expect(["stop api"]).stopped("api").expect(["rest api"]);
    assert!(matches!(tree.why("api").given_up, Some(GiveUpReason::Failures(seen)) if seen.failed == 6));
    tree.restart("api").starts(["api"]).expect(["answer 1 started api"]);
    assert!(tree.why("api").failures.is_none(), "it begins again");

    let mut tree = Script::within(none(), OneForOne, [rated("api", GiveUp::Escalate), permanent("web")]);
    tree.fails_at("api", 10, 6).stops(["web", "api"]).expect(["end shutdown"]);
    assert!(
        matches!(tree.gave_up(), (name, exit, GiveUpReason::Failures(_)) if name == "api" && exit == "failed: bad")
    );
    let mut tree = Script::within(none(), OneForOne, [rated("api", GiveUp::EndTree), permanent("web")]);
    tree.fails_at("api", 10, 6).stops(["web", "api"]).expect(["end shutdown"]);
    tree.tells(["too_many_failures api 6 of 10 messages in 10s failed", "ended_tree api"]);

    let mut tree = Script::dynamic(none(), None);
    tree.start_child(rated("job", GiveUp::Stop)).expect(["adopt job", "start job"]).started("job");
    tree.expect(["answer 1 started job"]).fails_at("job", 10, 10).expect(["stop job"]).stopped("job");
    tree.expect(["forget job"]);
}

#[test]
fn a_significant_child_ends_its_supervisor_when_it_is_ended_for_that() {
    let flags = Flags { auto_shutdown: AutoShutdown::AnySignificant, ..Flags::from(OneForOne) };
    let spec = transient("api").significant(true).policy(policy(GiveUp::Stop));
    let mut tree = Script::flagged(flags, [spec, permanent("web")]).boot();
    tree.fails_at("api", 10, 10).expect(["stop api"]).stopped("api").expect(["rest api", "stop web"]).stopped("web");
    tree.expect(["end shutdown"]);
}

#[test]
fn a_rule_about_the_end_and_an_order_go_before_the_rate() {
    let stops = policy(parks()).rule(ExitRule::new(RuleAction::Stop));
    let mut tree = Script::new(OneForOne, [permanent("api").policy(stops)]);
    tree.fails_at("api", 10, 10).fails("api").expect(["rest api"]);
    let mut tree = Script::new(OneForOne, [rated("api", parks())]);
    tree.fails_at("api", 10, 10).expect(["stop api"]).terminate("api").expect([]).stopped("api");
    tree.expect(["rest api", "answer 1 done"]).restart("api").starts(["api"]).expect(["answer 2 started api"]);
    // What was decided about the life before is forgotten, and the window is not.
    tree.fails_at("api", 1, 1).expect(["stop api"]).stopped("api").expect(["park api until 1s"]);
    let mut tree = Script::new(OneForOne, [rated("api", parks())]);
    tree.fails_at("api", 10, 10).expect(["stop api"]).stop().expect([]).stopped("api").expect(["end shutdown"]);
}

#[test]
fn without_a_rate_and_after_the_end_failures_change_nothing() {
    let mut tree = Script::new(OneForOne, [permanent("a"), rated("b", parks())]);
    tree.fails_at("a", 1000, 1000).expect([]).terminate("b").expect(["stop b"]).fails_at("b", 100, 100).expect([]);
    tree.stopped("b").fails_at("b", 100, 100).expect(["rest b", "answer 1 done"]);
}

#[test]
fn rates_that_make_no_sense_are_refused() {
    let checked = |rate| Policy::default().failure_rate(rate).check();
    assert_eq!(checked(FailureRate::new(100, 1, MS)), Err(PolicyError::NeverExceeded(100)));
    assert_eq!(checked(FailureRate::new(1, 0, MS)), Err(PolicyError::Zero("the number of messages of failure_rate")));
    assert!(
        checked(FailureRate::new(1, 1, std::time::Duration::ZERO)).is_err()
            && checked(FailureRate::new(0, 1, MS)).is_ok()
    );
}
