//! What a child that waits has seen of the services that it depends on, and what it is woken by. Found by mutants that no
//! test noticed.

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    Adjustment, Backoff, ChildSpec, ChildState, Completion, Dependency, DependencyGone, Exit, GiveUp, Intensity,
    Jitter, Outlook, Policy, Prospect,
};

fn needs<const N: usize>(name: &str, on: [&'static str; N]) -> ChildSpec {
    permanent(name).policy(Policy::default().depends_on(on))
}

/// Done, after it was ready.
fn done(prospect: Prospect) -> Outlook {
    Outlook { prospect, completion: Some(Completion { was_ready: true }), life: 0 }
}

fn adjusted(spec: ChildSpec) -> Adjustment {
    Adjustment { specs: vec![spec], ..Adjustment::default() }
}

/// `web`, which was up with `job` and `x`, and waits for both again.
fn waiting() -> Script {
    let mut tree = Script::unbooted(OneForOne, [needs("web", ["job", "x"])]);
    tree.expect(["up"]).elsewhere("job", true).elsewhere("x", true).starts(["web"]);
    tree.elsewhere("job", false).elsewhere("x", false).fails("web").expect([]).stands("web", WAITING);
    tree
}

const WAITING: Option<ChildState> = Some(ChildState::Waiting);

#[test]
fn what_was_seen_counts_after_a_new_spec_that_names_it() {
    let mut tree = waiting();
    tree.outlook("job", done(Prospect::Gone)).adjust(adjusted(needs("web", ["job", "x"]))).expect(["answer 1 done"]);
    tree.elsewhere("x", true).starts(["web"]);
    let mut tree = waiting();
    tree.outlook("job", done(Prospect::Gone)).adjust(adjusted(needs("web", ["job"])));
    tree.expect(["answer 1 done", "start web"]).started("web");
}

#[test]
fn what_a_job_did_before_its_next_attempt_does_not_count() {
    let mut tree = waiting();
    tree.outlook("job", done(Prospect::MayCome)).elsewhere("job", false).elsewhere("x", true).expect([]);
    tree.stands("web", WAITING).outlook("job", done(Prospect::Gone)).starts(["web"]);
}

#[test]
fn a_job_that_was_done_while_its_dependent_was_up_counts_no_second_time() {
    let mut tree = Script::unbooted(OneForOne, [needs("web", ["job"])]);
    tree.expect(["up"]).elsewhere("job", true).starts(["web"]).outlook("job", done(Prospect::MayCome));
    tree.fails("web").expect([]).stands("web", WAITING);
    tree.outlook("job", done(Prospect::Gone)).expect(["park web until 30s"]);
}

#[test]
fn a_job_that_is_done_while_its_dependent_is_down_for_a_group_restart_was_seen() {
    let mut tree = Script::unbooted(OneForAll, [permanent("db"), needs("web", ["job"])]);
    tree.starts(["db"]).expect(["up"]).elsewhere("job", true).starts(["web"]);
    tree.fails("db").stops(["web"]).expect(["start db"]).outlook("job", done(Prospect::Gone));
    tree.started("db").starts(["web"]);
}

#[test]
fn a_delay_is_cut_short_by_the_return_of_a_dependency_and_by_nothing_else() {
    let slow = Policy::default().backoff(Backoff::new(10_000 * MS)).depends_on(["job", "x"]);
    let mut tree = Script::unbooted(OneForOne, [permanent("web").policy(slow)]);
    tree.expect(["up"]).elsewhere("job", true).elsewhere("x", true).starts(["web"]);
    // It is told twice that one is ready, and one is done: both were there.
    tree.fails("web").after(10).elsewhere("x", true).expect([]);
    tree.outlook("x", done(Prospect::Ready)).outlook("job", done(Prospect::Gone)).expect([]);
    tree.stands("web", Some(ChildState::Retrying)).after(9_989).expect([]).after(1).starts(["web"]);
    // One comes back, and the other does not.
    tree.elsewhere("job", true).fails("web").elsewhere("job", false).elsewhere("x", false).elsewhere("x", true);
    tree.tells_whatever().expect([]).after(10).tells([]).stands("web", Some(ChildState::Retrying));
    tree.elsewhere("job", true).starts(["web"]);
}

#[test]
fn of_several_parked_dependencies_the_last_to_come_back_says_how_long() {
    let parked = |ms| Prospect::Parked { until: Some(ms * MS) };
    for (a, b) in [(700, 900), (900, 700)] {
        let mut tree = Script::unbooted(OneForOne, [needs("web", ["a", "b"])]);
        tree.expect(["up"]).outlook("a", parked(a)).ignore_actions().outlook("b", parked(b)).ignore_actions();
        tree.after(699).expect([]).after(1).expect([]).stands("web", Some(ChildState::Parked)).after(199).expect([]);
        tree.after(1).expect(["wait web"]).stands("web", WAITING);
    }
    // One whose time has come is being tried, and is waited for.
    let mut tree = Script::unbooted(OneForOne, [needs("web", ["a"])]);
    tree.expect(["up"]).after(700).outlook("a", parked(700)).expect([]).stands("web", WAITING);
    tree.outlook("a", parked(699)).expect([]).stands("web", WAITING);
}

#[test]
fn a_parked_child_is_parked_once_whatever_spec_it_gets_meanwhile() {
    let mut tree = Script::unbooted(OneForOne, [needs("web", ["x"])]);
    tree.expect(["up"]).outlook("x", Prospect::Parked { until: Some(700 * MS) }).expect(["park web until 700ms"]);
    tree.tells_whatever().adjust(adjusted(needs("web", ["x"]))).expect(["answer 1 done"]).tells([]);
}

#[test]
fn a_child_whose_parked_dependency_goes_for_good_fails_at_once_if_that_is_asked_for() {
    let policy = Policy::default().depends_on(["x"]).on_dependency_gone(DependencyGone::Fail);
    let spec = permanent("web").policy(policy);
    let mut tree = Script::made(Intensity::new(0, 1000 * MS), OneForOne, [spec]);
    tree.expect(["up"]).outlook("x", Prospect::Parked { until: Some(700 * MS) }).expect(["park web until 700ms"]);
    tree.outlook("x", Prospect::Gone).after(10).expect(["wait web", "end shutdown"]);
}

#[test]
fn a_child_without_its_dependency_is_reported_unless_an_order_is_refused_for_it() {
    let mut tree = Script::new(OneForOne, [transient("db"), needs("web", ["db"])]);
    tree.exits("db", Exit::Shutdown).expect(["rest db"]).fails("web").expect(["park web until 30s"]);
    tree.tells(["child_terminated web failed: boom", "web is without db: Park", "waiting web", "parked web until 30s"]);
    tree.start_child(needs("api", ["db"])).expect(["adopt api"]).after(10);
    tree.expect(["forget api", "refuse 1 failed: `db`, which it depends on, is gone"]).tells([]);
}

#[test]
fn looks_for_a_dependency_begin_at_their_first_time_after_each_start() {
    let mut tree = Script::new(OneForOne, [transient("db"), needs("web", ["db"])]);
    tree.ends("db").expect(["rest db"]).fails("web").expect(["park web until 30s"]);
    tree.after(30_000).expect(["park web until 90s"]);
    tree.restart("db").ignore_actions().started("db").ignore_actions().started("web").ends("db").expect(["rest db"]);
    tree.fails("web").expect(["park web until 60s"]);
}

// OTP rule 36, for a child that has waited: its start failed, and no life of it has ended.
#[test]
fn a_temporary_child_whose_first_start_fails_after_boot_is_tried_again() {
    let spec = temporary("web").policy(Policy::default().depends_on([Dependency::ready("x")]));
    let mut tree = Script::unbooted(OneForOne, [spec]);
    tree.expect(["up"]).elsewhere("x", true).expect(["start web"]).start_fails("web").starts(["web"]);
}

#[test]
fn a_start_has_its_time_from_when_it_is_let_in() {
    let policy = Policy::default().start_timeout(50 * MS);
    let mut tree = Script::unbooted(OneForOne, [permanent("db").policy(policy)]);
    tree.expect(["start db"]).in_line("db", true).after(1000).expect([]).in_line("db", false);
    tree.after(49).expect([]).after(1).expect(["kill db"]).is_killed("db").ignore_actions();
}

#[test]
fn without_a_source_of_chance_a_delay_is_the_middle_of_what_it_can_be() {
    let backoff = Backoff::new(100 * MS).jitter(Jitter::Full);
    let mut tree = Script::new(OneForOne, [permanent("db").policy(Policy::default().backoff(backoff))]);
    tree.fails("db").after(49).expect([]).after(1).starts(["db"]);
}

#[test]
fn a_probation_is_over_after_a_life_as_long_as_the_period_of_the_budget() {
    let parks = Policy::default().on_give_up(GiveUp::park(10_000 * MS));
    for (lived, until) in [(4999, "park db until 34.999s"), (5000, "park db until 25s")] {
        let mut tree = Script::within(Intensity::new(0, 5000 * MS), OneForOne, [permanent("db").policy(parks.clone())]);
        tree.fails("db").expect(["park db until 10s"]).after(10_000).starts(["db"]).after(lived);
        tree.fails("db").expect([until]);
    }
}

#[test]
fn what_a_group_left_behind_rests_unless_an_elder_will_start_it() {
    let slow = || permanent("b").policy(Policy::default().backoff(Backoff::new(100 * MS)));
    let mut tree = Script::new(RestForOne, [permanent("a"), slow(), permanent("c")]);
    tree.fails("b").stops(["c"]).terminate("b").expect(["rest b", "rest c", "answer 1 done"]);
    let parks = Policy::default().budget(Intensity::new(0, 1000 * MS)).on_give_up(GiveUp::park(10_000 * MS));
    let mut tree = Script::new(RestForOne, [slow(), permanent("db").policy(parks), permanent("c")]);
    tree.fails("db").expect(["park db until 10s"]).fails("b").stops(["c"]);
    tree.terminate("db").expect(["rest db", "answer 1 done"]).after(100).starts(["b", "db", "c"]);
}

#[test]
fn an_elder_that_dies_while_a_group_stops_can_be_waited_for() {
    let mut tree = Script::new(RestForOne, ["a", "b", "c"]);
    tree.fails("b").expect(["stop c"]).refuses(["withdraw b"]).fails("a").expect([]).refuses([]);
    tree.stopped("c").ignore_actions();
}
