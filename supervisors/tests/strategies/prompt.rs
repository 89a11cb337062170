//! Patience: a prompt start gives OTP's order, and a hung one delays no other child for more than a millisecond.

use crate::common::{Script, permanent, temporary};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{ChildState, Intensity};

// OTP rules 44, 69: there a start is over before the next message is looked at.
#[test]
fn a_prompt_start_comes_before_everything_that_waits() {
    let mut tree = Script::new(OneForOne, ["db", "cache", "web"]);
    tree.fails("db").fails("web").terminate("cache").read().stop().expect(["start db"]);
    tree.started("db").expect(["start web"]);
    tree.started("web").expect(["stop cache"]);
    tree.stopped("cache").expect(["rest cache", "answer 1 done", "answer 2 done", "stop web"]);
    tree.stopped("web").stops(["db"]).expect(["end shutdown"]);
}

#[test]
fn a_start_that_fails_promptly_is_retried_behind_what_waits() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]);
    tree.fails("web").read().start_fails("db").starts(["web"]);
    tree.expect(["answer 1 done", "start db"]).started("db");
}

// Ours: a hung start holds no other child up. OTP would wait for ever (OTP rule 69).
#[test]
fn a_hung_start_delays_others_by_a_millisecond_and_no_more() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").fails("web").read().expect(["start db"]);
    tree.overslept(0).expect([]).after(1).expect(["start web", "answer 1 done"]);
    tree.started("web").stands("db", Some(ChildState::Starting));
}

#[test]
fn a_start_that_is_a_millisecond_old_delays_nobody() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]).waits_for_no_time().after(1);
    tree.fails("web").read().expect(["start web", "answer 1 done"]);
    tree.waits_for_no_time();
}

#[test]
fn while_one_start_is_slow_no_other_is_waited_for() {
    let mut tree = Script::new(OneForOne, ["db", "cache", "web", "log"]);
    tree.fails("db").after(1).expect(["start db"]);
    tree.fails("cache").fails("web").read().expect(["start cache", "start web", "answer 1 done"]);
    tree.started("web").start_fails("cache").fails("log").expect(["start cache", "start log"]);
}

#[test]
fn when_the_slow_start_is_over_others_are_waited_for_again() {
    for end in [Script::started, Script::ignored, Script::start_fails] {
        let mut tree = Script::new(OneForOne, ["db", "cache", "web"]);
        tree.fails("db").after(1).read().expect(["start db", "answer 1 done"]);
        end(&mut tree, "db").ignore_actions().started("db").expect([]);
        tree.fails("cache").fails("web").starts(["cache", "web"]);
    }
}

// A start that was killed will not prove prompt.
#[test]
fn a_start_that_is_killed_or_told_to_stop_is_not_waited_for() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").read().expect(["start db"]).kill_under_way("db").expect(["answer 1 done"]);
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").after(1).terminate("db").fails("web").expect(["start db", "stop db", "start web"]);
}

#[test]
fn a_queue_of_starts_that_all_hang_delays_the_last_one_by_a_millisecond() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.start_child("a").start_child("b").start_child("c").read().expect(["adopt a", "start a"]);
    tree.after(1).expect(["adopt b", "start b", "adopt c", "start c", "answer 4 done"]);
    tree.started("c").expect(["answer 3 started c"]);
}

#[test]
fn a_dynamic_supervisor_is_as_patient_and_no_more() {
    let mut tree = Script::dynamic(Intensity::default(), None);
    tree.start_child("a").start_child("b").read().expect(["adopt a", "start a"]);
    tree.started("a").expect(["answer 1 started a", "adopt b", "start b"]);
    tree.after(1).expect(["answer 3 done"]).start_child("c").terminate("a").expect(["adopt c", "start c", "stop a"]);
    tree.stop().expect(["stop b", "stop c"]);
}

// The rest is about ordered work, where others wait for as long as a start takes (OTP rule 69) but for three orders.

/// A group restart in which `cache` hangs.
fn hung() -> Script {
    let mut tree = Script::new(RestForOne, ["db", "cache", "web"]);
    tree.fails("cache").stops(["web"]).expect(["start cache"]);
    tree
}

#[test]
fn an_order_that_ordered_work_can_answer_in_time_waits_its_turn() {
    let mut tree = hung();
    tree.read().terminate("cache").overslept(0).started("cache").expect(["start web"]);
    tree.started("web").expect(["answer 1 done", "stop cache"]);
    tree.stopped("cache").expect(["rest cache", "answer 2 done"]);
}

#[test]
fn a_read_is_answered_a_millisecond_into_a_hung_start() {
    let mut tree = hung();
    tree.after(60_000).read().expect([]).after(1).expect(["answer 1 done"]);
    tree.stands("cache", Some(ChildState::Starting)).waits_for_no_time();
    tree.started("cache").starts(["web"]);
}

#[test]
fn a_read_waits_for_a_child_that_is_being_stopped() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.fails("db").expect(["stop web"]).read().after(100).expect([]);
    tree.stopped("web").starts(["db", "web"]).expect(["answer 1 done"]);
}

// The millisecond is counted from the start where that came later: a start is always given its chance.
#[test]
fn an_order_that_came_first_gives_the_start_its_millisecond() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.fails("db").expect(["stop web"]).read().stop().after(100).expect([]);
    tree.stopped("web").expect(["start db"]).overslept(0).expect([]);
    tree.after(1).expect(["answer 1 done", "stop db"]).stopped("db").expect(["end shutdown"]);
}

#[test]
fn a_child_that_hangs_in_its_start_can_be_terminated_and_the_group_goes_on() {
    let mut tree = hung();
    tree.after(60_000).terminate("cache").expect([]).after(1).expect(["stop cache"]);
    tree.start_fails("cache").expect(["rest cache", "answer 1 done", "start web"]);
    tree.started("web").stands("cache", Some(ChildState::Down)).expect([]).waits_for_no_time();
}

#[test]
fn a_child_that_hangs_in_its_start_is_stopped_by_its_own_rule() {
    let mut tree = hung();
    tree.terminate("cache").after(1).expect(["stop cache"]).after(5000).expect(["kill cache"]);
    tree.is_killed("cache").expect(["rest cache", "answer 1 done", "start web"]);
    tree.tells(["child_terminated cache failed: boom", "shutdown_error cache killed"]).started("web");
}

// Found by reading: the order waited behind the group, did not find the spec any more, and was refused.
#[test]
fn a_temporary_child_that_hangs_in_its_start_can_be_terminated() {
    let mut tree = Script::new(OneForAll, ["db"]);
    tree.start_child(temporary("job")).expect(["adopt job", "start job"]);
    tree.terminate("job").after(1).stops(["job"]);
    tree.expect(["forget job", "refuse 1 shutdown", "answer 2 done"]).lists(["db"]);

    let mut tree = Script::unbooted(OneForOne, [temporary("job"), permanent("web")]);
    tree.expect(["start job"]).terminate("job").after(1).stops(["job"]);
    tree.expect(["forget job", "answer 1 done", "start web"]).started("web").expect(["up"]);
}

#[test]
fn the_termination_of_another_child_waits_for_the_group() {
    let mut tree = hung();
    tree.terminate("db").after(60_000).expect([]);
    tree.started("cache").starts(["web"]).expect(["stop db"]);
    tree.stopped("db").expect(["rest db", "answer 1 done"]);
}

// Found by reading: what lay behind the stop was lost with its answer.
#[test]
fn a_stop_that_cuts_a_start_short_refuses_all_other_orders() {
    let mut tree = hung();
    tree.delete("db").terminate("cache").stop().terminate("cache").delete("web").after(1);
    tree.expect(["refuse 1 over", "refuse 2 over", "refuse 3 over", "refuse 4 over", "stop cache"]);
    tree.stopped("cache").stops(["db"]).expect(["end shutdown"]).owes_no_answer();
}

#[test]
fn a_start_that_was_ordered_is_cut_short_like_any_other() {
    let mut tree = Script::new(OneForAll, ["db"]);
    tree.start_child("web").expect(["adopt web", "start web"]).stop().after(1).expect(["stop web"]);
    tree.stopped("web").expect(["forget web", "refuse 1 over", "stop db"]);
    tree.stopped("db").expect(["end shutdown"]);
}

#[test]
fn a_boot_that_hangs_answers_reads() {
    let mut tree = Script::unbooted(OneForOne, ["db", "web"]);
    tree.expect(["start db"]).read().after(1).expect(["answer 1 done"]).stands("web", Some(ChildState::Down));
    tree.started("db").starts(["web"]).expect(["up"]);
}

#[test]
fn patience_does_not_soften_a_kill() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]).fails("web").read().kill().expect(["refuse 1 over", "kill db"]);
    tree.is_killed("db").expect(["end killed"]);
}
