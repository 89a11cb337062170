//! The pictures: lives as bars with faults as marks, availability over time, and how long recoveries took.

use maud::{Markup, html};

use crate::chaos::figures::{moment, share, tail, time};
use crate::chaos::report::{Life, Report, ServiceRecord};
use crate::chaos::summary::touched;

/// More rows nobody reads.
const ROWS_MAX: usize = 60;
const WIDTH: f64 = 1160.0;
const LEFT: f64 = 230.0;
const ROW: f64 = 18.0;
const TICKS: u32 = 8;

/// The time that is shown, and where a moment lies on it.
struct Axis {
    end: f64,
}

impl Axis {
    fn of(report: &Report) -> Self {
        let last = report.log.last().map_or(0.0, |line| line.at);
        Self { end: last.max(report.duration).max(0.001) }
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - 28.0) * (at / self.end).clamp(0.0, 1.0)
    }

    fn ticks(&self, bottom: f64) -> Markup {
        html! {
            @for tick in 0..=TICKS {
                @let at = self.end * f64::from(tick) / f64::from(TICKS);
                line class="grid" x1=(n(self.x(at))) x2=(n(self.x(at))) y1="0" y2=(n(bottom)) {}
                text class="quiet" x=(n(self.x(at))) y=(n(bottom + 13.0)) text-anchor="middle" { (time(at)) }
            }
        }
    }
}

/// Few digits: nobody sees more.
fn n(number: f64) -> String {
    format!("{number:.1}")
}

/// A row for each child that was touched, in the order of the paths; with too many, those that were down longest.
pub(super) fn lives(report: &Report) -> Markup {
    let mut shown: Vec<&ServiceRecord> = touched(report).into_iter().take(ROWS_MAX).collect();
    shown.sort_by(|one, other| one.path.cmp(&other.path));
    let left_out = report.services.len() - shown.len();
    let axis = Axis::of(report);
    let bottom = ROW * shown.len().max(1) as f64;
    html! {
        div class="scroll" {
            svg viewBox=(format!("0 0 {WIDTH} {}", bottom + 20.0)) role="img" aria-label="The lives of each service" {
                defs {
                    pattern id="hatched" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                        line class="hatch" x1="0" y1="0" x2="0" y2="5" {}
                    }
                }
                (axis.ticks(bottom))
                @for (row, service) in shown.iter().enumerate() {
                    (self::row(report, service, &axis, ROW * row as f64))
                }
            }
        }
        p class="legend" {
            "A bar is a life; its right edge tells how it ended: blue clean, orange killed, red by a panic, an error or a hang. \
             Hatched: parked. A triangle is a fault, an empty one a fault that missed. Rest the pointer on anything for the words."
            @if left_out > 0 { " Not shown: " (left_out) " that were not touched, or less than these." }
        }
    }
}

fn row(report: &Report, service: &ServiceRecord, axis: &Axis, y: f64) -> Markup {
    let faults = report.faults.iter().filter(|fault| fault.target.split(", ").any(|target| target == service.path));
    html! {
        text x=(n(LEFT - 8.0)) y=(n(y + 12.5)) text-anchor="end" { (tail(&service.path, 34)) title { (service.path) } }
        @for (from, to) in &service.parked_spells {
            @let (x, end) = (axis.x(*from), axis.x(to.unwrap_or(axis.end)));
            rect class="parked" x=(n(x)) y=(n(y + 4.0)) width=(n((end - x).max(1.0))) height="10" { title { "parked at " (moment(*from)) } }
        }
        @for life in &service.lives { (bar(service, life, axis, y)) }
        @for fault in faults {
            @let x = axis.x(fault.at);
            polygon class=(if fault.missed.is_some() { "fault missed" } else { "fault" })
                points=(format!("{},{} {},{} {},{}", n(x - 3.5), n(y), n(x + 3.5), n(y), n(x), n(y + 6.5))) {
                title { "fault " (fault.number) ": " (fault.fault) " at " (moment(fault.at)) @if let Some(why) = &fault.missed { ", missed: " (why) } }
            }
        }
    }
}

fn bar(service: &ServiceRecord, life: &Life, axis: &Axis, y: f64) -> Markup {
    let (x, end) = (axis.x(life.from), axis.x(life.to.unwrap_or(axis.end)));
    let how = life.exit.as_deref().map(|exit| match exit {
        exit if exit.starts_with("panicked") || exit.starts_with("failed") || exit.starts_with("hung") => "cut bad",
        exit if exit.starts_with("killed") || exit.starts_with("abandoned") => "cut killed",
        _ => "cut clean",
    });
    html! {
        rect class="life" x=(n(x)) y=(n(y + 4.0)) width=(n((end - x).max(0.7))) height="10" {
            title {
                (service.path) ", generation " (life.generation) ", from " (moment(life.from))
                @if let (Some(to), Some(exit)) = (life.to, &life.exit) { " to " (moment(to)) ": " (exit) }
            }
        }
        @if let Some(how) = how { line class=(how) x1=(n(end)) x2=(n(end)) y1=(n(y + 3.0)) y2=(n(y + 15.0)) {} }
    }
}

/// The share of services that were up, over time.
pub(super) fn availability(report: &Report) -> Markup {
    const HEIGHT: f64 = 120.0;
    const STEPS: u32 = 400;
    let axis = Axis::of(report);
    let is_up = |service: &ServiceRecord, at: f64| {
        service.lives.iter().any(|life| life.from <= at && life.to.is_none_or(|to| at < to))
    };
    let up = |step: u32| {
        let at = axis.end * f64::from(step) / f64::from(STEPS);
        let count = report.services.iter().filter(|service| is_up(service, at)).count();
        (axis.x(at), HEIGHT - (HEIGHT - 10.0) * count as f64 / report.services.len().max(1) as f64)
    };
    let points: Vec<_> = (0..STEPS).map(up).map(|(x, y)| format!("{},{}", n(x), n(y))).collect();
    let line = points.join(" ");
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + 20.0)) role="img" aria-label="The share of services that were up" {
            (axis.ticks(HEIGHT))
            @for percent in [0.0, 0.5, 1.0] {
                @let y = HEIGHT - (HEIGHT - 10.0) * percent;
                line class="grid" x1=(n(LEFT)) x2=(n(WIDTH - 28.0)) y1=(n(y)) y2=(n(y)) {}
                text class="quiet" x=(n(LEFT - 8.0)) y=(n(y + 4.0)) text-anchor="end" { (share(percent)) }
            }
            polygon class="area" points=(format!("{},{HEIGHT} {line} {},{HEIGHT}", n(LEFT), n(WIDTH - 28.0))) {}
            polyline class="edge" points=(line) {}
        }
    }
}

/// How many recoveries took how long. Each column is twice as long as the one before.
pub(super) fn recoveries(report: &Report) -> Markup {
    const HEIGHT: f64 = 130.0;
    const FIRST: f64 = 0.000_1;
    const COLUMNS: usize = 22;
    let times: Vec<f64> = report.services.iter().flat_map(|service| service.recoveries.iter().copied()).collect();
    let mut columns = [0_usize; COLUMNS];
    for time in &times {
        let column = if *time <= FIRST { 0 } else { ((time / FIRST).log2().ceil() as usize).min(COLUMNS - 1) };
        columns[column] += 1;
    }
    let most = columns.iter().copied().max().unwrap_or(0).max(1);
    let width = (WIDTH - LEFT - 28.0) / COLUMNS as f64;
    let limit = |column: usize| FIRST * 2_f64.powi(i32::try_from(column).unwrap_or(0));
    let totals = &report.totals;
    html! {
        @if times.is_empty() { p class="quiet" { "Nobody had to recover." } } @else {
            svg viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + 22.0)) role="img" aria-label="How long recoveries took" {
                @for (column, count) in columns.iter().enumerate() {
                    @let height = (HEIGHT - 20.0) * *count as f64 / most as f64;
                    @let x = LEFT + width * column as f64;
                    @if *count > 0 {
                        rect class="bar" x=(n(x + 1.0)) y=(n(HEIGHT - height)) width=(n(width - 2.0)) height=(n(height)) {
                            title { (count) " within " (time(limit(column))) }
                        }
                        text class="quiet" x=(n(x + width / 2.0)) y=(n(HEIGHT - height - 3.0)) text-anchor="middle" { (count) }
                    }
                    @if column % 3 == 0 {
                        text class="quiet" x=(n(x + width / 2.0)) y=(n(HEIGHT + 14.0)) text-anchor="middle" { "≤ " (time(limit(column))) }
                    }
                }
                line class="grid" x1=(n(LEFT)) x2=(n(WIDTH - 28.0)) y1=(HEIGHT) y2=(HEIGHT) {}
                @for (line, (name, value)) in [("p50", totals.recovery_p50), ("p99", totals.recovery_p99), ("max", totals.recovery_max)].iter().enumerate() {
                    text x="10" y=(n(30.0 + 20.0 * line as f64)) { (name) " " (value.map_or("-".to_owned(), time)) }
                }
            }
        }
    }
}
