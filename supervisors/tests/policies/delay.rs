//! A delay before a restart: of one child, cancellable, visible, charged as OTP charges, and begun anew by evidence.

use crate::common::{MS, Script, permanent, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{Backoff, ChildSpec, ChildState, Exit, Intensity, Policy, Readiness};

fn slowly() -> Policy {
    Policy::default().backoff(Backoff::new(100 * MS).max_delay(1000 * MS))
}

fn slow(name: &str) -> ChildSpec {
    permanent(name).policy(slowly())
}

#[test]
fn a_restart_waits_for_its_delay_and_no_sibling_for_it() {
    let mut tree = Script::new(OneForOne, [slow("db"), permanent("web")]);
    tree.fails("db").expect([]).stands("db", Some(ChildState::Retrying));
    tree.fails("web").starts(["web"]).after(99).expect([]).after(1).starts(["db"]);
    tree.tells(["child_terminated db failed: boom", "delayed db until 100ms", "child_terminated web failed: boom"]);
}

// OTP rule 20: the budget is charged first, and one that is over is not delayed.
#[test]
fn the_budget_is_charged_before_the_delay() {
    let mut tree = Script::within(Intensity::new(1, 5000 * MS), OneForOne, [slow("db")]);
    tree.fails("db").after(100).starts(["db"]).fails("db").expect(["end shutdown"]);
    tree.tells([
        "child_terminated db failed: boom",
        "delayed db until 100ms",
        "child_terminated db failed: boom",
        "gave_up db",
    ]);
}

// RabbitMQ 2017, Klarna 2021-2025: a child whose delayed restart fails once more was never tried again.
#[test]
fn a_delayed_restart_that_fails_is_tried_again_under_every_strategy() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, [slow("db")]);
        tree.fails("db");
        for delay in [100, 200, 400, 800, 1000, 1000] {
            tree.after(delay - 1).expect([]).after(1).expect(["start db"]).start_fails("db");
            tree.stands("db", Some(ChildState::Retrying));
        }
        tree.after(1000).starts(["db"]).stands("db", Some(ChildState::Up));
    }
}

// The same, where it dies a moment after it came up.
#[test]
fn a_child_that_dies_right_after_its_delayed_restart_is_tried_again() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, [slow("db")]);
        for delay in [100, 200, 400, 800, 1000] {
            tree.fails("db").after(delay - 1).expect([]).after(1).starts(["db"]);
        }
    }
}

#[test]
fn a_dynamic_child_whose_delayed_restart_fails_is_tried_again() {
    let mut tree = Script::dynamic(Intensity::new(100, 5000 * MS), None);
    tree.start_child(slow("job")).expect(["adopt job", "start job"]).started("job").expect(["answer 1 started job"]);
    tree.fails("job");
    for delay in [100, 200, 400] {
        tree.after(delay - 1).expect([]).after(1).expect(["start job"]).start_fails("job");
    }
    tree.after(800).starts(["job"]).terminate("job").expect(["stop job"]).stopped("job");
    tree.expect(["forget job", "answer 2 done"]).waits_for_no_time();
}

// OTP rule 32: a failed start is charged when its retry is taken, and once.
#[test]
fn a_failed_start_is_charged_when_the_turn_of_its_retry_comes() {
    let mut tree = Script::within(Intensity::new(2, 5000 * MS), OneForOne, [slow("db")]);
    tree.fails("db").after(100).expect(["start db"]).start_fails("db");
    assert_eq!(tree.why("db").budget.expect("a limit").left, 1);
    tree.after(200).expect(["start db"]);
    assert_eq!(tree.why("db").budget.expect("a limit").left, 0);
    tree.start_fails("db").after(400).expect(["end shutdown"]);
}

// OTP rules 61 to 63.
#[test]
fn orders_about_a_delayed_child_are_answered_as_about_one_that_is_restarting() {
    let mut tree = Script::new(OneForOne, [slow("db")]);
    tree.fails("db").restart("db").delete("db").start_child("db");
    tree.expect(["refuse 1 restarting", "refuse 2 restarting", "refuse 3 already_present"]);
    tree.terminate("db").expect(["rest db", "answer 4 done"]).waits_for_no_time();
    tree.after(1000).expect([]).restart("db").expect(["start db"]).started("db").expect(["answer 5 started db"]);
}

#[test]
fn a_stop_order_during_a_delay_ends_at_once() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, [slow("db")]);
        tree.fails("db").after(50).stop().expect(["end shutdown"]).waits_for_no_time();
    }
}

// systemd #43813: the delay never went back after a success. Hollywood: the counter of crashes never decayed.
#[test]
fn a_life_as_long_as_the_longest_delay_begins_the_curve_anew() {
    let mut tree = Script::new(OneForOne, [slow("db")]);
    tree.fails("db").after(100).starts(["db"]).fails("db").after(200).starts(["db"]);
    tree.after(999).fails("db").after(400).starts(["db"]);
    tree.after(1000).fails("db").after(99).expect([]).after(1).starts(["db"]);
}

#[test]
fn reset_after_says_otherwise() {
    let spec = permanent("db").policy(slowly().reset_after(10 * MS));
    let mut tree = Script::new(OneForOne, [spec]);
    for _ in 0..5 {
        tree.fails("db").after(100).starts(["db"]).after(10);
    }
    tree.fails("db").after(100).starts(["db"]).after(9).fails("db").after(100).expect([]).after(100).starts(["db"]);
}

// The time counts from when it was ready, and that is said once. Found by reading: said again, the clock began anew.
#[test]
fn a_life_is_measured_from_when_it_was_ready() {
    let spec = permanent("db").policy(slowly().reset_after(10 * MS).readiness(Readiness::WhenSaid));
    let mut tree = Script::new(OneForOne, [spec]);
    tree.after(50).ready("db").after(5).fails("db").after(100).starts(["db"]);
    tree.after(50).fails("db").after(200).starts(["db"]);
    tree.ready("db").after(9).ready("db").after(1).fails("db").after(100).starts(["db"]);
}

#[test]
fn a_life_that_became_ready_or_handled_enough_begins_the_curve_anew() {
    let ready = slowly().readiness(Readiness::WhenSaid).reset_on_ready();
    let mut tree = Script::new(OneForOne, [permanent("db").policy(ready)]);
    tree.fails("db").after(100).starts(["db"]).fails("db").after(200).starts(["db"]);
    tree.ready("db").fails("db").after(100).starts(["db"]);

    let mut tree = Script::new(OneForOne, [permanent("db").policy(slowly().reset_after_messages(3))]);
    tree.fails("db").after(100).starts(["db"]).handled("db", 2).fails("db").after(200).starts(["db"]);
    tree.handled("db", 3).fails("db").after(100).starts(["db"]);
}

#[test]
fn a_clean_end_of_a_transient_child_is_not_delayed_but_final() {
    let mut tree = Script::new(OneForOne, [transient("import").policy(slowly())]);
    tree.ends("import").expect(["rest import"]).waits_for_no_time();
}

#[test]
fn why_tells_what_is_known() {
    let mut tree = Script::new(OneForOne, [slow("db")]);
    tree.after(10).exits("db", Exit::failed("disk full")).expect([]);
    let why = tree.why("db");
    assert_eq!((why.standing, why.steps, why.next_try), (ChildState::Retrying, 1, Some(110 * MS)));
    assert_eq!((why.ended_at, why.reset_after), (Some(10 * MS), Some(1000 * MS)));
    assert_eq!(why.exit.map(|exit| exit.to_string()), Some("failed: disk full".to_owned()));
    assert!(!why.is_half_open && !why.is_ready && why.waits_for.is_empty());
}

// A hung child: its exit is the hang whatever the kill looked like, the ladder's last rung is there, and it is restarted.
#[test]
fn a_hung_child_is_killed_and_restarted_for_it() {
    let mut tree = Script::new(OneForOne, [slow("db")]);
    tree.hangs("db").expect(["kill db"]).stands("db", Some(ChildState::Up)).is_killed("db").after(100).starts(["db"]);
    assert!(matches!(tree.why("db").exit, Some(Exit::Hung(_))));
    tree.hangs("db").expect(["kill db"]).after(5000).expect(["abandon db"]).after(200).starts(["db"]);
}

// Found by reading: stopping it first turned its exit into a plain kill, and the hang was not reported.
#[test]
fn a_hung_child_that_is_stopped_before_it_dies_ends_by_its_hang() {
    let mut tree = Script::new(OneForOne, [slow("db")]);
    tree.hangs("db").expect(["kill db"]).tells(["overdue db hung: `Msg` in hand for 0.0ns"]);
    tree.terminate("db").expect([]).is_killed("db").expect(["rest db", "answer 1 done"]);
    tree.tells(["shutdown_error db hung: `Msg` in hand for 0.0ns"]);
}
