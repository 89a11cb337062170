//! A value that a service keeps: after some lives in a row that began with it and failed, it is set aside.

use crate::common::{MS, Script, permanent, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne};
use regrow_supervisors::{
    Backoff, ChildSpec, ChildState, Exit, GiveUp, Intensity, KeptNews, KeptRule, KeptThen, Policy, PolicyError, Restart,
};

fn keeper(rule: KeptRule) -> ChildSpec {
    permanent("map").policy(Policy::default().kept(rule))
}

fn parks() -> KeptThen {
    KeptThen::Park(Backoff::new(1000 * MS).max_delay(4000 * MS))
}

/// A life that begins with the value, and fails. The one after it is up.
fn fails_with_it(tree: &mut Script, failed: u32, then: &str) {
    tree.begins_with_kept("map", failed).fails("map").expect([then, "start map"]).started("map");
}

#[test]
fn after_three_lives_in_a_row_that_failed_with_it_the_value_is_set_aside() {
    for spec in [permanent("map"), keeper(KeptRule::default()), transient("map")] {
        let mut tree = Script::new(OneForOne, [spec]);
        fails_with_it(&mut tree, 0, "note 1 for what map keeps");
        fails_with_it(&mut tree, 1, "note 2 for what map keeps");
        tree.tells_whatever();
        fails_with_it(&mut tree, 2, "set aside what map keeps");
        tree.tells(["child_terminated map failed: boom", "kept_set_aside map 3 failed: boom"]);
        // Nothing is kept now.
        tree.fails("map").expect(["start map"]);
    }
}

#[test]
fn the_number_comes_with_the_value_so_it_outlives_the_supervisor() {
    let mut tree = Script::new(OneForOne, [keeper(KeptRule::new(5))]);
    fails_with_it(&mut tree, 4, "set aside what map keeps");
}

#[test]
fn a_life_that_keeps_a_newer_value_does_not_count() {
    let mut tree = Script::new(OneForOne, [keeper(KeptRule::new(1))]);
    for _ in 0..5 {
        tree.begins_with_kept("map", 0).keeps("map").fails("map").expect(["start map"]).started("map");
        // News of two threads may change places.
        tree.keeps("map").begins_with_kept("map", 0).fails("map").expect(["start map"]).started("map");
    }
    tree.fails("map").expect(["start map"]).started("map");
    fails_with_it(&mut tree, 0, "set aside what map keeps");
}

#[test]
fn kills_stops_normal_ends_and_missing_peers_neither_count_nor_begin_the_count_again() {
    let mut tree = Script::new(OneForOne, [keeper(KeptRule::new(3))]);
    for exit in [Exit::Killed, Exit::Normal, Exit::Shutdown, Exit::ShutdownWith("upgrade".into())] {
        tree.begins_with_kept("map", 2).exits("map", exit).expect(["start map"]).started("map");
    }
    tree.begins_with_kept("map", 2).kept_news("map", KeptNews::NotItsFault).fails("map").expect(["start map"]);
    tree.started("map").begins_with_kept("map", 2).renew("map").expect(["stop map"]).fails("map");
    tree.expect(["start map"]).started("map").expect(["answer 1 started map"]);
    fails_with_it(&mut tree, 2, "set aside what map keeps");
}

#[test]
fn starts_that_fail_count_and_those_by_order_too() {
    let mut tree = Script::new(OneForOne, [keeper(KeptRule::new(3)).restart(Restart::Transient)]);
    tree.fails("map").expect(["start map"]);
    tree.begins_with_kept("map", 0)
        .start_fails("map")
        .expect(["note 1 for what map keeps", "start map"])
        .started("map");
    tree.ends("map").expect(["rest map"]).restart("map").expect(["start map"]);
    tree.begins_with_kept("map", 1).start_fails("map");
    tree.expect(["note 2 for what map keeps", "rest map", "refuse 1 failed: no"]);
    tree.restart("map").expect(["start map"]).begins_with_kept("map", 2).start_fails("map");
    tree.expect(["set aside what map keeps", "rest map", "refuse 2 failed: no"]);
}

#[test]
fn a_life_that_was_a_success_begins_the_count_again() {
    let spec = permanent("map").policy(Policy::default().kept(KeptRule::new(3)).reset_after(2000 * MS));
    let mut tree = Script::new(OneForOne, [spec]);
    tree.begins_with_kept("map", 2).after(2000).fails("map");
    tree.expect(["note 0 for what map keeps", "start map"]).started("map");
    // Without a policy, the period of the budget says it.
    let mut tree = Script::new(OneForOne, [permanent("map")]);
    tree.begins_with_kept("map", 2).after(4999).fails("map").expect(["set aside what map keeps", "start map"]);
    let mut tree = Script::new(OneForOne, [permanent("map")]);
    tree.begins_with_kept("map", 2).after(5000).is_killed("map").expect(["note 0 for what map keeps", "start map"]);
    // One that has handled enough messages is a success too.
    let spec = permanent("map").policy(Policy::default().reset_after_messages(7));
    let mut tree = Script::new(OneForOne, [spec]);
    tree.begins_with_kept("map", 2).handled("map", 7).fails("map");
    tree.expect(["note 0 for what map keeps", "start map"]);
}

#[test]
fn a_child_that_is_parked_for_it_costs_nothing_and_is_tried_without_it() {
    for strategy in [OneForOne, OneForAll] {
        let spec = keeper(KeptRule::new(2).then(parks()));
        let mut tree = Script::within(Intensity::new(0, 5000 * MS), strategy, [spec, permanent("web")]);
        tree.begins_with_kept("map", 1).fails("map").expect(["set aside what map keeps", "park map until 1s"]);
        tree.stands("map", Some(ChildState::Parked)).stands("web", Some(ChildState::Up));
        tree.tells(["child_terminated map failed: boom", "kept_set_aside map 2 failed: boom", "parked map until 1s"]);
        tree.after(1000).starts(["map"]);
        assert!(tree.why("map").is_half_open, "it is on probation, as after every park");
    }
}

#[test]
fn its_own_schedule_counts_and_not_the_one_for_a_budget_that_is_used_up() {
    let policy = Policy::default().on_give_up(GiveUp::park(9000 * MS)).kept(KeptRule::new(1).then(parks()));
    let mut tree = Script::new(OneForOne, [permanent("map").policy(policy)]);
    tree.begins_with_kept("map", 0).fails("map").expect(["set aside what map keeps", "park map until 1s"]);
    tree.after(1000).starts(["map"]).fails("map").expect(["park map until 19s"]);
}

#[test]
fn a_child_that_is_not_restarted_is_not_parked_for_it() {
    let spec = keeper(KeptRule::new(1).then(parks())).restart(Restart::Temporary);
    let mut tree = Script::new(OneForOne, [spec]);
    tree.begins_with_kept("map", 0).fails("map").expect(["set aside what map keeps", "forget map"]);
}

#[test]
fn a_spent_budget_ends_the_supervisor_and_the_number_is_noted_before_that() {
    let mut tree = Script::within(Intensity::new(0, 5000 * MS), OneForOne, [keeper(KeptRule::new(3))]);
    tree.begins_with_kept("map", 0).fails("map").expect(["note 1 for what map keeps", "end shutdown"]);
}

#[test]
fn an_attempt_that_hangs_or_is_abandoned_counts_with_what_was_known_of_it() {
    let spec = permanent("map").policy(Policy::default().kept(KeptRule::new(1)).reset_after(60_000 * MS));
    let mut tree = Script::new(OneForOne, [spec]);
    tree.begins_with_kept("map", 0).hangs("map").expect(["kill map"]).after(5000);
    tree.expect(["abandon map", "set aside what map keeps", "start map"]).started("map");
    // News of a life that is over is dropped.
    let late = tree.attempt("map#1");
    tree.tells_whatever().begins_with_kept("map#1", 7).expect([]);
    assert_ne!(late, tree.attempt("map"));
    tree.fails("map").expect(["start map"]);
}

#[test]
fn a_rule_that_can_never_be_kept_is_refused() {
    let check = |rule| Policy::default().kept(rule).check();
    assert!(matches!(check(KeptRule::new(0)), Err(PolicyError::Zero(_))));
    assert!(matches!(
        check(KeptRule::new(1).then(KeptThen::Park(Backoff::new(std::time::Duration::ZERO)))),
        Err(PolicyError::Zero(_))
    ));
    assert_eq!(check(KeptRule::new(u32::MAX).then(parks())), Ok(()));
}
