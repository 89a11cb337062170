//! Which exits call for a restart, and which are reported (OTP rules 14 to 19).

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{ChildState, Exit, Intensity, Panic};

fn clean_exits() -> [Exit; 4] {
    let boot_failure = Exit::ChildFailedToStart { child: "x".into(), cause: Exit::failed("no").into() };
    [Exit::Normal, Exit::Shutdown, Exit::ShutdownWith("upgrade".into()), boot_failure]
}

fn abnormal_exits() -> [Exit; 3] {
    [Exit::Killed, Exit::failed("boom"), Exit::Panicked(Panic::new("oh"))]
}

// OTP rule 14.
#[test]
fn a_permanent_child_always_comes_back() {
    let mut tree = Script::new(OneForOne, [permanent("db")]);
    for exit in clean_exits().into_iter().chain(abnormal_exits()) {
        tree.exits("db", exit).starts(["db"]);
    }
}

// OTP rule 15. ractor-supervisor took a kill for a normal exit: a killed transient child stayed dead.
#[test]
fn a_transient_child_comes_back_from_a_kill_a_failure_and_a_panic() {
    let mut tree = Script::new(OneForOne, [transient("db")]);
    for exit in abnormal_exits() {
        tree.exits("db", exit).starts(["db"]);
    }
}

// OTP rules 15, 17. The last of them is a nested supervisor that failed at its boot: OTP's `{shutdown, _}`.
#[test]
fn a_transient_child_that_ends_clean_stays_down_and_keeps_its_spec() {
    for exit in clean_exits() {
        let mut tree = Script::new(OneForOne, [transient("db")]);
        tree.exits("db", exit).expect(["rest db"]).stands("db", Some(ChildState::Down)).waits_for_no_time();
    }
}

// OTP rules 16, 17; kameo revived them.
#[test]
fn a_temporary_child_never_comes_back_and_is_forgotten() {
    for exit in clean_exits().into_iter().chain(abnormal_exits()) {
        let mut tree = Script::new(OneForOne, [temporary("job")]);
        tree.exits("job", exit).expect(["forget job"]).stands("job", None);
    }
}

// OTP rule 17: untouched siblings and no unit, under every strategy. A budget of nothing would show any unit.
#[test]
fn an_end_that_calls_for_no_restart_costs_nothing_and_touches_nobody() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let children = [transient("import"), temporary("job"), permanent("db")];
        let mut tree = Script::within(Intensity::new(0, MS), strategy, children);
        tree.ends("import").expect(["rest import"]);
        tree.fails("job").expect(["forget job"]);
        tree.stands("db", Some(ChildState::Up));
    }
}

// OTP rule 19.
#[test]
fn every_exit_of_a_permanent_child_is_reported() {
    let mut tree = Script::new(OneForOne, [permanent("db")]);
    tree.ends("db").starts(["db"]).tells(["child_terminated db normal"]);
    tree.stopped("db").starts(["db"]).tells(["child_terminated db shutdown"]);
    tree.fails("db").starts(["db"]).tells(["child_terminated db failed: boom"]);
}

// OTP rule 19.
#[test]
fn only_abnormal_exits_of_the_others_are_reported() {
    let mut tree = Script::new(OneForOne, [transient("import"), temporary("a"), temporary("b")]);
    tree.is_killed("import").starts(["import"]).tells(["child_terminated import killed"]);
    tree.stopped("import").expect(["rest import"]).tells([]);
    tree.is_killed("a").expect(["forget a"]).tells(["child_terminated a killed"]);
    tree.ends("b").expect(["forget b"]).tells([]);
}
