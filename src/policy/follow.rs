//! Following a policy file: whenever it changes, what it says now is applied to the tree.
//!
//! Invariants:
//! 1. A text is taken when it has stayed the same for a while: one that is being written is left alone.
//! 2. Each text is answered once, applied or refused. One that is refused leaves the tree as it is, and the next one counts.
//! 3. What is checked and applied is what was read, byte by byte: the file is not read again for it.
//! 4. Nothing here blocks a thread of the runtime.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinError, spawn_blocking};
use tokio::time::Instant;

use crate::base::background;
use crate::policy::apply::{Applied, ApplyError};
use crate::policy::problem::PolicyFileErrors;
use crate::policy::reading::{Looks, Seen};
use crate::policy::settling::Settling;
use crate::policy::{Policies, log};
use crate::tree::Tree;
use crate::tree::shared::Shared;

/// The shortest time between two looks.
const LOOK_MIN: Duration = Duration::from_millis(10);

/// How often it is asked whether a slow file has answered.
const POLL_SLOW: Duration = Duration::from_secs(1);

/// A policy file that is being followed. Dropping it ends that; what is in force stays so.
#[derive(Debug)]
pub struct PolicyWatcher {
    answers: mpsc::UnboundedReceiver<Result<Applied, ReloadError>>,
    now: Arc<Notify>,
    task: AbortHandle,
}

/// Why a file was not applied. The tree is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// It says something that cannot be.
    File(PolicyFileErrors),
    /// It does not fit this tree.
    Tree(ApplyError),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(errors) => errors.fmt(f),
            Self::Tree(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReloadError {}

impl PolicyWatcher {
    /// What came of the next change; `None` when the tree is over. The first answer is about the file as it was found.
    pub async fn next(&mut self) -> Option<Result<Applied, ReloadError>> {
        self.answers.recv().await
    }

    /// Looks at the file now, changed or not, and answers: within milliseconds, unless the text looks cut off.
    pub fn reload(&self) {
        self.now.notify_one();
    }

    /// What makes the file be looked at, for a handler of SIGHUP.
    #[cfg(all(unix, feature = "signal"))]
    fn reload_on_hangup(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = crate::base::runtime::signals(|| signal(SignalKind::hangup()))?;
        let now = Arc::downgrade(&self.now);
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                let Some(now) = Weak::upgrade(&now) else { return };
                now.notify_one();
            }
        });
        Ok(())
    }
}

impl Drop for PolicyWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tree {
    /// Takes these policies for the ones in force: over what the code says, in place of any that were applied before.
    /// Answers what is in force now, what is with the next start of which service, and what was said in vain.
    ///
    /// Nothing is started or stopped for it. Budgets keep what is spent, and delays that are being served their time.
    /// Dropping the future does not call it off: it is done whole or not at all, and then nobody hears what came of it.
    ///
    /// # Errors
    ///
    /// Policies that make no sense for this tree, all of them. Nothing is changed then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime: the change is made in a task there.
    pub async fn apply(&self, policies: &Policies) -> Result<Applied, ApplyError> {
        self.shared.apply(Arc::new(policies.clone())).await
    }

    /// Applies a policy file, with what the [environment](Policies::with_environment) says over it, now and whenever it has
    /// changed. Each text is answered once by [`PolicyWatcher::next`], and need not be asked for: the log tells the same, with a
    /// line for each setting that changed, each warning and each reason for a refusal.
    ///
    /// The file is read every `look_every` (at most every 10 ms), and its text alone matters, not its time or size. A change counts when it was
    /// there for `look_every`, and for 250 ms at least; one that looks as if a writer had been interrupted (no setting at
    /// all, cut off, within a line) for 2 s. Replacing the file by renaming another one is never seen half done.
    ///
    /// A text that is refused, a file that is missing, and one that does not answer change nothing; the next text counts. An
    /// empty file is refused as well while policies are in force: to take all of them back, leave a comment in the file. The
    /// file is read and checked off the runtime's threads, and a file system that hangs holds up none of them. Only regular
    /// files can be followed; symbolic links are, at each look.
    ///
    /// The tree is up by now, so what the file says about starts holds from the next ones on:
    /// [`Supervisor::policies`](crate::Supervisor::policies) is for the first.
    ///
    /// ```no_run
    /// # async fn example(tree: regrow::Tree) {
    /// let mut followed = tree.follow_policies("shop.toml", std::time::Duration::from_secs(1));
    /// while let Some(answer) = followed.next().await {
    ///     match answer {
    ///         Ok(applied) => eprintln!("{applied}"),
    ///         Err(error) => eprintln!("as before: {error}"),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn follow_policies(&self, path: impl Into<PathBuf>, look_every: Duration) -> PolicyWatcher {
        let (told, answers) = mpsc::unbounded_channel();
        let now = Arc::new(Notify::new());
        let shared = &self.shared;
        let ending = shared.ending.begins.clone();
        let (shared, path, asked) = (Arc::downgrade(shared), path.into(), now.clone());
        let task = background::keep("what follows a policy file", move || {
            let (shared, ending, path, now) = (shared.clone(), ending.clone(), path.clone(), asked.clone());
            follow(shared, ending, path, look_every.max(LOOK_MIN), now, told.clone())
        });
        PolicyWatcher { answers, now, task }
    }

    /// As [`follow_policies`](Self::follow_policies), and whenever the process is sent SIGHUP.
    ///
    /// # Errors
    ///
    /// When the signal handler cannot be installed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[cfg(all(unix, feature = "signal"))]
    pub fn follow_policies_and_hangups(
        &self,
        path: impl Into<PathBuf>,
        look_every: Duration,
    ) -> std::io::Result<PolicyWatcher> {
        let followed = self.follow_policies(path, look_every);
        followed.reload_on_hangup()?;
        Ok(followed)
    }
}

async fn follow(
    shared: Weak<Shared>,
    ending: Arc<Notify>,
    path: PathBuf,
    look_every: Duration,
    now: Arc<Notify>,
    told: mpsc::UnboundedSender<Result<Applied, ReloadError>>,
) {
    let mut looks = Looks::new(path);
    let mut settling = Settling::new(look_every);
    loop {
        // Listening begins before it is looked whether the end has begun.
        let mut ends = pin!(ending.notified());
        ends.as_mut().enable();
        let Some(is_in_force) = in_force(&shared) else { return };
        let look = spawn_blocking(move || {
            let seen = looks.look();
            (looks, seen)
        });
        let looked = tokio::select! {
            biased;
            () = &mut ends => return,
            looked = look => looked,
        };
        let (back, seen) = match looked.map_err(JoinError::try_into_panic) {
            Ok(back) => back,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down does not come back.
            Err(Err(_)) => return,
        };
        looks = back;
        if let Some(seen) = seen.and_then(|seen| settling.look(seen, is_in_force, Instant::now())) {
            let Some(answer) = take(&shared, looks.path(), seen).await else { return };
            log::answer(looks.path(), &answer);
            if told.send(answer).is_err() {
                return;
            }
        }
        let Some(is_in_force) = in_force(&shared) else { return };
        let next = match looks.is_under_way() {
            true => look_every.min(POLL_SLOW),
            false => settling.next_look(is_in_force, Instant::now()),
        };
        tokio::select! {
            biased;
            () = ends => return,
            () = now.notified() => settling.ask(),
            () = tokio::time::sleep(next) => {}
        }
    }
}

/// Whether there are policies in force that a text could take away. None when the tree is over.
fn in_force(shared: &Weak<Shared>) -> Option<bool> {
    let shared = shared.upgrade().filter(|shared| !shared.is_ending())?;
    Some(shared.options_in_force.overrides().is_some())
}

/// Checks and applies what was seen. None when the tree is over.
async fn take(shared: &Weak<Shared>, path: &Path, seen: Seen) -> Option<Result<Applied, ReloadError>> {
    let name: Arc<str> = path.display().to_string().into();
    let is_something_in_force = in_force(shared)?;
    let read = spawn_blocking(move || match seen {
        // Left by a writer that was interrupted, or by a disk that is full. What is meant to say nothing can say so.
        Seen::Bytes(bytes) if is_something_in_force && bytes.trim_ascii().is_empty() => Err(Policies::emptied(&name)),
        Seen::Bytes(bytes) => Policies::parse_bytes(&bytes, name).and_then(|policies| policies.with_environment()),
        Seen::Unreadable(why) => Err(Policies::unreadable(&name, &why)),
    });
    let read = match read.await {
        Ok(read) => read,
        Err(error) => std::panic::resume_unwind(error.try_into_panic().ok()?),
    };
    let shared = shared.upgrade().filter(|shared| !shared.is_ending())?;
    Some(match read {
        Ok(policies) => shared.apply(Arc::new(policies)).await.map_err(ReloadError::Tree),
        Err(errors) => Err(ReloadError::File(errors)),
    })
}
