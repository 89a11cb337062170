//! A report for the terminal.

use std::fmt::{self, Display, Formatter};

use comfy_table::{CellAlignment, Table, presets};

use super::format::{count, many, moment, share, tail, time, time_or_dash};
use super::report::{CheckResult, ExperimentReport};
use super::summary::{Replay, budget, by_kind, circumstances, replay, touched, unavailable};

/// Services that the table shows. Of more, those with the longest downtime.
const SERVICES_SHOWN: usize = 12;

/// Longer paths lose their beginning, so that tables stay within a hundred columns.
const PATH_MAX: usize = 42;

/// Writes the report for a terminal of a hundred columns: verdicts first, then totals, faults by kind, the services
/// that were down longest, and how to replay the run. Without colours. Control characters in names and texts are
/// written as `\u{1b}`.
impl Display for ExperimentReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = if self.passed() { "passed" } else { "BROKEN" };
        writeln!(f, "{word}  {}", plain(&self.title))?;
        writeln!(f, "        {}", circumstances(self))?;
        if let Some(why) = &self.stopped {
            writeln!(f, "        stopped before its time: {}", plain(why))?;
        }
        hypotheses(f, self)?;
        totals(f, self)?;
        faults(f, self)?;
        services(f, self)?;
        writeln!(f, "\nregrow {}, seed {}; to see it again:", plain(&self.version), self.seed)?;
        let (Replay::Command(how) | Replay::Words(how)) = replay(self);
        writeln!(f, "  {}", plain(&how))
    }
}

fn hypotheses(f: &mut Formatter<'_>, report: &ExperimentReport) -> fmt::Result {
    writeln!(f, "\nhypotheses")?;
    if report.verdicts.is_empty() {
        writeln!(f, "  none")?;
    }
    for CheckResult { hypothesis, held, broken_at, evidence } in &report.verdicts {
        writeln!(f, "  {:<6}  {}", if *held { "ok" } else { "BROKEN" }, plain(hypothesis))?;
        match (broken_at, evidence) {
            (Some(at), Some(evidence)) => writeln!(f, "          at {}: {}", moment(*at), plain(evidence))?,
            (Some(at), None) => writeln!(f, "          at {}", moment(*at))?,
            (None, Some(evidence)) => writeln!(f, "          {}", plain(evidence))?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn totals(f: &mut Formatter<'_>, report: &ExperimentReport) -> fmt::Result {
    let totals = &report.totals;
    let three =
        |p50, p99, max| format!("p50 {}, p99 {}, max {}", time_or_dash(p50), time_or_dash(p99), time_or_dash(max));
    let messages = &totals.messages;
    writeln!(f, "\ntotals")?;
    let mut line = |name: &str, what: String| writeln!(f, "  {name:<13} {what}");
    line("faults", format!("{} hit, {} missed, {} never struck", count(totals.hit()), totals.missed, totals.unstruck))?;
    line("to detect", three(totals.detection_p50, totals.detection_p99, totals.detection_max))?;
    line("to recover", three(totals.recovery_p50, totals.recovery_p99, totals.recovery_max))?;
    let down = time(unavailable(report));
    line("availability", format!("{}, {down} of service time lost", share(totals.availability)))?;
    line(
        "restarts",
        format!(
            "{}, {}, {} parked, {} abandoned",
            count(totals.restarts),
            many(totals.escalations as usize, "escalation"),
            totals.parked,
            totals.abandoned
        ),
    )?;
    line(
        "messages",
        format!(
            "{} accepted, {} handled, {} left",
            count(messages.accepted),
            count(messages.handled),
            count(messages.left)
        ),
    )?;
    line(
        "",
        format!(
            "{} lost in crashes, {} repeated, {} returned, {} dead-lettered",
            count(messages.crashed),
            count(messages.repeated),
            count(messages.returned),
            count(messages.dead_lettered)
        ),
    )?;
    if totals.calls.is_empty() {
        return Ok(());
    }
    let calls: Vec<_> = totals.calls.iter().map(|(fate, calls)| format!("{} {}", count(*calls), plain(fate))).collect();
    line("calls", calls.join(", "))
}

fn faults(f: &mut Formatter<'_>, report: &ExperimentReport) -> fmt::Result {
    let kinds = by_kind(report);
    if kinds.is_empty() {
        return writeln!(f, "\nno faults");
    }
    let mut table = table(&[
        "fault",
        "hit",
        "missed",
        "waiting",
        "ended",
        "not back",
        "siblings",
        "detect p50",
        "recover p50",
        "p99",
        "max",
    ]);
    for kind in &kinds {
        table.add_row([
            plain(kind.kind),
            kind.hit.to_string(),
            kind.missed.to_string(),
            kind.unstruck.to_string(),
            kind.ended.to_string(),
            kind.unrecovered.to_string(),
            kind.siblings_touched.to_string(),
            time_or_dash(kind.detection.p50),
            time_or_dash(kind.recovery.p50),
            time_or_dash(kind.recovery.p99),
            time_or_dash(kind.recovery.max),
        ]);
    }
    print(f, table, 1)
}

fn services(f: &mut Formatter<'_>, report: &ExperimentReport) -> fmt::Result {
    let touched = touched(report);
    let untouched = report.services.len() - touched.len();
    if touched.is_empty() {
        return writeln!(f, "\n{}, none of them touched", many(report.services.len(), "service"));
    }
    let mut table = table(&[
        "services that were down longest",
        "restarts",
        "budget left",
        "parked",
        "down",
        "availability",
        "lost",
    ]);
    for service in touched.iter().take(SERVICES_SHOWN) {
        table.add_row([
            tail(&plain(&service.path), PATH_MAX),
            service.restarts.to_string(),
            budget(service),
            service.parked.to_string(),
            time(service.unavailable),
            share(service.availability),
            count(service.messages.crashed + service.messages.dead_lettered),
        ]);
    }
    print(f, table, 1)?;
    let more = touched.len().saturating_sub(SERVICES_SHOWN);
    if more > 0 || untouched > 0 {
        writeln!(f, "  and {more} more that were touched, {untouched} that were not")?;
    }
    Ok(())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

/// Prints the table with figures flush right, from this column on.
fn print(f: &mut Formatter<'_>, mut table: Table, figures_from: usize) -> fmt::Result {
    for column in table.column_iter_mut().skip(figures_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(f)?;
    for line in table.lines() {
        writeln!(f, " {}", line.trim_end())?;
    }
    Ok(())
}

/// Escapes control characters: a text from outside must not steer the terminal.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
}
