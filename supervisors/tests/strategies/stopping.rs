//! Stopping the supervisor: in order, by force, and without waiting (OTP rules 54 to 57).

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{Abandon, ChildSpec, ChildState, Exit, Shutdown};

// OTP rule 55, scenario 64.
#[test]
fn children_stop_one_at_a_time_youngest_first() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, ["db", "cache", "web"]);
        tree.stop().expect(["stop web"]);
        tree.stopped("web").expect(["stop cache"]);
        tree.stopped("cache").expect(["stop db"]);
        tree.stopped("db").expect(["end shutdown"]).tells([]);
    }
}

// OTP rule 55: the supervisor ends with the ordered reason.
#[test]
fn the_supervisor_ends_for_the_reason_it_was_given_first() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.stop_with(Exit::failed("parent")).stop_with(Exit::Normal).expect(["stop db"]);
    tree.stop_with(Exit::Normal).stopped("db").expect(["end failed: parent"]);
}

// A supervisor that is stopped may be started again with all its specs, so none is forgotten.
#[test]
fn temporary_children_keep_their_spec_when_the_supervisor_stops() {
    let mut tree = Script::new(OneForOne, [temporary("job")]);
    tree.stop().stops(["job"]).expect(["end shutdown"]).stands("job", Some(ChildState::Down));
}

// OTP rule 56, scenario 25.
#[test]
fn a_stop_in_the_mailbox_beats_a_queued_retry() {
    for strategy in [OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, ["db", "web"]);
        tree.fails("db").stops(["web"]).expect(["start db"]);
        tree.stop().start_fails("db").expect(["end shutdown"]);
        tree.tells(["child_terminated db failed: boom", "start_error db failed: no"]);
    }
}

// OTP rule 72: what came before the stop is served before it.
#[test]
fn an_exit_before_the_stop_is_still_served() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.fails("web").stop().expect(["stop db"]);
    tree.stopped("db").starts(["db", "web"]).stops(["web", "db"]).expect(["end shutdown"]);
}

// OTP rules 52, 56.
#[test]
fn an_exit_after_the_stop_restarts_nobody() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.stop().fails("db").expect(["stop web"]);
    tree.stopped("web").expect(["end shutdown"]).tells(["shutdown_error db failed: boom"]);
}

// Ours: a stop cuts a pending start short. In OTP a hung start would hold the stop up (OTP rule 8).
#[test]
fn a_stop_cuts_a_hung_start_of_a_group_short() {
    let mut tree = Script::new(RestForOne, ["db", "cache", "web"]);
    tree.fails("cache").stops(["web"]).expect(["start cache"]).after(60_000);
    tree.stop().expect([]).after(1).expect(["stop cache"]);
    tree.after(5000).expect(["kill cache"]);
    tree.is_killed("cache").stops(["db"]).expect(["end shutdown"]);
}

#[test]
fn a_stop_cuts_a_hung_restart_short() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]).after(60_000);
    tree.stop().after(1).stops(["web"]).expect(["stop db"]);
    tree.start_fails("db").expect(["end shutdown"]);
}

// Found by reading, and the small worlds find it too: the failed start of a child that was not told yet was queued for a
// retry, and the order to end was lost. OTP rule 56.
#[test]
fn a_start_that_fails_while_the_supervisor_ends_is_not_retried() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").fails("web").expect(["start db"]).after(1).expect(["start web"]);
    tree.stop().after(1).expect(["stop web"]);
    tree.start_fails("db").expect([]);
    tree.stopped("web").expect(["end shutdown"]);
}

// The same for a start that ends otherwise.
#[test]
fn starts_that_end_while_the_supervisor_ends_are_stopped_like_the_others() {
    let mut tree = Script::new(OneForOne, ["pool", "db", "web"]);
    tree.fails("pool").fails("db").fails("web").expect(["start pool"]).after(1).expect(["start db", "start web"]);
    tree.stop().after(1).expect(["stop web"]);
    tree.started("pool").ignored("db").started("web").expect(["rest db"]);
    tree.stopped("web").stops(["pool"]).expect(["end shutdown"]);
}

// A group restart that a kill interrupts starts nothing more.
#[test]
fn a_kill_ends_a_group_restart() {
    let mut tree = Script::new(OneForAll, ["db", "cache", "web"]);
    tree.fails("cache").stops(["web"]).expect(["stop db"]);
    tree.kill().expect(["kill db"]);
    tree.is_killed("db").expect(["end killed"]);
}

// Ours: in OTP the children of a killed supervisor die by their links in no order, and may overlap their replacements
// (OTP rules 57, 58; Horde, chaos-spawn #19).
#[test]
fn a_killed_supervisor_takes_its_children_along_youngest_first() {
    let mut tree = Script::new(OneForOne, [permanent("db").shutdown(Shutdown::Wait), transient("web")]);
    tree.kill().expect(["kill web"]);
    tree.is_killed("web").expect(["kill db"]);
    tree.is_killed("db").expect(["end killed"]).tells([]);
}

// A dead supervisor tells nothing, whatever its children end like.
#[test]
fn a_killed_supervisor_reports_no_shutdown_errors() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.kill().fails("db").expect(["kill web"]);
    tree.fails("web").expect(["end killed"]).tells([]);
}

#[test]
fn a_killed_supervisor_reports_no_failed_starts() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]).tells(["child_terminated db failed: boom"]);
    tree.kill().expect(["kill web"]);
    tree.start_fails("db").is_killed("web").expect(["end killed"]).tells([]);
}

#[test]
fn a_kill_overtakes_a_stop() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.stop().expect(["stop web"]);
    tree.kill().expect(["kill web"]).kill().expect([]);
    tree.is_killed("web").expect(["kill db"]);
    tree.is_killed("db").expect(["end killed"]);
}

#[test]
fn a_stop_does_not_soften_a_kill() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.kill().stop().expect(["kill web"]);
    tree.is_killed("web").expect(["kill db"]);
    tree.is_killed("db").expect(["end killed"]);
}

// kameo waited for ever for a hung child. The sum of the limits is the bound.
#[test]
fn a_stop_that_nobody_answers_still_ends() {
    let deaf = |name| permanent(name).shutdown(Shutdown::After(100 * MS)).abandon(Abandon::After(50 * MS));
    let mut tree = Script::new(OneForOne, [deaf("db"), deaf("web")]);
    tree.stop().expect(["stop web"]).after(100).expect(["kill web"]);
    tree.after(50).expect(["abandon web", "stop db"]).after(100).expect(["kill db"]);
    tree.after(50).expect(["abandon db", "end shutdown"]).waits_for_no_time();
}

// OTP rule 2. Found by mutants.
#[test]
fn a_supervisor_below_is_waited_for_without_a_limit() {
    let mut tree = Script::new(OneForOne, [ChildSpec::supervisor("sub")]);
    tree.stop().expect(["stop sub"]).waits_for_no_time();
    tree.kill().expect(["kill sub"]).waits_for_no_time();
    tree.is_killed("sub").expect(["end killed"]);
}

// The last resort waits for no child, not even for those that are never to be abandoned.
#[test]
fn to_abandon_is_to_kill_all_and_wait_for_none() {
    let stuck = permanent("db").shutdown(Shutdown::Wait).abandon(Abandon::Never);
    let mut tree = Script::new(OneForOne, [stuck, permanent("web")]);
    tree.abandon().expect(["kill web", "abandon web", "kill db", "abandon db", "end killed"]);
    tree.tells(["abandoned web", "abandoned db"]).waits_for_no_time();
}

#[test]
fn to_abandon_in_the_middle_of_a_stop_kills_nobody_twice() {
    let mut tree = Script::new(OneForOne, ["db", "cache", "web"]);
    tree.stop().stops(["web"]).expect(["stop cache"]).after(5000).expect(["kill cache"]);
    tree.abandon().expect(["abandon cache", "kill db", "abandon db", "end killed"]);
}

// A parent that kills and at once abandons, or abandons a tree in the middle of its boot, is served alike.
#[test]
fn to_abandon_during_boot_leaves_nothing_starting() {
    let mut tree = Script::unbooted(OneForOne, ["db", "web"]);
    tree.starts(["db"]).expect(["start web"]);
    tree.kill().abandon().expect(["kill web", "abandon web", "kill db", "abandon db", "end killed"]);
}

#[test]
fn nothing_comes_after_the_end() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.stop().stops(["db"]).expect(["end shutdown"]);
    tree.stop().kill().abandon().after(60_000).expect([]).tells([]).waits_for_no_time();
}

// Found by a bounded shutdown that took four abandon times: each elder waited for its turn to be killed.
#[test]
fn to_kill_at_once_waits_for_no_turn() {
    let deaf = permanent("web").abandon(Abandon::After(50 * MS));
    let mut tree = Script::new(OneForOne, [permanent("db"), permanent("cache"), deaf]);
    tree.stop().expect(["stop web"]).kill_at_once().expect(["kill web", "kill cache", "kill db"]);
    tree.is_killed("cache").is_killed("db").expect([]).after(50).expect(["abandon web", "end killed"]);
    tree.tells(["abandoned web"]).waits_for_no_time();
}

// A kill in order is hurried on, and no child is killed twice.
#[test]
fn to_kill_at_once_overtakes_a_kill_in_order() {
    let mut tree = Script::new(OneForOne, ["db", "cache", "web"]);
    tree.kill().expect(["kill web"]).kill_at_once().expect(["kill cache", "kill db"]).kill_at_once().expect([]);
    tree.is_killed("db").is_killed("web").expect([]).is_killed("cache").expect(["end killed"]);
    tree.kill_at_once().expect([]);
}

// Those that died when they were killed are no part of what is abandoned.
#[test]
fn after_a_kill_at_once_only_the_deaf_are_abandoned() {
    let deaf = permanent("web").abandon(Abandon::Never);
    let mut tree = Script::new(OneForOne, [permanent("db"), permanent("cache"), deaf]);
    tree.kill_at_once().ignore_actions().is_killed("cache").is_killed("db");
    tree.abandon().expect(["abandon web", "end killed"]).tells(["abandoned web"]);
}

#[test]
fn to_kill_at_once_during_boot_ends_the_start() {
    let mut tree = Script::unbooted(OneForOne, ["db", "web", "log"]);
    tree.starts(["db"]).expect(["start web"]).kill_at_once().expect(["kill web", "kill db"]);
    tree.is_killed("db").start_fails("web").expect(["end killed"]).tells([]);
}
