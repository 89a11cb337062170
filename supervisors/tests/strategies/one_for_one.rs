//! One for one: only the child that died is restarted (OTP rules 29 to 32).

use std::time::Duration;

use crate::common::{Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::OneForOne;
use regrow_supervisors::{Action, ChildState, Exit, Flags, Intensity, Machine, StaticMachine};

// OTP rule 29.
#[test]
fn only_the_dead_child_is_restarted() {
    let mut tree = Script::new(OneForOne, ["db", "cache", "web"]);
    tree.fails("cache").expect(["start cache"]);
    tree.started("cache").expect([]).waits_for_no_time();
}

// OTP rule 29: "in its old place in the order".
#[test]
fn a_restarted_child_keeps_its_place() {
    let mut tree = Script::new(OneForOne, ["db", "cache", "web"]);
    tree.fails("db").starts(["db"]);
    tree.stop().stops(["web", "cache", "db"]).expect(["end shutdown"]);
}

// OTP rule 30.
#[test]
fn a_restart_that_is_ignored_leaves_the_child_down_and_the_supervisor_up() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]);
    tree.ignored("db").expect(["rest db"]).stands("db", Some(ChildState::Down));
    tree.fails("web").starts(["web"]);
}

// RabbitMQ 2017, Klarna 2021: a restart that failed a second time was never tried again. OTP rule 30.
#[test]
fn a_failed_restart_is_tried_again_until_it_works() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]).tells(["child_terminated db failed: boom"]);
    for _ in 0..5 {
        tree.start_fails("db").stands("db", Some(ChildState::Retrying));
        tree.expect(["start db"]).tells(["start_error db failed: no"]);
    }
    tree.started("db").stands("db", Some(ChildState::Up));
}

// OTP rule 31: the retry queues behind what is already in the mailbox.
#[test]
fn an_exit_that_came_before_the_failure_is_served_before_the_retry() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]);
    tree.fails("web").start_fails("db").starts(["web", "db"]);
}

// OTP rule 31, for a driver with a mailbox of its own: it takes the retry out, and brings it back when its turn comes.
#[test]
fn a_driver_that_keeps_the_mailbox_itself_is_handed_the_retry() {
    let flags = Flags { intensity: Intensity::unlimited(), ..Flags::default() };
    let machine: &mut dyn Machine = &mut StaticMachine::new(flags, [permanent("db")]).expect("good specs");
    let start = |machine: &mut dyn Machine| match machine.poll_action() {
        Some(Action::Start(attempt)) => attempt,
        other => panic!("{other:?}"),
    };
    let now = Duration::ZERO;
    let first = start(machine);
    machine.handle_started(first, now);
    assert!(matches!(machine.poll_action(), Some(Action::Up)));
    machine.handle_exit(first, Exit::Killed, now);
    assert_eq!(machine.poll_retry(), None, "what waits is an exit");
    let second = start(machine);
    machine.handle_start_failed(second, Exit::Killed, now);
    let retry = machine.poll_retry();
    assert_eq!((retry, machine.poll_retry()), (Some(first.child()), None));
    assert!(machine.poll_action().is_none(), "nothing is done before it is brought back");
    machine.handle_retry(first.child(), now);
    assert_eq!(start(machine).child(), first.child());
}

// Ours: a supervisor never awaits a child. OTP itself would wait (OTP rule 69).
#[test]
fn a_hung_restart_delays_nobody_elses() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").expect(["start db"]);
    tree.after(60_000).fails("web").starts(["web"]);
    tree.stands("db", Some(ChildState::Starting));
}

// A child that dies while it is being started has failed to start: OTP rule 9.
#[test]
fn a_death_during_a_restart_is_a_failed_start() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.fails("db").expect(["start db"]).tells(["child_terminated db failed: boom"]);
    tree.is_killed("db").expect(["start db"]).tells(["start_error db killed"]);
}

// OTP rule 17: no restart wanted, no sibling touched.
#[test]
fn a_clean_end_touches_nobody() {
    let mut tree = Script::new(OneForOne, [permanent("db"), transient("import"), temporary("job")]);
    tree.ends("import").expect(["rest import"]).stands("import", Some(ChildState::Down));
    tree.ends("job").expect(["forget job"]).stands("job", None);
}
