//! Parking by order: a child is set aside alone, no time brings it back, and only an order ends that.

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{self, OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    Backoff, ChildSpec, ChildState, DependencyGone, ExitKind, ExitRule, GiveUp, Intensity, Order, Outlook, Policy,
    Prospect, RuleAction, Shutdown,
};

const STRATEGIES: [Strategy; 3] = [OneForOne, OneForAll, RestForOne];

fn three(strategy: Strategy) -> Script {
    Script::within(Intensity::new(1, 5000 * MS), strategy, ["db", "cache", "web"].map(permanent))
}

/// A tree whose middle child has just been parked by order.
fn parked(strategy: Strategy) -> Script {
    let mut tree = three(strategy);
    tree.park("cache")
        .expect(["stop cache"])
        .stopped("cache")
        .expect(["park cache until it is revived", "answer 1 done"]);
    tree
}

fn delayed(name: &str) -> ChildSpec {
    permanent(name).policy(Policy::default().backoff(Backoff::new(1000 * MS)))
}

fn needs(name: &str, service: &str) -> ChildSpec {
    permanent(name).policy(Policy::default().depends_on([service]))
}

#[test]
fn a_child_is_stopped_by_its_rule_and_stays_aside_whatever_time_passes() {
    for strategy in STRATEGIES {
        let mut tree = parked(strategy);
        tree.tells(["parked cache: on fire"]).waits_for_no_time().after(1_000_000).expect([]);
        for (name, standing) in [("db", ChildState::Up), ("cache", ChildState::Parked), ("web", ChildState::Up)] {
            tree.stands(name, Some(standing));
        }
        let why = tree.why("cache");
        assert_eq!((why.parked_by_order.as_deref(), why.next_try, why.is_half_open), (Some("on fire"), None, false));
    }
}

#[test]
fn a_revival_starts_it_at_once_without_probation_and_with_its_full_budget() {
    let policy = Policy::default().budget(Intensity::new(1, 60_000 * MS)).on_give_up(GiveUp::park(1000 * MS));
    let mut tree = Script::new(OneForOne, [permanent("cache").policy(policy)]);
    tree.fails("cache").starts(["cache"]).park("cache").stops(["cache"]);
    tree.expect(["park cache until it is revived", "answer 1 done"]).revive("cache");
    tree.expect(["answer 2 done", "start cache"]).started("cache");
    let why = tree.why("cache");
    assert!(!why.is_half_open && why.parked_by_order.is_none());
    assert_eq!(why.budget.map(|budget| budget.left), Some(1));
    tree.fails("cache").starts(["cache"]);
}

#[test]
fn a_child_that_is_parked_for_its_budget_is_not_tried_any_more() {
    let one = Policy::default().rule(ExitRule::new(RuleAction::Park).on(ExitKind::Killed));
    let mut tree = Script::new(OneForOne, [permanent("db"), permanent("cache").policy(one)]);
    tree.is_killed("cache").expect(["park cache until 30s"]).park("cache");
    tree.expect(["park cache until it is revived", "answer 1 done"]).waits_for_no_time();
    assert!(!tree.why("cache").is_half_open);
    tree.park("cache").expect(["refuse 2 parked"]).revive("cache").expect(["answer 3 done", "start cache"]);
    tree.started("cache").is_killed("cache").expect(["park cache until 30s"]);
}

#[test]
fn a_start_that_is_due_or_under_way_is_cut_short() {
    for strategy in STRATEGIES {
        let mut tree = Script::new(strategy, [delayed("db")]);
        tree.fails("db").expect([]).park("db").expect(["park db until it is revived", "answer 1 done"]);
        tree.waits_for_no_time()
            .revive("db")
            .expect(["answer 2 done", "start db"])
            .started("db")
            .fails("db")
            .after(1000);
        tree.expect(["start db"]).park("db").after(1).expect(["stop db"]).stopped("db");
        tree.expect(["park db until it is revived", "answer 3 done"]);
    }
    let mut tree = Script::unbooted(OneForOne, [needs("web", "/x")]);
    tree.expect(["up"]).park("web").expect(["park web until it is revived", "answer 1 done"]);
    tree.elsewhere("/x", true).expect([]);
}

#[test]
fn a_boot_goes_on_without_a_child_whose_start_hangs() {
    for strategy in STRATEGIES {
        let mut tree = Script::unbooted(strategy, ["db", "web"].map(permanent));
        tree.expect(["start db"]).park("db").after(1).expect(["stop db"]).park("db").stopped("db");
        tree.expect(["park db until it is revived", "answer 1 done", "start web"]).started("web");
        tree.expect(["up", "refuse 2 parked"]);
    }
}

// A start may succeed while it is cut short.
#[test]
fn a_child_that_comes_up_while_it_is_told_to_stop_is_parked_all_the_same() {
    let mut tree = Script::unbooted(OneForOne, ["db"].map(permanent));
    tree.expect(["start db"]).park("db").after(1).expect(["stop db"]).started("db").stopped("db");
    tree.expect(["park db until it is revived", "answer 1 done", "up"]);
}

#[test]
fn a_group_that_waits_for_the_child_is_started_without_it() {
    for strategy in [OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, [permanent("db"), delayed("cache"), permanent("web")]);
        let left = match strategy {
            OneForAll => {
                tree.fails("cache").stops(["web", "db"]);
                "db"
            }
            _ => {
                tree.fails("cache").stops(["web"]);
                "web"
            }
        };
        tree.expect([]).park("cache");
        tree.expect(["park cache until it is revived", "answer 1 done", &format!("start {left}")]).started(left);
        if strategy == OneForAll {
            tree.starts(["web"]);
        }
    }
}

#[test]
fn a_member_of_a_group_that_waits_is_not_started_with_it() {
    let mut tree = Script::new(OneForAll, [permanent("db"), delayed("cache")]);
    tree.fails("cache").stops(["db"]).expect([]).park("db").expect(["park db until it is revived", "answer 1 done"]);
    tree.after(1000).starts(["cache"]).stands("db", Some(ChildState::Parked));
}

#[test]
fn a_group_restart_leaves_it_parked() {
    for strategy in [OneForAll, RestForOne] {
        let mut tree = parked(strategy);
        tree.fails("db").stops(["web"]).starts(["db", "web"]).stands("cache", Some(ChildState::Parked));
        tree.revive("cache").expect(["answer 2 done", "start cache"]).started("cache");
    }
}

// The child is told to stop, and a sibling's failure makes it a member of a group before it is gone.
#[test]
fn a_child_that_stops_for_an_order_is_not_started_with_a_group() {
    let rule = Policy::default().rule(ExitRule::new(RuleAction::RestartGroup));
    let mut tree = Script::new(OneForOne, [permanent("db").policy(rule), permanent("web")]);
    tree.park("web").expect(["stop web"]).after(1).fails("db").expect([]).stopped("web");
    tree.expect(["park web until it is revived", "answer 1 done", "start db"]).started("db").expect([]);
}

#[test]
fn dependents_wait_for_it_as_for_any_service_that_is_parked() {
    let mut tree = Script::new(OneForOne, [permanent("db"), needs("web", "db")]);
    tree.park("db").stops(["db"]).expect(["park db until it is revived", "answer 1 done"]);
    tree.stands("web", Some(ChildState::Up)).fails("web").expect(["park web until it is revived"]).waits_for_no_time();
    assert_eq!(tree.why("web").parked_by_order, None);
    tree.revive("db").expect(["answer 2 done", "start db", "wait web"]).started("db").starts(["web"]);
}

#[test]
fn a_dependent_that_is_blocked_for_it_decides_again_when_the_service_is_gone() {
    let gone = |then| permanent("web").policy(Policy::default().depends_on(["x"]).on_dependency_gone(then));
    for then in [DependencyGone::Park, DependencyGone::GoOn] {
        let mut tree = Script::unbooted(OneForOne, [gone(then)]);
        tree.expect(["up"]).outlook("x", Outlook::from(Prospect::Parked { until: None }));
        tree.expect(["park web until it is revived"]).waits_for_no_time().outlook("x", Outlook::from(Prospect::Gone));
        match then {
            DependencyGone::GoOn => tree.starts(["web"]),
            _ => tree.expect(["park web until 30s"]),
        };
    }
}

#[test]
fn of_two_services_the_one_without_a_time_counts() {
    let spec = permanent("web").policy(Policy::default().depends_on(["x", "y"]));
    let parked = |until| Outlook::from(Prospect::Parked { until });
    for names in [["x", "y"], ["y", "x"]] {
        let mut tree = Script::unbooted(OneForOne, [spec.clone()]);
        tree.expect(["up"]).outlook(names[0], parked(None)).expect(["park web until it is revived"]);
        tree.outlook(names[1], parked(Some(700 * MS))).expect([]).outlook(names[0], parked(Some(500 * MS)));
        tree.expect(["park web until 700ms"]);
    }
}

#[test]
fn what_does_not_run_and_is_not_to_be_started_is_refused() {
    let mut tree = three(OneForOne);
    tree.park("nobody").expect(["refuse 1 not_found"]).terminate("web").expect(["stop web"]).after(1).park("web");
    tree.expect(["refuse 3 stopping"]).stopped("web").expect(["rest web", "answer 2 done"]).park("web");
    tree.expect(["refuse 4 down"]).park("cache").expect(["stop cache"]).after(1).park("cache");
    tree.expect(["refuse 6 stopping"]).stopped("cache").expect(["park cache until it is revived", "answer 5 done"]);
}

#[test]
fn a_new_child_is_not_parked_before_its_start_is_answered() {
    let mut tree = Script::dynamic(Intensity::new(0, 5000 * MS), None);
    tree.start_child(permanent("job")).expect(["adopt job", "start job"]).after(1).park("job");
    tree.expect(["refuse 2 starting"]).started("job").expect(["answer 1 started job"]);
}

#[test]
fn a_start_by_order_is_answered_when_the_child_is_parked_instead() {
    let mut tree = Script::new(OneForOne, ["db"].map(permanent));
    tree.terminate("db").stops(["db"]).expect(["rest db", "answer 1 done"]).restart("db").expect(["start db"]).after(1);
    tree.park("db").expect(["stop db"]).stopped("db");
    tree.expect(["refuse 2 parked", "park db until it is revived", "answer 3 done"]);
    let mut tree = Script::new(OneForOne, ["db"].map(permanent));
    tree.renew("db").stops(["db"]).expect(["start db"]).after(1).park("db").expect(["stop db"]).stopped("db");
    tree.expect(["refuse 1 parked", "park db until it is revived", "answer 2 done"]);
}

#[test]
fn a_child_that_died_before_the_order_was_carried_out_is_parked_at_no_cost() {
    for strategy in STRATEGIES {
        let mut tree = Script::within(Intensity::new(0, 5000 * MS), strategy, ["db", "web"].map(permanent));
        tree.park("db").fails("db").expect(["park db until it is revived", "answer 1 done"]);
        tree.stands("web", Some(ChildState::Up));
    }
    // A kill that is under way is not waited for in vain.
    let mut tree = three(OneForOne);
    tree.kill_under_way("db").park("db").expect([]).is_killed("db");
    tree.expect(["park db until it is revived", "answer 1 done"]);
}

// Orders to restart a child merge while it stops. One that comes behind a park has its own turn.
#[test]
fn a_restart_that_comes_behind_a_park_is_refused() {
    let mut tree = Script::new(OneForOne, ["db"].map(permanent));
    tree.renew("db").expect(["stop db"]).park("db").renew("db").stopped("db").expect(["start db"]).after(1);
    tree.expect(["stop db", "refuse 3 stopping"]).stopped("db");
    tree.expect(["refuse 1 parked", "park db until it is revived", "answer 2 done"]);
}

// OTP rule 72: an exit that comes behind the order is dealt with behind it, if the stop is prompt.
#[test]
fn other_events_wait_for_a_stop_that_is_prompt() {
    let mut tree = three(OneForOne);
    tree.park("db").expect(["stop db"]).fails("web").expect([]).stopped("db");
    tree.expect(["park db until it is revived", "answer 1 done", "start web"]).started("web");
    tree.park("cache").expect(["stop cache"]).after(1).terminate("web").expect(["stop web"]).stopped("web");
    tree.expect(["rest web", "answer 3 done"]).stopped("cache");
    tree.expect(["park cache until it is revived", "answer 2 done"]);
}

#[test]
fn a_child_that_does_not_stop_is_killed_and_parked_then() {
    let slow = permanent("db").shutdown(Shutdown::After(10 * MS));
    let mut tree = Script::new(OneForOne, [slow]);
    tree.park("db").expect(["stop db"]).after(10).expect(["kill db"]).is_killed("db");
    tree.expect(["park db until it is revived", "answer 1 done"]);
}

#[test]
fn a_termination_wins_over_a_park_that_is_under_way_and_ends_one_that_is_done() {
    let mut tree = three(OneForOne);
    tree.park("db").expect(["stop db"]).after(1).terminate("db").expect([]).stopped("db");
    tree.expect(["refuse 1 down", "rest db", "answer 2 done"]);
    for strategy in STRATEGIES {
        let mut tree = parked(strategy);
        tree.restart("cache").delete("cache").renew("cache");
        tree.expect(["refuse 2 restarting", "refuse 3 restarting", "refuse 4 parked"]);
        tree.terminate("cache").expect(["rest cache", "answer 5 done"]).restart("cache").expect(["start cache"]);
        tree.started("cache").expect(["answer 6 started cache"]);
        assert!(tree.why("cache").parked_by_order.is_none());
    }
}

#[test]
fn the_end_of_the_supervisor_answers_a_park_that_is_under_way() {
    for strategy in STRATEGIES {
        let mut tree = Script::new(strategy, ["db"].map(permanent));
        tree.park("db").expect(["stop db"]).after(1).stop().expect([]).stopped("db").ignore_actions();
        let mut tree = parked(strategy);
        tree.stop().stops(["web", "db"]).expect(["end shutdown"]).waits_for_no_time();
    }
}

#[test]
fn children_of_every_restart_type_are_parked_and_revived() {
    for spec in [permanent("job"), transient("job"), temporary("job")] {
        let mut tree = Script::dynamic(Intensity::new(0, 5000 * MS), None);
        tree.start_child(spec).expect(["adopt job", "start job"]).started("job").expect(["answer 1 started job"]);
        tree.park("job").stops(["job"]).expect(["park job until it is revived", "answer 2 done"]).waits_for_no_time();
        tree.revive("job").expect(["answer 3 done", "start job"]).started("job").park("job").stops(["job"]);
        tree.expect(["park job until it is revived", "answer 4 done"]).terminate("job");
        tree.expect(["forget job", "answer 5 done"]).stands("job", None);
    }
}

#[test]
fn an_order_about_a_life_parks_that_one_only() {
    let park = || Order::Park { id: "cache".into(), reason: "on fire".into() };
    let mut tree = three(OneForOne);
    tree.fails("cache").starts(["cache"]).meaning("cache#1", park()).expect(["refuse 1 replaced"]);
    tree.meaning("cache#2", park()).stops(["cache"]).expect(["park cache until it is revived", "answer 2 done"]);
    tree.revive("cache")
        .expect(["answer 3 done", "start cache"])
        .started("cache")
        .meaning("cache#2", park())
        .expect(["refuse 4 replaced"]);
    // A life that is over is meant while no other has come up.
    let mut tree = Script::new(OneForOne, [delayed("cache")]);
    tree.fails("cache").expect([]).meaning("cache#1", park());
    tree.expect(["park cache until it is revived", "answer 1 done"]);
}
