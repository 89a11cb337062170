//! In which order children are stopped together: dependents first, one at a time or at once; and what is said to callers
//! meanwhile. A call from below the supervisor must not wait for a child that is down until its group is started again.

use crate::common::{MS, Script, permanent, temporary};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    Abandon, Backoff, ChildSpec, ChildState, Flags, Intensity, Jitter, Policy, Shutdown, StopOrder, Strategy,
};

fn needs(name: &str, others: &[&'static str]) -> ChildSpec {
    permanent(name).policy(Policy::default().depends_on(others.iter().copied()))
}

fn stopping<const N: usize>(order: StopOrder, strategy: Strategy, children: [ChildSpec; N]) -> Script {
    let flags = Flags { strategy, intensity: Intensity::new(100, 5000 * MS), stop_order: order, ..Flags::default() };
    let names: Vec<_> = children.iter().map(|child| child.id().to_owned()).collect();
    let mut tree = Script::flagged(flags, children);
    tree.ignore_actions();
    // Those that depend on a younger one wait for it.
    for _ in &names {
        for name in &names {
            if tree.is_starting(name) {
                tree.started(name).ignore_actions();
            }
        }
    }
    tree.ignore_actions().tells_whatever();
    tree
}

#[test]
fn by_default_dependents_are_stopped_before_what_they_depend_on() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let children = [needs("web", &["db"]), permanent("db"), permanent("x")];
        let mut tree = stopping(StopOrder::OneByOne, strategy, children);
        tree.stop().stops(["x", "web", "db"]).expect(["end shutdown"]);
    }
}

#[test]
fn a_group_restart_stops_dependents_first_and_starts_in_order() {
    let children = [needs("web", &["db"]), permanent("db"), permanent("x")];
    let mut tree = stopping(StopOrder::OneByOne, OneForAll, children);
    tree.fails("x").stops(["web", "db"]).expect(["start db"]);
    tree.started("db").starts(["x", "web"]);
}

#[test]
fn a_dependency_through_a_child_that_is_down_still_counts() {
    let children = [needs("web", &["api"]), needs("api", &["db"]), permanent("db")];
    let mut tree = stopping(StopOrder::OneByOne, OneForOne, children);
    tree.terminate("api").expect(["stop api"]).stopped("api").expect(["rest api", "answer 1 done"]);
    tree.stop().stops(["web", "db"]).expect(["end shutdown"]);
}

// Found by the small worlds: a dead dependent kept what it depended on waiting until its own turn.
#[test]
fn a_dependent_that_is_dead_keeps_nothing_waiting() {
    let children = [needs("web", &["db"]), permanent("x"), permanent("db")];
    let mut tree = stopping(StopOrder::OneByOne, OneForAll, children);
    tree.fails("web").stops(["db", "x"]).ignore_actions();
}

#[test]
fn what_depends_on_something_inside_another_is_stopped_before_it() {
    let mut tree = stopping(StopOrder::OneByOne, OneForOne, ["feeds", "pool", "web"].map(permanent));
    tree.ties(&[("feeds", "pool")], []);
    tree.stop().stops(["web", "feeds", "pool"]).expect(["end shutdown"]);
}

#[test]
fn a_circle_of_subtrees_is_told_and_stops_in_reverse_start_order() {
    let mut tree = stopping(StopOrder::OneByOne, OneForOne, ["a", "b", "web", "log"].map(permanent));
    tree.ties(&[("a", "b"), ("b", "a"), ("a", "log"), ("web", "log")], ["a b"]);
    // What goes in no circle holds.
    tree.stop().stops(["web", "b", "a", "log"]).expect(["end shutdown"]);
}

#[test]
fn a_dependency_that_is_taken_back_counts_no_longer() {
    let mut tree = stopping(StopOrder::OneByOne, OneForOne, ["a", "b"].map(permanent));
    tree.ties(&[("a", "b")], []).ties(&[], []);
    tree.stop().stops(["b", "a"]).expect(["end shutdown"]);
}

#[test]
fn together_all_are_asked_at_once_and_each_has_its_own_limit() {
    for order in [StopOrder::Together, StopOrder::TogetherAtEnd] {
        let deaf = |name: &str, limit: u32| permanent(name).shutdown(Shutdown::After(limit * MS));
        let mut tree = stopping(order, OneForOne, [deaf("a", 100), deaf("b", 50)]);
        tree.stop().expect(["stop b", "stop a"]).after(50).expect(["kill b"]).after(50).expect(["kill a"]);
        tree.is_killed("a").is_killed("b").expect(["end shutdown"]).tells_whatever();
    }
}

#[test]
fn together_a_dependency_is_asked_when_the_last_of_its_dependents_is_gone() {
    let children = [needs("web", &["db"]), needs("api", &["db"]), permanent("db"), permanent("x")];
    let mut tree = stopping(StopOrder::Together, OneForAll, children);
    tree.stop().expect(["stop x", "stop api", "stop web"]);
    tree.stopped("x").stopped("api").expect([]).stopped("web").expect(["stop db"]);
    tree.stopped("db").expect(["end shutdown"]);
}

#[test]
fn together_a_group_is_stopped_at_once_and_started_in_order() {
    let mut tree = stopping(StopOrder::Together, RestForOne, ["a", "b", "c", "d"].map(permanent));
    tree.fails("b").expect(["stop d", "stop c"]).stopped("c").expect([]).stopped("d").starts(["b", "c", "d"]);
}

#[test]
fn together_at_the_end_leaves_group_restarts_as_they_are() {
    let mut tree = stopping(StopOrder::TogetherAtEnd, OneForAll, ["a", "b", "c"].map(permanent));
    tree.fails("c").stops(["b", "a"]).starts(["a", "b", "c"]);
    tree.stop().expect(["stop c", "stop b", "stop a"]);
    tree.stopped("a").stopped("b").stopped("c").expect(["end shutdown"]);
}

// Found by the small worlds: a kill found an elder that was being stopped for its dependents, and killed another beside it.
#[test]
fn a_kill_first_ends_what_is_being_stopped() {
    let mut tree = stopping(StopOrder::OneByOne, OneForOne, [needs("web", &["db"]), permanent("db")]);
    tree.stop().expect(["stop web"]).kill().expect(["kill web"]);
    tree.is_killed("web").expect(["kill db"]);
    tree.is_killed("db").expect(["end killed"]);
}

#[test]
fn a_dynamic_supervisor_stops_dependents_first_and_all_others_at_once() {
    let mut tree = Script::dynamic(Intensity::new(9, 1000 * MS), None);
    for child in [permanent("db"), permanent("x"), needs("web", &["db"])] {
        let name = child.id().to_owned();
        tree.start_child(child).ignore_actions().started(&name).ignore_actions();
    }
    tree.stop().expect(["stop web", "stop x"]).stopped("web").expect(["forget web", "stop db"]);
    tree.stopped("db").stopped("x").expect(["forget db", "forget x", "end shutdown"]);
}

#[test]
fn callers_are_refused_from_the_moment_a_member_has_stopped_until_its_group_starts() {
    let mut tree = stopping(StopOrder::OneByOne, OneForAll, ["ledger", "audit", "fx"].map(permanent));
    tree.fails("fx").expect(["stop audit"]).refuses(["withdraw fx"]);
    tree.stopped("audit").expect(["stop ledger"]).refuses(["withdraw audit"]);
    tree.stopped("ledger").expect(["start ledger"]);
    tree.refuses(["withdraw ledger", "readmit ledger", "readmit audit", "readmit fx"]);
    tree.started("ledger").starts(["audit", "fx"]).refuses([]);
}

#[test]
fn a_member_that_dies_while_the_group_stops_is_refused_at_once() {
    let mut tree = stopping(StopOrder::OneByOne, OneForOne, ["db", "web"].map(permanent));
    tree.stop().expect(["stop web"]).refuses([]).fails("db").refuses(["withdraw db"]);
    tree.stopped("web").expect(["end shutdown"]).refuses(["withdraw web"]).tells_whatever();
}

#[test]
fn while_the_group_serves_a_delay_callers_are_refused() {
    let backoff = Backoff::listed([100 * MS]).jitter(Jitter::None);
    let slow = permanent("fx").policy(Policy::default().backoff(backoff));
    let mut tree = stopping(StopOrder::OneByOne, OneForAll, [permanent("ledger"), slow]);
    tree.fails("fx").stops(["ledger"]).refuses(["withdraw fx", "withdraw ledger"]);
    tree.after(99).refuses([]).after(1).expect(["start ledger"]).refuses(["readmit ledger", "readmit fx"]);
    tree.started("ledger").starts(["fx"]).tells_whatever();
}

#[test]
fn who_is_alone_is_refused_to_nobody() {
    let mut tree = stopping(StopOrder::OneByOne, RestForOne, ["db", "web"].map(permanent));
    tree.fails("web").starts(["web"]).refuses([]);
    stopping(StopOrder::OneByOne, OneForOne, [temporary("job")]).stop().stops(["job"]).ignore_actions().refuses([]);
}

#[test]
fn a_child_that_is_terminated_accepts_nothing_more() {
    let mut tree = stopping(StopOrder::OneByOne, OneForOne, ["db", "web"].map(permanent));
    tree.terminate("db").expect(["stop db"]).refuses(["dismiss db"]);
    tree.stopped("db").expect(["rest db", "answer 1 done"]).terminate("db").expect(["answer 2 done"]).refuses([]);
}

#[test]
fn orders_about_a_child_that_is_stopping_are_answered_with_that() {
    for kind in ["static", "dynamic"] {
        let db = permanent("db").shutdown(Shutdown::Wait).abandon(Abandon::Never);
        let mut tree = match kind {
            "static" => stopping(StopOrder::OneByOne, OneForOne, [db]),
            _ => {
                let mut tree = Script::dynamic(Intensity::new(9, 1000 * MS), None);
                tree.start_child(db).ignore_actions().started("db").ignore_actions();
                tree
            }
        };
        let calls = if kind == "static" { 0 } else { 1 };
        tree.terminate("db").expect(["stop db"]).after(1).stands("db", Some(ChildState::Stopping));
        let refused = |number: u32| format!("refuse {} stopping", calls + number);
        tree.start_child("db").expect([refused(2).as_str()]).revive("db").expect([refused(3).as_str()]);
        if kind == "static" {
            tree.restart("db").delete("db").expect([refused(4).as_str(), refused(5).as_str()]);
        }
        tree.stopped("db").ignore_actions();
    }
}

// Found by mutants that no test noticed: the elder of two that depend on each other is told first, here and below.
#[test]
fn a_chain_against_the_order_of_starts_is_stopped_from_its_end() {
    let mut tree = Script::new(OneForOne, ["x", "web", "db"]);
    tree.ties(&[("x", "web"), ("web", "db")], []).stop().stops(["x", "web", "db"]).expect(["end shutdown"]);
}

#[test]
fn a_member_that_dies_before_its_turn_frees_what_it_depends_on_once_nothing_depends_on_itself() {
    let mut tree = Script::new(OneForOne, ["web", "cache", "db", "log"]);
    tree.ties(&[("web", "db")], []).stop().expect(["stop log"]).fails("web").expect([]).stopped("log");
    tree.stops(["db", "cache"]).expect(["end shutdown"]);
    let mut tree = Script::new(OneForOne, ["x", "web", "db", "log"]);
    tree.ties(&[("x", "web"), ("web", "db")], []).stop().expect(["stop log"]).fails("web").expect([]).stopped("log");
    tree.stops(["x", "db"]).expect(["end shutdown"]);
}
