use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use regrow::{Backoff, Child, Policy, Readiness, RequestError, Restart, RunError, Supervisor, TaskContext};

/// The service: tins of tea in a shop.
struct Stock {
    tins: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("only {left} are left")]
struct SoldOut {
    left: u32,
}

#[regrow::service]
impl Stock {
    #[call]
    fn tins(&self) -> u32 {
        self.tins
    }

    #[call(error = SoldOut)]
    fn take(&mut self, tins: u32) -> Result<u32, SoldOut> {
        self.tins = self.tins.checked_sub(tins).ok_or(SoldOut { left: self.tins })?;
        Ok(self.tins)
    }
}

async fn tins(State(stock): State<StockClient>) -> Result<Json<u32>, (StatusCode, String)> {
    // `try_now`: a full mailbox is an answer at once, and not one more request that waits.
    match stock.tins().try_now().within(Duration::from_secs(1)).await {
        Ok(tins) => Ok(Json(tins)),
        Err(error) if error.is_safe_to_repeat() => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

async fn take(State(stock): State<StockClient>, Path(n): Path<u32>) -> Result<Json<u32>, (StatusCode, String)> {
    stock.take(n).within(Duration::from_secs(1)).await.map(Json).map_err(|error| {
        let status = match &error {
            RequestError::Service(SoldOut { .. }) => StatusCode::CONFLICT,
            error if error.is_safe_to_repeat() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, error.to_string())
    })
}

/// The web server. It runs until it is asked to stop.
async fn serve(listen: SocketAddr, ctx: TaskContext) -> anyhow::Result<()> {
    let stock = StockClient::from(ctx.lookup("stock")?);
    let routes = Router::new().route("/tins", get(tins)).route("/take/{n}", post(take)).with_state(stock);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    ctx.ready();
    axum::serve(listener, routes).with_graceful_shutdown(ctx.stopping()).await?;
    Ok(())
}

pub fn shop(listen: SocketAddr) -> Supervisor {
    let policy = Policy::default().backoff(Backoff::new(Duration::from_millis(100))).retry_start();
    let web = Child::task("web", move |ctx| serve(listen, ctx))
        .restart(Restart::Permanent)
        .policy(policy.readiness(Readiness::WhenSaid));
    Supervisor::one_for_one("shop")
        .intensity(10, Duration::from_secs(10))
        .child(Child::service("stock", |_ctx| async { Ok(Stock { tins: 10 }) }))
        .child(web)
}

#[tokio::main]
pub async fn main() -> Result<(), RunError> {
    shop(SocketAddr::from(([127, 0, 0, 1], 8080))).run_until_signal().within(Duration::from_secs(25)).await?;
    Ok(())
}
