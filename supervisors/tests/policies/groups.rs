//! Delays under the group strategies: the group is stopped at once and started together, once.

use crate::common::{MS, Script, permanent, temporary};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{Backoff, ChildSpec, ChildState, ExitKind, ExitRule, GiveUp, Intensity, Policy, RuleAction};

fn slow(name: &str, ms: u32) -> ChildSpec {
    permanent(name).policy(Policy::default().backoff(Backoff::new(ms * MS)))
}

#[test]
fn a_group_is_stopped_at_once_and_started_when_the_delay_is_over() {
    let mut tree = Script::new(OneForAll, [permanent("db"), slow("cache", 100), permanent("web")]);
    tree.fails("cache").stops(["web", "db"]).expect([]).after(99).expect([]).after(1).starts(["db", "cache", "web"]);
    let mut tree = Script::new(RestForOne, [permanent("db"), slow("cache", 100), permanent("web")]);
    tree.fails("cache").stops(["web"]).after(99).expect([]).after(1).starts(["cache", "web"]);
}

#[test]
fn a_delay_that_ends_while_the_group_still_stops_waits_for_that() {
    let mut tree = Script::new(OneForAll, [permanent("db"), slow("web", 100)]);
    tree.fails("web").expect(["stop db"]).after(3000).expect([]).stopped("db").starts(["db", "web"]);
}

// The review of Erlang's EEP on delayed restarts: an earlier child that dies during a delay merges the two groups.
#[test]
fn an_elder_that_dies_during_the_delay_takes_the_group_over_at_the_later_time() {
    for (elder, later) in [(50, 1000), (3000, 3100)] {
        let mut tree = Script::new(RestForOne, [slow("db", elder), slow("cache", 1000), permanent("web")]);
        tree.fails("cache").stops(["web"]).after(100).fails("db").expect([]);
        tree.stands("db", Some(ChildState::Retrying)).stands("cache", Some(ChildState::Down));
        tree.after(later - 101).expect([]).after(1).starts(["db", "cache", "web"]).after(5000).expect([]);
    }
}

#[test]
fn an_elder_without_a_delay_waits_for_the_one_it_takes_over() {
    let mut tree = Script::new(RestForOne, [permanent("db"), slow("cache", 1000)]);
    tree.fails("cache").after(100).fails("db").after(899).expect([]).after(1).starts(["db", "cache"]);
}

// ractor-supervisor: two failures in a burst made two full group restarts. OTP rule 43: one restart, one unit.
#[test]
fn two_siblings_that_die_at_once_are_one_restart_and_one_unit() {
    let mut tree = Script::new(OneForAll, [slow("db", 100), slow("cache", 100), permanent("web")]);
    let before = tree.why("db").budget.expect("a limit").left;
    tree.fails("cache").fails("db").stops(["web"]).after(100).starts(["db", "cache", "web"]).after(1000).expect([]);
    assert_eq!(tree.why("db").budget.expect("a limit").left, before - 1);
}

#[test]
fn terminating_the_child_that_holds_the_delay_lets_the_group_rest() {
    let mut tree = Script::new(OneForAll, [permanent("db"), slow("cache", 100), permanent("web")]);
    tree.fails("cache").stops(["web", "db"]).terminate("cache");
    tree.expect(["rest cache", "rest db", "rest web", "answer 1 done"]).waits_for_no_time();
}

// Found by reading: the group of a rule was left behind where the strategy knows of no groups.
#[test]
fn the_group_of_a_rule_rests_with_its_holder_under_one_for_one_too() {
    let all = Policy::default()
        .backoff(Backoff::new(100 * MS))
        .rule(ExitRule::new(RuleAction::RestartGroup).on(ExitKind::Failed));
    let mut tree = Script::new(OneForOne, [permanent("db"), permanent("cache").policy(all), permanent("web")]);
    tree.fails("cache").stops(["web", "db"]).terminate("cache");
    tree.expect(["rest cache", "rest db", "rest web", "answer 1 done"]).waits_for_no_time();
}

// Found by reading: any other held child kept the stopped ones from resting, though it would not have started them.
#[test]
fn another_delay_that_does_not_reach_the_stopped_ones_does_not_keep_them() {
    let mut tree = Script::new(RestForOne, [slow("db", 1000), permanent("web")]);
    tree.fails("db").stops(["web"]).start_child(slow("job", 5000)).expect(["adopt job", "start job"]);
    tree.started("job").expect(["answer 1 started job"]).fails("job").expect([]);
    tree.terminate("db").expect(["rest db", "rest web", "answer 2 done"]);
    tree.after(5000).starts(["job"]);
}

#[test]
fn temporary_children_are_forgotten_and_resting_ones_revived() {
    let mut tree = Script::new(OneForAll, [temporary("job"), slow("web", 100), permanent("db")]);
    tree.terminate("db").stops(["db"]).expect(["rest db", "answer 1 done"]);
    tree.fails("web").expect(["stop job"]).stopped("job").expect(["forget job"]);
    tree.after(100).starts(["web", "db"]);
}

// OTP rule 36, with a delay: the retry starts the whole group again.
#[test]
fn a_start_that_fails_in_the_group_is_delayed_and_retried_with_everybody() {
    let mut tree = Script::new(OneForAll, [permanent("db"), slow("cache", 100), permanent("web")]);
    tree.fails("cache").stops(["web", "db"]).after(100).starts(["db"]).expect(["start cache"]).start_fails("cache");
    tree.after(199).expect([]).after(1).stops(["db"]).starts(["db", "cache", "web"]);
}

// Found by a long life (`walks/policies.rs`, one_for_one, seed 11): the rest of the group was never started.
#[test]
fn a_start_that_fails_alone_does_not_call_off_the_group_of_a_rule() {
    let all = Policy::default().rule(ExitRule::new(RuleAction::RestartGroup).on(ExitKind::Failed));
    let spec = permanent("web").policy(all.rule(ExitRule::new(RuleAction::Restart)));
    let mut tree = Script::new(OneForOne, [permanent("db"), spec, permanent("log")]);
    tree.fails("web").stops(["log", "db"]).expect(["start db"]).start_fails("db");
    tree.starts(["web", "log", "db"]);
}

// Found by reading: who parks when its turn comes had a group waiting for it, which stayed down for ever.
#[test]
fn a_group_whose_holder_is_parked_is_started_without_it() {
    let none = Intensity::new(1, 5000 * MS);
    let policy = Policy::default().budget(none).on_give_up(GiveUp::park(1000 * MS));
    let mut tree = Script::new(OneForAll, [permanent("db"), permanent("cache").policy(policy), permanent("web")]);
    tree.fails("cache").stops(["web", "db"]).starts(["db"]).expect(["start cache"]).start_fails("cache");
    tree.expect(["park cache until 1s", "start web"]).started("web").stands("db", Some(ChildState::Up));
}

// Found by a random walk (`walks/policies.rs`, one_for_all, seed 583): a start that was not ordered failed while the group
// stopped, and the group did not wait for the delay of that start.
#[test]
fn the_start_of_one_that_waited_is_ordered_work() {
    let spec = permanent("web").policy(Policy::default().backoff(Backoff::new(100 * MS)).depends_on(["x"]));
    let mut tree = Script::unbooted(OneForAll, [permanent("db"), spec]);
    tree.starts(["db"]).expect(["up"]).elsewhere("x", true).expect(["start web"]);
    tree.fails("db").after(100).expect([]).start_fails("web");
    tree.after(99).expect([]).after(1).starts(["db", "web"]);
}

// Found by a mutant: a rule about the group was kept for a child that has none, and its revival waited for a turn.
#[test]
fn in_a_dynamic_supervisor_a_child_has_no_group_whatever_its_rule_says() {
    let rule = ExitRule::new(RuleAction::RestartGroup);
    let spec = permanent("db").policy(Policy::default().rule(rule).backoff(Backoff::new(1000 * MS)));
    let mut tree = Script::dynamic(Intensity::new(9, 5000 * MS), None);
    tree.start_child(spec).expect(["adopt db", "start db"]).started("db").expect(["answer 1 started db"]);
    tree.start_child("web").expect(["adopt web", "start web"]).started("web").expect(["answer 2 started web"]);
    tree.fails("db").expect([]).revive("db").fails("web").expect(["answer 3 done", "start db"]).started("db");
    tree.expect(["start web"]).started("web");
    // The same if a start failed.
    tree.fails("db").expect([]).after(1000).expect(["start db"]).start_fails("db").expect([]);
    tree.revive("db").fails("web").expect(["answer 4 done", "start db"]).started("db").expect(["start web"]);
}
