//! Limit on the noted refusals for want of a capability.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::sync::lock;

/// Number of refusals for want of a capability that are noted in a minute.
const UNPERMITTED_MAX: u32 = 20;

const MINUTE: Duration = Duration::from_secs(60);

/// Limit on how many such refusals are noted.
#[derive(Default)]
pub(crate) struct Unpermitted(Mutex<Option<(Instant, u32)>>);

impl Unpermitted {
    /// Whether one more may be noted, which counts it.
    pub(crate) fn may_note(&self) -> bool {
        let mut minute = lock(&self.0);
        let (since, noted) = minute.filter(|(since, _)| since.elapsed() < MINUTE).unwrap_or((Instant::now(), 0));
        *minute = Some((since, noted.saturating_add(1)));
        noted < UNPERMITTED_MAX
    }
}
