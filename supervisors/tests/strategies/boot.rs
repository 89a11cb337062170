//! Boot: one child after the other, and a failure ends it (OTP rules 5, 8 to 13).

use std::time::Duration;

use crate::common::{MS, Script, permanent, temporary};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{ChildSpec, ChildState, Exit, Flags, Intensity, SpecError, StaticMachine};

// OTP rule 8.
#[test]
fn the_next_child_is_started_when_the_one_before_is_up() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::unbooted(strategy, ["db", "cache", "web"]);
        tree.expect(["start db"]).after(60_000).expect([]);
        tree.started("db").expect(["start cache"]);
        tree.started("cache").expect(["start web"]);
        tree.started("web").expect(["up"]).waits_for_no_time();
    }
}

#[test]
fn a_supervisor_without_children_is_up_at_once() {
    Script::unbooted::<&str>(OneForAll, []).expect(["up"]).stop().expect(["end shutdown"]);
}

// OTP rule 5. Specs are checked before there is a machine that could start anything.
#[test]
fn bad_specs_start_nothing() {
    let twins = ["db", "web", "db"].map(ChildSpec::new);
    let refused = StaticMachine::new(OneForOne, twins).err();
    assert_eq!(refused, Some(SpecError::DuplicateId("db".into())));
    let refused =
        StaticMachine::new(Flags { intensity: Intensity::new(1, Duration::ZERO), ..Flags::default() }, []).err();
    assert_eq!(refused, Some(SpecError::ZeroPeriod));
}

// OTP rule 10.
#[test]
fn an_ignored_child_stays_down_and_boot_goes_on() {
    let mut tree = Script::unbooted(OneForOne, ["db", "cache", "web"]);
    tree.starts(["db"]).expect(["start cache"]);
    tree.ignored("cache").expect(["rest cache", "start web"]).stands("cache", Some(ChildState::Down));
    tree.started("web").expect(["up"]);
}

// OTP rule 10.
#[test]
fn an_ignored_temporary_child_is_forgotten() {
    let mut tree = Script::unbooted(OneForOne, [temporary("job"), permanent("web")]);
    tree.expect(["start job"]).ignored("job").expect(["forget job", "start web"]).stands("job", None);
    tree.started("web").expect(["up"]);
}

// OTP rule 11: no retry, whatever the budget; no `up`.
#[test]
fn a_failed_start_stops_the_elders_and_ends_the_supervisor() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::unbooted(strategy, ["db", "cache", "web", "log"]);
        tree.starts(["db", "cache"]).expect(["start web"]);
        tree.start_fails("web").stops(["cache", "db"]);
        tree.expect(["end child `web` failed to start: failed: no"]).tells(["start_error web failed: no"]);
    }
}

// OTP rule 9: a crash in a start is an error like any other.
#[test]
fn a_death_while_starting_fails_the_boot() {
    let mut tree = Script::unbooted(OneForOne, ["db", "web"]);
    tree.starts(["db"]).expect(["start web"]);
    tree.is_killed("web").stops(["db"]).expect(["end child `web` failed to start: killed"]);
}

// OTP rule 11: each by its own shutdown rule, and rule 51 about the elders.
#[test]
fn elders_that_do_not_stop_are_killed_when_boot_fails() {
    let mut tree = Script::unbooted(OneForOne, ["db", "web"]);
    tree.starts(["db"]).expect(["start web"]);
    tree.start_fails("web").expect(["stop db"]);
    tree.after(5000).expect(["kill db"]);
    tree.is_killed("db").expect(["end child `web` failed to start: failed: no"]);
    tree.tells(["start_error web failed: no", "shutdown_error db killed"]);
}

// OTP rule 13, scenario 67.
#[test]
fn a_death_during_boot_waits_until_boot_is_complete() {
    let mut tree = Script::unbooted(OneForAll, ["db", "web"]);
    tree.starts(["db"]).expect(["start web"]);
    tree.fails("db").expect([]).tells([]);
    tree.started("web").expect(["up", "stop web"]).tells(["child_terminated db failed: boom"]);
    tree.stopped("web").starts(["db", "web"]);
}

// OTP rule 13: "counted".
#[test]
fn a_death_during_boot_costs_a_unit() {
    let mut tree = Script::made(Intensity::new(0, 1000 * MS), OneForOne, ["web"]);
    tree.expect(["start web"]).started("web").fails("web").expect(["up", "end shutdown"]);
}

// OTP rules 11, 52: the dead elder has nothing to stop, and is not restarted.
#[test]
fn a_death_during_a_boot_that_fails_is_consumed() {
    let mut tree = Script::unbooted(OneForOne, ["db", "cache", "web"]);
    tree.starts(["db", "cache"]).expect(["start web"]);
    tree.fails("db").start_fails("web").stops(["cache"]).expect(["end child `web` failed to start: failed: no"]);
    tree.tells(["start_error web failed: no", "shutdown_error db failed: boom"]);
}

// Ours: OTP cannot be stopped while it boots (OTP rule 8). A prompt boot is let finish, a hung one is cut short.
#[test]
fn a_stop_during_boot_lets_prompt_starts_finish() {
    let mut tree = Script::unbooted(OneForOne, ["db", "web"]);
    tree.expect(["start db"]).stop().expect([]);
    tree.started("db").starts(["web"]).expect(["up", "stop web"]);
    tree.stopped("web").stops(["db"]).expect(["end shutdown"]);
}

#[test]
fn a_stop_during_boot_cuts_a_hung_start_short_and_nothing_came_up() {
    let mut tree = Script::unbooted(OneForOne, ["db", "web", "log"]);
    tree.starts(["db"]).expect(["start web"]);
    tree.stop_with(Exit::ShutdownWith("impatient".into())).after(1).expect(["stop web"]);
    tree.start_fails("web").stops(["db"]).expect(["end shutdown (impatient)"]);
}

#[test]
fn a_kill_during_boot_kills_what_was_started() {
    let mut tree = Script::unbooted(OneForOne, ["db", "web", "log"]);
    tree.starts(["db"]).expect(["start web"]);
    tree.kill().expect(["kill web"]);
    tree.is_killed("web").expect(["kill db"]);
    tree.is_killed("db").expect(["end killed"]).tells([]);
}
