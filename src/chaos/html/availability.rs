//! Availability: the share of services that were up, over time.

use maud::{Markup, html};

use crate::chaos::format::share;
use crate::chaos::html::scale::{LEFT, RIGHT, Scale, WIDTH, n};
use crate::chaos::report::ExperimentReport;

const COLUMNS: usize = 460;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 142.0;
/// Values at which the axis may begin. The highest that the data allows is taken, and its quarters are round.
const FLOORS: [f64; 6] = [0.98, 0.96, 0.92, 0.8, 0.6, 0.0];

/// The shares in one column of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Column {
    /// Mean over the column's time.
    mean: f64,
    /// Share at the worst moment.
    least: f64,
}

pub(super) fn availability(report: &ExperimentReport) -> Markup {
    let scale = Scale::of(report);
    let columns = columns(report, &scale, COLUMNS);
    let worst = columns.iter().map(|column| column.least).fold(1.0, f64::min);
    let floor = FLOORS.into_iter().find(|floor| *floor <= worst).unwrap_or(0.0);
    let y = |share: f64| BOTTOM - (BOTTOM - TOP) * (share - floor) / (1.0 - floor);
    let mean = steps(columns.iter().map(|column| y(column.mean)));
    let least = steps(columns.iter().map(|column| y(column.least)));
    html! {
        div class="scroll" {
            svg viewBox=(format!("0 0 {WIDTH} {}", n(BOTTOM + 22.0))) role="img"
                aria-label=(format!("Availability over time; {} at the worst moment", share(worst))) {
                (scale.draw(report, TOP, BOTTOM))
                @for quarter in 0..=4 {
                    @let level = floor + (1.0 - floor) * f64::from(quarter) / 4.0;
                    path class="grid" d={ "M" (n(LEFT)) " " (n(y(level))) "H" (n(RIGHT)) } {}
                    text class="quiet end" x=(n(LEFT - 8.0)) y=(n(y(level) + 4.0)) { (share(level)) }
                }
                path class="area" d={ "M" (n(LEFT)) " " (n(BOTTOM)) (mean.replacen('M', "L", 1)) "V" (n(BOTTOM)) "Z" } {}
                path class="least" d=(least) {}
                path class="edge" d=(mean) {}
            }
        }
        p class="legend" {
            "Strong line: the share of services that were up. Thin line: the worst moment of each column, "
            (share(worst)) " at the worst of all."
            @if floor > 0.0 { " The axis begins at " (share(floor)) "." }
        }
    }
}

/// Draws a line of steps, in which equal neighbours are one.
fn steps(levels: impl Iterator<Item = f64>) -> String {
    let width = (RIGHT - LEFT) / COLUMNS as f64;
    let mut line = String::new();
    let mut before = String::new();
    for (column, level) in levels.enumerate() {
        let level = n(level);
        let x = n(LEFT + width * column as f64);
        if column == 0 {
            line = format!("M{x} {level}");
        } else if level != before {
            line.push_str(&format!("H{x}V{level}"));
        }
        before = level;
    }
    line.push_str(&format!("H{}", n(RIGHT)));
    line
}

/// Computes the columns. Every change counts: one that is shorter than a column lowers its mean, and shows in its
/// least.
fn columns(report: &ExperimentReport, scale: &Scale, number: usize) -> Vec<Column> {
    // A service counts from its first start on.
    let (mut changes, mut known) = (Vec::new(), Vec::new());
    for service in &report.services {
        known.extend(service.lives.first().map(|life| life.from.max(scale.from)));
        for life in service.lives.iter().filter(|life| life.to.is_none_or(|to| to > scale.from)) {
            changes.push((life.from.max(scale.from), 1_i64, 0_i64));
            changes.extend(life.to.map(|to| (to, -1, 0)));
        }
    }
    changes.extend(known.into_iter().map(|from| (from, 0, 1)));
    changes.retain(|(at, ..)| at.is_finite());
    // At one moment, starts come before ends, so that a restart that takes no time does not show as a gap.
    changes.sort_by(|one, other| one.0.total_cmp(&other.0).then(other.1.cmp(&one.1)));

    let width = (scale.to - scale.from) / number as f64;
    let mut changes = changes.into_iter().peekable();
    let (mut up, mut of) = (0, 0);
    // Without services, none is down.
    let level = |up: i64, of: i64| if of > 0 { (up as f64 / of as f64).clamp(0.0, 1.0) } else { 1.0 };
    let mut columns = Vec::with_capacity(number);
    for column in 0..number {
        let (mut at, end) = (scale.from + width * column as f64, scale.from + width * (column + 1) as f64);
        let (mut sum, mut least) = (0.0, 1.0_f64);
        while let Some((change, ups, more)) = changes.next_if(|(change, ..)| *change < end || column + 1 == number) {
            if change > at {
                sum += level(up, of) * (change.min(end) - at).max(0.0);
                least = least.min(level(up, of));
                at = change.min(end);
            }
            (up, of) = (up + ups, of + more);
        }
        if end > at {
            least = least.min(level(up, of));
        }
        sum += level(up, of) * (end - at).max(0.0);
        columns.push(Column { mean: (sum / width).clamp(0.0, 1.0), least });
    }
    columns
}
