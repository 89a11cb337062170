//! Rest for one: the child that died and its youngers are restarted (OTP rules 38 to 40; 41 is in `overlap.rs`).

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::RestForOne;
use regrow_supervisors::{Backoff, ChildState, ExitRule, Policy, RuleAction, Shutdown};

// OTP rule 38.
#[test]
fn rest_for_one_leaves_elders_alone() {
    let mut tree = Script::new(RestForOne, ["db", "cache", "web"]);
    tree.fails("cache").expect(["stop web"]);
    tree.stopped("web").expect(["start cache"]);
    tree.started("cache").expect(["start web"]);
    tree.started("web").expect([]);
}

#[test]
fn the_eldest_takes_all_along_and_the_youngest_nobody() {
    let mut tree = Script::new(RestForOne, ["db", "cache", "web"]);
    tree.fails("db").stops(["web", "cache"]).starts(["db", "cache", "web"]);
    tree.fails("web").starts(["web"]);
}

// ractor-supervisor: a child slow to die counted as a failure.
#[test]
fn a_younger_child_slow_to_die_is_waited_for() {
    let slow = permanent("web").shutdown(Shutdown::After(500 * MS));
    let mut tree = Script::new(RestForOne, [permanent("db"), slow]);
    tree.fails("db").expect(["stop web"]);
    tree.after(200).expect([]);
    tree.stopped("web").starts(["db", "web"]).tells(["child_terminated db failed: boom"]);
}

// OTP rule 39.
#[test]
fn youngers_that_were_down_are_revived_and_elders_are_not() {
    let mut tree = Script::new(RestForOne, [transient("import"), permanent("db"), transient("export")]);
    tree.ends("import").ends("export").expect(["rest import", "rest export"]);
    tree.fails("db").starts(["db", "export"]);
    tree.stands("import", Some(ChildState::Down));
}

// OTP rules 33, 38.
#[test]
fn younger_temporary_children_are_forgotten_and_elder_ones_live_on() {
    let mut tree = Script::new(RestForOne, [temporary("old"), permanent("db"), temporary("young")]);
    tree.fails("db").expect(["stop young"]);
    tree.stopped("young").expect(["forget young", "start db"]);
    tree.started("db").expect([]).stands("old", Some(ChildState::Up)).stands("young", None);
}

// OTP rule 35, in the rest of the group.
#[test]
fn a_start_that_is_ignored_lets_the_rest_go_on() {
    let mut tree = Script::new(RestForOne, ["db", "cache", "web"]);
    tree.fails("cache").stops(["web"]).expect(["start cache"]);
    tree.ignored("cache").expect(["rest cache", "start web"]);
    tree.started("web");
}

// OTP rule 40, scenario 18.
#[test]
fn a_failed_start_is_retried_from_there_on() {
    let mut tree = Script::new(RestForOne, ["db", "cache", "web", "log"]);
    tree.fails("cache").stops(["log", "web"]).starts(["cache"]).expect(["start web"]);
    tree.start_fails("web").stands("web", Some(ChildState::Retrying)).stands("log", Some(ChildState::Down));
    tree.starts(["web", "log"]).stands("cache", Some(ChildState::Up));
    tree.tells(["child_terminated cache failed: boom", "start_error web failed: no"]);
}

// RabbitMQ 2017, Klarna 2021: a restart that failed a second time was never tried again.
#[test]
fn a_failed_retry_is_tried_again() {
    let mut tree = Script::new(RestForOne, ["db", "cache", "web"]);
    tree.fails("cache").stops(["web"]);
    for _ in 0..5 {
        tree.expect(["start cache"]).start_fails("cache");
    }
    tree.starts(["cache", "web"]);
}

// Found by a walk: `a` was left behind, because the restart of `c` took over the restart of `d` and forgot its group.
#[test]
fn a_restart_that_takes_over_one_of_all_children_restarts_all_of_them() {
    let slow = Policy::default().backoff(Backoff::new(100 * MS));
    let all = slow.clone().rule(ExitRule::new(RuleAction::RestartGroup));
    let mut tree = Script::new(RestForOne, [permanent("a"), permanent("c").policy(slow), permanent("d").policy(all)]);
    tree.fails("d").stops(["c", "a"]).expect([]).restart("c").starts(["c"]).expect(["answer 1 started c"]);
    tree.fails("c").expect([]).after(100).starts(["a", "c", "d"]).tells_whatever();
}
