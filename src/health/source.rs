//! A view of a tree's health, which can be given away and outlives the tree.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Life, MissingService, TreeHealth};
use crate::base::time::later;
use crate::tree::Tree;
use crate::tree::root::Root;
use crate::tree::shared::Shared;

/// Time within which a live tree answers, by default: one second.
pub const DEFAULT_ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// View of the health of one tree, from [`Tree::health_source`]. It does not keep the tree alive, and survives it: the
/// health of a tree that is over is known for ever.
///
/// It can be cloned and used from other threads and runtimes.
#[derive(Clone)]
pub struct HealthSource {
    path: Arc<str>,
    pub(super) shared: Arc<Shared>,
    root: watch::Receiver<Root>,
    /// The runtime of the tree, if the source was made there.
    runtime: Option<Handle>,
}

impl Tree {
    /// The health of the tree now. It is read without waiting: a blocked runtime is seen only by
    /// [`HealthSource::check`].
    ///
    /// ```
    /// use regrow::{Supervisor, testing::Journal};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await?;
    /// assert!(tree.health().is_ready());
    /// assert_eq!(tree.health().to_string(), "shop is live and ready");
    ///
    /// tree.supervisor("shop")?.terminate_child("db").await?;
    /// let health = tree.health();
    /// assert!(health.is_live() && health.is_started() && !health.is_ready());
    /// assert_eq!(health.to_string(), "shop is live and not ready: shop/db is down");
    ///
    /// tree.shutdown().await;
    /// assert!(!tree.health().is_live());
    /// # Ok(()) }
    /// ```
    pub fn health(&self) -> TreeHealth {
        self.health_from(None).health()
    }

    /// Makes a view of the tree's health, for a router that outlives the tree: see [`regrow::health`](crate::health).
    ///
    /// Call it in the tree's runtime. Then a task waits for the first moment of readiness, so that
    /// [`is_started`](TreeHealth::is_started) does not miss it. Outside of a runtime there is no such task, and
    /// [`check`](HealthSource::check) only asks the root.
    pub fn health_source(&self) -> HealthSource {
        let source = self.health_from(Handle::try_current().ok());
        if let Some(runtime) = &source.runtime
            && !source.shared.required.were_ready()
        {
            let watched = source.clone();
            runtime.spawn(async move { watched.first_ready().await });
        }
        source
    }

    /// Makes a view without a task. With the runtime of the tree, [`HealthSource::check`] asks it for a turn.
    pub(crate) fn health_from(&self, runtime: Option<Handle>) -> HealthSource {
        let (path, shared, root) = (self.path.clone(), self.shared.clone(), self.root.clone());
        HealthSource { path, shared, root, runtime }
    }
}

impl HealthSource {
    /// The root's name.
    pub fn tree(&self) -> &str {
        &self.path
    }

    /// The health of the tree now: see [`Tree::health`].
    pub fn health(&self) -> TreeHealth {
        // This is read before the services are: a drain that begins meanwhile is seen by the next look.
        let is_draining = self.shared.ending.is_draining();
        let (life, is_booting) = self.root_now();
        let missing = match life {
            Life::Live => self.missing(),
            Life::Over { .. } | Life::Blocked { .. } | Life::Silent { .. } => Vec::new(),
        };
        let health = TreeHealth { tree: self.path.clone(), life, is_booting, is_draining, was_ready: false, missing };
        if health.is_ready() {
            self.shared.required.note_ready();
        }
        TreeHealth { was_ready: self.shared.required.were_ready(), ..health }
    }

    /// The health of the tree, after it was asked for a sign of life: a task is started in its runtime, and its root
    /// supervisor answers an order that does nothing. The health is not live if one of them takes longer than `limit`.
    ///
    /// | what is blocked | what is seen |
    /// |---|---|
    /// | the only thread of the runtime in which this runs | nothing, as this does not run either: the probe itself times out |
    /// | all threads of the tree's runtime, while this runs in another one | [`Life::Blocked`] |
    /// | some threads of a runtime with several | nothing, as long as one of them runs the root. A task that a blocked thread woke last waits with that thread; if that task is the root, [`Life::Silent`] |
    /// | one service, which does not yield or hangs | nothing here: a [watchdog](method@crate::Policy::watchdog) is for that |
    ///
    /// A machine that was suspended for longer than `limit` may answer late once, so a probe should fail several times
    /// before it has a consequence.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub async fn check(&self, limit: Duration) -> TreeHealth {
        let health = self.health();
        if !health.is_live() {
            return health;
        }
        match self.sign_of_life(limit).await {
            Life::Live => health,
            // A tree that ended meanwhile is over, whatever it answered.
            silence => match self.root_now().0 {
                Life::Live => TreeHealth { life: silence, ..health },
                over => TreeHealth { life: over, missing: Vec::new(), ..health },
            },
        }
    }

    /// Whether the tree lives, after it was asked as by [`check`](Self::check). Unlike that, it does not look at the
    /// services.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub async fn check_life(&self, limit: Duration) -> Life {
        if let (over @ Life::Over { .. }, _) = self.root_now() {
            return over;
        }
        match (self.sign_of_life(limit).await, self.root_now().0) {
            (_, over @ Life::Over { .. }) => over,
            (answer, _) => answer,
        }
    }

    async fn sign_of_life(&self, limit: Duration) -> Life {
        let until = later(Instant::now(), limit);
        let turn = self.runtime.as_ref().map(|runtime| runtime.spawn(async {}));
        let has_answered = match self.shared.supervisor_of(&self.path) {
            Some(root) => timeout_at(until, root.count_children()).await.is_ok(),
            // The root is over, or not listed yet.
            None => true,
        };
        let had_turn = match turn {
            Some(turn) => timeout_at(until, turn).await.is_ok(),
            None => true,
        };
        match (had_turn, has_answered) {
            (true, true) => Life::Live,
            (true, false) => Life::Silent { limit },
            (false, true | false) => Life::Blocked { limit },
        }
    }

    /// Waits until the tree is up and ready for the first time (`true`), or ends.
    pub(crate) async fn first_ready(&self) -> bool {
        let mut root = self.root.clone();
        // An error means that the runtime took the root away.
        let is_up = root.wait_for(|root| !matches!(root, Root::Booting)).await.is_ok();
        is_up && self.shared.first_readiness().await
    }

    /// Waits until the tree drains.
    #[cfg(all(feature = "sd-notify", target_os = "linux"))]
    pub(crate) async fn drains(&self) {
        // It is enabled before the flag is read, so that no change is missed.
        let mut drains = std::pin::pin!(self.shared.ending.drains.notified());
        drains.as_mut().enable();
        if !self.shared.ending.is_draining() {
            drains.await;
        }
    }

    /// Whether the root is over or not, and whether it still boots.
    pub(crate) fn root_now(&self) -> (Life, bool) {
        // This is read first: a root that ended tells that before it lets its end of the channel go.
        let is_cut_off = self.root.has_changed().is_err();
        match &*self.root.borrow() {
            Root::Ended { exit, .. } => (Life::Over { exit: exit.clone() }, false),
            // The runtime took the root away before the root could report its end.
            Root::Booting | Root::Up if is_cut_off => (Life::Over { exit: Exit::Killed }, false),
            Root::Booting => (Life::Live, true),
            Root::Up => (Life::Live, false),
        }
    }

    fn missing(&self) -> Vec<MissingService> {
        let missing = self.shared.missing().into_iter();
        missing.map(|(path, _, status)| MissingService { path, status }).collect()
    }
}

impl fmt::Debug for HealthSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthSource").field("tree", &self.path).finish_non_exhaustive()
    }
}
