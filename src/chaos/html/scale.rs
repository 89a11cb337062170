//! The time axis that all pictures with a clock share.

use maud::{Markup, html};

use crate::chaos::report::ExperimentReport;

/// Width of all pictures, in their own units.
pub(super) const WIDTH: f64 = 1160.0;
/// Left edge of the plot; the names are left of it.
pub(super) const LEFT: f64 = 216.0;
/// Right edge of the plot.
pub(super) const RIGHT: f64 = WIDTH - 24.0;

/// Steps between ticks, in seconds, beyond those of the decimal kind.
const MINUTES: [f64; 11] =
    [60.0, 120.0, 300.0, 600.0, 1_200.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0, 604_800.0];

/// A stretch of time from left to right. It is never empty, and both ends are numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    /// Chooses the stretch from a little before the first fault to the end of the run.
    pub(super) fn of(report: &ExperimentReport) -> Self {
        let lives = report.services.iter().flat_map(|service| &service.lives);
        let ends = lives.clone().map(|life| life.to.unwrap_or(life.from));
        let faults = report.faults.iter().map(|fault| fault.healed_at.unwrap_or(fault.at));
        let log = report.log.iter().map(|line| line.at);
        let rest = std::iter::once(report.duration + report.stabilised_after.unwrap_or(0.0));
        let last = ends.chain(faults).chain(log).chain(rest).filter(|at| at.is_finite()).fold(0.0, f64::max);
        let to = if last > 0.0 { last } else { 1.0 };
        // Lives that began long before the faults are cut, because they would take too much room.
        let first = lives.map(|life| life.from).filter(|at| at.is_finite()).fold(0.0, f64::min);
        Self { from: first.max(-to / 25.0), to }
    }

    pub(super) fn x(&self, at: f64) -> f64 {
        let share = (at - self.from) / (self.to - self.from);
        LEFT + (RIGHT - LEFT) * if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// Draws lines at round times from `top` to `bottom`, the times below, and the stretch in which faults were
    /// injected.
    pub(super) fn draw(&self, report: &ExperimentReport, top: f64, bottom: f64) -> Markup {
        let (begin, end) = (self.x(0.0), self.x(report.duration));
        html! {
            rect class="window" x=(n(begin)) y=(n(top)) width=(n(end - begin)) height=(n(bottom - top)) {}
            @for (at, label) in self.ticks() {
                @let x = n(self.x(at));
                path class="grid" d={ "M" (x) " " (n(top)) "V" (n(bottom + 4.0)) } {}
                text class="quiet middle" x=(x) y=(n(bottom + 16.0)) { (label) }
            }
            @for (number, verdict) in report.verdicts.iter().enumerate() {
                @if let Some(at) = verdict.broken_at {
                    path class="broken" d={ "M" (n(self.x(at))) " " (n(top - 8.0)) "V" (n(bottom)) } {
                        title { "claim " (number + 1) " was broken: " (verdict.hypothesis) }
                    }
                }
            }
        }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let step = step((self.to - self.from) / 10.0);
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step).floor() as i64;
        (first..=last).map(|number| number as f64 * step).map(|at| (at, label(at, step))).collect()
    }
}

/// Returns the next round number of seconds, minutes or hours.
fn step(least: f64) -> f64 {
    let decimal = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decimal).into_iter().filter(|step| *step <= 50.0);
    let far = (least / 604_800.0).ceil() * 604_800.0;
    steps.chain(MINUTES).find(|step| *step >= least * 0.999).unwrap_or(far)
}

fn label(at: f64, step: f64) -> String {
    if step < 60.0 {
        let digits = (-step.log10().floor()).max(0.0) as usize;
        format!("{:.digits$} s", at + 0.0)
    } else if step < 3_600.0 {
        format!("{:.0} min", at / 60.0)
    } else {
        format!("{:.0} h", at / 3_600.0)
    }
}

/// Writes a coordinate to a tenth, which is finer than the eye can see.
pub(super) fn n(number: f64) -> String {
    let text = format!("{:.1}", if number.is_finite() { number } else { 0.0 });
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_at_round_times() {
        let labels = |from, to| Scale { from, to }.ticks().into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(-0.1, 5.0), ["0 s", "1 s", "2 s", "3 s", "4 s", "5 s"]);
        assert_eq!(labels(0.0, 0.002).last().unwrap(), "0.0020 s");
        assert_eq!(labels(0.0, 1_200.0)[1], "2 min");
        assert_eq!(labels(0.0, 86_400.0)[1], "4 h");
        assert!(labels(0.0, 1e8).len() < 14);
    }
}
