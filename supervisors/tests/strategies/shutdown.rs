//! Stopping one child: ask, wait, kill, wait, abandon (OTP rules 47 to 53).

use std::time::Duration;

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne};
use regrow_supervisors::{Abandon, ChildSpec, ChildState, Exit, Shutdown};

fn alone(child: ChildSpec) -> Script {
    Script::new(OneForOne, [child])
}

// OTP rule 47.
#[test]
fn a_child_to_be_killed_is_not_asked() {
    let mut tree = alone(permanent("db").shutdown(Shutdown::Kill));
    tree.stop().expect(["kill db"]).stands("db", Some(ChildState::Stopping));
    tree.is_killed("db").expect(["end shutdown"]).tells([]);
}

// OTP rule 48.
#[test]
fn a_child_that_does_not_obey_in_time_is_killed() {
    let mut tree = alone(permanent("db").shutdown(Shutdown::After(100 * MS)));
    tree.stop().expect(["stop db"]).after(99).expect([]);
    tree.after(1).expect(["kill db"]);
    tree.is_killed("db").expect(["end shutdown"]).tells(["shutdown_error db killed"]);
}

#[test]
fn a_child_that_obeys_in_time_is_not_killed() {
    let mut tree = alone(permanent("db").shutdown(Shutdown::After(100 * MS)));
    tree.stop().expect(["stop db"]).after(99);
    tree.stopped("db").expect(["end shutdown"]).tells([]).waits_for_no_time();
}

// OTP rule 48: 0 is "signal, then kill at once"; the child may still end of the signal.
#[test]
fn zero_time_asks_and_kills_in_one_breath() {
    let mut tree = alone(permanent("db").shutdown(Shutdown::After(Duration::ZERO)));
    tree.stop().after(0).expect(["stop db", "kill db"]);
    tree.stopped("db").expect(["end shutdown"]).tells([]);
}

// OTP rule 49.
#[test]
fn a_child_to_be_waited_for_is_waited_for() {
    let mut tree = alone(permanent("db").shutdown(Shutdown::Wait));
    tree.stop().expect(["stop db"]).waits_for_no_time();
    tree.after(1_000_000).stopped("db").expect(["end shutdown"]);
}

// Ours: in Erlang a kill always works. kameo waited for ever; suture could not tell which service did not stop (#37).
#[test]
fn a_killed_child_that_lingers_is_abandoned_and_named() {
    let limits = permanent("db").shutdown(Shutdown::After(100 * MS)).abandon(Abandon::After(50 * MS));
    let mut tree = Script::new(OneForOne, [permanent("pool"), limits]);
    tree.stop().expect(["stop db"]).after(100).expect(["kill db"]).after(49).expect([]);
    tree.after(1).expect(["abandon db", "stop pool"]).tells(["abandoned db", "shutdown_error db killed"]);
    tree.stopped("pool").expect(["end shutdown"]).waits_for_no_time();
}

#[test]
fn a_child_never_to_be_abandoned_is_waited_for_after_the_kill() {
    let mut tree = alone(permanent("db").shutdown(Shutdown::Kill).abandon(Abandon::Never));
    tree.stop().expect(["kill db"]).waits_for_no_time();
    tree.is_killed("db").expect(["end shutdown"]);
}

// The grace after the kill is its own: a driver that wakes late takes nothing from it.
#[test]
fn a_late_kill_still_leaves_the_whole_time_to_die() {
    let mut tree = alone(permanent("db").shutdown(Shutdown::After(100 * MS)).abandon(Abandon::After(50 * MS)));
    tree.stop().expect(["stop db"]).overslept(1000).expect(["kill db"]);
    tree.after(49).expect([]).after(1).expect(["abandon db", "end shutdown"]);
}

// `now` must not run backwards; where it does, the latest time seen is used.
#[test]
fn a_clock_that_is_set_back_takes_no_time_from_a_child() {
    let mut tree = alone(permanent("db").shutdown(Shutdown::After(100 * MS)));
    tree.after(1000).kill_under_way("db").set_back(1000).is_killed("db").starts(["db"]);
    tree.stop().expect(["stop db"]).after(1099).expect([]);
    tree.after(1).expect(["kill db"]).is_killed("db").expect(["end shutdown"]);
}

// An abandoned child no longer holds a group restart up, and its late end belongs to no child.
#[test]
fn a_group_restart_goes_on_without_an_abandoned_child() {
    let stuck = permanent("db").shutdown(Shutdown::Kill).abandon(Abandon::After(50 * MS));
    let mut tree = Script::new(OneForAll, [stuck, permanent("web")]);
    tree.fails("web").expect(["kill db"]).after(50).expect(["abandon db", "start db"]);
    tree.started("db").starts(["web"]);
    tree.is_killed("db#1").expect([]).stands("db", Some(ChildState::Up));
}

// Someone else's kill has a limit too, and counts as an unexpected exit.
#[test]
fn a_child_killed_by_others_is_restarted_even_if_it_lingers() {
    let mut tree = alone(permanent("db").abandon(Abandon::After(50 * MS)));
    tree.kill_under_way("db").after(49).expect([]).stands("db", Some(ChildState::Up));
    tree.after(1).expect(["abandon db", "start db"]).tells(["abandoned db", "child_terminated db killed"]);
    tree.started("db").is_killed("db#1").expect([]);
}

#[test]
fn a_child_killed_by_others_that_dies_in_time_is_not_abandoned() {
    let mut tree = alone(permanent("db"));
    tree.kill_under_way("db").is_killed("db").starts(["db"]).waits_for_no_time();
}

#[test]
fn a_start_killed_by_others_has_failed() {
    let mut tree = alone(permanent("db").abandon(Abandon::After(50 * MS)));
    tree.fails("db").expect(["start db"]).kill_under_way("db").after(50).expect(["abandon db", "start db"]);
    tree.tells(["child_terminated db failed: boom", "abandoned db", "start_error db killed"]);
}

// OTP rule 51, with the three restart types and both ways of stopping.
#[test]
fn an_unexpected_end_of_a_stop_is_reported() {
    let upgrade = || Exit::ShutdownWith("upgrade".into());
    let table = [
        (Shutdown::Wait, Exit::Shutdown, [false, false, false]),
        (Shutdown::Wait, Exit::Normal, [true, false, false]),
        (Shutdown::Wait, upgrade(), [true, false, false]),
        (Shutdown::Wait, Exit::Killed, [true, true, true]),
        (Shutdown::Wait, Exit::failed("boom"), [true, true, true]),
        (Shutdown::Kill, Exit::Killed, [false, false, false]),
        (Shutdown::Kill, Exit::Shutdown, [true, false, false]),
        (Shutdown::Kill, Exit::Normal, [true, false, false]),
        (Shutdown::Kill, upgrade(), [true, false, false]),
        (Shutdown::Kill, Exit::failed("boom"), [true, true, true]),
    ];
    for (rule, exit, reported) in table {
        for (child, reported) in [permanent("db"), transient("db"), temporary("db")].into_iter().zip(reported) {
            let mut tree = alone(child.shutdown(rule));
            tree.stop().ignore_actions().exits("db", exit.clone()).expect(["end shutdown"]);
            let report = format!("shutdown_error db {exit}");
            if reported {
                tree.tells([report.as_str()])
            } else {
                tree.tells([])
            };
        }
    }
}

// OTP rule 52, scenario 71: the exit that waits is consumed, with its own reason; no restart.
#[test]
fn a_child_already_dead_is_not_asked() {
    let mut tree = Script::new(OneForOne, ["db", "cache", "web"]);
    tree.stop().expect(["stop web"]);
    tree.fails("cache").expect([]);
    tree.stopped("web").stops(["db"]).expect(["end shutdown"]).tells(["shutdown_error cache failed: boom"]);
}

// OTP rule 53.
#[test]
fn a_child_that_is_down_or_retrying_has_nothing_to_stop() {
    let mut tree = Script::new(OneForAll, [transient("import"), permanent("db"), permanent("web")]);
    tree.fails("db").stops(["web", "import"]).starts(["import"]).expect(["start db"]);
    tree.ends("import").stop().start_fails("db").expect(["rest import", "end shutdown"]);
}
