//! New policies for running children: all or nothing, and what is under way or spent stays so.

use std::time::Duration;

use crate::common::{MS, Script, permanent};
use regrow_supervisors::Strategy::{OneForAll, OneForOne};
use regrow_supervisors::{Adjustment, Backoff, ChildSpec, ChildState, GiveUp, Intensity, Policy};

fn specs(specs: impl IntoIterator<Item = ChildSpec>) -> Adjustment {
    Adjustment { specs: specs.into_iter().collect(), ..Adjustment::default() }
}

fn own(restarts_max: u32) -> Policy {
    Policy::default().budget(Intensity::new(restarts_max, 5000 * MS))
}

#[test]
fn nothing_is_started_or_stopped_and_the_new_policy_is_in_force() {
    let mut tree = Script::new(OneForOne, ["db"]);
    let new = permanent("db").policy(Policy::default().backoff(Backoff::new(100 * MS)));
    tree.adjust(specs([new.clone()])).expect(["answer 1 done"]).has_spec(&new);
    tree.fails("db").expect([]).after(100).starts(["db"]);
}

#[test]
fn what_is_spent_stays_spent() {
    let mut tree =
        Script::within(Intensity::new(2, 5000 * MS), OneForOne, [permanent("db").policy(own(3)), permanent("web")]);
    tree.fails("db").starts(["db"]).fails("db").starts(["db"]).fails("web").starts(["web"]);
    let limits = Some(Intensity::new(1, 5000 * MS));
    tree.adjust(Adjustment { intensity: limits, ..specs([permanent("db").policy(own(5))]) }).expect(["answer 1 done"]);
    assert_eq!(tree.why("db").budget.map(|left| (left.left, left.restarts_max)), Some((3, 5)));
    assert_eq!(tree.why("web").budget.map(|left| left.left), Some(0));
    tree.fails("web").stops(["db"]).expect(["end shutdown"]);
}

#[test]
fn it_is_all_or_nothing() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    let good = permanent("db").policy(own(3));
    let bad = permanent("web").policy(Policy::default().backoff(Backoff::new(MS).factor(0.5)));
    tree.adjust(specs([good.clone(), bad]));
    tree.expect(["refuse 1 the policy of `web`: the factor 0.5 is not between 1 and 1000"]).has_spec(&permanent("db"));
    let zero = Some(Intensity::new(1, Duration::ZERO));
    tree.adjust(Adjustment { intensity: zero, ..specs([good]) });
    tree.expect(["refuse 2 the restart budget's period is zero"]).has_spec(&permanent("db"));
    let significant = permanent("db").significant(true);
    tree.adjust(specs([significant]));
    tree.expect(["refuse 3 `db` is significant, and its supervisor never shuts down by itself"]);
}

#[test]
fn names_that_are_not_known_are_passed_over() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.adjust(specs([permanent("nobody"), permanent("db")])).expect(["answer 1 done"]).lists(["db"]);
}

#[test]
fn a_delay_and_a_probe_under_way_go_on_as_they_began() {
    let slow =
        |ms: u32| permanent("db").policy(own(1).backoff(Backoff::new(ms * MS)).on_give_up(GiveUp::park(ms * MS)));
    let mut tree = Script::new(OneForOne, [slow(1000)]);
    tree.fails("db").adjust(specs([slow(10)])).expect(["answer 1 done"]).after(999).expect([]).after(1).starts(["db"]);
    tree.fails("db").expect(["park db until 1.01s"]).adjust(specs([slow(5000)])).expect(["answer 2 done"]);
    tree.after(10).starts(["db"]);
}

#[test]
fn who_depends_on_nobody_any_more_is_started() {
    let needs = permanent("web").policy(Policy::default().depends_on(["x"]));
    for strategy in [OneForOne, OneForAll] {
        let mut tree = Script::unbooted(strategy, [needs.clone()]);
        tree.expect(["up"]).adjust(specs([permanent("web")])).expect(["answer 1 done", "start web"]).started("web");
        // Found by reading: reconfigured, it waited for ever.
        let mut tree = Script::unbooted(strategy, [needs.clone()]);
        tree.expect(["up"]).reconfigure(strategy, ["web"]).expect(["adopt web", "answer 1 done", "start web"]);
    }
}

// Found by reading: only static supervisors refused it.
#[test]
fn a_dynamic_child_does_not_become_significant() {
    let mut tree = Script::dynamic(Intensity::new(1, 1000 * MS), None);
    tree.start_child("job").expect(["adopt job", "start job"]).started("job").expect(["answer 1 started job"]);
    tree.adjust(specs([permanent("job").significant(true)]));
    tree.expect(["refuse 2 `job` is significant, and its supervisor never shuts down by itself"]);
    tree.adjust(specs([permanent("job").policy(own(1))])).expect(["answer 3 done"]);
    tree.stands("job", Some(ChildState::Up));
}
