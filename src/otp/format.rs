//! Text of values in traces: Erlang's terms, as far as Erlang and Rust share them.

use std::time::Duration;

use regrow_supervisors::{ChildSpec, Exit, OrderError, Restart, Shutdown, SpecError};

pub(crate) fn exit(exit: &Exit) -> String {
    match exit {
        Exit::Normal => "normal".into(),
        Exit::Shutdown => "shutdown".into(),
        Exit::ShutdownWith(why) => format!("shutdown({why})"),
        Exit::ChildFailedToStart { child, cause } => {
            format!("shutdown(failed_to_start_child({child},{}))", self::exit(cause))
        }
        Exit::Killed => "killed".into(),
        Exit::Failed(failure) => failure.message().to_owned(),
        Exit::Panicked(panic) => format!("exit({})", panic.message),
        _ => exit.to_string(),
    }
}

pub(crate) fn spec_error(error: &SpecError) -> String {
    match error {
        SpecError::NeverSignificant(_) => "bad_combination([auto_shutdown(never),significant(true)])".into(),
        SpecError::PermanentSignificant(_) => "bad_combination([restart(permanent),significant(true)])".into(),
        SpecError::DuplicateId(id) => format!("duplicate_child_name({id})"),
        other => other.to_string(),
    }
}

/// Text of an error. `running` returns the label of the child that is already started.
pub(crate) fn order_error(error: &OrderError, running: impl FnOnce() -> String) -> String {
    let why = match error {
        OrderError::AlreadyStarted(_) => format!("already_started({})", running()),
        OrderError::AlreadyPresent => "already_present".into(),
        OrderError::NotFound => "not_found".into(),
        OrderError::Running => "running".into(),
        OrderError::Restarting => "restarting".into(),
        OrderError::Stopping => "stopping".into(),
        OrderError::Failed(why) => exit(why),
        OrderError::Refused(error) => spec_error(error),
        OrderError::Over => return "noproc".into(),
        other => other.to_string(),
    };
    format!("error({why})")
}

pub(crate) fn spec(spec: &ChildSpec, id: &str, is_supervisor: bool) -> String {
    let restart = match spec.restart_type() {
        Restart::Permanent => "permanent",
        Restart::Transient => "transient",
        Restart::Temporary => "temporary",
    };
    let shutdown = match spec.shutdown_rule() {
        Shutdown::Kill => "brutal_kill".into(),
        Shutdown::After(limit) => Duration::as_millis(&limit).to_string(),
        Shutdown::Wait => "infinity".into(),
    };
    let (significant, kind) = (spec.is_significant(), kind(is_supervisor));
    format!("ok({{id={id},restart={restart},shutdown={shutdown},significant={significant},type={kind}}})")
}

/// A child as `which_children` shows it: id, process, type.
pub(crate) type Line = (String, String, &'static str);

pub(crate) fn which(lines: &[Line]) -> String {
    let lines: Vec<_> = lines.iter().map(|(id, child, kind)| format!("{id}={child}/{kind}")).collect();
    format!("[{}]", lines.join(", "))
}

/// Text of `count_children` (OTP rules 67 and 86).
pub(crate) fn count(lines: &[Line], is_dynamic: bool, is_alive: impl Fn(&str) -> bool) -> String {
    let supervisors = lines.iter().filter(|line| line.2 == "supervisor").count();
    let is_active = |child: &str| child.contains('#') && (is_dynamic || is_alive(child));
    let active = lines.iter().filter(|line| is_active(&line.1)).count();
    let (specs, workers) = (if is_dynamic { 1 } else { lines.len() }, lines.len() - supervisors);
    format!("specs={specs} active={active} supervisors={supervisors} workers={workers}")
}

pub(crate) fn kind(is_supervisor: bool) -> &'static str {
    if is_supervisor { "supervisor" } else { "worker" }
}

/// Sorts each run of exits of the children of one dynamic supervisor, since their order is not defined.
pub(crate) fn sort_runs(lines: Vec<String>, is_dynamic: impl Fn(&str) -> bool) -> Vec<String> {
    let id_of = |line: &str| {
        let label = line.strip_prefix("exit ")?.split_once(' ')?.0;
        let id = super::scenario::base(label);
        is_dynamic(id).then(|| id.to_owned())
    };
    let mut sorted: Vec<String> = Vec::with_capacity(lines.len());
    let mut run: Option<(String, usize)> = None;
    for line in lines {
        let id = id_of(&line);
        match (&run, id) {
            (Some((of, begin)), Some(id)) if *of == id => {
                let begin = *begin;
                let at = begin + sorted[begin..].partition_point(|other| *other <= line);
                sorted.insert(at, line);
            }
            (_, Some(id)) => {
                run = Some((id, sorted.len()));
                sorted.push(line);
            }
            (_, None) => {
                run = None;
                sorted.push(line);
            }
        }
    }
    sorted
}
