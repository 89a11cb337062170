//! What ends and errors say of themselves: the culprit, what is wrong, and the words of logs, events and files.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{
    AutoShutdown, Backoff, BackoffError, Dependency, Exit, ExitKind, Failure, Hang, Jitter, LONGEST_TIME, OrderError,
    Panic, Policy, PolicyError, SpecError, Strategy,
};

const MS: Duration = Duration::from_millis(1);

fn says(error: &dyn Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[test]
fn an_end_has_one_word_and_a_text_that_says_more() {
    let hang = Hang::new(1500 * MS, "Pay");
    let ends = [
        (Exit::Normal, "normal", "normal", ExitKind::Normal),
        (Exit::Shutdown, "shutdown", "shutdown", ExitKind::Shutdown),
        (Exit::ShutdownWith("upgrade".into()), "shutdown", "shutdown (upgrade)", ExitKind::Shutdown),
        (Exit::Killed, "killed", "killed", ExitKind::Killed),
        (Exit::failed("disk full"), "failed", "failed: disk full", ExitKind::Failed),
        (Exit::Panicked(Panic::new("oh")), "panicked", "panicked: oh", ExitKind::Panicked),
        (Exit::Hung(hang), "hung", "hung: `Pay` in hand for 1.5s", ExitKind::Hung),
    ];
    for (exit, kind, text, on) in ends {
        assert_eq!((exit.kind(), exit.to_string().as_str(), exit.on()), (kind, text, on));
    }
}

#[test]
fn a_panic_says_where_it_was_and_keeps_its_backtrace_to_itself() {
    let panic = Panic { location: Some("a.rs:1:2".into()), backtrace: Some("0: x\n1: y".into()), ..Panic::new("oh") };
    assert_eq!(panic.to_string(), "oh at a.rs:1:2");
    let data = format!("{panic:?}");
    assert!(data.contains("2 lines") && data.contains("a.rs:1:2") && !data.contains("0: x"), "{data}");
}

#[test]
fn a_failure_keeps_its_error_and_its_names() {
    let failure = Failure::with_cause("no licence", 7_u32).named(["licence".into()]);
    assert_eq!((failure.message(), failure.cause::<u32>(), failure.cause::<u64>()), ("no licence", Some(&7), None));
    assert!(format!("{failure:?}").contains("no licence"));
    let exit = Exit::Failed(failure);
    assert!(exit.is_error_named("licence") && !exit.is_error_named("other") && !Exit::Killed.is_error_named("licence"));
}

#[test]
fn a_hang_names_what_it_waited_for_or_the_whole_circle() {
    let mut hang = Hang::new(2000 * MS, "Pay");
    hang.waiting_for = Some("bank/db".into());
    assert_eq!(hang.to_string(), "`Pay` in hand for 2.0s, waiting for `bank/db`");
    hang.cycle = Arc::new(["a".into(), "b".into()]);
    assert_eq!(hang.to_string(), "`Pay` waits in a circle: a -> b -> a");
}

#[test]
fn errors_name_the_culprit() {
    says(&SpecError::DuplicateId("db".into()), &["`db`", "two children"]);
    says(&SpecError::ZeroPeriod, &["period", "zero"]);
    says(&SpecError::NeverSignificant("db".into()), &["`db`", "significant", "never shuts down"]);
    says(&SpecError::PermanentSignificant("db".into()), &["`db`", "significant", "permanent"]);
    says(&SpecError::ZeroChildren, &["no children"]);
    says(&SpecError::DependencyCycle(vec!["a".into(), "b".into()]), &["circle", "a -> b -> a"]);
    says(&SpecError::Policy("db".into(), PolicyError::Zero("watchdog")), &["`db`", "watchdog is zero"]);
    says(&PolicyError::TooLong("watchdog"), &["watchdog", "longer than a year"]);
    says(&PolicyError::Backoff(BackoffError::EmptyList), &["list of delays", "empty"]);
    says(&BackoffError::Factor(0.5), &["0.5", "between 1 and 1000"]);
    says(&BackoffError::CapBelowFirst { first: 2 * MS, max: MS }, &["1ms", "2ms", "shorter"]);
    says(&BackoffError::TooLong(Duration::from_secs(400 * 86400)), &["400 days"]);
    says(&OrderError::Failed(Exit::failed("disk full")), &["did not start", "disk full"]);
    says(&OrderError::Refused(SpecError::ZeroPeriod), &["period", "zero"]);
    says(&OrderError::NotFound, &["no child"]);
}

#[test]
fn settings_are_written_as_they_are_in_files() {
    let strategies = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];
    assert_eq!(strategies.map(|it| it.to_string()), ["one_for_one", "one_for_all", "rest_for_one"]);
    let ends = [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant];
    assert_eq!(ends.map(|it| it.to_string()), ["never", "any_significant", "all_significant"]);
    assert_eq!(Dependency::ready("db").to_string(), "db");
    assert_eq!(Dependency::completed("migrate").to_string(), "migrate (completed)");
}

#[test]
fn a_backoff_says_what_it_was_made_of() {
    let grows = Backoff::new(2 * MS).factor(3.0).max_delay(50 * MS).jitter(Jitter::Full);
    assert_eq!((grows.growth(), grows.list(), grows.spread()), (Some((2 * MS, 3.0, 50 * MS)), None, Jitter::Full));
    let listed = Backoff::listed([MS, 3 * MS, 2 * MS]);
    assert_eq!((listed.growth(), listed.list()), (None, Some(&[MS, 3 * MS, 2 * MS][..])));
    assert_eq!((listed.longest(), listed.spread()), (3 * MS, Jitter::None));
    // Without a cap of its own it stops at thirty seconds, or at once if it begins beyond.
    assert_eq!(Backoff::new(MS).longest(), Duration::from_secs(30));
    assert_eq!(Backoff::new(60_000 * MS).longest(), Duration::from_secs(60));
}

#[test]
fn a_year_is_the_longest_time_and_the_first_that_is_refused_is_beyond_it() {
    assert_eq!(LONGEST_TIME.as_secs(), 31_622_400, "366 days");
    let beyond = LONGEST_TIME + Duration::from_nanos(1);
    let policy = Policy::default;
    assert_eq!(policy().start_timeout(LONGEST_TIME).check(), Ok(()));
    assert_eq!(policy().start_timeout(beyond).check(), Err(PolicyError::TooLong("start_timeout")));
    assert_eq!(policy().reset_after(beyond).check(), Err(PolicyError::TooLong("reset_after")));
    assert_eq!(policy().reset_after(Duration::ZERO).check(), Err(PolicyError::Zero("reset_after")));
    assert_eq!(policy().reset_after_messages(0).check(), Err(PolicyError::Zero("reset_after_messages")));
    let list = |delay| Backoff::listed([MS, delay]).check();
    assert_eq!((list(LONGEST_TIME), list(beyond)), (Ok(()), Err(BackoffError::TooLong(beyond))));
    let cap = |delay| Backoff::new(MS).max_delay(delay).check();
    assert_eq!((cap(LONGEST_TIME), cap(beyond)), (Ok(()), Err(BackoffError::TooLong(beyond))));
    assert_eq!(Backoff::new(MS).max_delay(MS).check(), Ok(()), "the cap may be the first delay");
}
