//! Significant children, and the automatic shutdown that the end of one brings (OTP rules 73 to 78).

use crate::common::{MS, Script, permanent, temporary, transient};
use regrow_supervisors::AutoShutdown::{AllSignificant, AnySignificant, Never};
use regrow_supervisors::Strategy::{OneForAll, OneForOne, RestForOne};
use regrow_supervisors::{AutoShutdown, ChildSpec, Exit, Flags, Intensity, SpecError, StaticMachine, Strategy};

fn flags(strategy: Strategy, auto_shutdown: AutoShutdown) -> Flags {
    Flags { strategy, auto_shutdown, intensity: Intensity::new(100, 5000 * MS), ..Flags::default() }
}

/// Significant `import` (transient) and `job` (temporary), and `db`, all up.
fn tree(strategy: Strategy, auto_shutdown: AutoShutdown) -> Script {
    let children = [transient("import").significant(true), temporary("job").significant(true), permanent("db")];
    Script::flagged(flags(strategy, auto_shutdown), children).boot()
}

// OTP rule 73, at boot: nothing is started.
#[test]
fn a_significant_child_that_makes_no_sense_is_refused() {
    let refused = |auto_shutdown, spec: ChildSpec| StaticMachine::new(flags(OneForOne, auto_shutdown), [spec]).err();
    let never = Some(SpecError::NeverSignificant("a".into()));
    assert_eq!(refused(Never, transient("a").significant(true)), never);
    assert_eq!(refused(Never, temporary("a").significant(true)), never);
    let permanent_one = Some(SpecError::PermanentSignificant("a".into()));
    for auto_shutdown in [AnySignificant, AllSignificant] {
        assert_eq!(refused(auto_shutdown, permanent("a").significant(true)), permanent_one);
        assert_eq!(refused(auto_shutdown, permanent("a")), None);
        assert_eq!(refused(auto_shutdown, transient("a").significant(true)), None);
    }
}

// OTP rule 73, at start_child: nothing is changed.
#[test]
fn an_order_to_start_one_that_makes_no_sense_is_refused() {
    let mut script = Script::new(OneForOne, ["db"]);
    script.start_child(transient("a").significant(true));
    script.expect(["refuse 1 `a` is significant, and its supervisor never shuts down by itself"]).lists(["db"]);
    let mut script = tree(OneForOne, AnySignificant);
    script.start_child(permanent("a").significant(true));
    script.expect(["refuse 1 `a` is significant and permanent, which cannot both be"]).lists(["import", "job", "db"]);
}

// OTP rules 74, 75, 78.
#[test]
fn any_significant_end_shuts_down_all_the_others_youngest_first() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut script = tree(strategy, AnySignificant);
        script.ends("import").expect(["rest import", "stop db"]).stopped("db").stops(["job"]);
        script.expect(["end shutdown"]).tells(["last_significant_ended import"]);
        let mut script = tree(strategy, AnySignificant);
        script.ends("job").expect(["forget job", "stop db"]).stopped("db").stops(["import"]).expect(["end shutdown"]);
    }
}

// OTP rule 74: a temporary child triggers with any reason, a transient one with a clean one.
#[test]
fn a_significant_exit_triggers_when_it_calls_for_no_restart() {
    for exit in [Exit::Normal, Exit::Shutdown, Exit::ShutdownWith("done".into()), Exit::Killed, Exit::failed("boom")] {
        tree(OneForOne, AnySignificant).exits("job", exit).expect(["forget job", "stop db"]);
    }
    for exit in [Exit::Normal, Exit::Shutdown, Exit::ShutdownWith("done".into())] {
        tree(OneForOne, AnySignificant).exits("import", exit).expect(["rest import", "stop db"]);
    }
    for exit in [Exit::Killed, Exit::failed("boom")] {
        tree(OneForOne, AnySignificant).exits("import", exit).starts(["import"]).expect([]);
    }
}

// OTP rule 75.
#[test]
fn all_significant_ends_with_the_last_of_them() {
    for strategy in [OneForOne, OneForAll, RestForOne] {
        let mut script = tree(strategy, AllSignificant);
        script.ends("import").expect(["rest import"]).fails("job").expect(["forget job", "stop db"]);
        script.stopped("db").expect(["end shutdown"]);
    }
}

// OTP rule 75: one in retry is left.
#[test]
fn one_that_is_to_be_tried_again_holds_all_significant_open() {
    let mut script = tree(OneForOne, AllSignificant);
    script.fails("import").expect(["start import"]);
    script.ends("job").start_fails("import").expect(["forget job", "start import"]);
    script.started("import").ends("import").expect(["rest import", "stop db"]);
}

// OTP rule 75: and so is one that has ended, as long as its exit waits.
#[test]
fn of_two_that_end_together_the_second_is_the_last() {
    let mut script = tree(OneForOne, AllSignificant);
    script.ends("import").ends("job").expect(["rest import", "forget job", "stop db"]);
}

// OTP rule 76.
#[test]
fn one_that_is_down_does_not_hold_all_significant_open() {
    let mut script = tree(OneForOne, AllSignificant);
    script.terminate("import").stops(["import"]).expect(["rest import", "answer 1 done"]);
    script.ends("job").expect(["forget job", "stop db"]);

    let children = [transient("import").significant(true), temporary("job").significant(true)];
    let mut script = Script::flagged(flags(OneForOne, AllSignificant), children);
    script.expect(["start import"]).ignored("import").expect(["rest import", "start job"]).started("job");
    script.ends("job").expect(["up", "forget job", "end shutdown"]);
}

// OTP rule 77.
#[test]
fn a_manual_termination_triggers_nothing() {
    for strategy in [OneForOne, OneForAll] {
        let mut script = tree(strategy, AnySignificant);
        script.terminate("import").stops(["import"]).expect(["rest import", "answer 1 done"]);
        script.terminate("job").stops(["job"]).expect(["forget job", "answer 2 done"]);
    }
}

// OTP rules 52, 77: also when it is dead before it is told.
#[test]
fn an_exit_that_a_termination_consumes_triggers_nothing() {
    let mut script = tree(OneForOne, AnySignificant);
    script.terminate("import").ends("import").expect(["rest import", "answer 1 done"]);
}

// OTP rule 77.
#[test]
fn to_be_stopped_because_of_a_sibling_triggers_nothing() {
    let mut script = tree(OneForAll, AnySignificant);
    script.fails("db").expect(["stop job"]).stopped("job").expect(["forget job", "stop import"]);
    script.ends("import").starts(["import", "db"]).expect([]);
}

// OTP rule 77.
#[test]
fn a_restart_that_is_ignored_triggers_nothing() {
    let mut script = tree(OneForOne, AnySignificant);
    script.fails("import").expect(["start import"]).ignored("import").expect(["rest import"]);
}

#[test]
fn an_ordered_start_that_comes_to_nothing_triggers_nothing() {
    let mut script = tree(OneForOne, AnySignificant);
    script.start_child(temporary("a").significant(true)).ignore_actions().start_fails("a");
    script.expect(["forget a", "refuse 1 failed: no"]);
}

// OTP rule 72: the order came too late.
#[test]
fn orders_behind_the_exit_that_triggers_are_refused() {
    let mut script = tree(OneForOne, AnySignificant);
    script.ends("import").start_child("web").read();
    script.expect(["rest import", "refuse 1 over", "refuse 2 over", "stop db"]);
}

#[test]
fn the_end_of_an_insignificant_child_triggers_nothing() {
    let children = [transient("import").significant(true), transient("plain"), temporary("job")];
    let mut script = Script::flagged(flags(OneForOne, AnySignificant), children).boot();
    script.ends("plain").ends("job").expect(["rest plain", "forget job"]);
}

// OTP rule 78: the parent sees a clean shutdown. It restarts the supervisor if that is permanent, and forgets or keeps it
// down otherwise; it climbs only where the parent marks it significant.
#[test]
fn an_automatic_shutdown_is_a_clean_exit_for_the_parent() {
    assert!(!Exit::Shutdown.is_abnormal());
    let nested = |restart: fn(&str) -> ChildSpec| restart("nested");
    let mut parent = Script::new(OneForOne, [nested(permanent)]);
    parent.exits("nested", Exit::Shutdown).starts(["nested"]);
    let mut parent = Script::new(OneForOne, [nested(transient)]);
    parent.exits("nested", Exit::Shutdown).expect(["rest nested"]);
    let mut parent = Script::flagged(flags(OneForOne, AnySignificant), [nested(transient).significant(true)]).boot();
    parent.exits("nested", Exit::Shutdown).expect(["rest nested", "end shutdown"]);
}
