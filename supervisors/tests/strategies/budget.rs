//! The restart budget (OTP rules 20 to 28).

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{BudgetLeft, Exit, ExitKind, ExitRule, GiveUpReason, Intensity, Policy, RuleAction, Shutdown};

fn restarts(restarts_max: u32) -> Intensity {
    Intensity::new(restarts_max, 1000 * MS)
}

// OTP rules 20, 21, 28.
#[test]
fn n_restarts_are_forgiven_and_the_next_gives_up() {
    let mut tree = Script::within(restarts(2), OneForOne, ["db", "web"]);
    tree.fails("db").starts(["db"]).fails("db").starts(["db"]).tells(["child_terminated db failed: boom"; 2]);
    tree.fails("db").expect(["stop web"]).tells(["child_terminated db failed: boom", "gave_up db"]);
    tree.stopped("web").expect(["end shutdown"]);
}

// OTP rule 21.
#[test]
fn a_budget_of_zero_gives_up_at_the_first() {
    let mut tree = Script::within(restarts(0), OneForOne, ["db"]);
    tree.fails("db").expect(["end shutdown"]);
}

// OTP rules 20, 28: the check comes before any stop of a group restart. ergo #213 stopped the wrong child.
#[test]
fn giving_up_stops_all_the_others_youngest_first_under_every_strategy() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::within(restarts(0), strategy, ["a", "b", "c", "d"]);
        tree.fails("b").stops(["d", "c", "a"]).expect(["end shutdown"]);
        tree.tells(["child_terminated b failed: boom", "gave_up b"]);
    }
}

// OTP rule 28: "by their shutdown rules". Giving up must not skip the ladder.
#[test]
fn giving_up_stops_each_child_by_its_own_rule() {
    let children = [permanent("a"), permanent("b").shutdown(Shutdown::Kill), permanent("c")];
    let mut tree = Script::within(restarts(0), OneForOne, children);
    tree.fails("a").stops(["c"]).expect(["kill b"]).is_killed("b").expect(["end shutdown"]);
}

// OTP rule 22; ractor-supervisor and actor-ts counted siblings.
#[test]
fn a_group_restart_costs_one_unit_however_many_it_restarts() {
    let mut tree = Script::within(restarts(2), OneForAll, ["a", "b", "c"]);
    tree.fails("b").stops(["c", "a"]).starts(["a", "b", "c"]);
    tree.fails("a").stops(["c", "b"]).starts(["a", "b", "c"]);
    tree.fails("c").stops(["b", "a"]).expect(["end shutdown"]);
}

// OTP rule 23: an exit and k failed attempts are k + 1 units; intensity n means n attempts.
#[test]
fn each_retry_costs_a_unit() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::within(restarts(3), strategy, ["db"]);
        tree.fails("db");
        for _ in 0..3 {
            tree.expect(["start db"]).start_fails("db");
        }
        tree.expect(["end shutdown"]);
        let start_error = "start_error db failed: no";
        tree.tells(["child_terminated db failed: boom", start_error, start_error, start_error, "gave_up db"]);
    }
}

// OTP rules 28, 36: what runs when the retries are used up is stopped, the retrying child has nothing to stop.
#[test]
fn giving_up_on_a_retry_stops_what_runs() {
    let mut tree = Script::within(restarts(1), OneForAll, ["a", "b", "c"]);
    tree.fails("c").stops(["b", "a"]).starts(["a"]).expect(["start b"]);
    tree.start_fails("b").stops(["a"]).expect(["end shutdown"]);
}

// OTP rule 24; goakt #1268, AtomVM #1915 did not count across faults.
#[test]
fn children_share_the_budget_and_so_do_their_faults() {
    let mut tree = Script::within(restarts(2), OneForOne, ["a", "b", "c"]);
    tree.is_killed("a").starts(["a"]);
    tree.ends("b").expect(["start b"]);
    tree.start_fails("b").stops(["c", "a"]).expect(["end shutdown"]);
}

// OTP rule 25.
#[test]
fn what_is_no_restart_is_not_counted() {
    let children = [permanent("a"), transient("b"), temporary("c"), temporary("d")];
    let mut tree = Script::within(restarts(1), OneForAll, children);
    tree.ends("b").fails("c").expect(["rest b", "forget c"]);
    // The exit of `d` is consumed by the stop that the exit of `a` calls for.
    tree.fails("a").fails("d").expect(["forget d", "start a"]);
    tree.started("a").starts(["b"]);
    tree.fails("b").stops(["a"]).expect(["end shutdown"]);
}

// OTP rule 26: a unit exactly one period old still counts.
#[test]
fn the_window_is_closed_at_its_far_edge() {
    let mut tree = Script::within(restarts(1), OneForOne, ["db"]);
    tree.fails("db").starts(["db"]);
    tree.after(1000).fails("db").expect(["end shutdown"]);

    let mut tree = Script::within(restarts(1), OneForOne, ["db"]);
    tree.fails("db").starts(["db"]);
    tree.after(1001).fails("db").starts(["db"]);
}

// OTP rule 27. Hollywood's counter never went back: the fourth crash in a lifetime was fatal.
#[test]
fn rare_crashes_are_forgiven_for_ever() {
    let mut tree = Script::within(restarts(1), OneForOne, ["db"]);
    for _ in 0..100 {
        tree.after(1001).fails("db").starts(["db"]);
    }
}

// OTP rule 21. kameo looked at the gap between two crashes and gave up at any pace.
#[test]
fn a_pace_below_the_limit_is_forgiven_for_ever_and_a_burst_is_not() {
    let mut tree = Script::within(restarts(3), OneForOne, ["db"]);
    for _ in 0..100 {
        tree.after(334).fails("db").starts(["db"]);
    }
    tree.fails("db").expect(["end shutdown"]);
}

// OTP rule 27: neither a success nor a group restart resets the window.
#[test]
fn a_successful_restart_gives_nothing_back() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::within(restarts(2), strategy, ["db"]);
        tree.fails("db").starts(["db"]).after(300);
        tree.fails("db").starts(["db"]).after(300);
        tree.fails("db").expect(["end shutdown"]);
    }
}

#[test]
fn an_unlimited_budget_never_gives_up() {
    let mut tree = Script::within(Intensity::unlimited(), OneForOne, ["db"]);
    for _ in 0..1000 {
        tree.fails("db").expect(["start db"]).start_fails("db").starts(["db"]);
    }
}

// Found by a service whose port was taken: its supervisor ended as `shutdown`, and its exit status was 0.
#[test]
fn a_supervisor_that_gives_up_says_on_which_child_after_which_end_and_for_what() {
    let shared = BudgetLeft { left: 0, restarts_max: 1, within: 5000 * MS, is_own: false };
    let mut tree = Script::within(Intensity::new(1, 5000 * MS), OneForOne, ["db", "web"]);
    tree.fails("web").starts(["web"]).exits("web", Exit::failed("port taken")).stops(["db"]).expect(["end shutdown"]);
    assert_eq!(tree.gave_up(), ("web".into(), "failed: port taken".into(), GiveUpReason::Budget(shared)));

    let own = Policy::default().budget(restarts(2));
    let mut tree = Script::new(OneForOne, [permanent("web").policy(own)]);
    tree.fails("web").starts(["web"]).fails("web").starts(["web"]).is_killed("web").expect(["end shutdown"]);
    let own = BudgetLeft { left: 0, restarts_max: 2, within: 1000 * MS, is_own: true };
    assert_eq!(tree.gave_up(), ("web".into(), "killed".into(), GiveUpReason::Budget(own)));

    let restart = ExitRule::new(RuleAction::Restart).on(ExitKind::Panicked);
    let policy = Policy::default().rule(restart).rule(ExitRule::new(RuleAction::Escalate).on(ExitKind::Failed));
    let mut tree = Script::new(OneForOne, [permanent("web").policy(policy)]);
    tree.fails("web").expect(["end shutdown"]);
    assert_eq!(tree.gave_up(), ("web".into(), "failed: boom".into(), GiveUpReason::Rule(1)));
}

// A start that fails again is charged when its turn comes.
#[test]
fn what_it_gives_up_on_may_be_a_start() {
    let mut tree = Script::within(Intensity::new(1, 5000 * MS), OneForOne, ["web"]);
    tree.fails("web").expect(["start web"]).start_fails("web").expect(["end shutdown"]);
    assert_eq!(tree.gave_up().1, "failed: no");
}
