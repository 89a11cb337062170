//! Rules: what is done about ends of a certain kind. The first that matches wins.

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    AutoShutdown, ChildSpec, ChildState, Exit, ExitKind, ExitRule, Failure, Flags, GiveUp, Intensity, Panic, Policy,
    Readiness, RuleAction,
};

fn ruled(spec: ChildSpec, rules: impl IntoIterator<Item = ExitRule>) -> ChildSpec {
    let policy = rules.into_iter().fold(Policy::default(), Policy::rule);
    spec.policy(policy)
}

fn named(name: &str) -> Exit {
    Exit::Failed(Failure::new("it said no").named([name.into()]))
}

#[test]
fn the_first_rule_that_matches_wins() {
    let rules = [
        ExitRule::new(RuleAction::Stop).on(ExitKind::Killed),
        ExitRule::new(RuleAction::Escalate).on(ExitKind::Killed),
    ];
    let mut tree = Script::new(OneForOne, [ruled(permanent("db"), rules)]);
    tree.is_killed("db").expect(["rest db"]).stands("db", Some(ChildState::Down));
    assert_eq!(tree.why("db").rule, Some((0, RuleAction::Stop)));
    let rules = [
        ExitRule::new(RuleAction::Escalate).on(ExitKind::Killed),
        ExitRule::new(RuleAction::Stop).on(ExitKind::Killed),
    ];
    let mut tree = Script::new(OneForOne, [ruled(permanent("db"), rules)]);
    tree.is_killed("db").expect(["end shutdown"]).tells(["child_terminated db killed", "gave_up db"]);
}

#[test]
fn what_no_rule_is_about_is_left_to_the_restart_type() {
    let mut tree =
        Script::new(OneForOne, [ruled(transient("db"), [ExitRule::new(RuleAction::Stop).on(ExitKind::Panicked)])]);
    tree.fails("db").starts(["db"]);
    assert_eq!(tree.why("db").rule, None);
    tree.ends("db").expect(["rest db"]);
}

#[test]
fn every_kind_of_end_has_its_rule() {
    let ends = [
        (ExitKind::Normal, Exit::Normal),
        (ExitKind::Shutdown, Exit::ShutdownWith("bye".into())),
        (ExitKind::Killed, Exit::Killed),
        (ExitKind::Failed, Exit::failed("boom")),
        (ExitKind::Panicked, Exit::Panicked(Panic::new("oh"))),
    ];
    for (on, exit) in ends {
        let mut tree = Script::new(OneForOne, [ruled(permanent("db"), [ExitRule::new(RuleAction::Stop).on(on)])]);
        tree.exits("db", exit).expect(["rest db"]);
    }
    let mut tree =
        Script::new(OneForOne, [ruled(permanent("db"), [ExitRule::new(RuleAction::Stop).on(ExitKind::Hung)])]);
    tree.hangs("db").expect(["kill db"]).is_killed("db").expect(["rest db"]);
}

#[test]
fn a_start_that_fails_and_a_life_that_was_never_ready_are_second_kinds() {
    let rules = [
        ExitRule::new(RuleAction::Stop).on(ExitKind::StartFailed),
        ExitRule::new(RuleAction::Escalate).on(ExitKind::NotReady),
    ];
    let policy = rules.into_iter().fold(Policy::default().readiness(Readiness::WhenSaid), Policy::rule);
    let mut tree = Script::new(OneForOne, [permanent("db").policy(policy)]);
    tree.ready("db").fails("db").expect(["start db"]).start_fails("db").expect(["rest db"]);
    tree.restart("db").starts(["db"]).expect(["answer 1 started db"]).fails("db").expect(["end shutdown"]);
}

#[test]
fn errors_are_known_by_their_registered_name_and_ends_by_a_part_of_their_text() {
    let rules = [ExitRule::new(RuleAction::Stop).error("licence"), ExitRule::new(RuleAction::Escalate).text("disk")];
    let tree = || Script::new(OneForOne, [ruled(permanent("db"), rules.clone())]);
    tree().exits("db", named("licence")).expect(["rest db"]);
    tree().exits("db", named("other")).starts(["db"]);
    tree().exits("db", Exit::failed("the disk is full")).expect(["end shutdown"]);
    tree().exits("db", Exit::Panicked(Panic::new("no disk"))).expect(["end shutdown"]);
    tree().is_killed("db").starts(["db"]);
}

#[test]
fn a_restart_comes_before_the_restart_type() {
    let mut tree =
        Script::new(OneForOne, [ruled(transient("db"), [ExitRule::new(RuleAction::Restart).on(ExitKind::Normal)])]);
    tree.ends("db").starts(["db"]);
}

#[test]
fn a_group_can_be_restarted_under_one_for_one() {
    for strategy in [OneForOne, RestForOne, OneForAll] {
        let all = ruled(permanent("web"), [ExitRule::new(RuleAction::RestartGroup).on(ExitKind::Killed)]);
        let mut tree = Script::new(strategy, [permanent("db"), all, permanent("log")]);
        tree.is_killed("web").stops(["log", "db"]).starts(["db", "web", "log"]);
    }
}

#[test]
fn a_rule_parks_at_once() {
    let spec = permanent("db").policy(
        Policy::default().on_give_up(GiveUp::park(2000 * MS)).rule(ExitRule::new(RuleAction::Park).error("licence")),
    );
    let mut tree = Script::within(Intensity::new(0, 1000 * MS), OneForOne, [spec]);
    tree.exits("db", named("licence")).expect(["park db until 2s"]).after(2000).starts(["db"]);
}

#[test]
fn a_rule_that_parks_needs_no_schedule() {
    let mut tree = Script::new(OneForOne, [ruled(permanent("db"), [ExitRule::new(RuleAction::Park)])]);
    tree.fails("db").expect(["park db until 30s"]);
}

#[test]
fn a_free_restart_is_not_counted() {
    let rules = [ExitRule::new(RuleAction::Restart).on(ExitKind::Killed).free()];
    let mut tree = Script::within(Intensity::new(1, 5000 * MS), OneForOne, [ruled(permanent("db"), rules)]);
    for _ in 0..20 {
        tree.is_killed("db").starts(["db"]);
    }
    tree.fails("db").starts(["db"]).fails("db").expect(["end shutdown"]);
}

#[test]
fn temporary_children_are_beyond_rules() {
    let mut tree = Script::new(OneForOne, [ruled(temporary("job"), [ExitRule::new(RuleAction::Restart)])]);
    tree.fails("job").expect(["forget job"]);
}

// OTP rule 11, and the word for the rule that undoes it.
#[test]
fn a_first_start_is_retried_if_the_policy_says_so_and_rules_go_before_that() {
    let retries = || Policy::default().retry_start().budget(Intensity::new(2, 5000 * MS));
    let boot = |spec: ChildSpec| {
        let mut tree = Script::unbooted(OneForOne, [permanent("db"), spec, permanent("web")]);
        tree.starts(["db"]).expect(["start cache"]).start_fails("cache");
        tree
    };
    let mut tree = boot(permanent("cache").policy(retries()));
    tree.starts(["web"]).expect(["start cache"]).start_fails("cache").expect(["start cache"]).started("cache");
    tree.expect(["up"]);
    let mut tree = boot(permanent("cache").policy(retries().on_give_up(GiveUp::Stop)));
    tree.starts(["web"]).expect(["start cache"]).start_fails("cache").expect(["start cache"]).start_fails("cache");
    tree.expect(["rest cache", "up"]);
    let mut tree = boot(permanent("cache").policy(retries()));
    tree.starts(["web"]).expect(["start cache"]).start_fails("cache").expect(["start cache"]).start_fails("cache");
    tree.stops(["web", "db"]).expect(["end child `cache` failed to start: failed: no"]);
    let mut tree = boot(permanent("cache").policy(retries().rule(ExitRule::new(RuleAction::Stop))));
    tree.expect(["rest cache", "start web"]).started("web").expect(["up"]);
    // A temporary child has no rules, and a start by order is answered with its failure.
    let mut tree = boot(temporary("cache").policy(retries()));
    tree.expect(["stop db"]).stopped("db").expect(["end child `cache` failed to start: failed: no"]);
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.start_child(permanent("cache").policy(retries())).expect(["adopt cache", "start cache"]).start_fails("cache");
    tree.expect(["forget cache", "refuse 1 failed: no"]);
}

// OTP rule 11, and what a rule makes of it.
#[test]
fn a_rule_about_failed_starts_keeps_a_boot_from_failing() {
    let boot = |then| {
        let spec = ruled(permanent("cache"), [ExitRule::new(then).on(ExitKind::StartFailed)]);
        let mut tree = Script::unbooted(OneForOne, [permanent("db"), spec, permanent("web")]);
        tree.starts(["db"]).expect(["start cache"]).start_fails("cache");
        tree
    };
    boot(RuleAction::Stop).expect(["rest cache", "start web"]).started("web").expect(["up"]);
    boot(RuleAction::Park).expect(["park cache until 30s", "start web"]).started("web").expect(["up"]);
    // It is not up before `cache` is.
    boot(RuleAction::Restart).starts(["web"]).expect(["start cache"]).started("cache").expect(["up"]);
    boot(RuleAction::Escalate)
        .expect(["stop db"])
        .stopped("db")
        .expect(["end child `cache` failed to start: failed: no"]);

    let mut tree =
        Script::unbooted(OneForOne, [ruled(permanent("db"), [ExitRule::new(RuleAction::Stop).on(ExitKind::NotReady)])]);
    tree.expect(["start db"]).start_fails("db").expect(["end child `db` failed to start: failed: no"]);
}

#[test]
fn a_significant_child_that_a_rule_stops_ends_its_supervisor() {
    let flags = Flags { auto_shutdown: AutoShutdown::AnySignificant, ..Flags::default() };
    let spec = ruled(transient("job").significant(true), [ExitRule::new(RuleAction::Stop).on(ExitKind::Failed)]);
    let mut tree = Script::flagged(flags, [permanent("db"), spec]).boot();
    tree.fails("job").expect(["rest job", "stop db"]).stopped("db").expect(["end shutdown"]);
}
