//! The requests of customers.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use super::App;
use crate::database::{Backlog, Query};
use crate::existing::statistics::{Seen, Totals};
use crate::order::{NewOrder, Order, Taken, Trouble};
use crate::sessions::Ask;

/// Time within which a request is answered, one way or the other.
const LIMIT: Duration = Duration::from_secs(5);

/// `POST /orders`: 201 if the order is in the database now, 200 if it was there already.
///
/// A service that crashes in between costs the customer time. The order has a key, so it is safe to ask again.
pub(super) async fn take(
    State(app): State<App>,
    headers: HeaderMap,
    Json(mut order): Json<NewOrder>,
) -> Result<(StatusCode, Json<Order>), Trouble> {
    let _room = app.room.try_acquire().map_err(|_| Trouble::Busy("too many requests at the same time".into()))?;
    check(&order.customer)?;
    order.key = key(&headers)?;
    let until = Instant::now() + LIMIT;
    let mut why = Trouble::Busy(format!("no answer within {LIMIT:?}"));
    let mut pause = Duration::from_millis(10);
    loop {
        match timeout_at(until, ask_session(&app, order.clone())).await {
            Ok(Ok(Taken { order, is_new })) => {
                return Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(order)));
            }
            Ok(Err(Trouble::Busy(text))) if Instant::now() + pause < until => why = Trouble::Busy(text),
            Ok(Err(trouble)) => return Err(trouble),
            // The last reason says more than that the time is up.
            Err(_) => return Err(why),
        }
        sleep(pause).await;
        pause *= 2;
    }
}

async fn ask_session(app: &App, order: NewOrder) -> Result<Taken, Trouble> {
    let session = app.sessions.get_or_start(order.customer.clone()).await;
    let session = session.map_err(|error| Trouble::Busy(error.to_string()))?;
    session.call(|reply| Ask::Take(order, reply)).await?
}

/// `GET /orders/{id}`
pub(super) async fn find(State(app): State<App>, Path(id): Path<i64>) -> Result<Json<Order>, StatusOr> {
    let found = app.database.call_within(LIMIT, |reply| Query::Find(id, reply)).await.map_err(Trouble::from)?;
    found.map(Json).ok_or(StatusOr::Status(StatusCode::NOT_FOUND))
}

/// A customer, as the session knows it.
#[derive(Debug, Serialize)]
pub(super) struct Customer {
    name: String,
    orders: u64,
}

/// `GET /customers/{name}`
pub(super) async fn customer(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Customer>, Trouble> {
    check(&name)?;
    let session = app.sessions.get_or_start(name.clone()).await;
    let session = session.map_err(|error| Trouble::Busy(error.to_string()))?;
    let orders = session.call_within(LIMIT, Ask::Count).await?;
    Ok(Json(Customer { name, orders }))
}

/// Figures of the program: of the old actor, the old task, the database and the runtime.
#[derive(Debug, Serialize, Deserialize)]
pub struct Figures {
    pub totals: Option<Totals>,
    pub database_bytes: u64,
    pub backlog: Backlog,
    pub tasks: usize,
}

/// `GET /statistics`
pub(super) async fn statistics(State(app): State<App>) -> Result<Json<Figures>, Trouble> {
    // It is optional: without it, the rest is still of use.
    let totals = app.statistics.call_within(LIMIT, Seen::Totals).await.ok();
    let backlog = app.database.call_within(LIMIT, Query::Backlog).await?;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    Ok(Json(Figures { totals, database_bytes: *app.size.borrow(), backlog, tasks }))
}

/// The key of an order. A request without one gets a key that no other has: it must not be repeated.
fn key(headers: &HeaderMap) -> Result<String, Trouble> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(format!("none-{:032x}", fastrand::u128(..))) };
    match key.to_str() {
        Ok(key) if (1..=128).contains(&key.len()) => Ok(key.to_owned()),
        _ => Err(Trouble::Invalid("idempotency-key: 1 to 128 characters of ASCII".into())),
    }
}

/// A customer's name is also the name of a child.
fn check(customer: &str) -> Result<(), Trouble> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_@".contains(letter);
    match (1..=64).contains(&customer.len()) && customer.chars().all(is_allowed) {
        true => Ok(()),
        false => Err(Trouble::Invalid("customer: 1 to 64 letters, digits, `-`, `_` and `@`".into())),
    }
}

/// A status without words, or trouble.
pub(super) enum StatusOr {
    Status(StatusCode),
    Trouble(Trouble),
}

impl From<Trouble> for StatusOr {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}
