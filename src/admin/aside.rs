//! Work that reads whole trees, on threads that may block, and the one limit for all of it.

use tokio::sync::Semaphore;

use crate::admin::answer::Refused;
use crate::admin::wire::envelope::IssueCode;

/// Trees that are read at the same time. A read goes on if its client goes away. Without a limit, a client that comes and
/// goes could take all the blocking threads of the program.
static READS: Semaphore = Semaphore::const_new(4);

/// Runs what reads a whole tree on a thread that may block.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
    let turn = READS.acquire().await;
    let work = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        let why =
            if error.is_panic() { "a thread of the admin source panicked" } else { "the runtime is shutting down" };
        Refused::new(IssueCode::Internal, why)
    })
}
