//! Lives that end by themselves, or were killed by others, and take their time: each end is bounded, and an exit stays what
//! it was.

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne};
use regrow_supervisors::{Abandon, ChildSpec, ChildState, Exit, Shutdown};

fn db() -> ChildSpec {
    permanent("db").shutdown(Shutdown::After(100 * MS)).abandon(Abandon::After(50 * MS))
}

fn alone(child: ChildSpec) -> Script {
    Script::new(OneForOne, [child])
}

fn boom() -> Exit {
    Exit::failed("boom")
}

fn panicked() -> Exit {
    Exit::Panicked(regrow_supervisors::Panic::new("boom"))
}

// Found by the reports of other systems: a stop hook after an error had no limit, and the service hung for ever.
#[test]
fn a_life_that_leaves_has_its_shutdown_time_and_ends_as_it_wanted_to() {
    let mut tree = alone(db());
    tree.leaves("db", boom()).expect([]).stands("db", Some(ChildState::Up)).after(99).expect([]).tells([]);
    tree.after(1).expect(["kill db"]).tells(["overran db failed: boom"]);
    tree.is_killed("db").expect(["start db"]).tells(["child_terminated db failed: boom"]);
}

#[test]
fn one_that_does_not_die_of_it_is_abandoned_and_ends_as_it_wanted_to() {
    let mut tree = alone(db());
    tree.leaves("db", boom()).after(100).expect(["kill db"]).after(50).expect(["abandon db", "start db"]);
    tree.tells(["overran db failed: boom", "abandoned db", "child_terminated db failed: boom"]);
}

#[test]
fn a_normal_end_that_takes_too_long_stays_normal() {
    let mut tree = alone(transient("db").shutdown(Shutdown::After(100 * MS)));
    tree.leaves("db", Exit::Normal).after(100).expect(["kill db"]).is_killed("db").expect(["rest db"]);
    tree.tells(["overran db normal"]);
}

#[test]
fn one_that_leaves_in_time_may_end_otherwise() {
    let mut tree = alone(db());
    tree.leaves("db", Exit::Normal).after(50).fails("db").expect(["start db"]);
    tree.tells(["child_terminated db failed: boom"]);
}

#[test]
fn without_a_shutdown_time_it_has_the_time_of_a_killed_one_and_with_wait_all_of_it() {
    let mut tree = alone(db().shutdown(Shutdown::Kill));
    tree.leaves("db", boom()).after(49).expect([]).after(1).expect(["kill db"]).tells(["overran db failed: boom"]);
    tree.is_killed("db").expect(["start db"]).tells(["child_terminated db failed: boom"]);
    alone(db().shutdown(Shutdown::Wait)).leaves("db", boom()).after(60_000).expect([]).waits_for_no_time();
}

#[test]
fn an_order_to_stop_takes_over_a_life_that_leaves() {
    let mut tree = alone(db());
    tree.leaves("db", boom()).after(60).stop().expect(["stop db"]).after(99).expect([]).after(1).expect(["kill db"]);
    tree.is_killed("db").expect(["end shutdown"]).tells(["shutdown_error db killed"]);
    alone(db()).leaves("db", boom()).kill().expect(["kill db"]).is_killed("db").expect(["end killed"]);
}

#[test]
fn a_group_stops_one_that_leaves() {
    let mut tree = Script::new(OneForAll, [db(), permanent("web")]);
    tree.leaves("db", boom()).fails("web").expect(["stop db"]).stopped("db").starts(["db", "web"]).tells_whatever();
}

// Found by the reports of other systems: linked work that blocked kept a crashed service from its next life for ever.
#[test]
fn what_a_dead_one_leaves_behind_has_the_abandon_time() {
    let mut tree = alone(db());
    tree.lingers("db", panicked()).after(49).expect([]).after(1).expect(["abandon db", "start db"]);
    tree.tells(["abandoned db", "child_terminated db panicked: boom"]);
}

#[test]
fn what_is_left_of_one_that_left_has_the_abandon_time_from_then_on() {
    let mut tree = alone(db());
    tree.leaves("db", boom()).after(90).lingers("db", boom()).after(49).expect([]).after(1);
    tree.expect(["abandon db", "start db"]).tells(["abandoned db", "child_terminated db failed: boom"]);
}

#[test]
fn what_is_left_of_one_that_was_asked_is_abandoned_also_if_it_may_take_for_ever() {
    let mut tree = alone(db().shutdown(Shutdown::Wait));
    tree.stop().expect(["stop db"]).after(60_000).lingers("db", Exit::Shutdown).after(50);
    tree.expect(["abandon db", "end shutdown"]).tells(["abandoned db"]);
}

#[test]
fn a_start_that_failed_and_left_something_behind_is_bounded_too() {
    let mut tree = Script::unbooted(OneForOne, [db()]);
    tree.expect(["start db"])
        .lingers("db", boom())
        .after(50)
        .expect(["abandon db", "end child `db` failed to start: failed: boom"]);
    tree.tells(["abandoned db", "start_error db failed: boom"]);
}

// Found by the reports of other systems (supervisor #734): what is already stopping could not be killed.
#[test]
fn a_kill_during_a_stop_begins_the_abandon_time() {
    let mut tree = alone(db().shutdown(Shutdown::Wait));
    tree.terminate("db").expect(["stop db"]).after(60_000).kill_under_way("db").after(49).expect([]);
    tree.after(1).expect(["abandon db", "rest db", "answer 1 done"]);
    tree.tells(["abandoned db", "shutdown_error db killed"]);
}

#[test]
fn a_second_kill_and_a_stop_after_a_kill_give_no_more_time() {
    let mut tree = alone(db());
    tree.kill_under_way("db").after(30).kill_under_way("db").after(10).stop().expect([]);
    tree.after(10).expect(["abandon db", "end shutdown"]).tells(["abandoned db", "shutdown_error db killed"]);
}

#[test]
fn a_kill_of_one_that_leaves_is_a_kill() {
    let mut tree = alone(db());
    tree.leaves("db", Exit::Normal).kill_under_way("db").after(50).expect(["abandon db", "start db"]);
    tree.tells(["abandoned db", "child_terminated db killed"]);
}

#[test]
fn a_kill_during_a_start_ends_the_attempt_in_time() {
    let mut tree = Script::new(OneForOne, [db()]);
    tree.fails("db").expect(["start db"]).kill_under_way("db").after(50).expect(["abandon db", "start db"]);
    tree.tells_whatever();
}

#[test]
fn a_group_restart_goes_on_without_a_member_that_is_abandoned() {
    let mut tree = Script::new(OneForAll, [permanent("web"), db()]);
    tree.fails("web").expect(["stop db"]).after(100).expect(["kill db"]).after(50).expect(["abandon db", "start web"]);
    tree.started("web").starts(["db"]).tells_whatever();
}

#[test]
fn a_temporary_child_that_leaves_is_forgotten() {
    let mut tree = alone(temporary("db").shutdown(Shutdown::After(100 * MS)));
    tree.leaves("db", boom()).after(100).expect(["kill db"]).is_killed("db").expect(["forget db"]).tells_whatever();
}

#[test]
fn facts_about_the_dead_change_nothing() {
    let mut tree = alone(db());
    tree.fails("db").expect(["start db"]).started("db").expect([]);
    tree.leaves("db#1", boom()).lingers("db#1", boom()).after(60_000).expect([]).tells_whatever();
}
