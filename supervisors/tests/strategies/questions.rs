//! What is asked of a machine, a spec, a policy or a rule, and no action shows. Found by mutants that no test noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::Strategy::{OneForAll, OneForOne};
use regrow_supervisors::{
    BudgetClock, ChildSpec, Completion, Dependency, DependencyCondition, Exit, ExitKind, ExitRule, Failure, Hang,
    Intensity, Outlook, Policy, Prospect, Readiness, Restart, RuleAction,
};

#[test]
fn attempts_are_numbered_from_one_over_all_children() {
    let mut tree = Script::new(OneForOne, ["db", "web"]);
    tree.fails("db").starts(["db"]);
    let number = |name| tree.attempt(name).number();
    assert_eq!((number("db#1"), number("web"), number("db")), (1, 2, 3));
    let key = |name| tree.asked().find(name).expect("it is there");
    assert_eq!(tree.asked().attempt(key("db")), Some(tree.attempt("db#2")));
    tree.terminate("db").stops(["db"]).expect(["rest db", "answer 1 done"]);
    assert_eq!(tree.asked().attempt(tree.asked().find("db").expect("its spec is kept")), None);
}

#[test]
fn a_supervisor_is_ending_from_the_order_to_stop_on() {
    let mut tree = Script::new(OneForOne, ["db"]);
    assert!(!tree.asked().is_ending());
    tree.stop().expect(["stop db"]);
    assert!(tree.asked().is_ending());
    tree.stopped("db").expect(["end shutdown"]);
    assert!(tree.asked().is_ending());
}

#[test]
fn the_outlook_of_a_child_is_what_its_dependents_can_count_on() {
    let mut tree = Script::unbooted(OneForOne, [transient("job")]);
    let job = tree.asked().find("job").expect("it is there");
    assert_eq!(tree.asked().outlook(job).map(|outlook| outlook.prospect), Some(Prospect::MayCome));
    tree.starts(["job"]).expect(["up"]);
    let first = Outlook { life: 1, ..Prospect::Ready.into() };
    assert_eq!(tree.asked().outlook(job), Some(first));
    tree.ends("job").expect(["rest job"]);
    let completion = Some(Completion { was_ready: true });
    assert_eq!(tree.asked().outlook(job), Some(Outlook { prospect: Prospect::Gone, completion, life: 0 }));
}

#[test]
fn a_life_is_the_last_if_neither_its_type_nor_a_rule_starts_another() {
    let boom = Exit::failed("boom");
    let says = Policy::default().readiness(Readiness::WhenSaid);
    let stops_unready = says.clone().rule(ExitRule::new(RuleAction::Stop).on(ExitKind::NotReady));
    let specs = [
        permanent("db"),
        transient("job"),
        temporary("once"),
        permanent("api").policy(stops_unready),
        permanent("web").policy(Policy::default().rule(ExitRule::new(RuleAction::Stop).on(ExitKind::Failed))),
    ];
    let mut tree = Script::new(OneForOne, specs);
    let last = |tree: &Script, name, exit| tree.asked().is_last_life(tree.attempt(name), exit);
    for (name, at_normal, at_failure) in
        [("db", false, false), ("job", true, false), ("once", true, true), ("api", true, true), ("web", false, true)]
    {
        let asked = (last(&tree, name, &Exit::Normal), last(&tree, name, &boom));
        assert_eq!(asked, (at_normal, at_failure), "{name}");
    }
    // Once it is ready, the rule about lives that were not is about it no more.
    tree.ready("api");
    assert!(!last(&tree, "api", &boom));
    // Attempts that are over, starting or told to stop are asked too late or too early.
    tree.fails("job").expect(["start job"]);
    assert!(!last(&tree, "job#1", &Exit::Normal) && !last(&tree, "job#2", &Exit::Normal));
    tree.started("job");
    assert!(!last(&tree, "job#1", &Exit::Normal) && last(&tree, "job#2", &Exit::Normal));
    tree.terminate("once").expect(["stop once"]);
    assert!(!last(&tree, "once", &boom));
    tree.stopped("once").expect(["forget once", "answer 1 done"]);
}

#[test]
fn a_budget_that_is_set_counts_what_is_spent_and_by_its_clock() {
    let mut tree = Script::within(Intensity::new(9, 5000 * MS), OneForOne, ["a", "b"]);
    tree.fails("b").starts(["b"]).set_budget(Intensity::new(1, 1000 * MS), BudgetClock::WithoutStops);
    // The time of a stop does not pass for it.
    tree.terminate("a").expect(["stop a"]).after(4000).stopped("a").expect(["rest a", "answer 1 done"]);
    tree.fails("b").expect(["end shutdown"]);
}

// A child that is killed after it was asked is stopped once: the clock that leaves stops out goes on when it is gone.
#[test]
fn a_stop_that_ends_by_a_kill_is_one_stop() {
    let mut tree = Script::within(Intensity::new(1, 1000 * MS), OneForOne, ["a", "b"]);
    tree.set_budget(Intensity::new(1, 1000 * MS), BudgetClock::WithoutStops);
    tree.terminate("a").expect(["stop a"]).after(5000).expect(["kill a"]).is_killed("a");
    tree.expect(["rest a", "answer 1 done"]);
    for _ in 0..3 {
        tree.fails("b").starts(["b"]).after(1001);
    }
}

// A kill by others, and a child that leaves by itself, are no stops.
#[test]
fn what_ends_without_an_order_stops_no_clock() {
    let mut tree = Script::within(Intensity::new(1, 1000 * MS), OneForOne, [permanent("b"), transient("a")]);
    tree.set_budget(Intensity::new(1, 1000 * MS), BudgetClock::WithoutStops);
    tree.leaves("a", Exit::Normal).after(10).ends("a").expect(["rest a"]);
    for _ in 0..3 {
        tree.fails("b").starts(["b"]).after(1001);
    }
}

#[test]
fn the_tables_are_as_large_as_what_is_there() {
    let needs = |name, on| permanent(name).policy(Policy::default().depends_on([on]));
    let mut tree = Script::unbooted(OneForOne, [permanent("db"), needs("web", "db"), needs("api", "x")]);
    tree.starts(["db", "web"]).expect(["up"]).elsewhere("x", true).starts(["api"]).tells_whatever();
    let tables = |tree: &Script| -> Vec<_> {
        let name = |name: &'static str| name.strip_prefix("machine: ").expect("whose table it is");
        tree.asked().tables().into_iter().filter(|(_, size)| *size > 0).map(|(of, size)| (name(of), size)).collect()
    };
    let full = [("services elsewhere", 1), ("children", 3), ("start order", 3), ("names", 3), ("dependents", 2)];
    assert_eq!(tables(&tree), full);
    // What no spec names is forgotten, by a new spec and with a child.
    tree.adjust(regrow_supervisors::Adjustment { specs: vec![permanent("api")], ..Default::default() });
    tree.expect(["answer 1 done"]);
    assert_eq!(tables(&tree), [("children", 3), ("start order", 3), ("names", 3), ("dependents", 1)]);
    tree.terminate("web").stops(["web"]).delete("web");
    tree.expect(["rest web", "answer 2 done", "forget web", "answer 3 done"]).tells_whatever();
    assert_eq!(tables(&tree), [("children", 2), ("start order", 2), ("names", 2)]);
    assert_eq!(tree.asked().counts().specs, 2);
}

#[test]
fn reports_that_are_not_read_yet_outlast_the_end_of_the_work() {
    let names: Vec<_> = (0..400).map(|number| number.to_string()).collect();
    let specs: Vec<_> = names.iter().map(|name| temporary(name)).collect();
    let mut tree = Script::within(Intensity::unlimited(), OneForOne, specs);
    for name in &names {
        tree.fails(name);
    }
    tree.ignore_actions();
    assert_eq!(tree.count_reports(), 400);
}

#[test]
fn a_pair_of_which_one_is_deleted_closes_no_circle() {
    let mut tree = Script::new(OneForOne, ["a", "b"]);
    tree.ties(&[("a", "b"), ("b", "a")], ["a b"]);
    let key = |name| tree.asked().find(name).expect("it is there");
    let pairs = vec![(key("a"), key("b")), (key("b"), key("a"))];
    tree.terminate("b").stops(["b"]).delete("b").expect(["rest b", "answer 1 done", "forget b", "answer 2 done"]);
    assert!(tree.stop_order(pairs).is_empty());
}

// Orders that lie in the mailbox while a start hangs: the first order to stop counts, and what comes later is too late.
#[test]
fn of_two_orders_to_stop_the_first_counts_and_reads_after_it_come_too_late() {
    let mut tree = Script::new(OneForAll, ["db", "web"]);
    tree.fails("db").expect(["stop web"]).stopped("web").expect(["start db"]);
    tree.stop_with(Exit::ShutdownWith("one".into())).stop_with(Exit::ShutdownWith("two".into())).read().after(50);
    tree.ignored("db").expect(["refuse 1 over", "stop db", "end shutdown (one)"]);
}

#[test]
fn a_spec_says_what_was_set() {
    let spec = ChildSpec::new("a").named("db").restart(Restart::Transient);
    assert_eq!((spec.id(), spec.restart_type(), spec.is_significant()), ("db", Restart::Transient, false));
    assert!(spec.clone().significant(true).is_significant());
    assert_eq!(spec.watchdog_limit(), None);
    assert_eq!(spec.policy(Policy::default().watchdog(7 * MS)).watchdog_limit(), Some(7 * MS));
    let intensity = Intensity::new(3, 5 * MS);
    assert_eq!((intensity.restarts_max(), intensity.period()), (Some(3), Some(5 * MS)));
    assert_eq!((Intensity::unlimited().restarts_max(), Intensity::unlimited().period()), (None, None));
}

#[test]
fn jobs_and_services_that_a_policy_depends_on_are_said_apart_and_each_once() {
    let says = |policy: Policy| -> Vec<_> {
        policy.depends_on.iter().flat_map(|all| all.iter()).map(ToString::to_string).collect()
    };
    let both = Policy::default().depends_on(["db"]).depends_on_completed(["migrate"]);
    assert_eq!(says(both.clone()), ["db", "migrate (completed)"]);
    // Names alone replace services and leave jobs; jobs are added, and none twice.
    assert_eq!(says(both.clone().depends_on(["x"])), ["x", "migrate (completed)"]);
    assert_eq!(
        says(both.clone().depends_on_completed(["migrate", "seed"])),
        ["db", "migrate (completed)", "seed (completed)"]
    );
    let job = Dependency::completed("migrate");
    assert_eq!(job.condition, DependencyCondition::Completed);
    assert_eq!(says(both.depends_on([job])), ["migrate (completed)"]);
}

#[test]
fn a_rule_covers_those_that_match_only_what_it_matches() {
    let rule = || ExitRule::new(RuleAction::Stop);
    let covers = |a: ExitRule, b: ExitRule| (a.covers(&b), b.covers(&a));
    assert_eq!(covers(rule(), rule()), (true, true));
    assert_eq!(covers(rule(), rule().on(ExitKind::Failed)), (true, false));
    assert_eq!(covers(rule().on(ExitKind::Failed).on(ExitKind::Hung), rule().on(ExitKind::Failed)), (true, false));
    assert_eq!(covers(rule().on(ExitKind::Killed), rule().on(ExitKind::Failed)), (false, false));
    assert_eq!(covers(rule(), rule().error("io")), (true, false));
    assert_eq!(covers(rule().error("io"), rule().error("io")), (true, true));
    assert_eq!(covers(rule().error("io"), rule().error("sql")), (false, false));
    assert_eq!(covers(rule().text("disk"), rule().text("disk full")), (true, false));
    assert_eq!(covers(rule().text("disk"), rule().text("net")), (false, false));
    // All three count together.
    assert_eq!(
        covers(rule().on(ExitKind::Killed).error("io"), rule().on(ExitKind::Failed).error("io")),
        (false, false)
    );
    assert_eq!(
        covers(rule().on(ExitKind::Failed).error("io"), rule().on(ExitKind::Failed).error("sql")),
        (false, false)
    );
    assert_eq!(covers(rule().error("io").text("a"), rule().error("sql").text("a")), (false, false));
    assert_eq!(covers(rule().error("io").text("a"), rule().error("io").text("b")), (false, false));
}

#[test]
fn each_thing_to_do_has_the_word_of_the_files() {
    let all = [RuleAction::Restart, RuleAction::RestartGroup, RuleAction::Park, RuleAction::Stop, RuleAction::Escalate];
    assert_eq!(all.map(RuleAction::word), ["restart", "restart_group", "park", "stop", "escalate"]);
}

#[test]
fn an_error_is_dropped_once_by_the_one_who_is_to_drop_it() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let failure = Failure::with_cause("no", Arc::new(7_u8)).dropped_by(|_| {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    });
    let copy = failure.clone();
    drop(failure);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 0, "a clone has it");
    drop(copy);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1);
}

#[test]
fn a_silent_task_is_no_message_in_hand() {
    let silence = Hang::silence(Duration::from_secs(2));
    assert!(silence.is_silence() && !Hang::new(Duration::from_secs(2), "Pay").is_silence());
    assert_eq!(silence.to_string(), "no sign of life for 2.0s");
}
