//! A machine is closed: another crate asks, tells, orders and drains, and nothing else of it can be called.
//!
//! Found by review: the steps of a decision were methods of a supertrait of [`Machine`], which every user could call.

use std::time::Duration;

use regrow_supervisors::{
    Action, BudgetClock, ChildSpec, DynamicMachine, Exit, Intensity, Machine, Order, OrderError, OrderId, SpecError,
    StaticMachine, Strategy,
};

/// Names of what decides inside. If `Machine` or a supertrait of it had one of these methods, the calls below would mean
/// that one, and not compile: it takes other arguments, or returns something else. A method by `&self` is found before one
/// by `&mut self`, so each name is tried both ways.
macro_rules! inside {
    ($($name:ident),* $(,)?) => {
        const INSIDE: &[&str] = &[$(stringify!($name)),*];

        mod shared {
            inside!(@ &Self, &impl Machine, &dyn Machine, &StaticMachine, &DynamicMachine; $($name)*);
        }

        mod exclusive {
            inside!(@ &mut Self, &mut impl Machine, &mut dyn Machine, &mut StaticMachine, &mut DynamicMachine; $($name)*);
        }
    };
    (@ $me:ty, $any:ty, $pointed:ty, $fixed:ty, $dynamic:ty; $($name:ident)*) => {
        use regrow_supervisors::{DynamicMachine, Machine, StaticMachine};

        trait Outsider {
            $(fn $name(self: $me) -> &'static str { stringify!($name) })*
        }
        impl<T: ?Sized> Outsider for T {}

        pub(super) fn called_on_any(machine: $any) -> Vec<&'static str> {
            vec![$(machine.$name()),*]
        }

        pub(super) fn called_behind_a_pointer(machine: $pointed) -> Vec<&'static str> {
            vec![$(machine.$name()),*]
        }

        pub(super) fn called_on_a_supervisor(machine: $fixed) -> Vec<&'static str> {
            vec![$(machine.$name()),*]
        }

        pub(super) fn called_on_a_dynamic_one(machine: $dynamic) -> Vec<&'static str> {
            vec![$(machine.$name()),*]
        }
    };
}

inside! {
    core, core_mut, work, end, rest, gone, restart, try_again, admit, carry_out_own, is_booting, is_not_up_yet,
    wait_in_order, start_left_behind, rest_left_behind, blocked_until, prompt_window_is_over, take_retry, retry, at, take,
    follow, ignored, start_failed, fail_boot, stop_child, stopped, has_gone, start_order_failed, carry_out, start_order,
    start_for, terminate_order, revive_order, advance, cut_short, restart_order, delete_order, reconfigure_order,
    park_order, set_aside, carried_out,
}

#[test]
fn nothing_that_decides_inside_can_be_called_from_another_crate() {
    let mut machine = StaticMachine::new(Strategy::OneForOne, [ChildSpec::new("db")]).expect("good specs");
    let mut pool = DynamicMachine::new(Intensity::default(), None).expect("good limits");
    assert_eq!(shared::called_on_any(&machine), INSIDE);
    assert_eq!(shared::called_behind_a_pointer(&pool), INSIDE);
    assert_eq!(shared::called_on_a_supervisor(&machine), INSIDE);
    assert_eq!(shared::called_on_a_dynamic_one(&pool), INSIDE);
    assert_eq!(exclusive::called_on_any(&mut machine), INSIDE);
    assert_eq!(exclusive::called_behind_a_pointer(&mut pool), INSIDE);
    assert_eq!(exclusive::called_on_a_supervisor(&mut machine), INSIDE);
    assert_eq!(exclusive::called_on_a_dynamic_one(&mut pool), INSIDE);
}

/// Boots a supervisor of one child whose restart fails: the retry waits for its turn.
fn with_a_retry() -> (StaticMachine, regrow_supervisors::Attempt) {
    let flags = regrow_supervisors::Flags {
        intensity: Intensity::new(9, Duration::from_secs(5)),
        ..Strategy::OneForOne.into()
    };
    let mut machine = StaticMachine::new(flags, [ChildSpec::new("db")]).expect("good specs");
    let first = start(&mut machine).expect("boot starts it");
    machine.handle_started(first, Duration::ZERO);
    assert!(start(&mut machine).is_none());
    machine.handle_exit(first, Exit::Killed, Duration::ZERO);
    let second = start(&mut machine).expect("a restart");
    machine.handle_start_failed(second, Exit::failed("no disk"), Duration::ZERO);
    (machine, second)
}

/// The attempt that is to be started next, if there is one.
fn start(machine: &mut dyn Machine) -> Option<regrow_supervisors::Attempt> {
    std::iter::from_fn(|| machine.poll_action()).find_map(|action| match action {
        Action::Start(attempt) => Some(attempt),
        _ => None,
    })
}

#[test]
fn a_retry_that_is_handed_in_once_too_often_or_for_a_stranger_starts_nothing() {
    let (mut machine, failed) = with_a_retry();
    let retry = machine.poll_retry().expect("the start failed, and is tried again");
    assert_eq!((retry, machine.poll_retry()), (failed.child(), None));
    assert!(start(&mut machine).is_none(), "the driver holds the retry");
    machine.handle_retry(retry, Duration::ZERO);
    machine.handle_retry(retry, Duration::ZERO);
    let third = start(&mut machine).expect("its turn has come");
    assert!(start(&mut machine).is_none(), "one retry, one start");
    machine.handle_started(third, Duration::ZERO);
    machine.handle_retry(retry, Duration::ZERO);
    assert!(start(&mut machine).is_none(), "a child that is up is not started");
    assert_eq!(machine.attempt(retry), Some(third));

    let mut stranger = StaticMachine::new(Strategy::OneForOne, []).expect("no specs are good specs");
    stranger.handle_retry(retry, Duration::ZERO);
    assert!(start(&mut stranger).is_none());
}

#[test]
fn a_retry_that_comes_after_the_end_has_begun_is_dropped() {
    let (mut machine, _) = with_a_retry();
    let retry = machine.poll_retry().expect("the start failed, and is tried again");
    machine.stop(Exit::Shutdown, Duration::ZERO);
    let ended = std::iter::from_fn(|| machine.poll_action()).any(|action| matches!(action, Action::End(_)));
    machine.handle_retry(retry, Duration::ZERO);
    assert!(ended && machine.poll_action().is_none());
    let inbox = machine.tables().into_iter().find(|(name, _)| *name == "machine: inbox");
    assert_eq!(inbox, Some(("machine: inbox", 0)), "nothing stays in an ended machine");
}

#[test]
fn after_the_end_orders_are_refused_and_late_facts_dropped() {
    let (mut machine, failed) = with_a_retry();
    machine.kill(Duration::ZERO);
    while machine.poll_action().is_some() {}
    machine.handle_started(failed, Duration::ZERO);
    machine.handle_exit(failed, Exit::Normal, Duration::ZERO);
    machine.stop(Exit::Normal, Duration::ZERO);
    machine.kill(Duration::ZERO);
    machine.abandon(Duration::ZERO);
    machine.handle_timeout(Duration::MAX);
    assert!(machine.poll_action().is_none());
    machine.order(OrderId(7), Order::Read, Duration::MAX);
    let answer = machine.poll_action();
    assert!(matches!(answer, Some(Action::Answer { call: OrderId(7), result: Err(OrderError::Over) })), "{answer:?}");
}

#[test]
fn a_budget_without_a_period_is_refused_by_every_door() {
    let zero = Intensity::new(3, Duration::ZERO);
    let mut machine = StaticMachine::new(Strategy::OneForOne, [ChildSpec::new("db")]).expect("good specs");
    assert_eq!(machine.set_budget(zero, BudgetClock::All), Err(SpecError::ZeroPeriod));
    assert_eq!(machine.set_budget(Intensity::unlimited(), BudgetClock::WithoutStops), Ok(()));
    assert_eq!(DynamicMachine::new(zero, None).err(), Some(SpecError::ZeroPeriod));
}
