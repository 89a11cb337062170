//! Deaths that overlap (OTP rules 32, 41, 43 to 46).

use crate::common::{MS, Script, permanent, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{ChildState, Intensity};

fn restarts(restarts_max: u32) -> Intensity {
    Intensity::new(restarts_max, 1000 * MS)
}

// OTP rule 43, scenario 44. ractor-supervisor restarted the group twice.
#[test]
fn two_deaths_at_once_are_one_group_restart_and_one_unit() {
    let mut tree = Script::within(restarts(1), OneForAll, ["db", "cache", "web"]);
    tree.fails("db").is_killed("web").stops(["cache"]).starts(["db", "cache", "web"]);
    tree.expect([]).tells(["child_terminated db failed: boom", "shutdown_error web killed"]);
}

// OTP rule 43: also when the second dies while the group is being stopped.
#[test]
fn a_death_while_the_group_stops_is_consumed() {
    let mut tree = Script::within(restarts(1), OneForAll, ["db", "cache", "web"]);
    tree.fails("cache").expect(["stop web"]);
    tree.fails("db").expect([]);
    tree.stopped("web").starts(["db", "cache", "web"]);
}

// OTP rules 43, 33: a clean end that waits is consumed as well, and the child comes back with the group.
#[test]
fn a_clean_end_that_waits_is_consumed_by_the_group() {
    let mut tree = Script::new(OneForAll, [permanent("db"), transient("import")]);
    tree.fails("db").ends("import").starts(["db", "import"]).tells(["child_terminated db failed: boom"]);
}

// OTP rule 72: in the other order it has ended before the group restart, which revives it (rule 34).
#[test]
fn a_clean_end_that_comes_first_rests_before_the_group_revives_it() {
    let mut tree = Script::new(OneForAll, [permanent("db"), transient("import")]);
    tree.ends("import").fails("db").expect(["rest import", "start db"]);
    tree.started("db").starts(["import"]);
}

// OTP rule 44, scenario 45.
#[test]
fn two_deaths_at_once_are_two_restarts_under_one_for_one() {
    let mut tree = Script::within(restarts(1), OneForOne, ["db", "web"]);
    tree.fails("db").fails("web").starts(["db"]).stops(["db"]).expect(["end shutdown"]);
    tree.tells(["child_terminated db failed: boom", "child_terminated web failed: boom", "gave_up web"]);
}

// OTP rule 45, scenario 47.
#[test]
fn the_elder_dead_first_takes_the_younger_along() {
    let mut tree = Script::within(restarts(1), RestForOne, ["db", "cache", "web"]);
    tree.fails("cache").fails("web").starts(["cache", "web"]);
    tree.tells(["child_terminated cache failed: boom", "shutdown_error web failed: boom"]);
}

// OTP rule 45, scenario 46: the younger one is started twice, at two units.
#[test]
fn the_younger_dead_first_is_restarted_twice() {
    let mut tree = Script::within(restarts(2), RestForOne, ["db", "cache", "web"]);
    tree.fails("web").fails("cache").starts(["web"]);
    tree.stops(["web"]).starts(["cache", "web"]);
    tree.fails("db").stops(["web", "cache"]).expect(["end shutdown"]);
}

// OTP rule 46, scenario 66.
#[test]
fn a_death_while_younger_ones_start_makes_a_second_group_restart() {
    let mut tree = Script::within(restarts(2), OneForAll, ["db", "cache", "web"]);
    tree.fails("web").stops(["cache", "db"]).starts(["db"]).expect(["start cache"]);
    tree.fails("db").expect([]).started("cache").expect(["start web"]).tells(["child_terminated web failed: boom"]);
    tree.started("web").stops(["web", "cache"]).starts(["db", "cache", "web"]);
    tree.tells(["child_terminated db failed: boom"]);
    tree.fails("db").stops(["web", "cache"]).expect(["end shutdown"]);
}

// Under rest for one an elder outside the group waits its turn, and then takes the whole group again.
#[test]
fn an_elders_death_waits_for_the_group_restart_of_its_youngers() {
    let mut tree = Script::new(RestForOne, ["db", "cache", "web"]);
    tree.fails("cache").expect(["stop web"]);
    tree.fails("db").expect([]);
    tree.stopped("web").starts(["cache", "web"]);
    tree.stops(["web", "cache"]).starts(["db", "cache", "web"]);
}

// OTP rules 32, 41, scenario 62: the elder's restart includes the retrying child, whose own retry is then dropped.
#[test]
fn an_elders_death_revives_a_retrying_child_and_its_retry_is_dropped() {
    let mut tree = Script::within(restarts(2), RestForOne, ["db", "cache", "web"]);
    tree.fails("cache").stops(["web"]).expect(["start cache"]);
    tree.fails("db").start_fails("cache").stands("cache", Some(ChildState::Retrying));
    tree.starts(["db", "cache", "web"]).expect([]);
    // Two units so far: had the retry been taken, this would be one too many for it to get here.
    tree.fails("web").expect(["stop cache"]).tells([
        "child_terminated cache failed: boom",
        "start_error cache failed: no",
        "child_terminated db failed: boom",
        "child_terminated web failed: boom",
        "gave_up web",
    ]);
    tree.stopped("cache").stops(["db"]).expect(["end shutdown"]);
}

// OTP rules 32, 35: so it is when the elder's restart finds that the child is not wanted.
#[test]
fn a_retry_does_not_revive_a_child_that_was_ignored_meanwhile() {
    let mut tree = Script::new(RestForOne, ["db", "web"]);
    tree.fails("web").expect(["start web"]);
    tree.fails("db").start_fails("web").starts(["db"]).expect(["start web"]);
    tree.ignored("web").expect(["rest web"]).stands("web", Some(ChildState::Down));
}

// OTP rule 32: a child that fails again in the elder's restart has two retries queued; only one finds it retrying.
#[test]
fn two_queued_retries_of_one_child_are_one_attempt_at_a_time() {
    let mut tree = Script::new(RestForOne, ["db", "web"]);
    tree.fails("web").expect(["start web"]);
    tree.fails("db").start_fails("web").starts(["db"]).expect(["start web"]);
    tree.start_fails("web").expect(["start web"]);
    tree.started("web").expect([]).stands("web", Some(ChildState::Up));
}

// OTP rule 41: an exit that calls for no restart does not cancel the retry.
#[test]
fn a_clean_end_between_attempts_leaves_the_retry_alone() {
    let mut tree = Script::new(RestForOne, [transient("import"), permanent("web")]);
    tree.fails("web").expect(["start web"]);
    tree.ends("import").start_fails("web").expect(["rest import", "start web"]);
    tree.started("web").stands("import", Some(ChildState::Down));
}

// OTP rule 20: the exit that is one too many is the last that is looked at.
#[test]
fn exits_behind_the_one_that_gives_up_are_consumed() {
    let mut tree = Script::within(restarts(0), OneForOne, ["db", "cache", "web"]);
    tree.fails("cache").fails("web").stops(["db"]).expect(["end shutdown"]);
    tree.tells(["child_terminated cache failed: boom", "gave_up cache", "shutdown_error web failed: boom"]);
}
