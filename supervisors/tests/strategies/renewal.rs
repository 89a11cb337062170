//! Restarts by order: the child is stopped by its rule and started again. No sibling and no budget is touched.

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    Abandon, ChildState, DependencyGone, ExitRule, GiveUp, Intensity, Policy, Prospect, RuleAction, Shutdown,
};

fn no_budget() -> Intensity {
    Intensity::new(0, 1000 * MS)
}

/// A dynamic supervisor with this child, which is up.
fn dynamic(child: impl crate::common::IntoSpec) -> Script {
    let mut tree = Script::dynamic(no_budget(), None);
    let spec = child.into_spec();
    let name = spec.id().to_owned();
    tree.start_child(spec).ignore_actions().started(&name).ignore_actions();
    tree
}

#[test]
fn a_restart_by_order_leaves_siblings_and_budget_alone_under_every_strategy() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::within(no_budget(), strategy, ["a", "b", "c"]);
        for call in 1..4 {
            tree.renew("b").expect(["stop b"]).stopped("b").expect(["start b"]).started("b");
            tree.expect([format!("answer {call} started b").as_str()]).tells(["restart_ordered b why not"]);
        }
        tree.lists(["a", "b", "c"]).refuses([]).waits_for_no_time();
        // Not one unit was spent: the first failure is still one too many.
        tree.fails("a").ignore_actions().gave_up();
        tree.stopped("c").ignore_actions().stopped("b").ignore_actions();
    }
}

#[test]
fn a_child_of_a_dynamic_supervisor_is_restarted_by_order_whatever_its_restart_type() {
    for child in [permanent("a"), transient("a"), temporary("a")] {
        let mut tree = dynamic(child);
        tree.renew("a").expect(["stop a"]).stopped("a").expect(["start a"]).started("a").expect(["answer 2 started a"]);
        tree.lists(["a"]);
    }
}

#[test]
fn a_temporary_child_is_not_forgotten_by_a_restart() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, [temporary("a"), permanent("b")]);
        tree.renew("a").stops(["a"]).starts(["a"]).expect(["answer 1 started a"]).lists(["a", "b"]);
    }
}

#[test]
fn a_child_that_does_not_stop_in_time_is_killed_and_started() {
    let spec = permanent("a").shutdown(Shutdown::After(10 * MS)).abandon(Abandon::After(5 * MS));
    let mut tree = Script::new(OneForOne, [spec.clone()]);
    tree.renew("a").expect(["stop a"]).after(10).expect(["kill a"]).is_killed("a");
    tree.expect(["start a"]).started("a").expect(["answer 1 started a"]);
    tree.tells(["restart_ordered a why not", "shutdown_error a killed"]);
    let mut tree = Script::new(OneForOne, [spec]);
    tree.renew("a").expect(["stop a"]).after(10).expect(["kill a"]).after(5);
    tree.expect(["abandon a", "start a"]).started("a").expect(["answer 1 started a"]).tells_whatever();
}

#[test]
fn each_state_in_which_a_child_is_not_up_has_its_own_refusal() {
    let mut tree = Script::new(OneForOne, [permanent("a"), transient("b")]);
    tree.renew("none").expect(["refuse 1 not_found"]);
    tree.ends("b").expect(["rest b"]).renew("b").expect(["refuse 2 down"]);
    tree.fails("a").after(1).expect(["start a"]).renew("a").expect(["refuse 3 starting"]);
    tree.started("a").terminate("a").expect(["stop a"]).after(1).renew("a").expect(["refuse 5 stopping"]);
    tree.stopped("a").expect(["rest a", "answer 4 done"]);
    let slow = Policy::default().backoff(regrow_supervisors::Backoff::new(50 * MS));
    let mut tree = Script::new(OneForOne, [permanent("a").policy(slow)]);
    tree.fails("a").expect([]).renew("a").expect(["refuse 1 restarting"]).after(50).starts(["a"]).tells_whatever();
    let parks = Policy::default()
        .rule(ExitRule::new(RuleAction::Park))
        .on_give_up(GiveUp::Park(regrow_supervisors::Backoff::new(50 * MS)));
    let mut tree = Script::new(OneForOne, [permanent("a").policy(parks)]);
    tree.fails("a").ignore_actions().renew("a").expect(["refuse 1 parked"]).tells_whatever();
}

#[test]
fn a_child_that_has_begun_to_end_ends_first_and_its_failure_counts() {
    let mut tree = Script::within(no_budget(), OneForOne, ["a"]);
    tree.kill_under_way("a").renew("a").expect(["refuse 1 stopping"]).is_killed("a").ignore_actions().gave_up();
    // A failure that comes before the turn of the order is decided about first.
    let mut tree = Script::within(no_budget(), OneForOne, ["a"]);
    tree.renew("a").fails("a").expect(["refuse 1 over", "end shutdown"]);
    let mut tree = Script::new(OneForOne, ["a"]);
    tree.renew("a").fails("a").expect(["start a"]).after(1).expect(["refuse 1 starting"]);
}

#[test]
fn orders_that_come_before_the_new_life_begins_merge_and_later_ones_end_that_life() {
    for strategy in [OneForOne, OneForAll] {
        // The second comes while the first waits for its turn, the third when the child is told to stop.
        let mut tree = Script::new(strategy, ["a", "b"]);
        tree.renew("a").renew("a").expect(["stop a"]).renew("a").stopped("a").expect(["start a"]).started("a");
        tree.expect(["answer 1 started a", "answer 2 started a", "answer 3 started a"]);
        tree.tells(["restart_ordered a why not"; 3]);
        tree.renew("a").expect(["stop a"]).stopped("a").expect(["start a"]).renew("a").started("a");
        tree.expect(["answer 4 started a", "stop a"]).stopped("a").starts(["a"]).expect(["answer 5 started a"]);
    }
    // While the stop takes long, others are served.
    let mut tree = Script::new(OneForOne, ["a", "b"]);
    tree.renew("a").expect(["stop a"]).after(1).renew("a").read().expect(["answer 3 done"]).stopped("a");
    tree.starts(["a"]).expect(["answer 1 started a", "answer 2 started a"]);
}

#[test]
fn an_order_that_comes_behind_a_termination_does_not_overtake_it() {
    let mut tree = Script::new(OneForAll, ["a", "b"]);
    tree.renew("a").expect(["stop a"]).terminate("a").renew("a").stopped("a").expect(["start a"]).started("a");
    tree.expect(["answer 1 started a", "stop a"]).stopped("a");
    tree.expect(["rest a", "answer 2 done", "refuse 3 down"]);
}

#[test]
fn a_termination_wins_over_a_restart() {
    let mut tree = Script::new(OneForOne, ["a"]);
    tree.renew("a").expect(["stop a"]).after(1).terminate("a").expect([]).stopped("a");
    tree.expect(["refuse 1 down", "rest a", "answer 2 done"]).stands("a", Some(ChildState::Down));
    let mut tree = Script::new(OneForOne, ["a"]);
    tree.renew("a").stops(["a"]).expect(["start a"]).after(1).terminate("a").expect(["stop a"]).stopped("a");
    tree.expect(["refuse 1 down", "rest a", "answer 2 done"]);
    let mut tree = dynamic("a");
    tree.renew("a").expect(["stop a"]).after(1).terminate("a").expect([]).stopped("a");
    tree.expect(["refuse 2 down", "forget a", "answer 3 done"]);
}

#[test]
fn the_end_of_the_supervisor_refuses_the_orders() {
    let mut tree = Script::new(OneForOne, ["a", "b"]);
    tree.renew("a").expect(["stop a"]).stop().after(1).expect(["refuse 1 over", "stop b"]).stopped("a").stopped("b");
    tree.expect(["end shutdown"]);
    // The ordered strategies let the operation go on until the new life hangs in its start.
    let mut tree = Script::new(OneForAll, ["a", "b"]);
    tree.renew("a").expect(["stop a"]).stop().after(1).expect([]).stopped("a").expect(["start a"]).after(1);
    tree.expect(["refuse 1 over", "stop b"]).stopped("b").expect(["stop a"]).stopped("a").expect(["end shutdown"]);
    let mut tree = Script::new(OneForOne, ["a"]);
    tree.renew("a").expect(["stop a"]).kill().expect(["refuse 1 over", "kill a"]).is_killed("a");
    tree.ignore_actions().tells_whatever();
}

#[test]
fn a_start_that_fails_answers_the_order_and_is_tried_again_at_the_expense_of_the_budget() {
    let mut tree = Script::within(Intensity::new(1, 1000 * MS), OneForOne, ["a", "b"]);
    tree.renew("a").stops(["a"]).expect(["start a"]).start_fails("a").expect(["refuse 1 failed: no", "start a"]);
    tree.tells(["restart_ordered a why not", "start_error a failed: no"]).started("a").fails("b").ignore_actions();
    tree.gave_up();
    tree.stopped("a").ignore_actions();
    // The retry goes by the strategy.
    let mut tree = Script::new(OneForAll, ["a", "b"]);
    tree.renew("a").stops(["a"]).expect(["start a"]).start_fails("a").expect(["refuse 1 failed: no", "stop b"]);
    tree.stopped("b").starts(["a", "b"]).tells_whatever();
}

#[test]
fn a_child_that_ignores_its_new_start_rests() {
    let mut tree = Script::new(OneForOne, ["a"]);
    tree.renew("a").stops(["a"]).expect(["start a"]).ignored("a").expect(["rest a", "answer 1 ignored"]);
    let mut tree = dynamic("a");
    tree.renew("a").stops(["a"]).expect(["start a"]).ignored("a").expect(["forget a", "answer 2 ignored"]);
}

#[test]
fn a_new_life_waits_for_what_it_depends_on_and_so_does_the_order() {
    let needs = |then| permanent("a").policy(Policy::default().depends_on(["/db"]).on_dependency_gone(then));
    let up = |then| {
        let mut tree = Script::unbooted(OneForOne, [needs(then)]);
        tree.outlook("/db", Prospect::Ready).expect(["start a"]).started("a").expect(["up"]).tells([]);
        tree
    };
    let mut tree = up(DependencyGone::Fail);
    tree.outlook("/db", Prospect::MayCome)
        .renew("a")
        .stops(["a"])
        .expect([])
        .renew("a")
        .expect(["refuse 2 restarting"]);
    tree.outlook("/db", Prospect::Ready).starts(["a"]).expect(["answer 1 started a"]).tells_whatever();
    let mut tree = up(DependencyGone::Fail);
    tree.outlook("/db", Prospect::Gone).renew("a").stops(["a"]).after(1);
    tree.expect(["refuse 1 failed: `db`, which it depends on, is gone"]).tells_whatever();
    let mut tree = up(DependencyGone::Park);
    tree.outlook("/db", Prospect::Gone).renew("a").expect(["stop a"]).stopped("a");
    tree.expect(["refuse 1 parked", "park a until 30s"]).tells_whatever();
}

#[test]
fn a_group_restart_takes_a_restart_by_order_along() {
    let all = Policy::default().rule(ExitRule::new(RuleAction::RestartGroup));
    let mut tree = Script::new(OneForOne, [permanent("a"), permanent("b").policy(all.clone()), permanent("c")]);
    tree.renew("a").expect(["stop a"]).after(1).fails("b").expect(["stop c"]).stopped("a").expect([]).stopped("c");
    tree.starts(["a"]).expect(["answer 1 started a", "start b"]).started("b").starts(["c"]).tells_whatever();
    // A temporary member of the group is forgotten, as ever (OTP rule 33).
    let mut tree = Script::new(OneForOne, [temporary("a"), permanent("b").policy(all)]);
    tree.renew("a").expect(["stop a"]).after(1).fails("b").expect([]).stopped("a");
    tree.expect(["refuse 1 down", "forget a", "start b"]).started("b").tells_whatever();
}
