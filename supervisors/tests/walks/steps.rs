//! Steps of a long random life.

use std::ops::Range;

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

/// A deed that always may happen, whatever the whim.
pub(crate) const ALWAYS: u8 = u8::MAX;

/// One of the deeds that may happen, and whether the next follows at once. What ends a life or takes much away from it
/// happens only on a rare `whim`.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    choice: prop::sample::Index,
    pub(crate) hurried: bool,
    pub(crate) whim: u8,
}

impl Step {
    /// The deed of this step; `None` if none may happen. One happens on the whims below its share of 200.
    pub(crate) fn pick<D: Copy>(&self, deeds: Vec<D>, share: impl Fn(D) -> u8) -> Option<D> {
        let allowed: Vec<_> = deeds.into_iter().filter(|&deed| self.whim < share(deed)).collect();
        if allowed.is_empty() { None } else { Some(*self.choice.get(&allowed)) }
    }
}

pub(crate) fn steps(how_many: Range<usize>) -> impl Generator<Value = Vec<Step>> {
    let step = (any::<prop::sample::Index>(), any::<bool>(), 0..200_u8);
    prop::collection::vec(step.prop_map(|(choice, hurried, whim)| Step { choice, hurried, whim }), how_many)
}
