//! Work that an incarnation does last, if it ends in order: after its stop hook, and while its linked tasks still run.
//!
//! An incarnation that is killed, panics or fails drops this work undone.

use std::pin::Pin;
use std::sync::Mutex;

use crate::base::sync::lock;

/// Work to do last. An error makes the end of the incarnation a failure.
pub(crate) type Work = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

#[derive(Default)]
pub(crate) struct LastWork(Mutex<Vec<Work>>);

impl LastWork {
    pub(crate) fn add(&self, work: Work) {
        lock(&self.0).push(work);
    }

    pub(crate) fn take(&self) -> Vec<Work> {
        std::mem::take(&mut *lock(&self.0))
    }
}
