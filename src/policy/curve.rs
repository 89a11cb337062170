//! Delays that several layers may set a field at a time, and the [`Backoff`] that they make together.

use std::time::Duration;

use regrow_supervisors::{Backoff, Jitter};

use crate::policy::durations::{Delay, Delays, time};
use crate::policy::field::Field;
use crate::policy::fields::{ChildFields, NotReadyFields, ParkFields};
use crate::policy::keywords::OneOf;
use crate::policy::numbers::Factor;
use crate::policy::problem::Problem;

/// Fields of a curve.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Curve<'f> {
    pub(crate) delay: &'f Field<Delays>,
    pub(crate) factor: &'f Field<Factor>,
    pub(crate) max_delay: &'f Field<Delay>,
    pub(crate) jitter: &'f Field<OneOf<Jitter>>,
}

macro_rules! curve_of {
    ($($fields:ident),+) => { $(
        impl<'f> From<&'f $fields> for Curve<'f> {
            fn from(fields: &'f $fields) -> Self {
                let $fields { delay, factor, max_delay, jitter, .. } = fields;
                Self { delay, factor, max_delay, jitter }
            }
        }
    )+ };
}

curve_of!(ChildFields, NotReadyFields, ParkFields);

impl Curve<'_> {
    /// The curve that these fields make of `base`. `None` if neither sets a delay.
    pub(crate) fn over(&self, base: Option<&Backoff>) -> Option<Backoff> {
        let jitter = self.jitter.get().map_or(base.map(Backoff::spread).unwrap_or_default(), |jitter| jitter.0);
        let listed = match self.delay.get() {
            Some(Delays::Listed(delays)) => Some(&delays[..]),
            Some(Delays::First(_)) => None,
            None => base.and_then(Backoff::list),
        };
        if let Some(delays) = listed {
            return Some(Backoff::listed(delays).jitter(jitter));
        }
        let grown = base.and_then(Backoff::growth);
        let first = match self.delay.get() {
            Some(Delays::First(first)) => *first,
            Some(Delays::Listed(_)) | None => grown?.0,
        };
        let mut backoff = Backoff::new(first).jitter(jitter);
        if let Some((_, factor, max)) = grown {
            backoff = backoff.factor(factor);
            // A cap that is only the default for another first delay was not meant for this one.
            if !is_default_cap(base) {
                backoff = backoff.max_delay(max);
            }
        }
        if let Some(factor) = self.factor.get() {
            backoff = backoff.factor(factor.0);
        }
        if let Some(max) = self.max_delay.get() {
            backoff = backoff.max_delay(max.0);
        }
        Some(backoff)
    }
}

fn is_default_cap(base: Option<&Backoff>) -> bool {
    let cap = |backoff: &Backoff| backoff.growth().map(|(first, _, max)| (first, max));
    let default = |first: Duration| Backoff::new(first).growth().map(|(first, _, max)| (first, max));
    base.and_then(cap).is_some_and(|(first, max)| default(first) == Some((first, max)))
}

/// Checks that the first delay of a curve is not beyond its cap.
pub(crate) fn check(curve: &Curve<'_>, problems: &mut Vec<Problem>) {
    let (Some(Delays::First(first)), Some(max)) = (curve.delay.get(), curve.max_delay.get()) else { return };
    let (Some(said), Some(place)) = (curve.delay.place(), curve.max_delay.place()) else { return };
    if max.0 < *first {
        note(problems, || {
            Problem::error(place.clone(), "the longest delay is shorter than the first")
                .label(format!("expected {} or more", time(*first)))
                .help(format!("`delay` is {} ({said})", time(*first)))
        });
    }
}

/// Warns about growth that is set for a list in the same table. In another table it may be meant for other children.
pub(crate) fn check_idle(curve: &Curve<'_>, problems: &mut Vec<Problem>) {
    if let Some(Delays::Listed(_)) = curve.delay.get() {
        for place in [curve.factor.place(), curve.max_delay.place()].into_iter().flatten() {
            note(problems, || {
                Problem::warning(place.clone(), "this has no effect").label("`delay` is a list, which has no growth")
            });
        }
    }
}

/// Notes a problem, unless its place has one of the same level.
pub(crate) fn note(problems: &mut Vec<Problem>, problem: impl FnOnce() -> Problem) {
    let problem = problem();
    if !problems.iter().any(|known| known.place() == problem.place() && known.is_error() == problem.is_error()) {
        problems.push(problem);
    }
}
