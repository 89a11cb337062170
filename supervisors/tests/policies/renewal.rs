//! Dependents that are restarted when a service that they depend on is ready again in a new life.

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    Adjustment, Backoff, ChildSpec, ChildState, Dependency, Flags, Intensity, Outlook, Policy, PolicyError, Prospect,
    Readiness, Restart, Shutdown, SpecError, StaticMachine,
};

fn with_db(name: &str) -> ChildSpec {
    permanent(name).policy(Policy::default().depends_on([Dependency::ready("db").restart()]))
}

fn none() -> Intensity {
    Intensity::new(1, 5000 * MS)
}

#[test]
fn a_dependent_is_restarted_when_its_dependency_is_ready_again() {
    let mut tree = Script::within(none(), OneForOne, [permanent("db"), with_db("api"), permanent("web")]);
    tree.fails("db").expect(["start db"]).stands("api", Some(ChildState::Up)).started("db");
    tree.expect(["stop api"]).stopped("api").expect(["start api"]).started("api").expect([]);
    tree.tells(["child_terminated db failed: boom", "renewed api with db"]);
    let why = tree.why("api");
    assert_eq!(why.renewed.map(|(name, _)| name.to_string()), Some("db".into()));
    // Only the crash was charged, and nothing is held against the dependent.
    assert!(why.exit.is_none() && why.budget.expect("a limit").left == 0);
}

#[test]
fn it_waits_until_the_dependency_says_that_it_is_ready() {
    let db = permanent("db").policy(Policy::default().readiness(Readiness::WhenSaid));
    let mut tree = Script::unbooted(OneForOne, [db, with_db("api")]);
    tree.expect(["start db"]).started("db").expect(["up"]).ready("db").starts(["api"]);
    tree.fails("db")
        .starts(["db"])
        .after(500)
        .expect([])
        .ready("db")
        .expect(["stop api"])
        .stopped("api")
        .starts(["api"]);
    tree.ready("db").expect([]);
}

#[test]
fn a_dependency_elsewhere_counts_by_its_lives() {
    let api = permanent("api").policy(Policy::default().depends_on([Dependency::ready("/x").restart()]));
    let mut tree = Script::unbooted(OneForOne, [api]);
    let ready = |life| Outlook { life, ..Prospect::Ready.into() };
    tree.expect(["up"]).outlook("/x", ready(1)).starts(["api"]).outlook("/x", ready(1)).expect([]);
    // The driver may see two lives in a row, and nothing between them.
    tree.outlook("/x", ready(2)).expect(["stop api"]).stopped("api").starts(["api"]);
    tree.elsewhere("/x", false).expect([]).elsewhere("/x", true).expect(["stop api"]).stopped("api").starts(["api"]);
}

#[test]
fn a_dependent_that_begins_later_than_the_new_life_is_left_alone() {
    let mut tree = Script::new(OneForOne, [permanent("db"), with_db("api")]);
    // It is down, and begins after the new life.
    tree.fails("db").fails("api").expect(["start db"]).started("db").starts(["api"]).expect([]);
    // It dies after the new life, and before its turn.
    tree.fails("db").expect(["start db"]).started("db").fails("api").starts(["api"]).expect([]);
}

#[test]
fn a_dependent_that_is_being_started_is_restarted_when_it_is_up() {
    let mut tree = Script::new(OneForOne, [permanent("db"), with_db("api")]);
    tree.terminate("api").expect(["stop api"]).stopped("api").expect(["rest api", "answer 1 done"]);
    tree.restart("api").expect(["start api"]).fails("db").after(2).expect(["start db"]).started("db").expect([]);
    tree.started("api").expect(["answer 2 started api", "stop api"]).stopped("api").starts(["api"]).expect([]);
    // If the start fails, the next one is younger.
    let mut tree = Script::new(OneForOne, [permanent("db"), with_db("api")]);
    tree.fails("api").expect(["start api"]).after(2).fails("db").expect(["start db"]).started("db").expect([]);
    tree.start_fails("api").starts(["api"]).expect([]);
}

#[test]
fn lives_that_follow_each_other_quickly_lead_to_one_restart_each_at_most() {
    let mut tree = Script::new(OneForOne, [permanent("db"), with_db("api")]);
    tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]);
    // The next life of the service comes while the dependent stops for the one before.
    tree.fails("db").expect(["start db"]).started("db").expect([]).stopped("api").starts(["api"]).expect([]);
    // It died again meanwhile: the dependent waits for it.
    tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]).fails("db").stopped("api");
    tree.expect(["start db"]).stands("api", Some(ChildState::Waiting)).started("db").starts(["api"]).expect([]);
}

#[test]
fn the_restart_is_planned_and_asks_no_rule_no_budget_and_no_delay() {
    let none = Policy::default().budget(Intensity::new(0, 5000 * MS)).backoff(Backoff::new(1000 * MS));
    let policy = || none.clone().depends_on([Dependency::ready("db").restart()]);
    for spec in [permanent("api"), transient("api"), temporary("api")] {
        let mut tree = Script::new(OneForOne, [permanent("db"), spec.policy(policy())]);
        for _ in 0..5 {
            tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]).stopped("api").starts(["api"]);
        }
    }
}

#[test]
fn one_that_does_not_stop_is_killed_and_started_all_the_same() {
    let api = with_db("api").shutdown(Shutdown::After(100 * MS));
    let mut tree = Script::new(OneForOne, [permanent("db"), api]);
    tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]).after(100).expect(["kill api"]);
    tree.is_killed("api").starts(["api"]);
}

#[test]
fn a_termination_meanwhile_leaves_it_down_and_an_end_ends_it() {
    let begun = || {
        let mut tree = Script::new(OneForOne, [permanent("db"), with_db("api")]);
        tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]);
        tree
    };
    begun().terminate("api").expect([]).stopped("api").expect(["rest api", "answer 1 done"]);
    begun().restart("api").expect(["refuse 1 stopping"]).stopped("api").starts(["api"]);
    begun().stop().expect([]).stopped("api").stops(["db"]).expect(["end shutdown"]);
}

#[test]
fn a_chain_is_restarted_link_by_link() {
    let web = permanent("web").policy(Policy::default().depends_on([Dependency::ready("api").restart()]));
    let mut tree = Script::new(OneForOne, [permanent("db"), with_db("api"), web]);
    tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]).stopped("api").expect(["start api"]);
    tree.started("api").expect(["stop web"]).stopped("web").starts(["web"]).expect([]);
}

#[test]
fn under_rest_for_one_a_dependent_of_an_elder_is_started_once() {
    let api = permanent("api").policy(Policy::default().depends_on([Dependency::ready("db").restart(), "/x".into()]));
    let elsewhere = permanent("web").policy(Policy::default().depends_on([Dependency::ready("/x").restart()]));
    let mut tree = Script::unbooted(RestForOne, [permanent("db"), api, elsewhere, permanent("last")]);
    tree.elsewhere("/x", true).expect(["start db"]).started("db").starts(["api", "web", "last"]).expect(["up"]);
    tree.fails("db").stops(["last", "web", "api"]).starts(["db", "api", "web", "last"]).expect([]);
    // One that depends on a service elsewhere is restarted alone, and other events wait for that in order.
    tree.elsewhere("/x", false).elsewhere("/x", true).expect(["stop web"]).fails("last").expect([]);
    tree.stopped("web").expect(["start web"]).started("web").expect(["start last"]).started("last").expect([]);
}

#[test]
fn a_group_restart_that_begins_meanwhile_takes_the_dependent_along() {
    let group = regrow_supervisors::ExitRule::new(regrow_supervisors::RuleAction::RestartGroup);
    let hot = permanent("hot").policy(Policy::default().rule(group));
    let mut tree = Script::new(OneForOne, [permanent("db"), with_db("api"), hot.clone()]);
    tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]).fails("hot").expect([]);
    tree.stopped("api").expect(["stop db"]).stopped("db").starts(["db", "api", "hot"]).expect([]);
    // A temporary member of the group is forgotten, as ever (OTP rule 33).
    let api = with_db("api").restart(Restart::Temporary);
    let mut tree = Script::new(OneForOne, [permanent("db"), api, hot]);
    tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]).fails("hot").expect([]);
    tree.stopped("api").expect(["forget api", "stop db"]).stopped("db").starts(["db", "hot"]).expect([]);
}

#[test]
fn an_order_that_waits_while_it_stops_is_answered_by_the_same_new_life() {
    let api = permanent("api").policy(Policy::default().depends_on([Dependency::ready("/x").restart()]));
    let mut tree = Script::unbooted(OneForAll, [api]);
    tree.elsewhere("/x", true).starts(["api"]).expect(["up"]).elsewhere("/x", false).elsewhere("/x", true);
    tree.expect(["stop api"]).renew("api").stopped("api").starts(["api"]).expect(["answer 1 started api"]);
}

#[test]
fn a_dynamic_child_is_restarted_with_its_dependency_too() {
    let mut tree = Script::dynamic(none(), None);
    tree.start_child(permanent("db")).expect(["adopt db", "start db"]).started("db").expect(["answer 1 started db"]);
    tree.start_child(with_db("job")).expect(["adopt job", "start job"]).started("job").expect(["answer 2 started job"]);
    tree.fails("db").expect(["start db"]).started("db").expect(["stop job"]).stopped("job").starts(["job"]).expect([]);
}

#[test]
fn a_policy_that_is_put_in_force_later_restarts_nothing_by_itself() {
    let mut tree = Script::new(OneForOne, [permanent("db"), permanent("api")]);
    let adjust = |specs| Adjustment { specs, ..Adjustment::default() };
    tree.adjust(adjust(vec![with_db("api")])).expect(["answer 1 done"]);
    tree.fails("db").expect(["start db"]).started("db").expect(["stop api"]);
    // It does not ask for that any more.
    tree.stopped("api").starts(["api"]).adjust(adjust(vec![permanent("api")])).expect(["answer 2 done"]);
    tree.fails("db").starts(["db"]).expect([]);
}

#[test]
fn a_circle_of_a_dependency_and_a_group_is_refused_by_name() {
    let refused = |flags: Flags, specs: [ChildSpec; 2]| StaticMachine::new(flags, specs).unwrap_err();
    let says = "`api` is to be restarted with `db`, and one_for_all restarts `db` with `api`: leave out `restart` of that \
                dependency";
    let error = refused(OneForAll.into(), [permanent("db"), with_db("api")]);
    assert!(matches!(&error, SpecError::RestartCircle { .. }) && error.to_string() == says, "{error}");
    assert!(matches!(refused(RestForOne.into(), [with_db("api"), permanent("db")]), SpecError::RestartCircle { .. }));
    assert!(StaticMachine::new(RestForOne, [permanent("db"), with_db("api")]).is_ok());
    assert!(StaticMachine::new(OneForOne, [with_db("api"), permanent("db")]).is_ok());

    // By order, too.
    let circle = |strategy| {
        format!(
            "refuse 1 `api` is to be restarted with `db`, and {strategy} restarts `db` with `api`: leave out `restart` of that dependency"
        )
    };
    let mut tree = Script::new(OneForAll, ["db"]);
    tree.start_child(with_db("api")).expect([&*circle("one_for_all")]);
    let mut tree = Script::new(OneForAll, ["db", "api"]);
    tree.adjust(Adjustment { specs: vec![with_db("api")], ..Adjustment::default() }).expect([&*circle("one_for_all")]);
    let mut tree = Script::unbooted(RestForOne, [with_db("api")]);
    tree.ignore_actions().start_child("db").expect([&*circle("rest_for_one")]);
    let mut tree = Script::new(OneForOne, [permanent("db"), with_db("api")]);
    tree.reconfigure(OneForAll, ["db"]).expect([&*circle("one_for_all")]);
}

#[test]
fn a_restart_with_a_job_that_has_to_be_completed_is_refused() {
    let policy = Policy::default().depends_on([Dependency::completed("migrate").restart()]);
    assert_eq!(policy.check(), Err(PolicyError::RestartWithJob("migrate".into())));
}
