//! The management orders, each in every state of the child (OTP rules 60 to 64, 69, 72).

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{Abandon, ChildState, Intensity, Shutdown};

/// `db`, which hangs in its restart, and `web`.
fn starting() -> Script {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").after(1).expect(["start db"]);
    tree
}

/// `db` and `import`, of which `import` is down.
fn down() -> Script {
    let mut tree = Script::new(OneForOne, [permanent("db"), transient("import")]);
    tree.ends("import").expect(["rest import"]);
    tree
}

/// `db`, whose restart has failed, with `order` behind the failure and before the retry.
fn retrying(order: for<'a> fn(&'a mut Script, &str) -> &'a mut Script) -> Script {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]);
    order(&mut tree, "db").start_fails("db");
    tree
}

// OTP rule 60.
#[test]
fn a_new_child_is_started_behind_all_others_and_keeps_its_place() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, ["db", "web"]);
        tree.start_child("log").expect(["adopt log", "start log"]).started("log").expect(["answer 1 started log"]);
        tree.lists(["db", "web", "log"]).stop().stops(["log", "web", "db"]).expect(["end shutdown"]);
    }
}

// OTP rule 42, scenario 51.
#[test]
fn a_new_child_takes_part_in_group_restarts() {
    let mut tree = Script::new(RestForOne, ["db", "web"]);
    tree.start_child("log").ignore_actions().started("log").expect(["answer 1 started log"]);
    tree.fails("web").stops(["log"]).starts(["web", "log"]);
}

#[test]
fn a_new_child_that_dies_is_restarted() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.start_child("web").ignore_actions().started("web").fails("web").expect(["answer 1 started web", "start web"]);
}

// OTP rule 60.
#[test]
fn a_new_child_that_is_ignored_keeps_its_spec_unless_it_is_temporary() {
    for strategy in [OneForOne, OneForAll] {
        let mut tree = Script::new(strategy, ["db"]);
        tree.start_child("web").ignore_actions().ignored("web").expect(["rest web", "answer 1 ignored"]);
        tree.stands("web", Some(ChildState::Down));
        tree.start_child(temporary("job")).ignore_actions().ignored("job").expect(["forget job", "answer 2 ignored"]);
        tree.stands("job", None).waits_for_no_time();
    }
}

// OTP rules 25, 60: no retry, no unit, no report.
#[test]
fn a_new_child_that_does_not_start_is_forgotten() {
    for strategy in [OneForOne, OneForAll] {
        let mut tree = Script::within(Intensity::new(0, 1000 * MS), strategy, ["db"]);
        tree.start_child("web").ignore_actions().start_fails("web").expect(["forget web", "refuse 1 failed: no"]);
        tree.lists(["db"]).tells([]);
        tree.start_child("web").ignore_actions().is_killed("web").expect(["forget web", "refuse 2 killed"]).tells([]);
    }
}

// OTP rule 60, all its cells.
#[test]
fn a_name_that_is_taken_is_refused() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.start_child("db").expect(["refuse 1 already_started db"]);
    down().start_child("import").expect(["refuse 1 already_present"]);
    starting().start_child("db").expect(["refuse 1 already_present"]);
    retrying(|tree, name| tree.start_child(name)).expect(["refuse 1 already_present", "start db"]);
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.terminate("db").expect(["stop db"]).after(1).start_child("db").expect(["refuse 2 stopping"]);
}

// OTP rule 61.
#[test]
fn a_running_child_is_terminated_by_its_rule_and_keeps_its_spec() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let limits = permanent("web").shutdown(Shutdown::After(100 * MS)).abandon(Abandon::After(50 * MS));
        let mut tree = Script::new(strategy, [permanent("db"), limits, permanent("log")]);
        tree.terminate("web").expect(["stop web"]).after(100).expect(["kill web"]).is_killed("web");
        tree.expect(["rest web", "answer 1 done"]).stands("web", Some(ChildState::Down));
        tree.tells(["shutdown_error web killed"]).lists(["db", "web", "log"]).waits_for_no_time();
    }
}

#[test]
fn the_termination_of_a_child_that_is_stuck_is_answered_when_it_is_abandoned() {
    let stuck = permanent("web").shutdown(Shutdown::Kill).abandon(Abandon::After(50 * MS));
    let mut tree = Script::new(OneForAll, [permanent("db"), stuck]);
    tree.terminate("web").expect(["kill web"]).after(50).expect(["abandon web", "rest web", "answer 1 done"]);
    tree.tells(["abandoned web"]);
}

// OTP rule 61.
#[test]
fn to_terminate_a_child_that_is_down_is_done_and_one_that_is_unknown_is_not_found() {
    down().terminate("import").expect(["answer 1 done"]).terminate("nobody").expect(["refuse 2 not_found"]);
}

// OTP rules 32, 61.
#[test]
fn to_terminate_a_retrying_child_cancels_the_retry() {
    let mut tree = retrying(Script::terminate);
    tree.expect(["rest db", "answer 1 done"]).stands("db", Some(ChildState::Down)).after(60_000).expect([]);
}

// OTP rules 36, 61: what the retry would have started stays down with it. The small worlds came across it.
#[test]
fn to_cancel_the_retry_of_a_group_leaves_its_youngers_down() {
    let mut tree = Script::new(OneForAll, ["db", "cache", "web"]);
    tree.fails("cache").stops(["web", "db"]).starts(["db"]).expect(["start cache"]);
    tree.terminate("cache")
        .start_fails("cache")
        .expect(["rest cache", "rest web", "answer 1 done"])
        .after(60_000)
        .expect([]);
    tree.stands("db", Some(ChildState::Up)).stands("web", Some(ChildState::Down));
    tree.restart("web").starts(["web"]).expect(["answer 2 started web"]);
}

// Ours: OTP would wait for the start (OTP rule 69).
#[test]
fn to_terminate_a_child_that_hangs_in_its_restart_stops_it() {
    let mut tree = starting();
    tree.terminate("db").expect(["stop db"]).start_fails("db").expect(["rest db", "answer 1 done"]);
    tree.after(60_000).expect([]).stands("db", Some(ChildState::Down));
}

// OTP rule 61.
#[test]
fn to_terminate_a_temporary_child_forgets_it() {
    for strategy in [OneForOne, OneForAll] {
        let mut tree = Script::new(strategy, [temporary("job"), permanent("db")]);
        tree.terminate("job").stops(["job"]).expect(["forget job", "answer 1 done"]).lists(["db"]);
        tree.terminate("job").expect(["refuse 2 not_found"]);
    }
}

// OTP rule 61; a temporary child is down only where a reconfiguration has added it. Found by reading: its spec was kept.
#[test]
fn to_terminate_a_temporary_child_that_is_down_forgets_it() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.reconfigure(OneForOne, [temporary("job"), permanent("db")]).ignore_actions();
    tree.terminate("job").expect(["forget job", "answer 2 done"]).lists(["db"]);
}

#[test]
fn two_who_terminate_one_child_are_both_answered() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.terminate("db").terminate("db").stops(["db"]).expect(["rest db", "answer 1 done", "answer 2 done"]);
}

// OTP rules 25, 61: siblings untouched, no unit.
#[test]
fn orders_cost_no_unit_and_touch_no_sibling() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::within(Intensity::new(0, 1000 * MS), strategy, ["db", "cache", "web"]);
        tree.terminate("cache").stops(["cache"]).expect(["rest cache", "answer 1 done"]);
        tree.restart("cache").starts(["cache"]).expect(["answer 2 started cache"]);
        tree.terminate("cache").stops(["cache"]).expect(["rest cache", "answer 3 done"]);
        tree.restart("cache")
            .expect(["start cache"])
            .start_fails("cache")
            .expect(["rest cache", "refuse 4 failed: no"]);
        tree.delete("cache").expect(["forget cache", "answer 5 done"]).lists(["db", "web"]).tells([]);
    }
}

// OTP rule 62.
#[test]
fn a_child_that_is_down_is_restarted() {
    let mut tree = down();
    tree.restart("import").starts(["import"]).expect(["answer 1 started import"]);
    tree.stands("import", Some(ChildState::Up)).fails("import").starts(["import"]);
}

// OTP rule 62: the spec is kept, and nothing is tried again.
#[test]
fn an_ordered_restart_that_comes_to_nothing_leaves_the_child_down() {
    for strategy in [OneForOne, OneForAll] {
        let mut tree = Script::new(strategy, [permanent("db"), transient("import")]);
        tree.ends("import").expect(["rest import"]);
        tree.restart("import").expect(["start import"]).start_fails("import");
        tree.expect(["rest import", "refuse 1 failed: no"]).stands("import", Some(ChildState::Down)).tells([]);
        tree.restart("import").expect(["start import"]).ignored("import");
        tree.expect(["rest import", "answer 2 ignored"])
            .stands("import", Some(ChildState::Down))
            .after(60_000)
            .expect([]);
    }
}

// OTP rule 62, the other cells.
#[test]
fn a_child_that_is_not_down_is_not_restarted_by_order() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.restart("db").restart("nobody").expect(["refuse 1 running", "refuse 2 not_found"]);
    starting().restart("db").expect(["refuse 1 restarting"]);
    retrying(Script::restart).expect(["refuse 1 restarting", "start db"]);
    tree.terminate("db").expect(["stop db"]).after(1).restart("db").expect(["refuse 4 stopping"]);
}

// Found by reading: the child was put to rest twice.
#[test]
fn to_terminate_a_child_in_its_ordered_restart_answers_both_orders() {
    let mut tree = down();
    tree.restart("import").after(1).terminate("import").expect(["start import", "stop import"]);
    tree.start_fails("import").expect(["rest import", "refuse 1 failed: no", "answer 2 done"]);
}

#[test]
fn to_terminate_a_new_child_in_its_start_forgets_it() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.start_child("web").after(1).terminate("web").expect(["adopt web", "start web", "stop web"]);
    tree.stopped("web").expect(["forget web", "refuse 1 shutdown", "answer 2 done"]).lists(["db"]);
}

// It came up although it had been told to stop: both orders were carried out.
#[test]
fn a_child_that_comes_up_after_it_was_told_to_stop_is_still_stopped() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.start_child("web").after(1).terminate("web").expect(["adopt web", "start web", "stop web"]);
    tree.started("web").expect(["answer 1 started web"]).stopped("web").expect(["rest web", "answer 2 done"]);
}

// OTP rule 63.
#[test]
fn a_child_that_is_down_is_deleted_and_its_name_is_free() {
    let mut tree = down();
    tree.delete("import").expect(["forget import", "answer 1 done"]).lists(["db"]);
    tree.delete("import").expect(["refuse 2 not_found"]);
    tree.start_child("import").expect(["adopt import", "start import"]);
}

// OTP rule 63, the other cells.
#[test]
fn a_child_that_is_not_down_is_not_deleted() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.delete("db").delete("nobody").expect(["refuse 1 running", "refuse 2 not_found"]);
    starting().delete("db").expect(["refuse 1 restarting"]);
    retrying(Script::delete).expect(["refuse 1 restarting", "start db"]);
    tree.terminate("db").expect(["stop db"]).after(1).delete("db").expect(["refuse 4 stopping"]);
}

// OTP rule 42.
#[test]
fn a_child_that_is_deleted_and_started_anew_comes_last() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.terminate("db").stops(["db"]).delete("db").start_child("db");
    tree.expect(["rest db", "answer 1 done", "forget db", "answer 2 done", "adopt db", "start db"]);
    tree.started("db").expect(["answer 3 started db"]).lists(["web", "db"]);
}

// OTP rule 64: unlike OTP, the spec of a temporary child is whole.
#[test]
fn the_spec_is_as_it_was_given() {
    let spec = temporary("job").shutdown(Shutdown::Kill).abandon(Abandon::Never);
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.start_child(spec.clone()).ignore_actions().has_spec(&spec).started("job").ignore_actions().has_spec(&spec);
}

// OTP rules 15, 61: a terminated child rests, and a group restart revives it (rule 34).
#[test]
fn a_terminated_child_comes_back_with_its_group() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.terminate("web").stops(["web"]).expect(["rest web", "answer 1 done"]);
    tree.fails("db").starts(["db", "web"]);
}

// OTP rule 72, scenarios 70 and 71.
#[test]
fn an_exit_before_an_order_is_served_before_it() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.fails("db").terminate("db").starts(["db"]).stops(["db"]).expect(["rest db", "answer 1 done"]);
    tree.tells(["child_terminated db failed: boom"]);
}

#[test]
fn an_exit_after_an_order_is_consumed_by_it() {
    let mut tree = Script::within(Intensity::new(0, 1000 * MS), OneForOne, ["db"]);
    tree.terminate("db").fails("db").expect(["rest db", "answer 1 done"]).tells(["shutdown_error db failed: boom"]);
    tree.stands("db", Some(ChildState::Down));
}

// OTP rule 68: as long as its exit waits, it runs.
#[test]
fn a_child_whose_exit_waits_behind_an_order_is_running_for_it() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.restart("db").delete("db").start_child("db").fails("db");
    tree.expect(["refuse 1 running", "refuse 2 running", "refuse 3 already_started db", "start db"]);
}

// OTP rule 69.
#[test]
fn orders_wait_for_the_group_operation_before_them() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.fails("db").expect(["stop web"]).start_child("log").terminate("web").delete("nobody").expect([]);
    tree.stopped("web").starts(["db", "web"]).expect(["adopt log", "start log"]);
    tree.started("log").expect(["answer 1 started log", "stop web"]);
    tree.stopped("web").expect(["rest web", "answer 2 done", "refuse 3 not_found"]);
}

// OTP rules 8, 69.
#[test]
fn orders_wait_for_boot() {
    let mut tree = Script::unbooted(OneForOne, ["db"]);
    tree.expect(["start db"]).start_child("web").delete("db").after(60_000).expect([]);
    tree.started("db").expect(["up", "adopt web", "start web"]);
    tree.started("web").expect(["answer 1 started web", "refuse 2 running"]);
}

// OTP rule 69: under the ordered strategies an ordered stop holds the others up; under one_for_one it does not.
#[test]
fn others_wait_for_an_ordered_stop_under_one_for_one_only_while_it_may_be_prompt() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.terminate("web").fails("db").read().expect(["stop web"]).stopped("web");
    tree.expect(["rest web", "answer 1 done", "start db"]).started("db").starts(["web"]).expect(["answer 2 done"]);
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.terminate("web").fails("db").read().expect(["stop web"]);
    tree.after(1).expect(["start db", "answer 2 done"]);
}

// OTP rule 69: an order that comes after a prompt stop sees the child down.
#[test]
fn what_is_asked_behind_a_prompt_stop_is_answered_after_it() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.terminate("db").restart("db").expect(["stop db"]).stopped("db");
    tree.expect(["rest db", "answer 1 done", "start db"]).started("db").expect(["answer 2 started db"]);
    tree.terminate("db").delete("db").expect(["stop db"]).stopped("db");
    tree.expect(["rest db", "answer 3 done", "forget db", "answer 4 done"]);
}

#[test]
fn orders_to_a_supervisor_that_ends_or_has_ended_are_refused() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.stop().expect(["stop db"]).start_child("web").terminate("db").restart("db").delete("db").read();
    tree.reconfigure(OneForAll, ["db"]);
    tree.expect(["refuse 1 over", "refuse 2 over", "refuse 3 over", "refuse 4 over", "refuse 5 over", "refuse 6 over"]);
    tree.stopped("db").expect(["end shutdown"]).read().expect(["refuse 7 over"]);
}

#[test]
fn orders_that_wait_when_it_gives_up_are_refused() {
    let mut tree = Script::within(Intensity::new(0, 1000 * MS), OneForOne, ["db", "web"]);
    tree.fails("db").terminate("web").read().expect(["refuse 1 over", "refuse 2 over", "stop web"]);
    tree.stopped("web").expect(["end shutdown"]);
}

#[test]
fn orders_that_are_under_way_when_it_ends_are_answered() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.start_child("log").after(1).terminate("db").expect(["adopt log", "start log", "stop db"]);
    tree.stop().expect(["stop log"]).start_fails("log").expect(["forget log", "refuse 1 over", "stop web"]);
    tree.stopped("web").expect([]).stopped("db").expect(["answer 2 done", "end shutdown"]).owes_no_answer();
}

#[test]
fn a_kill_answers_everybody() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.start_child("log").after(1).terminate("db").expect(["adopt log", "start log", "stop db"]);
    tree.read().abandon();
    tree.ignore_actions().owes_no_answer();
}

#[test]
fn what_an_order_has_terminated_is_known_until_it_is_started() {
    let mut tree = Script::new(OneForOne, ["a", "b"]);
    let is_terminated = |tree: &Script| tree.why("a").was_terminated;
    tree.terminate("a").expect(["stop a"]);
    assert!(!is_terminated(&tree), "it is being stopped");
    tree.stopped("a").ignore_actions();
    assert!(is_terminated(&tree));
    tree.restart("a").ignore_actions();
    assert!(!is_terminated(&tree));
    tree.started("a").ignore_actions().fails("a").ignore_actions();
    assert!(!is_terminated(&tree), "no order has ended it this time");
}
