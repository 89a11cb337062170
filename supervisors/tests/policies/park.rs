//! Parking: a child whose budget is gone is put away alone, probed from time to time, and revived by order.

use crate::common::{MS, Script, permanent};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    Backoff, ChildSpec, ChildState, ExitKind, ExitRule, GiveUp, Intensity, Policy, Readiness, RuleAction,
};

/// One restart, then parked for 1 s, 2 s, 4 s, 4 s; a success is a life of 5 s.
fn policy() -> Policy {
    let probes = Backoff::new(1000 * MS).max_delay(4000 * MS);
    Policy::default().budget(Intensity::new(1, 5000 * MS)).on_give_up(GiveUp::Park(probes))
}

fn fragile(name: &str) -> ChildSpec {
    permanent(name).policy(policy())
}

/// A tree whose middle child has just been parked.
fn parked(strategy: regrow_supervisors::Strategy) -> Script {
    let one = Policy::default()
        .rule(ExitRule::new(RuleAction::Park).on(ExitKind::Killed))
        .on_give_up(policy().on_give_up.expect("set"));
    let mut tree = Script::new(strategy, [permanent("db"), permanent("cache").policy(one), permanent("web")]);
    tree.is_killed("cache").expect(["park cache until 1s"]).stands("cache", Some(ChildState::Parked));
    tree
}

// OTP has no such thing: its supervisor gives up (OTP rule 28).
#[test]
fn a_child_whose_budget_is_gone_is_put_away_and_its_siblings_hear_nothing() {
    let mut tree = Script::new(OneForOne, [permanent("db"), fragile("cache")]);
    tree.fails("cache").starts(["cache"]).fails("cache").expect(["park cache until 1s"]);
    tree.stands("db", Some(ChildState::Up)).tells([
        "child_terminated cache failed: boom",
        "child_terminated cache failed: boom",
        "parked cache until 1s",
    ]);
    assert!(tree.why("cache").is_half_open);
}

#[test]
fn siblings_are_untouched_under_every_strategy() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = parked(strategy);
        tree.expect([]).stands("db", Some(ChildState::Up)).stands("web", Some(ChildState::Up));
    }
}

#[test]
fn a_later_group_restart_leaves_it_parked() {
    for strategy in [OneForAll, RestForOne] {
        let mut tree = parked(strategy);
        tree.fails("db").stops(["web"]).starts(["db", "web"]).stands("cache", Some(ChildState::Parked));
        tree.after(1000).starts(["cache"]);
    }
}

#[test]
fn a_probe_that_dies_parks_it_for_longer_and_costs_nothing() {
    let mut tree = Script::within(Intensity::new(0, 5000 * MS), OneForOne, [permanent("db"), fragile("cache")]);
    tree.fails("cache").starts(["cache"]).fails("cache").expect(["park cache until 1s"]).after(1000).starts(["cache"]);
    tree.fails("cache").expect(["park cache until 3s"]).after(2000).expect(["start cache"]).start_fails("cache");
    tree.expect(["park cache until 7s"]).after(4000).starts(["cache"]).after(4999).fails("cache");
    tree.expect(["park cache until 15.999s"]).stands("db", Some(ChildState::Up));
}

#[test]
fn a_probe_that_lasts_closes_the_affair_with_a_fresh_budget_and_curve() {
    let mut tree = Script::new(OneForOne, [fragile("cache")]);
    tree.fails("cache").starts(["cache"]).fails("cache").expect(["park cache until 1s"]).after(1000).starts(["cache"]);
    tree.after(4999);
    assert!(tree.why("cache").is_half_open);
    // Not only when it ends.
    tree.after(1);
    assert!(!tree.why("cache").is_half_open);
    tree.fails("cache").starts(["cache"]);
    assert!(!tree.why("cache").is_half_open);
    // The schedule of probes begins anew too.
    tree.fails("cache").expect(["park cache until 7s"]);
}

#[test]
fn evidence_closes_the_affair_at_once() {
    let ready = policy().readiness(Readiness::WhenSaid).reset_on_ready();
    let mut tree = Script::new(OneForOne, [permanent("cache").policy(ready)]);
    tree.fails("cache").starts(["cache"]).fails("cache").expect(["park cache until 1s"]).after(1000).starts(["cache"]);
    tree.ready("cache").fails("cache").starts(["cache"]);
}

#[test]
fn a_revival_starts_it_now_with_a_clean_record() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = Script::new(strategy, [fragile("cache")]);
        tree.fails("cache").starts(["cache"]).fails("cache").expect(["park cache until 1s"]).revive("cache");
        tree.expect(["answer 1 done", "start cache"]).started("cache").after(2000).expect([]);
        tree.fails("cache").starts(["cache"]).fails("cache").expect(["park cache until 3s"]);
    }
}

#[test]
fn a_revival_of_one_that_is_not_held_is_refused() {
    let mut tree = Script::new(OneForOne, ["db"]);
    tree.revive("db").revive("nobody").terminate("db").expect(["refuse 1 running", "refuse 2 not_found", "stop db"]);
    tree.stopped("db").expect(["rest db", "answer 3 done"]).revive("db").expect(["refuse 4 already_present"]);
}

// Found by reading: a revival waited for its turn, was charged like a retry, and could end the supervisor.
#[test]
fn a_revival_out_of_a_delay_costs_nothing() {
    let policy = Policy::default().backoff(Backoff::new(1000 * MS));
    for strategy in [OneForOne, OneForAll] {
        let spec = permanent("db").policy(policy.clone());
        let mut tree = Script::within(Intensity::new(1, 60_000 * MS), strategy, [spec]);
        tree.fails("db").after(1000).expect(["start db"]).start_fails("db").revive("db");
        tree.expect(["answer 1 done", "start db"]).started("db").after(5000).expect([]);
    }
}

#[test]
fn a_revival_does_not_wait_for_dependencies() {
    let spec = permanent("web").policy(Policy::default().depends_on(["x"]));
    let mut tree = Script::unbooted(OneForOne, [spec]);
    tree.expect(["up"]).stands("web", Some(ChildState::Waiting)).revive("web").expect(["answer 1 done", "start web"]);
    tree.started("web").elsewhere("x", true).expect([]);
}

#[test]
fn a_termination_cancels_the_probes() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = parked(strategy);
        tree.restart("cache").delete("cache").expect(["refuse 1 restarting", "refuse 2 restarting"]);
        tree.terminate("cache").expect(["rest cache", "answer 3 done"]).waits_for_no_time();
        tree.stands("cache", Some(ChildState::Down)).restart("cache").expect(["start cache"]).started("cache");
        tree.expect(["answer 4 started cache"]);
    }
}

// Found by reading: the ended supervisor still wanted to be woken for the probe.
#[test]
fn a_supervisor_ends_cleanly_while_a_child_is_parked() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut tree = parked(strategy);
        tree.stop().stops(["web", "db"]).expect(["end shutdown"]).waits_for_no_time();
        let mut tree = parked(strategy);
        tree.kill().expect(["kill web"]).is_killed("web").expect(["kill db"]).is_killed("db");
        tree.expect(["end killed"]).waits_for_no_time();
    }
}

#[test]
fn a_dynamic_child_is_parked_and_probed_too() {
    let mut tree = Script::dynamic(Intensity::new(0, 5000 * MS), None);
    tree.start_child(fragile("job")).expect(["adopt job", "start job"]).started("job").expect(["answer 1 started job"]);
    tree.fails("job").starts(["job"]).fails("job").expect(["park job until 1s"]).after(1000).starts(["job"]);
    tree.fails("job").expect(["park job until 3s"]).stop().expect(["forget job", "end shutdown"]).waits_for_no_time();
}
