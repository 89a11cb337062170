//! The timeline: a row for each service, a bar for each of its lives, a mark for each fault.

use maud::{Markup, html};

use crate::chaos::format::{many, moment, tail, time};
use crate::chaos::html::cluster::{clusters, narrow_for};
use crate::chaos::html::ending::Ending;
use crate::chaos::html::rows::{Row, Rows};
use crate::chaos::html::scale::{LEFT, RIGHT, Scale, WIDTH, n};
use crate::chaos::report::{ExperimentReport, FaultRecord, LifeRecord, ServiceRecord};

/// Above the first row: all faults together.
const TOP: f64 = 34.0;
const ROW: f64 = 19.0;
/// Within a row, from its top: marks point down at the bar.
const BAR: f64 = 6.0;
const BAR_HEIGHT: f64 = 10.0;
/// The least width of a bar with a letter.
const LETTER_MIN: f64 = 13.0;
/// The most bars that are drawn one by one. Of more, close neighbours are drawn as one.
const BARS_MAX: usize = 4_000;
const MARKS_MAX: usize = 2_500;
/// The most siblings that a tooltip names.
const SIBLINGS_TOLD: usize = 4;

pub(super) fn timeline(report: &ExperimentReport) -> Markup {
    let rows = Rows::of(report);
    let scale = Scale::of(report);
    let bottom = TOP + ROW * rows.rows.len() as f64;
    let lives = || rows.rows.iter().filter_map(|row| row.service).map(|service| seen(&scale, service));
    let bars = narrow_for(BARS_MAX, |narrow| {
        lives().map(|lives| clusters(lives, narrow, |life| span(&scale, life)).len()).sum()
    });
    let marks = narrow_for(MARKS_MAX, |narrow| {
        rows.rows.iter().map(|row| clusters(&row.faults, narrow, |fault| point(&scale, fault)).len()).sum()
    });
    html! {
        (legend())
        div class="scroll" {
            svg viewBox=(format!("0 0 {WIDTH} {}", n(bottom + 22.0))) role="img"
                aria-label="Timeline of the incarnations of each service, with the faults that hit them" {
                (hatching())
                @for (at, row) in rows.rows.iter().enumerate() {
                    @if row.is_parent {
                        rect class="group" x="0" y=(n(TOP + ROW * at as f64)) width=(n(WIDTH)) height=(n(ROW)) {}
                    }
                }
                (scale.draw(report, TOP, bottom))
                (all_faults(report, &scale))
                @for (at, row) in rows.rows.iter().enumerate() {
                    (draw_row(row, &scale, TOP + ROW * at as f64, bars, marks))
                }
            }
        }
        @if rows.untouched + rows.less > 0 {
            p class="legend" {
                "Left out: " (many(rows.untouched, "service")) " to which nothing happened"
                @if rows.less > 0 { ", and " (rows.less) " that were down for less time than those shown" }
                ". The JSON has them all."
            }
        }
    }
}

/// Explains every bar and mark.
fn legend() -> Markup {
    html! {
        ul class="legend" {
            @for ending in Ending::ALL {
                li {
                    svg class="key" viewBox="0 0 22 12" width="22" height="12" aria-hidden="true" {
                        rect class=(ending.class()) x="0" y="1" width="22" height="10" rx="1.5" {}
                        @if let Some(letter) = ending.letter() { text class="letter middle" x="11" y="9.2" { (letter) } }
                    }
                    (ending.words())
                }
            }
            li { svg class="key" viewBox="0 0 22 12" width="22" height="12" aria-hidden="true" { path class="down" d="M0 6H22" {} } "down" }
            li {
                svg class="key" viewBox="0 0 22 12" width="22" height="12" aria-hidden="true" {
                    (hatching())
                    rect class="parked" x="0" y="1" width="22" height="10" {}
                }
                "parked"
            }
            li { svg class="key" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" { path class="fault" d="M1 2H11L6 10Z" {} } "fault" }
            li { svg class="key" viewBox="0 0 22 12" width="22" height="12" aria-hidden="true" { path class="lasting" d="M0 6H22" {} } "fault that lasts" }
            li { svg class="key" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" { path class="fault missed" d="M1 2H11L6 10Z" {} } "fault that missed" }
            li { svg class="key" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" { path class="broken" d="M6 0V12" {} } "claim broken" }
        }
    }
}

fn hatching() -> Markup {
    html! {
        defs {
            pattern id="hatched" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                path class="hatch" d="M0 0V5" {}
            }
        }
    }
}

/// Draws all faults in a line above the rows, because the target of a fault may have no row.
fn all_faults(report: &ExperimentReport, scale: &Scale) -> Markup {
    let groups = clusters(&report.faults, 2.0, |fault| point(scale, &fault));
    html! {
        text class="end quiet" x=(n(LEFT - 8.0)) y="22" { "all faults" }
        @for group in groups {
            @let x = point(scale, &&group[0]).0;
            @let missed = group.iter().all(|fault| fault.missed.is_some());
            path class=(if missed { "tick missed" } else { "tick" }) d={ "M" (n(x)) " 12V25" } {
                title {
                    @match group {
                        [fault] => { (fault.fault) " at " (moment(fault.at)) }
                        group => { (many(group.len(), "fault")) " from " (moment(group[0].at)) " on" }
                    }
                }
            }
        }
    }
}

fn draw_row(row: &Row<'_>, scale: &Scale, y: f64, narrow_bar: f64, narrow_mark: f64) -> Markup {
    let indent = 8.0 + 12.0 * row.depth.min(6) as f64;
    let name = row.path.rsplit('/').next().unwrap_or(row.path);
    // Of names in this size, about 6.2 wide a letter.
    let letters = ((LEFT - 12.0 - indent) / 6.4) as usize;
    html! {
        text class=[row.is_parent.then_some("parent")] x=(n(indent)) y=(n(y + BAR + 8.5)) {
            (tail(name, letters)) title { (row.path) }
        }
        @if let Some(service) = row.service {
            @let lives = seen(scale, service);
            @if let Some(first) = service.lives.first() {
                path class="down" d={ "M" (n(scale.x(first.from))) " " (n(y + BAR + BAR_HEIGHT / 2.0)) "H" (n(RIGHT)) } {}
            }
            @for (from, to) in &service.parked_spells {
                @let (x, end) = (scale.x(*from), scale.x(to.unwrap_or(scale.to)));
                rect class="parked" x=(n(x)) y=(n(y + BAR)) width=(n((end - x).max(1.0))) height=(n(BAR_HEIGHT)) {
                    title { (service.path) ": parked at " (moment(*from)) @if let Some(to) = to { ", until " (moment(*to)) } }
                }
            }
            @for group in clusters(lives, narrow_bar, |life| span(scale, life)) { (bar(group, scale, y)) }
        }
        @for group in clusters(&row.faults, narrow_mark, |fault| point(scale, fault)) { (mark(group, scale, y)) }
    }
}

/// Draws a life, or several that are too short to be told apart. Those have the colour of the worst end.
fn bar(lives: &[LifeRecord], scale: &Scale, y: f64) -> Markup {
    let [first, ..] = lives else { return Markup::default() };
    let last = lives.last().unwrap_or(first);
    let (x, end) = (span(scale, first).0, span(scale, last).1);
    let ending = lives.iter().map(Ending::of).max().unwrap_or(Ending::Up);
    html! {
        rect class=(ending.class()) x=(n(x)) y=(n(y + BAR)) width=(n((end - x).max(1.0))) height=(n(BAR_HEIGHT)) rx="1.5" {
            title {
                @if lives.len() == 1 {
                    "generation " (first.generation) ", up from " (moment(first.from))
                    @if let Some(to) = first.to { " to " (moment(to)) ", for " (time(to - first.from)) }
                    ": " (first.exit.as_deref().unwrap_or(ending.words()))
                } @else {
                    "generations " (first.generation) " to " (last.generation) " from " (moment(first.from)) " on, worst: " (ending.words())
                }
            }
        }
        @if let Some(letter) = ending.letter().filter(|_| end - x >= LETTER_MIN) {
            text class="letter end" x=(n(end - 2.5)) y=(n(y + BAR + 8.2)) { (letter) }
        }
    }
}

fn mark(faults: &[&FaultRecord], scale: &Scale, y: f64) -> Markup {
    let [first, ..] = faults else { return Markup::default() };
    let x = point(scale, first).0;
    let class = if faults.iter().all(|fault| fault.missed.is_some()) { "fault missed" } else { "fault" };
    let healed = faults.iter().filter_map(|fault| fault.healed_at).fold(0.0, f64::max);
    html! {
        @if healed > first.at {
            path class="lasting" d={ "M" (n(x)) " " (n(y + 2.5)) "H" (n(scale.x(healed))) } {
                title { (first.fault) " from " (moment(first.at)) " to " (moment(healed)) }
            }
        }
        path class=(class) d={ "M" (n(x - 4.0)) " " (n(y)) "h8l-4 7z" } {
            title {
                @match faults {
                    [fault] => (words(fault)),
                    faults => { (many(faults.len(), "fault")) " from " (moment(first.at)) " on, the first: " (first.fault) }
                }
            }
        }
    }
}

/// Describes a fault in one line.
fn words(fault: &FaultRecord) -> Markup {
    let siblings = &fault.siblings_touched;
    html! {
        "#" (fault.number) " " (fault.fault) " at " (moment(fault.at))
        @if let Some(why) = &fault.missed { ", missed: " (why) }
        @if let Some(after) = fault.detected_after { ", detected after " (time(after)) }
        @if let Some(after) = fault.recovered_after { ", recovered after " (time(after)) }
        @if !siblings.is_empty() {
            ", taken along: " (siblings[..siblings.len().min(SIBLINGS_TOLD)].join(", "))
            @if siblings.len() > SIBLINGS_TOLD { " and " (siblings.len() - SIBLINGS_TOLD) " more" }
        }
    }
}

/// Returns the lives that reach into the picture.
fn seen<'a>(scale: &Scale, service: &'a ServiceRecord) -> &'a [LifeRecord] {
    let before = service.lives.iter().take_while(|life| life.to.is_some_and(|to| to < scale.from)).count();
    &service.lives[before..]
}

fn span(scale: &Scale, life: &LifeRecord) -> (f64, f64) {
    (scale.x(life.from), scale.x(life.to.unwrap_or(scale.to)))
}

fn point(scale: &Scale, fault: &&FaultRecord) -> (f64, f64) {
    (scale.x(fault.at), scale.x(fault.at))
}
