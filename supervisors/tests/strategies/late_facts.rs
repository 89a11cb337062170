//! Facts of attempts that are no longer live are dropped (OTP rule 18), and so are facts told twice.

use crate::common::{MS, Script, permanent, temporary};
use regrow_supervisors::Strategy::{OneForAll, OneForOne};
use regrow_supervisors::{Abandon, ChildState, Shutdown};

/// Every fact there is, about one attempt.
fn all_facts(tree: &mut Script, name: &str) {
    tree.started(name).ignored(name).start_fails(name).fails(name).ends(name).kill_under_way(name);
}

// kameo #392: after a restart the old handle spoke for the new incarnation.
#[test]
fn facts_of_an_earlier_attempt_do_not_touch_the_present_one() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.fails("db").expect(["start db"]).tells(["child_terminated db failed: boom"]);
    all_facts(&mut tree, "db#1");
    tree.expect([]).tells([]).stands("db", Some(ChildState::Starting)).started("db");
    all_facts(&mut tree, "db#1");
    tree.expect([]).tells([]).stands("db", Some(ChildState::Up)).waits_for_no_time();
}

#[test]
fn an_exit_told_twice_is_one_exit() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.fails("db").is_killed("db").starts(["db"]).tells(["child_terminated db failed: boom"]);
}

#[test]
fn a_start_told_twice_is_one_start() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.started("db").ignored("db").start_fails("db").expect([]).tells([]).stands("db", Some(ChildState::Up));
}

#[test]
fn a_failed_start_told_twice_is_one_attempt() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.fails("db").expect(["start db"]);
    tree.start_fails("db").start_fails("db").is_killed("db").started("db").expect(["start db"]);
    tree.tells(["child_terminated db failed: boom", "start_error db failed: no"]);
}

#[test]
fn a_dead_child_that_waits_in_the_mailbox_cannot_come_up_again() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.fails("web").fails("db");
    tree.started("db").ignored("db").kill_under_way("db").expect(["start db"]);
    tree.started("db").starts(["web"]);
}

#[test]
fn facts_of_a_forgotten_child_are_dropped() {
    let mut tree = Script::new(OneForOne, [temporary("job"), permanent("web")]);
    tree.ends("job").expect(["forget job"]);
    all_facts(&mut tree, "job");
    tree.expect([]).tells([]);
}

#[test]
fn a_stop_told_twice_stops_one_child() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.stop().expect(["stop web"]);
    tree.stopped("web").stopped("web").expect(["stop db"]);
    all_facts(&mut tree, "web");
    tree.expect([]).stands("db", Some(ChildState::Stopping));
    tree.stopped("db").expect(["end shutdown"]);
}

#[test]
fn facts_of_an_abandoned_child_are_dropped() {
    let stuck = permanent("db").shutdown(Shutdown::Kill).abandon(Abandon::After(50 * MS));
    let mut tree = Script::new(OneForOne, [permanent("pool"), stuck]);
    tree.stop().expect(["kill db"]).after(50).expect(["abandon db", "stop pool"]).tells(["abandoned db"]);
    all_facts(&mut tree, "db");
    tree.expect([]).tells([]).stopped("pool").expect(["end shutdown"]);
}

#[test]
fn facts_after_the_end_are_dropped() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.stop().stops(["web", "db"]).expect(["end shutdown"]);
    all_facts(&mut tree, "db");
    all_facts(&mut tree, "web");
    tree.after(60_000).expect([]).tells([]).waits_for_no_time();
}

// A child killed by others ends only once, however often it is killed.
#[test]
fn a_kill_under_way_is_told_once() {
    let mut tree = Script::new(OneForOne, [permanent("db").abandon(Abandon::After(50 * MS))]);
    tree.kill_under_way("db").after(30).kill_under_way("db").after(20).expect(["abandon db", "start db"]);
    tree.started("db").waits_for_no_time();
}
