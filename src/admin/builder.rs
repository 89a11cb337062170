//! The builder of the admin source: which trees it shows, what it grants, and where it listens.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
#[cfg(any(unix, feature = "policy"))]
use std::path::PathBuf;
use std::sync::Arc;

use crate::admin::door::Door;
use crate::admin::experiments::Experiments;
use crate::admin::routes;
use crate::admin::serve::error::ListenError;
use crate::admin::serve::listening::Listening;
use crate::admin::serve::tcp;
#[cfg(unix)]
use crate::admin::serve::unix;
use crate::admin::source::Source;
use crate::admin::token::Token;
use crate::admin::wire::greeting::Capability;
#[cfg(feature = "metrics")]
use crate::metrics::Metrics;
use crate::tree::Tree;

/// Source of what operators see of running trees, and of what they may do.
///
/// It is outside of the trees that it shows, and keeps none of them alive. While no client is connected it costs one task
/// that waits for one. A tree that is over is shown with its reason for a minute.
///
/// ```no_run
/// use regrow::Supervisor;
/// use regrow::admin::{Admin, Capability};
///
/// # async fn example() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("shop").start().await?;
/// let admin = Admin::new("shop").tree(&tree).grant(Capability::Control);
/// let _listening = admin.listen_unix().await?; // until it is dropped
/// # Ok(()) }
/// ```
pub struct Admin {
    pub(crate) source: Arc<Source>,
    granted: BTreeSet<Capability>,
    uids: Vec<u32>,
    is_remote: bool,
    hosts: Vec<String>,
}

impl Admin {
    /// Makes a source that shows no tree yet. `program` is the name by which the commands find it.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            source: Source::new(program.into()),
            granted: BTreeSet::from([Capability::Read]),
            uids: Vec::new(),
            is_remote: false,
            hosts: Vec::new(),
        }
    }

    /// Shows this tree, too. It can be called at any time, and takes the place of a tree with the same name.
    ///
    /// From now on the tree keeps its dead letters, as if [`Tree::dead_letters`] had been called: up to
    /// [`DEFAULT_DEAD_LETTER_CAPACITY`](crate::DEFAULT_DEAD_LETTER_CAPACITY) messages stay in memory until they are
    /// replayed, taken, or make room for newer ones.
    #[must_use]
    pub fn tree(self, tree: &Tree) -> Self {
        self.show(tree);
        self
    }

    /// Does what [`tree`](Self::tree) does, for a source that is in use.
    pub fn show(&self, tree: &Tree) {
        self.source.add(tree);
    }

    /// Grants a capability to every client of the listeners and routers that are made after this call. Without it clients
    /// may only [read](Capability::Read).
    #[must_use]
    pub fn grant(mut self, capability: Capability) -> Self {
        self.granted.insert(capability);
        self
    }

    /// Lets operators with [`Capability::Control`](crate::admin::Capability::Control) have the policies of this tree read
    /// again. The function does it, and returns what has changed or why nothing has.
    ///
    /// With the feature `policy`, `policy_file` does it for a policy file.
    #[must_use]
    pub fn on_reload<F, R>(self, tree: &Tree, reload: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.source.reloads.set(&tree.path, reload);
        self
    }

    /// Lets operators with [`Capability::Control`](crate::admin::Capability::Control) have this policy file read again, with
    /// the [environment](crate::policy::Policies::with_environment) over it. A file that is not valid changes nothing.
    #[cfg(feature = "policy")]
    #[must_use]
    pub fn policy_file(self, tree: &Tree, file: impl Into<PathBuf>) -> Self {
        let (shared, file) = (tree.shared.clone(), Arc::new(file.into()));
        self.on_reload(tree, move || {
            let (shared, file) = (shared.clone(), file.clone());
            async move {
                let read =
                    move || crate::policy::Policies::read(&*file).and_then(|policies| policies.with_environment());
                let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
                let policies = read.map_err(|error| error.to_string())?;
                match shared.apply(Arc::new(policies)).await {
                    Ok(applied) => Ok(applied.to_string().trim_end().to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
        })
    }

    /// Serves the text of this collector at `/metrics` too, beside `/v1`, in every listener and router that is made after
    /// this call. Each is guarded as for all other requests: a unix socket by the user of the client, TCP by the token.
    /// The first collector that is given stays.
    ///
    /// For a Prometheus that has no token, use [`metrics_router`](crate::metrics::metrics_router) on an address of its own.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        let _ = self.source.metrics.set(metrics.clone());
        self
    }

    /// Lets processes of this user connect to the unix socket, too. The user of this process and root always may.
    ///
    /// The socket's file is in a directory of mode 0700: such a user needs a way to it, for example a socket that was handed
    /// on by a program of the owner.
    #[must_use]
    pub fn allow_uid(mut self, uid: u32) -> Self {
        self.uids.push(uid);
        self
    }

    /// Lets [`listen_tcp`](Self::listen_tcp) take addresses that other machines can reach.
    ///
    /// The token then goes over the network as it is: put a proxy with TLS in front.
    #[must_use]
    pub fn allow_remote(mut self) -> Self {
        self.is_remote = true;
        self
    }

    /// Lets clients on TCP reach the program under this host name, with or without a port. The names of the loopback
    /// interface and the address itself are always allowed. A request with another host is refused, because a web page can
    /// make any name lead here.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Listens on a unix socket in the default place: `$XDG_RUNTIME_DIR/regrow/PROGRAM.PID.sock`, or
    /// `/tmp/regrow-UID/PROGRAM.PID.sock` if that variable is not set or names a directory of another user.
    ///
    /// The directory is made with mode 0700, and the socket has mode 0600. Only processes of this user, of root, and of the
    /// users in [`allow_uid`](Self::allow_uid) may connect.
    ///
    /// # Errors
    ///
    /// Those of [`listen_unix_at`](Self::listen_unix_at).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time enabled.
    #[cfg(unix)]
    pub async fn listen_unix(&self) -> Result<Listening, ListenError> {
        self.listen_unix_at(unix::default_place(&self.source.program)).await
    }

    /// Listens on a unix socket at this path. Its directory is made with mode 0700 if it is not there.
    ///
    /// A socket that an earlier process has left there is replaced.
    ///
    /// # Errors
    ///
    /// * The path is longer than the system allows.
    /// * The directory is a link, belongs to another user, or has another mode than 0700.
    /// * Another user can replace the directory, because a directory above it belongs to that user or is open to all.
    /// * A program listens there already, or something else than a socket has that path.
    /// * The system refuses.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time enabled.
    #[cfg(unix)]
    pub async fn listen_unix_at(&self, path: impl Into<PathBuf>) -> Result<Listening, ListenError> {
        unix::listen(self.door(), path.into(), self.uids.clone()).await
    }

    /// Listens on a TCP address. Every request needs the token, a host name that is allowed, and no foreign origin.
    ///
    /// # Errors
    ///
    /// * The address is not of the loopback interface, and [`allow_remote`](Self::allow_remote) was not called.
    /// * The address is in use, or the system refuses.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time enabled.
    pub async fn listen_tcp(&self, address: SocketAddr, token: Token) -> Result<Listening, ListenError> {
        tcp::listen(self.door(), address, token, self.is_remote, self.hosts.clone()).await
    }

    /// Returns the routes, to be mounted in a web server of the program's own. They check no identity: the program has
    /// to, and names the operator with an [`Operator`](crate::admin::Operator).
    ///
    /// Everything is below `/v1`. A request that changes something must have the header `x-regrow-act: 1` and JSON as its
    /// content, which a form of another page cannot send.
    pub fn router(&self) -> axum::Router {
        routes::router(self.door())
    }

    /// Returns the routes that [`listen_tcp`](Self::listen_tcp) serves at this address, with its rules. For the fuzz targets
    /// (`tests/fuzz`), which have no network.
    #[doc(hidden)]
    pub fn router_of_tcp(&self, address: SocketAddr, token: Token) -> axum::Router {
        tcp::router(self.door(), address, token, &self.hosts)
    }

    /// The experiments that clients may run.
    #[allow(dead_code, reason = "only the room of experiments asks, and it is a feature")]
    pub(crate) fn experiments(&self) -> &Experiments {
        &self.source.experiments
    }

    fn door(&self) -> Arc<Door> {
        Door::new(self.source.clone(), self.granted.clone())
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("program", &self.source.program)
            .field("granted", &self.granted)
            .finish_non_exhaustive()
    }
}
