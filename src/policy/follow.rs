//! Following a policy file: whenever the file changes, its new settings are applied to the tree.
//!
//! Invariants:
//! 1. A text counts when it has stayed the same for a while. So a text that is still being written is left alone.
//! 2. Each text gets one answer: applied or refused. A refused text leaves the tree as it is, and the next one counts.
//! 3. The bytes that were read are the ones that are checked and applied: the file is not read again.
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

/// The time between two looks while a slow read is under way.
const POLL_SLOW: Duration = Duration::from_secs(1);

/// Watcher of a policy file that a tree follows. Dropping it ends the following; the policies in force stay.
#[derive(Debug)]
pub struct PolicyWatcher {
    answers: mpsc::UnboundedReceiver<Result<Applied, ReloadError>>,
    now: Arc<Notify>,
    task: AbortHandle,
}

/// The reason why a file was not applied. The tree is unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// The file has mistakes, or cannot be read.
    File(PolicyFileErrors),
    /// The file is valid by itself, but does not fit this tree.
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
    /// Waits for the answer to the next change. The first answer is about the file as it was found. `None` when the
    /// tree has ended.
    pub async fn next(&mut self) -> Option<Result<Applied, ReloadError>> {
        self.answers.recv().await
    }

    /// Reads the file now, changed or not, and makes an answer: within milliseconds, unless the text looks cut off.
    pub fn reload(&self) {
        self.now.notify_one();
    }

    /// Reads the file at each SIGHUP, until the watcher is dropped.
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
    /// Puts these policies in force, over the settings in code and in place of policies applied before. Returns the
    /// changes in force now, those in force with the next start of a service, and warnings.
    ///
    /// No child is started or stopped for it. Budgets keep the restarts that they have counted, and running delays keep
    /// their end. Dropping the future does not cancel the change: it is made whole or not at all, and the answer is
    /// lost.
    ///
    /// # Errors
    ///
    /// Contains all settings that are invalid for this tree. Nothing is changed then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, since a task makes the change.
    pub async fn apply(&self, policies: &Policies) -> Result<Applied, ApplyError> {
        self.shared.apply(Arc::new(policies.clone())).await
    }

    /// Applies a policy file, with the [environment](Policies::with_environment) over it, now and after each change of
    /// the file. [`PolicyWatcher::next`] gives one answer for each text. The program need not take the answers: the log
    /// has a line for each changed setting, each warning and each reason for a refusal.
    ///
    /// The file is read every `look_every` (at most every 10 ms). Only its text matters, not its time or size. A change
    /// counts when it has stayed for `look_every`, and for at least 250 ms. A text has to stay for 2 s if its writer
    /// seems to have been interrupted: it has no setting, is cut off, or ends within a line. A file that replaces the
    /// old one by a rename is never seen half written.
    ///
    /// A refused text, a missing file, and a file that does not answer change nothing; the next text counts. An empty
    /// file is also refused while policies are in force: to remove all policies, leave only a comment in the file. The
    /// file is read and checked outside of the runtime's threads, so a file system that hangs blocks none of them. Only
    /// regular files can be followed. Symbolic links are resolved at each look.
    ///
    /// The tree is already up, so settings about starts hold from the next start on. Use
    /// [`Supervisor::policies`](crate::Supervisor::policies) for the first start.
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

    /// Follows a file as [`follow_policies`](Self::follow_policies) does, and also reads it at each SIGHUP of the
    /// process.
    ///
    /// # Errors
    ///
    /// If the signal handler cannot be installed.
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
        // The listener is registered before the check whether the end has begun, so that no notification is lost.
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
            // Only a runtime that is shutting down cancels the task.
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

/// Whether policies are in force that an empty text would remove. `None` when the tree has ended.
fn in_force(shared: &Weak<Shared>) -> Option<bool> {
    let shared = shared.upgrade().filter(|shared| !shared.is_ending())?;
    Some(shared.options_in_force.overrides().is_some())
}

/// Checks and applies the text that was seen. `None` when the tree has ended.
async fn take(shared: &Weak<Shared>, path: &Path, seen: Seen) -> Option<Result<Applied, ReloadError>> {
    let name: Arc<str> = path.display().to_string().into();
    let is_something_in_force = in_force(shared)?;
    let read = spawn_blocking(move || match seen {
        // An interrupted writer or a full disk leaves an empty file. A file that is meant to set nothing has a comment.
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
        Err(errors) => {
            shared.counts.reloads_refused.add(1);
            Err(ReloadError::File(errors))
        }
    })
}
