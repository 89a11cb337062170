//! The ratios that regrow aims at, and whether they were met.

use crate::measure::Summary;
use crate::system::SystemName::{self, *};
use crate::workload::Mode;

/// One ratio of figures taken side by side in one run.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of the figure.
    pub figure: &'static str,
    pub of: SystemName,
    /// Compared with the best of these; without one the bound is about the figure itself.
    pub to: &'static [SystemName],
    pub bound: Bound,
    pub modes: &'static [Mode],
}

#[derive(Debug, Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// A target, looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub mode: Mode,
    pub ratio: f64,
    pub is_met: bool,
}

const BOTH: &[Mode] = &[Mode::St, Mode::Mt];
const SUPERVISED: &[SystemName] = &[Ractor, RactorSupervisor, Kameo, Erlang];

const fn at_most(figure: &'static str, of: SystemName, bound: f64, to: &'static [SystemName]) -> Target {
    Target { figure, of, to, bound: Bound::AtMost(bound), modes: BOTH }
}

const fn at_least(figure: &'static str, of: SystemName, bound: f64, to: &'static [SystemName]) -> Target {
    Target { figure, of, to, bound: Bound::AtLeast(bound), modes: BOTH }
}

const fn on_st(mut target: Target) -> Target {
    target.modes = &[Mode::St];
    target
}

const fn on_mt(mut target: Target) -> Target {
    target.modes = &[Mode::Mt];
    target
}

/// All of them.
pub const TARGETS: &[Target] = &[
    on_st(at_most("cast", Regrow, 0.7, &[TokioBounded])),
    on_st(at_most("cast", Regrow, 0.32, &[Ractor])),
    on_st(at_most("call", Regrow, 1.35, &[TokioBounded])),
    on_st(at_most("call", Regrow, 0.87, &[Ractor])),
    on_st(at_most("call", Regrow, 0.67, &[Kameo])),
    on_st(at_most("call-64", Regrow, 1.25, &[TokioBounded])),
    on_st(at_most("call-64", Regrow, 0.82, &[Ractor])),
    at_most("cast-64", Regrow, 1.1, &[TokioBounded]),
    on_st(at_most("kill-p50", Regrow, 0.6, &[Kameo])),
    on_st(at_most("kill-p50", Regrow, 0.6, &[Ractor])),
    at_most("panic-p50", Regrow, 1.0, &[Kameo]),
    at_most("panic-p50", RegrowActor, 1.2, &[Ractor]),
    on_st(at_least("restarts", Regrow, 1.6, SUPERVISED)),
    at_least("restarts", RegrowActor, 0.7, &[Ractor]),
    on_st(at_most("one-for-all", Regrow, 0.65, SUPERVISED)),
    on_st(at_most("rest-for-one", Regrow, 0.65, SUPERVISED)),
    on_st(at_most("bytes", Regrow, 2_050.0, &[])),
    on_st(at_most("bytes", RegrowDynamic, 1_850.0, &[])),
    on_mt(at_most("start-30000", Regrow, 0.55, &[Erlang])),
    on_mt(at_most("start-30000", RegrowStartChildren, 0.9, &[ErlangDynamic])),
    at_most("stop-30000", Regrow, 0.75, &[Erlang]),
];

/// How flat the cost of a restart must stay, from the smallest tree to the largest.
pub const GROWTH_MAX: f64 = 2.0;

impl Target {
    /// The ratio in each mode that it is about; nothing where a figure is missing.
    pub fn verdicts(&self, summaries: &[Summary]) -> Vec<Verdict> {
        self.modes.iter().filter_map(|mode| self.verdict(*mode, summaries)).collect()
    }

    fn verdict(&self, mode: Mode, summaries: &[Summary]) -> Option<Verdict> {
        let figure = |system: SystemName| {
            let found = summaries.iter().find(|s| s.workload == self.figure && s.mode == mode && s.system == system);
            found.map(|summary| summary.median)
        };
        let alone = self.to.is_empty().then_some(1.0);
        let others = self.to.iter().filter_map(|system| figure(*system)).chain(alone);
        let (best, bound, is_upper) = match self.bound {
            Bound::AtMost(bound) => (others.reduce(f64::min)?, bound, true),
            Bound::AtLeast(bound) => (others.reduce(f64::max)?, bound, false),
        };
        let ratio = figure(self.of)? / best;
        Some(Verdict { mode, ratio, is_met: if is_upper { ratio <= bound } else { ratio >= bound } })
    }

    /// Such as `regrow at most 0.70 x ractor`.
    pub fn text(&self) -> String {
        let (word, bound) = match self.bound {
            Bound::AtMost(bound) => ("at most", bound),
            Bound::AtLeast(bound) => ("at least", bound),
        };
        let to = match self.to {
            [] => return format!("{} {} {word} {bound}", self.figure, self.of),
            [one] => one.to_string(),
            several => {
                let names: Vec<_> = several.iter().map(ToString::to_string).collect();
                format!("the best of {}", names.join(", "))
            }
        };
        format!("{} {} {word} {bound} x {to}", self.figure, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(system: SystemName, median: f64) -> Summary {
        let (workload, unit) = ("restarts".to_owned(), "1/s".to_owned());
        Summary { workload, system, mode: Mode::St, median, min: median, max: median, unit, children: 1 }
    }

    #[test]
    fn a_target_is_about_the_best_of_its_peers() {
        let target = at_least("restarts", Regrow, 2.0, &[Ractor, Kameo]);
        let seen = [summary(Regrow, 30.0), summary(Ractor, 10.0), summary(Kameo, 20.0)];
        assert_eq!(target.verdicts(&seen), [Verdict { mode: Mode::St, ratio: 1.5, is_met: false }]);
    }

    #[test]
    fn a_target_without_peers_is_about_the_figure_itself() {
        let target = at_most("restarts", Regrow, 20.0, &[]);
        assert_eq!(target.text(), "restarts regrow at most 20");
        let verdict = target.verdicts(&[summary(Regrow, 30.0)]);
        assert_eq!(verdict, [Verdict { mode: Mode::St, ratio: 30.0, is_met: false }]);
    }

    #[test]
    fn a_target_whose_figures_are_missing_says_nothing() {
        assert_eq!(at_most("restarts", Regrow, 2.0, &[Kameo]).verdicts(&[summary(Regrow, 1.0)]), []);
    }
}
