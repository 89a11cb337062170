//! Jobs that others depend on, and services that are gone or parked: who waits, who is put away, who goes on.

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{
    Adjustment, AutoShutdown, Backoff, ChildSpec, ChildState, Completion, Dependency, DependencyGone, Exit, ExitKind,
    ExitRule, Flags, GiveUp, Intensity, Outlook, Policy, Prospect, Readiness, RuleAction,
};

fn needs(name: &str, on: impl IntoIterator<Item = Dependency>) -> ChildSpec {
    permanent(name).policy(Policy::default().depends_on(on))
}

fn after_job(name: &str) -> ChildSpec {
    needs(name, [Dependency::completed("job")])
}

fn on_db(then: DependencyGone) -> ChildSpec {
    permanent("web").policy(Policy::default().depends_on(["db"]).on_dependency_gone(then))
}

const WAITING: Option<ChildState> = Some(ChildState::Waiting);
const PARKED: Option<ChildState> = Some(ChildState::Parked);
const UP: Option<ChildState> = Some(ChildState::Up);

#[test]
fn a_job_is_waited_for_until_it_has_ended_normally_and_counts_from_then_on() {
    for job in [transient("job"), temporary("job")] {
        let mut tree = Script::unbooted(OneForOne, [job, after_job("web")]);
        tree.starts(["job"]).expect(["up"]).stands("web", WAITING);
        tree.ends("job").ignore_actions().started("web").stands("web", UP);
        // Long after that, and after its spec is forgotten.
        tree.after(1000).fails("web").starts(["web"]).after(1000).fails("web").starts(["web"]);
    }
}

#[test]
fn what_waits_for_a_child_whose_end_is_that_of_the_supervisor_is_not_parked() {
    let flags = Flags { auto_shutdown: AutoShutdown::AnySignificant, ..Flags::default() };
    for (db, done) in [(transient("db"), "rest db"), (temporary("db"), "forget db")] {
        let db = db.significant(true).policy(Policy::default().readiness(Readiness::WhenSaid));
        let mut tree = Script::flagged(flags, [db, on_db(DependencyGone::Park)]);
        tree.starts(["db"]).expect(["up"]).stands("web", WAITING);
        tree.exits("db", Exit::Shutdown).expect([done, "end shutdown"]);
    }
}

#[test]
fn a_job_that_is_not_wanted_is_completed() {
    for job in [transient("job"), temporary("job")] {
        let mut tree = Script::unbooted(OneForOne, [job, after_job("web")]);
        tree.expect(["start job"]).ignored("job").ignore_actions().started("web").ignore_actions().fails("web");
        tree.starts(["web"]);
    }
}

// pitchfork #876, process-compose #274: a job that was ended by others counted as done.
#[test]
fn a_shutdown_a_termination_and_a_kill_complete_no_job() {
    let boot = |job: ChildSpec| {
        let mut tree = Script::unbooted(OneForOne, [job, after_job("web")]);
        tree.starts(["job"]).expect(["up"]).stands("web", WAITING);
        tree
    };
    boot(transient("job")).exits("job", Exit::Shutdown).expect(["rest job", "park web until 30s"]);
    boot(temporary("job")).is_killed("job").expect(["forget job", "park web until 30s"]);
    let mut tree = boot(transient("job"));
    // It finishes just when it is asked to stop.
    tree.terminate("job").expect(["stop job"]).ends("job");
    tree.expect(["rest job", "park web until 30s", "answer 1 done"]).stands("web", PARKED);
}

#[test]
fn a_job_is_to_be_done_again_from_its_next_attempt_on() {
    let mut tree = Script::unbooted(OneForOne, [transient("job"), after_job("web")]);
    tree.starts(["job"]).expect(["up"]).ends("job").expect(["rest job", "start web"]).started("web");
    tree.restart("job").expect(["start job"]).after(1).fails("web").expect([]).stands("web", WAITING);
    tree.started("job").expect(["answer 1 started job"]).ends("job").expect(["rest job", "start web"]);
}

#[test]
fn a_permanent_job_counts_while_its_next_run_is_put_off() {
    let job = permanent("job").policy(Policy::default().backoff(Backoff::new(100 * MS)));
    let mut tree = Script::unbooted(OneForOne, [job, after_job("web")]);
    tree.starts(["job"]).expect(["up"]).ends("job").starts(["web"]).after(100).starts(["job"]);
}

// Found by the case t03a: the readiness and the end of the job came in one breath, and its dependent missed it.
#[test]
fn a_dependent_that_waits_does_not_miss_a_short_readiness() {
    let says = || Policy::default().readiness(Readiness::WhenSaid);
    for strategy in [OneForOne, OneForAll, RestForOne] {
        for job in [transient("job"), temporary("job")] {
            let specs = [job.policy(says()), needs("web", [Dependency::ready("job"), Dependency::ready("x")])];
            let mut tree = Script::unbooted(strategy, specs);
            tree.starts(["job"]).expect(["up"]).ready("job").ends("job").ignore_actions().stands("web", WAITING);
            tree.after(60_000).elsewhere("x", true).starts(["web"]);
        }
    }
}

#[test]
fn a_job_that_was_ready_and_is_done_counts_for_a_first_start_and_not_for_a_restart() {
    let mut tree = Script::new(OneForOne, [transient("job")]);
    tree.ends("job").expect(["rest job"]);
    tree.start_child(needs("web", [Dependency::ready("job")])).expect(["adopt web", "start web"]).started("web");
    tree.expect(["answer 1 started web"]).fails("web").expect(["park web until 30s"]);
}

#[test]
fn a_job_that_fails_after_its_readiness_is_waited_for() {
    let says = Policy::default().readiness(Readiness::WhenSaid);
    let mut tree = Script::unbooted(OneForOne, [transient("job").policy(says), needs("web", ["job".into()])]);
    tree.starts(["job"]).expect(["up"]).ready("job").fails("job").starts(["job"]).stands("web", WAITING);
    tree.ready("job").starts(["web"]);
}

#[test]
fn what_depends_on_the_dead_is_parked_looks_again_and_comes_back_with_it() {
    let end: [fn(&mut Script); 2] = [
        |tree| _ = tree.ends("db").expect(["rest db"]),
        |tree| _ = tree.terminate("db").stops(["db"]).expect(["rest db", "answer 1 done"]),
    ];
    for end in end {
        let mut tree = Script::new(OneForOne, [transient("db"), on_db(DependencyGone::Park)]);
        end(&mut tree);
        tree.fails("web").expect(["park web until 30s"]).stands("web", PARKED);
        assert_eq!(tree.why("web").lost, ["db".into()]);
        // It looks ever later, and nothing is charged for that.
        tree.after(30_000).expect(["park web until 90s"]).after(60_000).expect(["park web until 210s"]);
        // Its mailbox takes messages again, as that of everything that waits does.
        tree.restart("db").expect(["start db", "wait web"]).stands("web", WAITING);
        tree.started("db").ignore_actions().started("web").stands("web", UP);
        assert!(!tree.why("web").is_half_open, "it is not on probation");
    }
}

#[test]
fn one_that_waits_when_its_dependency_goes_is_decided_about_then() {
    let mut tree = Script::new(OneForOne, [transient("db"), on_db(DependencyGone::Park)]);
    tree.terminate("db").expect(["stop db"]).fails("web").expect([]);
    tree.stopped("db").ignore_actions().stands("web", PARKED);
    // The same for one that is deleted and comes again.
    tree.delete("db").expect(["forget db", "answer 2 done"]);
    tree.start_child("db").expect(["adopt db", "start db", "wait web"]).started("db").ignore_actions();
    tree.started("web");
}

#[test]
fn a_start_without_its_dependency_fails_if_that_is_asked_for() {
    let spec = on_db(DependencyGone::Fail);
    let mut tree = Script::within(Intensity::new(1, 1000 * MS), OneForOne, [transient("db"), spec]);
    tree.ends("db").expect(["rest db"]).fails("web").after(2).expect(["end shutdown"]);
    // With a delay it is tried after that, and comes back with the dependency.
    let slow = Policy::default().depends_on(["db"]).on_dependency_gone(DependencyGone::Fail);
    let slow = permanent("web").policy(slow.backoff(Backoff::new(500 * MS)).budget(Intensity::new(9, 60_000 * MS)));
    let mut tree = Script::new(OneForOne, [transient("db"), slow]);
    tree.ends("db").expect(["rest db"]).fails("web").after(502).expect([]);
    assert_eq!(tree.why("web").phase, Some(ExitKind::StartFailed));
    assert_eq!(tree.why("web").exit.unwrap().to_string(), "failed: `db`, which it depends on, is gone");
    tree.restart("db").starts(["db"]).ignore_actions().started("web").stands("web", UP);
}

#[test]
fn one_that_goes_on_is_started_without_it() {
    let mut tree = Script::new(OneForOne, [transient("db"), on_db(DependencyGone::GoOn)]);
    tree.ends("db").expect(["rest db"]).fails("web").starts(["web"]);
    tree.tells(["child_terminated web failed: boom", "web is without db: GoOn"]);
    // One that may come is waited for all the same.
    tree.restart("db").expect(["start db"]).after(1).fails("web").expect([]).stands("web", WAITING);
    tree.started("db").ignore_actions().started("web");
}

#[test]
fn a_parked_dependency_is_waited_for_and_its_dependents_are_parked_as_long() {
    let parks = Policy::default().budget(Intensity::new(0, 1000 * MS)).on_give_up(GiveUp::park(5_000 * MS));
    for then in [DependencyGone::Park, DependencyGone::Fail, DependencyGone::GoOn] {
        let specs = [permanent("db").policy(parks.clone()), on_db(then), needs("far", ["web".into()])];
        let mut tree = Script::new(OneForOne, specs);
        tree.fails("db").expect(["park db until 5s"]).fails("web").expect(["park web until 5s"]);
        tree.fails("far").expect(["park far until 5s"]);
        // The probe fails.
        tree.after(5_000).expect(["wait far", "wait web", "start db"]).stands("web", WAITING).start_fails("db");
        tree.expect(["park db until 15s", "park web until 15s", "park far until 15s"]);
        tree.after(10_000).expect(["wait far", "wait web", "start db"]);
        tree.started("db").starts(["web"]).started("web").starts(["far"]);
    }
}

#[test]
fn an_order_does_not_wait_for_the_dead() {
    for then in [DependencyGone::Park, DependencyGone::Fail] {
        let mut tree = Script::new(OneForOne, [transient("db")]);
        tree.terminate("db").stops(["db"]).expect(["rest db", "answer 1 done"]);
        tree.start_child(on_db(then)).expect(["adopt web"]).after(1);
        tree.expect(["forget web", "refuse 2 failed: `db`, which it depends on, is gone"]).lists(["db"]);
        // One that waits when the service goes is answered then.
        tree.restart("db").expect(["start db"]).after(1).start_child(on_db(then)).expect(["adopt web"]);
        tree.ignored("db").expect(["rest db", "answer 3 ignored"]).after(1);
        tree.expect(["forget web", "refuse 4 failed: `db`, which it depends on, is gone"]).owes_no_answer();
    }
    // Stopped before its failure is told.
    let mut tree = Script::new(OneForOne, [transient("db")]);
    tree.exits("db", Exit::Shutdown).expect(["rest db"]);
    tree.start_child(on_db(DependencyGone::Park)).expect(["adopt web"]);
    tree.terminate("web").expect(["forget web", "refuse 1 shutdown", "answer 2 done"]).owes_no_answer();
}

#[test]
fn what_is_known_of_services_elsewhere_counts_as_for_siblings() {
    let job = |prospect, was_ready| Outlook { prospect, completion: Some(Completion { was_ready }), life: 0 };
    let mut tree = Script::unbooted(OneForOne, [needs("web", [Dependency::completed("x")])]);
    tree.expect(["up"]).elsewhere("x", true).expect([]).stands("web", WAITING);
    tree.outlook("x", Prospect::Parked { until: Some(700 * MS) }).expect(["park web until 700ms"]);
    tree.outlook("x", Prospect::Parked { until: Some(900 * MS) }).expect(["park web until 900ms"]);
    tree.outlook("x", Prospect::MayCome).expect(["wait web"]).stands("web", WAITING);
    tree.outlook("x", Prospect::Gone).expect(["park web until 30s"]);
    tree.outlook("x", job(Prospect::Gone, false)).starts(["web"]);
    tree.outlook("x", Prospect::MayCome).fails("web").expect([]).stands("web", WAITING);
    // A short readiness.
    let mut tree = Script::unbooted(OneForOne, [needs("web", [Dependency::ready("x"), Dependency::ready("y")])]);
    tree.expect(["up"]).outlook("y", Prospect::Ready).outlook("x", Prospect::Ready).starts(["web"]);
    tree.outlook("x", Prospect::MayCome).fails("web").expect([]).stands("web", WAITING);
    tree.outlook("x", job(Prospect::MayCome, true)).outlook("x", job(Prospect::Gone, true)).starts(["web"]);
    tree.fails("web").expect(["park web until 30s"]);
}

#[test]
fn a_boot_whose_first_start_a_rule_lets_be_tried_again_is_complete_when_that_is_up() {
    let rule = || ExitRule::new(RuleAction::Restart).on(ExitKind::StartFailed);
    let policy = || Policy::default().rule(rule()).backoff(Backoff::new(100 * MS));
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let specs = [permanent("a").policy(policy()), permanent("b")];
        let mut tree = Script::unbooted(strategy, specs);
        tree.expect(["start a"]).start_fails("a").starts(["b"]).after(100);
        match strategy {
            OneForOne => tree.starts(["a"]).expect(["up"]),
            OneForAll | RestForOne => tree.stops(["b"]).starts(["a", "b"]).expect(["up"]),
        };
    }
    // The budget is gone: the boot has failed, of the last failure.
    let budget = Intensity::new(1, 60_000 * MS);
    let mut tree = Script::made(budget, OneForOne, [permanent("a").policy(policy()), permanent("b")]);
    tree.expect(["start a"]).start_fails("a").starts(["b"]).after(100).expect(["start a"]).start_fails("a");
    tree.after(200).expect(["stop b"]).stopped("b").expect(["end child `a` failed to start: failed: no"]);
    // Parked, or resting by another rule, it is not waited for.
    for (then, last) in [(RuleAction::Park, "park a until 30.1s"), (RuleAction::Stop, "rest a")] {
        let later = ExitRule::new(then).on(ExitKind::StartFailed);
        let mut tree = Script::unbooted(OneForOne, [permanent("a").policy(policy())]);
        tree.expect(["start a"]).start_fails("a");
        let specs = vec![permanent("a").policy(Policy::default().rule(later))];
        tree.adjust(Adjustment { specs, ..Adjustment::default() }).after(100).expect(["answer 1 done", "start a"]);
        tree.start_fails("a").expect([last, "up"]);
    }
}
