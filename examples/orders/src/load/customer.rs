//! A customer that behaves as the answers ask: an order that was not acknowledged is repeated with the same key.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use tokio::time::{Instant, sleep};

use super::Plan;
use super::client::Client;
use super::figures::Answer;
use crate::order::Order;

/// Time before a repetition.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Wish {
    key: String,
    customer: String,
    cents: u32,
}

impl Wish {
    pub(super) fn new(plan: &Plan, number: usize) -> Self {
        // Some are too dear, and declined.
        let cents = if number % 50 == 7 { 2_000_000 } else { 100 + number as u32 % 1000 };
        Self {
            key: format!("{}-{number}", plan.name),
            customer: format!("customer-{}", number % plan.customers),
            cents,
        }
    }
}

/// The fate of an order.
#[derive(Debug)]
pub struct Placed {
    pub key: String,
    /// The number that the backend gave the order, if it acknowledged it.
    pub acknowledged: Option<i64>,
    /// Time from when it was due until it was acknowledged, or given up.
    pub took: Duration,
    /// The answers, one for each request.
    pub answers: Vec<Answer>,
}

pub(super) async fn order(client: Client, wish: Wish, due: Instant, until: Instant) -> Placed {
    let Wish { key, customer, cents } = wish;
    let mut answers = Vec::new();
    let acknowledged = loop {
        let body = format!("{{\"customer\": \"{customer}\", \"cents\": {cents}}}");
        let answer = client.ask(Method::POST, "/orders", &[("idempotency-key", &key)], Some(body)).await;
        match answer {
            Ok((status @ (StatusCode::CREATED | StatusCode::OK), body)) => {
                answers.push(Answer::Status(status.as_u16()));
                break serde_json::from_slice::<Order>(&body).ok().map(|order| order.id);
            }
            Ok((status, _)) => answers.push(Answer::Status(status.as_u16())),
            Err(_) => answers.push(Answer::None),
        }
        if Instant::now() + PAUSE > until {
            break None;
        }
        sleep(PAUSE).await;
    };
    Placed { key, acknowledged, took: due.elapsed(), answers }
}
