//! One for all: all are stopped youngest first, then all are started eldest first (OTP rules 33 to 37).

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::OneForAll;
use regrow_supervisors::{ChildState, Exit, Shutdown};

// OTP rule 33; kameo restarted a group in random order.
#[test]
fn all_others_stop_youngest_first_then_all_start_eldest_first() {
    let mut tree = Script::new(OneForAll, ["db", "cache", "web"]);
    tree.fails("cache").expect(["stop web"]);
    tree.stopped("web").expect(["stop db"]);
    tree.stopped("db").expect(["start db"]);
    tree.started("db").expect(["start cache"]);
    tree.started("cache").expect(["start web"]);
    tree.started("web").expect([]).tells(["child_terminated cache failed: boom"]);
}

// ractor-supervisor killed, slept 10 ms and started: a child slow to die counted as a failure. joerl started replacements
// beside the running ones.
#[test]
fn a_child_slow_to_die_is_waited_for() {
    let slow = permanent("db").shutdown(Shutdown::After(500 * MS));
    let mut tree = Script::new(OneForAll, [slow, permanent("web")]);
    tree.fails("web").expect(["stop db"]);
    tree.after(200).expect([]).stands("db", Some(ChildState::Stopping));
    tree.stopped("db").starts(["db", "web"]).tells(["child_terminated web failed: boom"]);
}

// OTP rule 33, each "by its own shutdown rule".
#[test]
fn each_child_stops_by_its_own_rule() {
    let children = [permanent("db").shutdown(Shutdown::After(100 * MS)), permanent("cache").shutdown(Shutdown::Kill)];
    let mut tree = Script::new(OneForAll, children.into_iter().chain([permanent("web")]));
    tree.fails("web").expect(["kill cache"]);
    tree.is_killed("cache").expect(["stop db"]);
    tree.after(100).expect(["kill db"]);
    tree.is_killed("db").starts(["db", "cache", "web"]);
    tree.tells(["child_terminated web failed: boom", "shutdown_error db killed"]);
}

// OTP rules 33, 37; kameo revived children that must stay dead.
#[test]
fn temporary_children_are_stopped_and_forgotten() {
    let mut tree = Script::new(OneForAll, [permanent("db"), temporary("job"), permanent("web")]);
    tree.fails("db").stops(["web"]).expect(["stop job"]);
    tree.stopped("job").expect(["forget job", "start db"]).started("db").starts(["web"]);
    tree.fails("web").stops(["db"]).starts(["db", "web"]);
    tree.stands("job", None);
}

// OTP rule 34.
#[test]
fn children_that_were_down_are_started_too() {
    let mut tree = Script::new(OneForAll, [transient("import"), permanent("web")]);
    tree.ends("import").expect(["rest import"]);
    tree.fails("web").starts(["import", "web"]);
}

// OTP rule 35.
#[test]
fn a_start_that_is_ignored_lets_the_group_go_on() {
    let mut tree = Script::new(OneForAll, ["db", "cache", "web"]);
    tree.fails("db").stops(["web", "cache"]).starts(["db"]).expect(["start cache"]);
    tree.ignored("cache").expect(["rest cache", "start web"]);
    tree.started("web").stands("cache", Some(ChildState::Down));
}

// OTP rule 36, scenario 17.
#[test]
fn a_failed_start_leaves_the_younger_down_and_is_retried_with_everybody() {
    let mut tree = Script::new(OneForAll, ["db", "cache", "web"]);
    tree.fails("db").stops(["web", "cache"]).starts(["db"]).expect(["start cache"]);
    tree.start_fails("cache");
    tree.stands("db", Some(ChildState::Up))
        .stands("cache", Some(ChildState::Retrying))
        .stands("web", Some(ChildState::Down));
    tree.stops(["db"]).starts(["db", "cache", "web"]);
    tree.tells(["child_terminated db failed: boom", "start_error cache failed: no"]);
}

// RabbitMQ 2017, Klarna 2021: a restart that failed a second time was never tried again.
#[test]
fn a_failed_retry_is_tried_again() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.fails("web").stops(["db"]).starts(["db"]);
    for _ in 0..5 {
        tree.expect(["start web"]);
        tree.start_fails("web").stops(["db"]).starts(["db"]);
    }
    tree.starts(["web"]);
}

// The first child may be the one that fails: nothing is left to be stopped before the retry.
#[test]
fn a_failed_start_of_the_eldest_is_retried() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.fails("web").stops(["db"]).expect(["start db"]);
    tree.start_fails("db").starts(["db", "web"]);
}

// OTP rule 17: under every strategy.
#[test]
fn a_clean_end_touches_nobody() {
    let mut tree = Script::new(OneForAll, [permanent("db"), transient("import"), temporary("job")]);
    tree.exits("import", Exit::ShutdownWith("done".into())).expect(["rest import"]);
    tree.fails("job").expect(["forget job"]).tells(["child_terminated job failed: boom"]);
}
