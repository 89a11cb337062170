//! A budget that is used up: it ends the child alone for good, or the whole tree.

use crate::common::nested::{Nested, Start, supervisor, worker};
use crate::common::{MS, Script, permanent, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    AutoShutdown, Backoff, ChildSpec, ChildState, Exit, ExitKind, ExitRule, Flags, GiveUp, GiveUpReason, Intensity,
    Policy, Prospect, RuleAction,
};

fn policy(restarts_max: u32, then: GiveUp) -> Policy {
    Policy::default().budget(Intensity::new(restarts_max, 5000 * MS)).on_give_up(then)
}

fn stops(name: &str) -> ChildSpec {
    permanent(name).policy(policy(1, GiveUp::Stop))
}

fn ends_tree(name: &str) -> ChildSpec {
    permanent(name).policy(policy(0, GiveUp::EndTree))
}

/// A supervisor with a budget of one, whose middle child has just ended for good.
fn given_up(strategy: regrow_supervisors::Strategy) -> Script {
    let mut tree = Script::within(
        Intensity::new(1, 5000 * MS),
        strategy,
        [permanent("db"), permanent("cache").policy(policy(0, GiveUp::Stop)), permanent("web")],
    );
    tree.fails("cache")
        .expect(["rest cache"])
        .tells(["child_terminated cache failed: boom", "given_up cache failed: boom"]);
    tree
}

#[test]
fn a_child_that_ends_for_good_leaves_siblings_supervisor_and_shared_budget_alone() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = given_up(strategy);
        for (name, state) in [("db", ChildState::Up), ("cache", ChildState::Down), ("web", ChildState::Up)] {
            tree.stands(name, Some(state));
        }
        let why = tree.why("cache");
        assert!(matches!(why.given_up, Some(GiveUpReason::Budget(left)) if left.is_own && left.restarts_max == 0));
        assert_eq!(why.exit.expect("it failed").to_string(), "failed: boom");
        assert_eq!(tree.why("db").budget.expect("a limit").left, 1);
        tree.waits_for_no_time();
    }
}

// As a parked one is. Otherwise the group would start it again and again, each time with a budget that is spent.
#[test]
fn a_group_restart_passes_it_over() {
    for strategy in [OneForAll, RestForOne] {
        let mut tree = given_up(strategy);
        tree.fails("db").stops(["web"]).starts(["db", "web"]).stands("cache", Some(ChildState::Down));
        assert!(tree.why("cache").given_up.is_some());
    }
}

#[test]
fn an_order_starts_it_again_with_its_full_budget() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, [stops("a")]);
        tree.fails("a").starts(["a"]).fails("a").expect(["rest a"]);
        tree.restart("a").starts(["a"]).expect(["answer 1 started a"]);
        assert!(tree.why("a").given_up.is_none());
        tree.fails("a").starts(["a"]).fails("a").expect(["rest a"]).revive("a").expect(["answer 2 done", "start a"]);
        tree.started("a").fails("a").starts(["a"]).fails("a").expect(["rest a"]);
        tree.delete("a").expect(["forget a", "answer 3 done"]);
    }
}

#[test]
fn an_ordered_start_that_fails_leaves_it_down_and_it_has_not_ended_for_good_any_more() {
    let mut tree = given_up(OneForOne);
    tree.restart("cache").expect(["start cache"]).start_fails("cache").expect(["rest cache", "refuse 1 failed: no"]);
    assert!(tree.why("cache").given_up.is_none());
    tree.revive("cache").expect(["refuse 2 already_present"]);
}

#[test]
fn a_restart_that_fails_once_too_often_ends_it_too_and_its_group_starts_without_it() {
    for (strategy, others) in [(OneForOne, &[][..]), (OneForAll, &["db", "web"]), (RestForOne, &["web"])] {
        let mut tree = Script::new(strategy, [permanent("db"), stops("cache"), permanent("web")]);
        tree.fails("cache");
        for name in others.iter().rev() {
            tree.expect([format!("stop {name}").as_str()]).stopped(name);
        }
        if strategy == OneForAll {
            tree.starts(["db"]);
        }
        tree.expect(["start cache"]).start_fails("cache");
        match strategy {
            OneForOne => tree.expect(["rest cache"]),
            OneForAll | RestForOne => tree.expect(["rest cache", "start web"]).started("web"),
        };
        tree.expect([]).stands("cache", Some(ChildState::Down)).stands("web", Some(ChildState::Up));
        tree.stands("db", Some(ChildState::Up));
    }
}

#[test]
fn a_boot_goes_through_without_it() {
    let retried = policy(1, GiveUp::Stop).rule(ExitRule::new(RuleAction::Restart).on(ExitKind::StartFailed));
    let mut tree = Script::unbooted(OneForOne, [permanent("a").policy(retried), permanent("b")]);
    tree.expect(["start a"]).start_fails("a").expect(["start b"]).started("b").expect(["start a"]).start_fails("a");
    tree.expect(["rest a", "up"]);
}

#[test]
fn its_dependents_take_it_for_gone_and_wait_again_when_it_is_started() {
    let web = permanent("web").policy(Policy::default().depends_on(["db"]));
    let mut tree = Script::new(OneForOne, [permanent("db").policy(policy(0, GiveUp::Stop)), web]);
    tree.ends("db").expect(["rest db"]);
    let outlook = tree.asked().find("db").and_then(|db| tree.asked().outlook(db)).expect("it is known");
    assert_eq!(outlook.prospect, Prospect::Gone);
    assert!(outlook.completion.is_none(), "it ended normally, and once too often");
    tree.fails("web").expect(["park web until 30s"]);
    tree.restart("db").expect(["start db", "wait web"]).started("db").expect(["answer 1 started db", "start web"]);
}

#[test]
fn a_significant_child_that_ends_for_good_ends_its_supervisor_as_one_that_is_not_restarted() {
    let flags = Flags { auto_shutdown: AutoShutdown::AnySignificant, ..Flags::from(OneForOne) };
    for fails_to_start in [false, true] {
        let spec = transient("a").significant(true).policy(policy(u32::from(fails_to_start), GiveUp::Stop));
        let mut tree =
            Script::flagged(Flags { intensity: Intensity::unlimited(), ..flags }, [spec, permanent("b")]).boot();
        tree.fails("a");
        if fails_to_start {
            tree.expect(["start a"]).start_fails("a");
        }
        tree.expect(["rest a", "stop b"]).stopped("b").expect(["end shutdown"]);
    }
}

#[test]
fn a_dynamic_child_that_ends_for_good_is_forgotten() {
    let mut tree = Script::dynamic(Intensity::new(0, 5000 * MS), None);
    tree.start_child(stops("job")).expect(["adopt job", "start job"]).started("job").expect(["answer 1 started job"]);
    tree.fails("job").starts(["job"]).fails("job").expect(["forget job"]).stands("job", None);
    tree.tells(["child_terminated job failed: boom", "child_terminated job failed: boom", "given_up job failed: boom"]);
    tree.start_child(stops("job")).expect(["adopt job", "start job"]).started("job").expect(["answer 2 started job"]);
    tree.fails("job").starts(["job"]);
}

#[test]
fn delays_are_served_before_the_end_and_none_is_left_after_it() {
    let policy = policy(1, GiveUp::Stop).backoff(Backoff::new(1000 * MS));
    let mut tree = Script::new(OneForOne, [permanent("a").policy(policy)]);
    tree.fails("a").after(1000).starts(["a"]).fails("a").expect(["rest a"]).waits_for_no_time();
}

#[test]
fn a_termination_of_it_is_answered_at_once_and_a_supervisor_ends_cleanly_with_it() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = given_up(strategy);
        tree.terminate("cache").expect(["answer 1 done"]).stop().stops(["web", "db"]).expect(["end shutdown"]);
    }
}

#[test]
fn a_child_that_ends_the_tree_ends_its_supervisor_whatever_the_shared_budget() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree =
            Script::within(Intensity::unlimited(), strategy, [permanent("a"), ends_tree("b"), permanent("c")]);
        tree.is_killed("b").stops(["c", "a"]).expect(["end shutdown"]);
        tree.tells(["child_terminated b killed", "ended_tree b"]);
    }
    let mut tree = Script::dynamic(Intensity::unlimited(), None);
    tree.start_child(ends_tree("job"))
        .expect(["adopt job", "start job"])
        .started("job")
        .expect(["answer 1 started job"]);
    tree.fails("job").expect(["forget job", "end shutdown"]);
}

#[test]
fn every_supervisor_above_ends_from_the_inside_out_and_none_asks_its_budget() {
    let inner = supervisor("inner", OneForOne, 9, [worker(ends_tree("x")), worker("y")]);
    let outer = supervisor("outer", OneForAll, 9, [inner, worker("z")]);
    let mut tree = Nested::new(&supervisor("root", OneForOne, 9, [worker("a"), outer]));
    tree.kill("x").tells([
        "exit x#1 killed",
        "exit y#1 shutdown",
        "exit inner#1 shutdown",
        "exit z#1 shutdown",
        "exit outer#1 shutdown",
        "exit a#1 shutdown",
        "exit root#1 shutdown",
    ]);
}

#[test]
fn a_policy_of_a_supervisor_above_does_not_hold_the_end_of_the_tree_up() {
    for then in [GiveUp::park(1000 * MS), GiveUp::Stop] {
        let rules = Policy::default().rule(ExitRule::new(RuleAction::Stop)).on_give_up(then);
        let inner = supervisor("inner", OneForOne, 9, [worker(ends_tree("x"))]).spec(|spec| spec.policy(rules));
        let mut tree = Nested::new(&supervisor("root", OneForOne, 9, [inner]));
        tree.kill("x").ends_with("exit root#1 shutdown");
    }
}

#[test]
fn a_restart_of_the_group_above_does_not_swallow_the_end_of_the_tree() {
    // The sibling dies first: the group stops `inner`, which is on its way out for the whole tree.
    let mut machine =
        Script::within(Intensity::unlimited(), OneForAll, [ChildSpec::supervisor("inner"), permanent("web")]);
    machine.ends_tree_below("inner").fails("web").expect(["stop inner"]).exits("inner", Exit::Shutdown);
    machine.expect(["end shutdown"]).tells(["child_terminated web failed: boom", "ended_tree inner"]);
}

#[test]
fn a_subtree_that_ends_the_tree_while_it_is_started_again_does_so_too() {
    let inner = supervisor(
        "inner",
        OneForOne,
        9,
        [worker(
            ends_tree("x")
                .policy(policy(0, GiveUp::EndTree).rule(ExitRule::new(RuleAction::Restart).on(ExitKind::StartFailed))),
        )],
    );
    let root = supervisor("root", OneForOne, 9, [inner]);
    let mut tree = Nested::new(&root);
    tree.will("x", [Start::Fails, Start::Fails]).kill("inner").ends_with("exit root#1 shutdown");
    // At the boot of the root, that fails.
    let mut tree = Nested::unbooted(&root);
    tree.will("x", [Start::Fails, Start::Fails])
        .ends_with("startfail root child `inner` failed to start: child `x` failed to start: failed: no");
}
