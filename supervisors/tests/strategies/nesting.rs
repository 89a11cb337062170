//! Supervisors under supervisors (OTP rules 12, 57, 99 to 103, 107). The stories are those of real OTP, scenarios 12,
//! 32, 55 and 64, where not said otherwise.

use crate::common::nested::Start::{Fails, Hangs};
use crate::common::nested::{Nested, Plan, supervisor, worker};
use crate::common::temporary;
use regrow_supervisors::Restart;
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};

/// `a`, then `s` with `x` and `y` and this budget, then `b`.
fn shop(restarts: u32, inner_restarts: u32) -> Plan {
    let inner = supervisor("s", OneForOne, inner_restarts, [worker("x"), worker("y")]);
    supervisor("root", OneForOne, restarts, [worker("a"), inner, worker("b")])
}

// OTP rules 8, 102.
#[test]
fn a_nested_supervisor_is_up_when_its_children_are() {
    Nested::unbooted(&shop(1, 1)).tells([
        "init root",
        "start a#1",
        "init s",
        "start x#1",
        "start y#1",
        "start s#1",
        "start b#1",
        "start root#1",
    ]);
}

// OTP rule 12, scenario 12: elders below stop first, and the cause nests outside-in.
#[test]
fn a_boot_failure_below_fails_the_boot_above() {
    let mut tree = Nested::unbooted(&shop(9, 9));
    tree.will("y", [Fails]).tells([
        "init root",
        "start a#1",
        "init s",
        "start x#1",
        "startfail y",
        "exit x#1 shutdown",
        "startfail s child `y` failed to start: failed: no",
        "exit a#1 shutdown",
        "startfail root child `s` failed to start: child `y` failed to start: failed: no",
    ]);
}

// OTP rule 103, scenario 64.
#[test]
fn a_tree_stops_depth_first_youngest_first() {
    let deepest = supervisor("ss", OneForOne, 1, [worker("u"), worker("v")]);
    let inner = supervisor("s", OneForOne, 1, [worker("x"), deepest, worker("y")]);
    Nested::new(&supervisor("root", OneForOne, 1, [worker("a"), inner, worker("b")])).stop().tells([
        "exit b#1 shutdown",
        "exit y#1 shutdown",
        "exit v#1 shutdown",
        "exit u#1 shutdown",
        "exit ss#1 shutdown",
        "exit x#1 shutdown",
        "exit s#1 shutdown",
        "exit a#1 shutdown",
        "exit root#1 shutdown",
    ]);
}

// OTP rules 28, 99, 100, scenario 32.
#[test]
fn a_permanent_supervisor_that_gives_up_is_restarted_with_a_clean_budget() {
    let mut tree = Nested::new(&shop(2, 1));
    tree.kill("x").tells(["exit x#1 killed", "start x#2"]);
    tree.kill("y").tells([
        "exit y#1 killed",
        "exit x#2 shutdown",
        "exit s#1 shutdown",
        "init s",
        "start x#3",
        "start y#2",
        "start s#2",
    ]);
    tree.kill("x").tells(["exit x#3 killed", "start x#4"]);
}

// OTP rules 24, 28, scenario 32: then it is the parent's turn, once per give-up.
#[test]
fn give_ups_below_use_up_the_budget_above() {
    let mut tree = Nested::new(&shop(2, 0));
    tree.kill("x").ends_with("start s#2").kill("y").ends_with("start s#3");
    tree.kill("x").tells([
        "exit x#3 killed",
        "exit y#3 shutdown",
        "exit s#3 shutdown",
        "exit b#1 shutdown",
        "exit a#1 shutdown",
        "exit root#1 shutdown",
    ]);
}

// OTP rule 99, scenario 33: `shutdown` is a clean exit.
#[test]
fn a_transient_or_temporary_supervisor_that_gives_up_stays_down_quietly() {
    for restart in [Restart::Transient, Restart::Temporary] {
        let inner = supervisor("s", OneForOne, 0, [worker("x"), worker("y")]).spec(|spec| spec.restart(restart));
        let mut tree = Nested::new(&supervisor("root", OneForOne, 0, [worker("a"), inner]));
        tree.kill("x").tells(["exit x#1 killed", "exit y#1 shutdown", "exit s#1 shutdown"]);
        tree.stop().tells(["exit a#1 shutdown", "exit root#1 shutdown"]);
    }
}

// OTP rules 37, 100: temporary children that were forgotten come back with their supervisor.
#[test]
fn a_restarted_supervisor_has_all_its_children_again() {
    let inner = supervisor("s", OneForOne, 0, [worker("x"), worker(temporary("job"))]);
    let mut tree = Nested::new(&supervisor("root", OneForOne, 1, [inner]));
    tree.kill("job").tells(["exit job#1 killed"]);
    tree.kill("x").tells(["exit x#1 killed", "exit s#1 shutdown", "init s", "start x#2", "start job#2", "start s#2"]);
}

// OTP rule 101, scenario 55: three levels of one restart each are eight deaths.
#[test]
fn levels_multiply() {
    let l2 = supervisor("l2", RestForOne, 1, [worker("x"), worker("y")]);
    let l1 = supervisor("l1", OneForAll, 1, [worker("p"), l2, worker("q")]);
    let mut tree = Nested::new(&supervisor("root", OneForOne, 1, [l1, worker("r")]));
    tree.kill("x").tells(["exit x#1 killed", "exit y#1 shutdown", "start x#2", "start y#2"]);
    tree.kill("x").tells([
        "exit x#2 killed",
        "exit y#2 shutdown",
        "exit l2#1 shutdown",
        "exit q#1 shutdown",
        "exit p#1 shutdown",
        "start p#2",
        "init l2",
        "start x#3",
        "start y#3",
        "start l2#2",
        "start q#2",
    ]);
    tree.kill("x").ends_with("start y#4").kill("x").ends_with("start l1#2").kill("x").ends_with("start y#6");
    tree.kill("x").ends_with("start q#4").kill("x").ends_with("start y#8");
    tree.kill("x").tells([
        "exit x#8 killed",
        "exit y#8 shutdown",
        "exit l2#4 shutdown",
        "exit q#4 shutdown",
        "exit p#4 shutdown",
        "exit l1#2 shutdown",
        "exit r#1 shutdown",
        "exit root#1 shutdown",
    ]);
}

// OTP rule 107, scenario 80: not a boot failure of the whole tree.
#[test]
fn a_restart_that_fails_in_its_boot_is_retried_as_a_whole_at_a_unit_each() {
    let mut tree = Nested::new(&shop(2, 0));
    tree.will("y", [Fails]).kill("x").tells([
        "exit x#1 killed",
        "exit y#1 shutdown",
        "exit s#1 shutdown",
        "init s",
        "start x#2",
        "startfail y",
        "exit x#2 shutdown",
        "startfail s child `y` failed to start: failed: no",
        "init s",
        "start x#3",
        "start y#2",
        "start s#2",
    ]);
    tree.kill("x").ends_with("exit root#1 shutdown");
}

// Ours. In OTP the children of a killed supervisor end on their own, and its replacement is started beside them (rules
// 57, 58; Horde, chaos-spawn #19).
#[test]
fn a_killed_supervisor_is_replaced_when_its_children_are_gone() {
    let mut tree = Nested::new(&shop(1, 1));
    tree.kill("s").tells([
        "exit y#1 killed",
        "exit x#1 killed",
        "exit s#1 killed",
        "init s",
        "start x#2",
        "start y#2",
        "start s#2",
    ]);
}

#[test]
fn a_killed_root_takes_the_whole_tree_along_depth_first() {
    Nested::new(&shop(1, 1)).kill_root().tells([
        "exit b#1 killed",
        "exit y#1 killed",
        "exit x#1 killed",
        "exit s#1 killed",
        "exit a#1 killed",
        "exit root#1 killed",
    ]);
}

// Ours: in OTP a hung start blocks every supervisor above it (OTP rules 8, 102).
#[test]
fn a_stop_cuts_a_start_short_that_hangs_two_levels_down() {
    let mut tree = Nested::unbooted(&shop(1, 1));
    tree.will("y", [Hangs]).tells(["init root", "start a#1", "init s", "start x#1", "hang y"]);
    tree.stop().after(1).tells([]);
    tree.after(1).tells([
        "startfail y",
        "exit x#1 shutdown",
        "startfail s shutdown",
        "exit a#1 shutdown",
        "startfail root shutdown",
    ]);
}
