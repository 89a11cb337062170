//! For the operation of the program: probes, metrics, and the admin source.
//!
//! Each is on an address of its own, beside the orders: a flood of orders takes no probe its turn, and customers reach none
//! of the three. They are outside of the tree, so they answer when a service is down, and until the tree is over.

use std::net::SocketAddr;

use regrow::Tree;
use regrow::admin::{Admin, Capability};
use regrow::health::{HealthServer, serve_health};
use regrow::metrics::{Metrics, metrics_router};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::options::{Chaos, Options};

/// Name by which the commands find the program: `regrow ps --of orders`.
const PROGRAM: &str = "orders";

/// The three listeners. They are closed when this is dropped.
pub struct Operations {
    _probes: Option<HealthServer>,
    _others: JoinSet<()>,
}

/// Opens all three. One that cannot be opened is logged, and the shop serves without it: an orchestrator whose probes get no
/// answer acts on that itself.
pub fn open(tree: &Tree, options: &Options) -> Operations {
    let probes = serve_health(options.probes, [tree.health_source()]);
    let probes = probes.inspect_err(|error| tracing::error!(%error, "no probes")).ok();
    if let Some(probes) = &probes {
        println!("probes on {}", probes.address());
    }
    let mut others = JoinSet::new();
    others.spawn(serve_metrics(options.metrics, Metrics::new().tree(tree)));
    let mut admin = Admin::new(PROGRAM).tree(tree).grant(Capability::Control);
    if options.chaos == Some(Chaos::Operator) {
        admin = admin.allow_experiments();
    }
    others.spawn(listen(admin));
    Operations { _probes: probes, _others: others }
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

/// Keeps the admin source open on a unix socket that only this user and root can reach.
async fn listen(admin: Admin) {
    match admin.listen_unix().await {
        Ok(_listening) => std::future::pending().await,
        Err(error) => tracing::error!(%error, "no admin source"),
    }
}
