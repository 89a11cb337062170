//! The dynamic supervisor: children that come and go (OTP rules 79 to 91).

use std::time::Duration;

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::OneForOne;
use regrow_supervisors::{Abandon, ChildSpec, ChildState, DynamicMachine, Exit, Intensity, Shutdown, SpecError};

fn restarts(restarts_max: u32) -> Intensity {
    Intensity::new(restarts_max, 1000 * MS)
}

/// A dynamic supervisor with these children, all up.
fn with<const N: usize>(intensity: Intensity, children: [ChildSpec; N]) -> Script {
    let mut tree = Script::dynamic(intensity, None);
    for child in children {
        let name = child.id().to_owned();
        tree.start_child(child).ignore_actions().started(&name).ignore_actions();
    }
    tree
}

// OTP rule 79.
#[test]
fn it_is_up_at_once_and_has_no_children() {
    Script::dynamic(restarts(1), None).lists([]).stop().expect(["end shutdown"]);
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let refused = DynamicMachine::new(Intensity::new(1, Duration::ZERO), None).err();
    assert_eq!(refused, Some(SpecError::ZeroPeriod));
    assert_eq!(DynamicMachine::new(restarts(1), Some(0)).err(), Some(SpecError::ZeroChildren));
}

// OTP rule 80.
#[test]
fn a_child_is_started_by_order_and_the_order_is_answered_when_it_is_up() {
    let mut tree = Script::dynamic(restarts(1), None);
    tree.start_child("a").expect(["adopt a", "start a"]).stands("a", Some(ChildState::Starting));
    tree.started("a").expect(["answer 1 started a"]).lists(["a"]).waits_for_no_time();
}

// OTP rule 80: with the same spec.
#[test]
fn a_child_that_dies_is_restarted_alone() {
    let mut tree = with(restarts(1), [permanent("a"), permanent("b")]);
    tree.ends("a").starts(["a"]).expect([]).has_spec(&permanent("a")).tells(["child_terminated a normal"]);
}

// OTP rule 82.
#[test]
fn a_child_that_is_done_leaves_nothing_behind() {
    let mut tree = with(restarts(0), [transient("a"), temporary("b"), temporary("c")]);
    tree.ends("a").ends("b").fails("c").expect(["forget a", "forget b", "forget c"]).lists([]);
    tree.tells(["child_terminated c failed: boom"]).waits_for_no_time();
    tree.start_child("a").expect(["adopt a", "start a"]);
}

// OTP rule 81.
#[test]
fn a_child_that_is_ignored_is_not_recorded() {
    let mut tree = Script::dynamic(restarts(1), None);
    tree.start_child("a").ignore_actions().ignored("a").expect(["forget a", "answer 1 ignored"]).lists([]);
}

// OTP rule 90, as in current OTP and Elixir.
#[test]
fn a_restart_that_is_ignored_drops_the_child() {
    let mut tree = with(restarts(1), [permanent("a")]);
    tree.fails("a").expect(["start a"]).ignored("a").expect(["forget a"]).lists([]);
}

// OTP rules 25, 81: bare, unreported, uncounted.
#[test]
fn a_start_that_fails_is_answered_with_the_reason_and_leaves_nothing() {
    let mut tree = Script::dynamic(restarts(0), None);
    tree.start_child("a").ignore_actions().start_fails("a").expect(["forget a", "refuse 1 failed: no"]);
    tree.start_child("a").ignore_actions().is_killed("a").expect(["forget a", "refuse 2 killed"]).tells([]).lists([]);
}

// OTP rules 23, 85.
#[test]
fn a_restart_that_fails_is_retried_at_a_unit_each() {
    let mut tree = with(restarts(2), [permanent("a"), permanent("b")]);
    tree.fails("a").expect(["start a"]).start_fails("a").stands("a", Some(ChildState::Retrying)).expect(["start a"]);
    tree.start_fails("a").expect(["forget a", "stop b"]).stopped("b").expect(["forget b", "end shutdown"]);
    let start_error = "start_error a failed: no";
    tree.tells(["child_terminated a failed: boom", start_error, start_error, "gave_up a"]);
}

// OTP rule 31.
#[test]
fn a_retry_queues_behind_what_already_waits() {
    let mut tree = with(restarts(9), [permanent("a"), permanent("b")]);
    tree.fails("a").expect(["start a"]).fails("b").read().start_fails("a").starts(["b"]);
    tree.expect(["answer 3 done", "start a"]);
}

// OTP rule 83.
#[test]
fn a_terminated_child_is_stopped_by_its_rule_and_forgotten() {
    let limits = permanent("a").shutdown(Shutdown::After(100 * MS)).abandon(Abandon::After(50 * MS));
    let mut tree = with(restarts(0), [limits, permanent("b")]);
    tree.terminate("a").expect(["stop a"]).after(100).expect(["kill a"]).is_killed("a");
    tree.expect(["forget a", "answer 3 done"]).lists(["b"]).tells(["shutdown_error a killed"]);
    tree.terminate("a").expect(["refuse 4 not_found"]);
}

#[test]
fn two_who_terminate_one_child_are_both_answered() {
    let mut tree = with(restarts(0), [permanent("a")]);
    tree.terminate("a").after(1).terminate("a").stops(["a"]).expect(["forget a", "answer 2 done", "answer 3 done"]);
    let mut tree = with(restarts(0), [permanent("a")]);
    tree.terminate("a").terminate("a").stops(["a"]).expect(["forget a", "answer 2 done", "refuse 3 not_found"]);
}

// OTP rule 83.
#[test]
fn to_terminate_a_retrying_child_cancels_the_retry() {
    let mut tree = with(restarts(9), [permanent("a")]);
    tree.fails("a").expect(["start a"]).terminate("a").start_fails("a").expect(["forget a", "answer 2 done"]);
    tree.after(60_000).expect([]).lists([]);
}

// OTP rule 52.
#[test]
fn an_exit_after_a_termination_is_consumed_by_it() {
    let mut tree = with(restarts(0), [permanent("a")]);
    tree.terminate("a").fails("a").expect(["forget a", "answer 2 done"]).tells(["shutdown_error a failed: boom"]);
}

// Ours: in OTP the order would wait for the start.
#[test]
fn a_child_that_hangs_in_its_start_can_be_terminated() {
    let mut tree = Script::dynamic(restarts(0), None);
    tree.start_child("a").after(1).terminate("a").expect(["adopt a", "start a", "stop a"]);
    tree.stopped("a").expect(["forget a", "refuse 1 shutdown", "answer 2 done"]).lists([]);
}

#[test]
fn a_termination_stops_only_its_child_and_others_go_on() {
    let mut tree = with(restarts(9), [permanent("a"), permanent("b"), permanent("c")]);
    tree.terminate("a").terminate("b").fails("c").expect(["stop a"]).after(1).expect(["stop b", "start c"]);
    tree.stopped("b").expect(["forget b", "answer 5 done"]).stopped("a").expect(["forget a", "answer 4 done"]);
}

// OTP rule 84.
#[test]
fn nobody_is_restarted_deleted_or_reconfigured_by_order() {
    let mut tree = with(restarts(0), [permanent("a")]);
    tree.restart("a").delete("a").restart("nobody").reconfigure(OneForOne, ["a"]);
    tree.expect(["refuse 2 dynamic", "refuse 3 dynamic", "refuse 4 dynamic", "refuse 5 dynamic"]).lists(["a"]);
}

// Elixir's `max_children`: retrying ones count.
#[test]
fn no_more_children_than_allowed_whether_up_starting_or_retrying() {
    let mut tree = Script::dynamic(restarts(9), Some(2));
    tree.start_child("a").ignore_actions().started("a").expect(["answer 1 started a"]);
    tree.fails("a").expect(["start a"]).start_child("b").start_child("c").start_fails("a");
    tree.expect(["adopt b", "start b"]).started("b");
    tree.expect(["answer 2 started b", "refuse 3 max_children", "start a"]);
    tree.after(1).start_child("d").expect(["refuse 4 max_children"]);
    tree.ignored("a").expect(["forget a"]).start_child("e").expect(["adopt e", "start e"]);
}

#[test]
fn a_child_that_is_being_stopped_still_takes_a_place() {
    let mut tree = Script::dynamic(restarts(9), Some(1));
    tree.start_child("a").ignore_actions().started("a").expect(["answer 1 started a"]);
    tree.terminate("a").start_child("b").expect(["stop a"]).after(1).expect(["refuse 3 max_children"]);
    tree.stopped("a").expect(["forget a", "answer 2 done"]).start_child("b").expect(["adopt b", "start b"]);
}

// Unlike Elixir's, our children have names.
#[test]
fn a_name_that_is_taken_is_refused() {
    let mut tree = with(restarts(9), [permanent("a")]);
    tree.start_child("a").expect(["refuse 2 already_started a"]);
    tree.terminate("a").start_child("a").expect(["stop a"]).after(1).expect(["refuse 4 stopping"]);
}

// OTP rules 73, 91.
#[test]
fn a_significant_child_is_refused() {
    Script::dynamic(restarts(0), None)
        .start_child(transient("a").significant(true))
        .expect(["refuse 1 `a` is significant, and its supervisor never shuts down by itself"])
        .lists([]);
}

// OTP rule 88, but each by its own limit, as in Elixir.
#[test]
fn a_stop_tells_all_at_once_and_each_has_its_own_limit() {
    let limited = |name, ms| permanent(name).shutdown(Shutdown::After(ms * MS)).abandon(Abandon::After(50 * MS));
    let children = [limited("a", 100), limited("b", 50), permanent("c").shutdown(Shutdown::Kill), permanent("d")];
    let mut tree = with(restarts(0), children);
    tree.stop().expect(["stop a", "stop b", "kill c", "stop d"]);
    tree.stopped("d").is_killed("c").expect(["forget d", "forget c"]).after(50).expect(["kill b"]);
    tree.after(50).expect(["kill a", "abandon b", "forget b"]).after(50);
    tree.expect(["abandon a", "forget a", "end shutdown"]).waits_for_no_time();
}

// OTP rule 56.
#[test]
fn nobody_is_restarted_while_it_ends() {
    let mut tree = with(restarts(9), [permanent("a"), permanent("b"), permanent("c")]);
    tree.fails("a").expect(["start a"]).stop().fails("b").start_fails("a");
    tree.expect(["forget a", "forget b", "stop c"]).fails("c").expect(["forget c", "end shutdown"]);
}

// OTP rule 55.
#[test]
fn it_ends_for_the_reason_it_was_given_first() {
    let mut tree = with(restarts(0), [permanent("a")]);
    tree.stop_with(Exit::failed("parent")).stop_with(Exit::Normal).expect(["stop a"]).stop();
    tree.stopped("a").expect(["forget a", "end failed: parent"]);
}

// OTP rules 21, 28.
#[test]
fn it_gives_up_when_the_budget_is_gone() {
    let mut tree = with(restarts(1), [permanent("a"), permanent("b"), permanent("c")]);
    tree.fails("a").starts(["a"]).fails("b").expect(["stop a", "forget b", "stop c"]);
    tree.stopped("c").stopped("a").expect(["forget c", "forget a", "end shutdown"]);
    tree.tells(["child_terminated a failed: boom", "child_terminated b failed: boom", "gave_up b"]);
}

#[test]
fn a_kill_takes_all_children_along_at_once_and_tells_nothing() {
    let mut tree = with(restarts(0), [permanent("a").shutdown(Shutdown::Wait), permanent("b")]);
    tree.kill().expect(["kill a", "kill b"]).fails("b").is_killed("a");
    tree.expect(["forget b", "forget a", "end killed"]).tells([]);
}

#[test]
fn a_kill_overtakes_a_stop_and_is_not_softened_by_one() {
    let mut tree = with(restarts(0), [permanent("a")]);
    tree.stop().expect(["stop a"]).kill().expect(["kill a"]).stop().kill().expect([]);
    tree.is_killed("a").expect(["forget a", "end killed"]);
}

#[test]
fn to_abandon_is_to_kill_all_and_wait_for_none() {
    let stuck = permanent("a").shutdown(Shutdown::Wait).abandon(Abandon::Never);
    let mut tree = with(restarts(0), [stuck, permanent("b")]);
    tree.abandon().expect(["kill a", "kill b", "abandon b", "forget b", "abandon a", "forget a", "end killed"]);
    tree.tells(["abandoned b", "abandoned a"]).waits_for_no_time();
}

#[test]
fn a_child_killed_by_others_is_restarted_even_if_it_lingers() {
    let mut tree = with(restarts(1), [permanent("a").abandon(Abandon::After(50 * MS))]);
    tree.kill_under_way("a").after(49).expect([]).after(1).expect(["abandon a", "start a"]);
    tree.started("a").is_killed("a#1").expect([]).stands("a", Some(ChildState::Up));
}

// Found by reading: it was told why the start failed, as if it could be tried again.
#[test]
fn orders_that_wait_or_come_when_it_ends_are_refused() {
    let mut tree = with(restarts(0), [permanent("a")]);
    tree.start_child("b").ignore_actions().stop().read().after(1).expect(["refuse 3 over", "stop a", "stop b"]);
    tree.start_child("c").expect(["refuse 4 over"]);
    tree.stopped("b").expect(["forget b", "refuse 2 over"]).stopped("a").expect(["forget a", "end shutdown"]);
    tree.read().expect(["refuse 5 over"]).owes_no_answer();
}

#[test]
fn a_termination_that_is_under_way_when_it_ends_is_answered() {
    let mut tree = with(restarts(0), [permanent("a")]);
    tree.terminate("a").expect(["stop a"]).stop().stopped("a").expect(["forget a", "answer 2 done", "end shutdown"]);
}

// OTP rule 18.
#[test]
fn facts_of_a_forgotten_child_are_dropped() {
    let mut tree = with(restarts(0), [temporary("a")]);
    tree.ends("a").expect(["forget a"]);
    tree.started("a").ignored("a").start_fails("a").fails("a").kill_under_way("a").expect([]).tells([]);
    tree.start_child("a").ignore_actions().started("a").expect(["answer 2 started a"]).fails("a#1").expect([]);
}
