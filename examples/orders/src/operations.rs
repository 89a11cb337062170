//! For the operation of the program: probes, metrics, policies, and the admin source.
//!
//! Probes and metrics are on addresses of their own, beside the orders: a flood of orders takes no probe its turn, and
//! customers do not reach them. The admin source is on a unix socket that only this user and root can reach, for the
//! command `regrow`, and behind the guard of the web server. All of it is outside of the tree, so it answers when a service
//! is down, and until the tree is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use regrow::Tree;
use regrow::admin::{Admin, Capability};
use regrow::health::{HealthServer, serve_health};
use regrow::metrics::{Metrics, metrics_router};
use regrow::policy::PolicyWatcher;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::options::Options;

/// Name by which the commands find the program: `regrow ps --of orders`.
const PROGRAM: &str = "orders";

/// Made before the tree, since the web server has the admin source in it. It shows the tree once that is up.
pub struct Operations {
    admin: Admin,
}

/// The listeners, and what follows the policy file. They are closed when this is dropped.
pub struct Open {
    _probes: Option<HealthServer>,
    _policies: Option<PolicyWatcher>,
    _others: JoinSet<()>,
}

impl Operations {
    pub fn new(options: &Options) -> Self {
        let admin = Admin::new(PROGRAM).grant(Capability::Control);
        Self { admin: if options.experiments { admin.allow_experiments() } else { admin } }
    }

    /// The admin source for the web server, and the token that opens it.
    pub fn mounted(&self, options: &Options) -> Option<(Router, Arc<str>)> {
        options.admin_token.as_deref().map(|token| (self.admin.router(), token.into()))
    }

    /// Opens all of it. What cannot be opened is logged, and the shop serves without it: an orchestrator whose probes get no
    /// answer acts on that itself.
    pub fn open(self, tree: &Tree, options: &Options) -> Open {
        self.admin.show(tree);
        let probes = serve_health(options.probes, [tree.health_source()]);
        let probes = probes.inspect_err(|error| tracing::error!(%error, "no probes")).ok();
        if let Some(probes) = &probes {
            println!("probes on {}", probes.address());
        }
        // The answers are in the log. A text that is refused changes nothing.
        let policies = options.policies.as_ref().map(|file| tree.follow_policies(file, Duration::from_secs(1)));
        let admin = match &options.policies {
            Some(file) => self.admin.policy_file(tree, file),
            None => self.admin,
        };
        let mut others = JoinSet::new();
        others.spawn(serve_metrics(options.metrics, Metrics::new().tree(tree)));
        others.spawn(listen(admin));
        Open { _probes: probes, _policies: policies, _others: others }
    }
}

async fn serve_metrics(address: SocketAddr, metrics: Metrics) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%address, %error, "no metrics"),
    };
    if let Ok(address) = listener.local_addr() {
        println!("metrics on {address}");
    }
    if let Err(error) = axum::serve(listener, metrics_router(metrics)).await {
        tracing::error!(%error, "no more metrics");
    }
}

async fn listen(admin: Admin) {
    match admin.listen_unix().await {
        Ok(_listening) => std::future::pending().await,
        Err(error) => tracing::error!(%error, "no admin source"),
    }
}
