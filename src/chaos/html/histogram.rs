//! The recovery times, by their order of magnitude.

use maud::{Markup, html};

use crate::chaos::format::{count, many, time};
use crate::chaos::html::scale::{LEFT, RIGHT, WIDTH, n};
use crate::chaos::report::{ExperimentReport, Totals};

/// Above the columns: a line for each of p50, p99 and max, so that their names never meet.
const TOP: f64 = 62.0;
const BOTTOM: f64 = 192.0;
const COLUMN_MAX: f64 = 96.0;
/// A microsecond, the shortest time in a report.
const FIRST: i32 = -6;
/// Some days, the longest time of a column.
const LAST: i32 = 5;

/// The columns from the first to the last that holds something, and an empty one at each side.
struct Columns {
    /// Upper limit of each column, in seconds. It begins at the limit of the one before.
    limits: Vec<f64>,
    counts: Vec<u64>,
    first: usize,
    last: usize,
    width: f64,
}

impl Columns {
    fn of(times: &[f64]) -> Self {
        let magnitudes = (FIRST..=LAST).map(|exponent| 10_f64.powi(exponent));
        let limits: Vec<f64> = magnitudes.flat_map(|unit| [1.0, 2.0, 5.0].map(|factor| factor * unit)).collect();
        let mut counts = vec![0; limits.len()];
        for time in times {
            counts[column(&limits, *time)] += 1;
        }
        let used = |column: &usize| counts[*column] > 0;
        let first = (0..counts.len()).find(used).unwrap_or(0).saturating_sub(1);
        let last = ((0..counts.len()).rfind(used).unwrap_or(0) + 1).min(counts.len() - 1);
        let width = ((RIGHT - LEFT) / (last + 1 - first) as f64).min(COLUMN_MAX);
        Self { limits, counts, first, last, width }
    }

    fn left(&self, column: usize) -> f64 {
        LEFT + self.width * (column - self.first) as f64
    }

    fn height(&self, column: usize) -> f64 {
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1);
        let height = (BOTTOM - TOP - 14.0) * self.counts[column] as f64 / most as f64;
        // A column that holds something is always visible.
        height.max(1.5)
    }

    /// Returns the x of a time: within its column it lies where its logarithm does.
    fn x(&self, time: f64) -> f64 {
        let column = column(&self.limits, time).clamp(self.first, self.last);
        let limit = self.limits[column];
        let below = if column == 0 { limit / 2.0 } else { self.limits[column - 1] };
        let share = (time.max(below) / below).ln() / (limit / below).ln();
        self.left(column) + self.width * share.clamp(0.0, 1.0)
    }

    fn used(&self) -> impl Iterator<Item = usize> {
        (self.first..=self.last).filter(|column| self.counts[*column] > 0)
    }
}

/// Returns the column of a time. A time that is equal to a limit, but for rounding, is within that limit.
fn column(limits: &[f64], time: f64) -> usize {
    limits.partition_point(|limit| *limit < time * (1.0 - 1e-9)).min(limits.len() - 1)
}

pub(super) fn histogram(report: &ExperimentReport) -> Markup {
    let recoveries = report.services.iter().flat_map(|service| service.recoveries.iter().copied());
    let times: Vec<f64> = recoveries.filter(|time| time.is_finite()).collect();
    if times.is_empty() {
        return html! { p class="quiet" { "No service had to recover." } };
    }
    let columns = Columns::of(&times);
    html! {
        div class="scroll" {
            svg viewBox=(format!("0 0 {WIDTH} {}", n(BOTTOM + 22.0))) role="img"
                aria-label=(format!("Histogram of {}", many(times.len(), "recovery time"))) {
                (bars(&columns))
                (quantiles(&columns, &report.totals))
                // Last, so that no line hides a number.
                @for column in columns.used() {
                    @let x = columns.left(column) + columns.width / 2.0;
                    text class="middle haloed" x=(n(x)) y=(n(BOTTOM - columns.height(column) - 4.0)) {
                        (count(columns.counts[column]))
                    }
                }
            }
        }
        p class="legend" {
            (many(times.len(), "time")) " from an end until the service was up again. "
            "A column holds those up to the time at its right, and longer than the time at its left."
        }
    }
}

fn bars(columns: &Columns) -> Markup {
    let width = columns.width - 3.0;
    html! {
        @for column in columns.used() {
            @let (x, height) = (columns.left(column) + 1.5, columns.height(column));
            rect class="column" x=(n(x)) y=(n(BOTTOM - height)) width=(n(width)) height=(n(height)) {
                title { (count(columns.counts[column])) " took no longer than " (time(columns.limits[column])) }
            }
        }
        @for column in columns.first..=columns.last {
            @let x = n(columns.left(column) + columns.width);
            path class="axis" d={ "M" (x) " " (n(BOTTOM)) "v4" } {}
            text class="quiet middle" x=(x) y=(n(BOTTOM + 16.0)) { (time(columns.limits[column])) }
        }
        path class="axis" d={ "M" (n(LEFT)) " " (n(BOTTOM)) "H" (n(columns.left(columns.last) + columns.width)) } {}
    }
}

fn quantiles(columns: &Columns, totals: &Totals) -> Markup {
    let marks = [("p50", totals.recovery_p50), ("p99", totals.recovery_p99), ("max", totals.recovery_max)];
    html! {
        @for (row, (name, value)) in marks.into_iter().enumerate() {
            @if let Some(value) = value.filter(|value| value.is_finite()) {
                @let (x, y) = (columns.x(value), 12.0 + 16.0 * row as f64);
                // Near the right edge the name stands on the other side of its line.
                @let (class, aside) = if x > RIGHT - 90.0 { ("end strong", -5.0) } else { ("strong", 5.0) };
                path class="quantile" d={ "M" (n(x)) " " (n(y - 8.0)) "V" (n(BOTTOM)) } {}
                text class=(class) x=(n(x + aside)) y=(n(y)) { (name) " " (time(value)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_the_column_that_reaches_it() {
        let columns = Columns::of(&[0.0, 0.000_001, 0.010, 0.010_1, 1e300]);
        let told: Vec<_> =
            columns.used().map(|column| (time(columns.limits[column]), columns.counts[column])).collect();
        assert_eq!(
            told,
            [("1 µs", 2), ("10 ms", 1), ("20 ms", 1), ("500000 s", 1)].map(|(to, count)| (to.into(), count))
        );
        assert!(columns.x(0.010) < columns.x(0.010_1) && columns.x(1e300) <= RIGHT);
    }
}
