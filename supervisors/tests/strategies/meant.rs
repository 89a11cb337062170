//! Orders about one life of a child: they are checked when they are carried out, and not when they are given.

use crate::common::{MS, Script, permanent, temporary};
use regrow_supervisors::Strategy::{OneForAll, OneForOne};
use regrow_supervisors::{Backoff, ChildState, Intensity, Order, Policy};

fn terminate(name: &str) -> Order {
    Order::TerminateChild(name.into())
}

fn renew(name: &str) -> Order {
    Order::RenewChild { id: name.into(), reason: "why not".into() }
}

#[test]
fn an_order_about_the_present_life_is_carried_out() {
    for strategy in [OneForOne, OneForAll] {
        let mut tree = Script::new(strategy, ["db", "web"].map(permanent));
        tree.meaning("db", renew("db")).stops(["db"]).expect(["start db"]).started("db");
        tree.expect(["answer 1 started db"]).meaning("db", terminate("db")).stops(["db"]);
        tree.expect(["rest db", "answer 2 done"]);
        // It is down, and no other life has come up since.
        tree.meaning("db", Order::RestartChild("db".into())).expect(["start db"]).started("db");
        tree.expect(["answer 3 started db"]);
    }
}

#[test]
fn an_order_about_a_life_that_is_replaced_changes_nothing() {
    let mut tree = Script::new(OneForOne, ["db", "web"].map(permanent));
    tree.fails("db").starts(["db"]).meaning("db#1", terminate("db")).meaning("db#1", renew("db"));
    tree.expect(["refuse 1 replaced", "refuse 2 replaced"]).stands("db", Some(ChildState::Up));
}

// The order waits behind the restart of the group, in which the life that it means is replaced.
#[test]
fn an_order_that_waited_for_a_group_finds_its_life_replaced() {
    let mut tree = Script::new(OneForAll, ["db", "web"].map(permanent));
    tree.fails("db").expect(["stop web"]).meaning("web", terminate("web")).expect([]).stopped("web").starts(["db"]);
    tree.expect(["start web"]).started("web").expect(["refuse 1 replaced"]).stands("web", Some(ChildState::Up));
}

// An order to restart a child that has just died goes behind its exit, and must not forget which life it means.
#[test]
fn a_restart_of_a_life_that_has_just_died_does_not_hit_the_next_one() {
    let mut tree = Script::new(OneForAll, ["db", "web"].map(permanent));
    tree.meaning("db", renew("db")).fails("db").expect(["stop web"]).stopped("web").starts(["db", "web"]);
    tree.expect(["refuse 1 replaced"]);
}

// Orders to restart a child merge while it stops, and those about a life have their own turn.
#[test]
fn a_restart_about_a_life_does_not_merge_with_one_that_ends_it() {
    let mut tree = Script::new(OneForOne, ["db"].map(permanent));
    tree.renew("db").expect(["stop db"]).meaning("db", renew("db")).stopped("db").expect(["start db"]).started("db");
    tree.expect(["answer 1 started db", "refuse 2 replaced"]);
    // One that is carried out while that life stops has what it wants.
    tree.renew("db").expect(["stop db"]).after(1).meaning("db", renew("db")).expect([]).stopped("db").starts(["db"]);
    tree.expect(["answer 3 started db", "answer 4 started db"]);
}

#[test]
fn a_start_that_hangs_is_cut_short_only_for_the_life_that_is_meant() {
    let slow = Policy::default().backoff(Backoff::new(10 * MS));
    let mut tree = Script::new(OneForAll, [permanent("db").policy(slow)]);
    tree.fails("db").after(10).expect(["start db"]).meaning("db#1", terminate("db")).after(1).expect(["stop db"]);
    tree.stopped("db").expect(["rest db", "answer 1 done"]).restart("db").starts(["db"]).tells_whatever();
    tree.ignore_actions().renew("db").stops(["db"]).expect(["start db"]).meaning("db#1", terminate("db")).after(1);
    tree.expect([]).started("db").ignore_actions();
}

// The sender of the order knew that the child was up before the supervisor did.
#[test]
fn a_life_that_is_still_starting_may_be_meant() {
    let mut tree = Script::new(OneForOne, ["db"].map(permanent));
    tree.fails("db").expect(["start db"]).after(1).meaning("db#2", terminate("db")).expect(["stop db"]).stopped("db");
    tree.expect(["rest db", "answer 1 done"]);
}

#[test]
fn a_child_of_the_same_name_is_another_one() {
    let mut tree = Script::dynamic(Intensity::new(0, 5000 * MS), None);
    tree.start_child(temporary("job")).expect(["adopt job", "start job"]).started("job").ends("job");
    tree.expect(["answer 1 started job", "forget job"])
        .start_child(temporary("job"))
        .expect(["adopt job", "start job"]);
    tree.started("job")
        .expect(["answer 2 started job"])
        .meaning("job#1", terminate("job"))
        .expect(["refuse 3 replaced"]);
    tree.terminate("job").stops(["job"]).expect(["forget job", "answer 4 done"]);
    // Neither of two that have not come up yet is the other.
    tree.start_child(temporary("job")).expect(["adopt job", "start job"]);
    let unborn = tree.asked().find("job").and_then(|key| tree.asked().latest_life(key));
    assert_eq!(unborn.map(|life| life.number()), Some(0));
    tree.start_fails("job").expect(["forget job", "refuse 5 failed: no"]).start_child(temporary("job"));
    tree.expect(["adopt job", "start job"])
        .after(1)
        .given(terminate("job").meant(unborn))
        .expect(["refuse 7 replaced"]);
    tree.start_fails("job").expect(["forget job", "refuse 6 failed: no"]);
    // Nothing has this name any more.
    tree.meaning("job#2", terminate("job")).expect(["refuse 8 not_found"]);
}
