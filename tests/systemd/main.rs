//! What systemd is told by a process that it starts: each message, in its order.
//!
//! This program is both sides: with `REGROW_MODE` it is the service, and without it runs the tests. The tests have the
//! socket, and read it as systemd does. A name on the command line picks the tests that contain it.

#[cfg(target_os = "linux")]
#[path = "../common/by_name.rs"]
mod by_name;
#[cfg(target_os = "linux")]
#[path = "../common/process.rs"]
mod process;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod unit;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> Result<(), regrow::RunError> {
    match std::env::var("REGROW_MODE") {
        Ok(mode) => program::run(&mode),
        Err(_) => {
            tests::run();
            Ok(())
        }
    }
}

#[cfg(target_os = "linux")]
mod tests {
    use std::time::Duration;

    use crate::by_name::{self, all};
    use crate::unit::Unit;

    const MS: Duration = Duration::from_millis(1);

    fn a_tree_tells_each_step_once_and_in_order() {
        let mut unit = Unit::start("well", &[]);
        unit.tells_at_last("READY=1\nSTATUS=2 services\n");
        unit.signal("TERM");
        unit.tells("STOPPING=1\nSTATUS=stopping\n");
        unit.exits(0).tells_no_more();
    }

    // A probe of the tree would be `not ready`, so the unit is not started yet.
    fn a_tree_that_is_up_and_not_ready_is_not_told_to_be_ready() {
        let mut unit = Unit::start("late", &[]);
        unit.tells_at_last("STATUS=not ready: 2 services, 1 not ready: shop/db\n");
        assert!(!unit.heard().contains("READY=1"), "{}", unit.heard());
        unit.writes("ready\n");
        unit.tells("READY=1\nSTATUS=2 services\n");
        unit.signal("TERM");
        unit.tells("STOPPING=1\nSTATUS=stopping\n");
        unit.exits(0).tells_no_more();
    }

    fn a_service_that_is_parked_and_comes_back_changes_the_status_and_nothing_else() {
        let mut unit = Unit::start("parks", &[]);
        unit.tells_at_last("READY=1\nSTATUS=2 services\n");
        unit.writes("park\n");
        unit.tells("STATUS=not ready: 2 services, 1 parked: shop/db\n");
        unit.writes("revive\n");
        unit.tells_at_last("STATUS=2 services\n");
        assert_eq!(unit.heard().matches("READY=1").count(), 1);
        unit.signal("TERM");
        unit.tells("STOPPING=1\nSTATUS=stopping\n");
        unit.exits(0).tells_no_more();
    }

    fn a_drain_and_a_limit_are_told_before_anything_stops() {
        let mut unit = Unit::start("drains", &[]);
        unit.tells_at_last("READY=1\nSTATUS=2 services\n");
        unit.signal("TERM");
        unit.tells("STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=201000000\n");
        // It drains for a long time, and nothing has stopped.
        unit.writes("status\n");
        unit.says("all up, draining");
        // Another signal: the same one again, at once, would be the same request.
        unit.signal("INT").exits(1).tells_no_more();
    }

    fn a_root_that_gives_up_tells_that_it_stops() {
        let mut unit = Unit::start("gives-up", &[]);
        unit.tells_at_last("READY=1\nSTATUS=2 services\n");
        unit.writes("park\n");
        unit.tells("STOPPING=1\nSTATUS=stopping\n");
        unit.exits(1).tells_no_more();
    }

    fn a_signal_during_the_boot_is_told_too() {
        let mut unit = Unit::start("boots", &[]);
        unit.tells_at_last("STATUS=not ready: 1 service, 1 starting: shop/db\n");
        unit.signal("TERM");
        unit.tells("STOPPING=1\nSTATUS=stopping\n");
        unit.exits(0).tells_no_more();
        assert!(!unit.heard().contains("READY=1"), "{}", unit.heard());
    }

    fn a_name_cannot_tell_systemd_anything() {
        let mut unit = Unit::start("hostile", &[]);
        unit.tells_at_last("STATUS=not ready: 1 service, 1 not ready: shop/db=\\0READY=1\n");
        unit.signal("TERM");
        unit.tells("STOPPING=1\nSTATUS=stopping\n");
        unit.exits(0).tells_no_more();
    }

    fn signs_of_life_come_at_half_of_the_time_and_not_from_a_blocked_runtime() {
        let mut unit = Unit::start("blocks", &[("WATCHDOG_USEC", "200000")]);
        for _ in 0..5 {
            unit.tells_at_last("WATCHDOG=1\n");
        }
        let gap = unit.longest_gap("WATCHDOG=1\n");
        assert!(gap >= 80 * MS, "not more often than at half of the time: {gap:?}");
        unit.writes("block\n");
        unit.says("blocked");
        unit.takes_all();
        // systemd would restart it now.
        unit.is_silent_for(600 * MS);
        unit.writes("unblock\n");
        unit.tells_at_last("WATCHDOG=1\n");
        unit.signal("TERM").exits(0).takes_all();
        assert_eq!(unit.heard().matches("STOPPING=1").count(), 1, "{}", unit.heard());
    }

    // A service that does not yield is no reason to restart the process while another thread runs the rest.
    fn signs_of_life_go_on_while_one_of_two_threads_is_blocked() {
        let mut unit = Unit::start("blocks-one", &[("WATCHDOG_USEC", "200000")]);
        unit.tells_at_last("WATCHDOG=1\n");
        unit.writes("block\n");
        unit.says("blocked");
        unit.takes_all();
        for _ in 0..5 {
            unit.tells_at_last("WATCHDOG=1\n");
        }
        unit.writes("unblock\n");
        unit.signal("TERM").exits(0).takes_all();
        assert_eq!(unit.heard().matches("STOPPING=1").count(), 1, "{}", unit.heard());
    }

    fn the_watchdog_of_another_process_is_not_ours() {
        let mut unit = Unit::start("well", &[("WATCHDOG_USEC", "2000"), ("WATCHDOG_PID", "1")]);
        unit.tells_at_last("READY=1\nSTATUS=2 services\n");
        unit.is_silent_for(100 * MS);
        unit.signal("TERM").exits(0).takes_all();
        assert!(!unit.heard().contains("WATCHDOG"), "{}", unit.heard());
    }

    fn without_a_socket_or_with_a_wrong_one_all_goes_on() {
        for (socket, is_logged) in [("", false), ("/nowhere/at/all", true)] {
            let mut unit = Unit::start("well", &[("NOTIFY_SOCKET", socket)]);
            unit.says("ready").signal("TERM").exits(0).tells_no_more();
            assert_eq!(unit.has_said("systemd cannot be told"), is_logged, "{socket}");
        }
    }

    pub(crate) fn run() {
        by_name::run(&all![
            a_tree_tells_each_step_once_and_in_order,
            a_tree_that_is_up_and_not_ready_is_not_told_to_be_ready,
            a_service_that_is_parked_and_comes_back_changes_the_status_and_nothing_else,
            a_drain_and_a_limit_are_told_before_anything_stops,
            a_root_that_gives_up_tells_that_it_stops,
            a_signal_during_the_boot_is_told_too,
            a_name_cannot_tell_systemd_anything,
            signs_of_life_come_at_half_of_the_time_and_not_from_a_blocked_runtime,
            signs_of_life_go_on_while_one_of_two_threads_is_blocked,
            the_watchdog_of_another_process_is_not_ours,
            without_a_socket_or_with_a_wrong_one_all_goes_on,
        ]);
    }
}
