//! Work that an incarnation does last, if it ends in order: after its stop hook, and while its linked tasks still run.
//!
//! An incarnation that is killed, panics or fails drops this work undone.

use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};

use crate::base::sync::lock;
use crate::base::thrift;

/// Work to do last. An error makes the end of the incarnation a failure.
pub(crate) type Work = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Thing with work to do last.
pub(crate) trait Last: Send + Sync {
    /// Returns the work. Its code must not block, and must not panic.
    fn work(self: Arc<Self>) -> Work;
}

/// A thing that is gone has nothing to do, and takes no room here.
#[derive(Default)]
pub(crate) struct LastWork(Mutex<Vec<Weak<dyn Last>>>);

impl LastWork {
    pub(crate) fn add(&self, last: &Arc<dyn Last>) {
        thrift::remember(&mut lock(&self.0), Arc::downgrade(last));
    }

    pub(crate) fn take(&self) -> Vec<Work> {
        let all = std::mem::take(&mut *lock(&self.0));
        all.into_iter().filter_map(|last| Some(last.upgrade()?.work())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Last for Nothing {
        fn work(self: Arc<Self>) -> Work {
            Box::pin(async { Ok(()) })
        }
    }

    // Found by reading: a service that opens and closes one document after the other kept the work of each until its end.
    #[test]
    fn what_is_gone_takes_no_room() {
        let work = LastWork::default();
        let here: Arc<dyn Last> = Arc::new(Nothing);
        work.add(&here);
        (0..10_000).for_each(|_| work.add(&(Arc::new(Nothing) as Arc<dyn Last>)));
        assert!(lock(&work.0).len() < 10);
        assert_eq!(work.take().len(), 1);
    }
}
