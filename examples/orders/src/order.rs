//! An order, and the reason why one is not taken.

use regrow::CallError;
use serde::{Deserialize, Serialize};

/// Request of a customer.
#[derive(Debug, Clone, Deserialize)]
pub struct NewOrder {
    pub customer: String,
    pub cents: u32,
}

/// An order that is in the database.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    pub id: i64,
    pub customer: String,
    pub cents: u32,
    pub status: Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Taken, and not paid yet.
    Open,
    Paid,
    /// Declined by the gateway.
    Declined,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Declined => "declined",
        }
    }

    pub fn from_word(word: &str) -> anyhow::Result<Self> {
        let all = [Self::Open, Self::Paid, Self::Declined];
        all.into_iter()
            .find(|status| status.word() == word)
            .ok_or_else(|| anyhow::anyhow!("no status is called `{word}`"))
    }
}

/// The reason why a request was not served.
#[derive(Debug)]
pub enum Trouble {
    /// Nothing has happened, so it is safe to try again.
    Busy(String),
    /// The request may have been carried out.
    Unclear(String),
}

/// Turns an error of a peer into an answer instead of a crash, since it is no fault of the caller.
impl<M> From<CallError<M>> for Trouble {
    fn from(error: CallError<M>) -> Self {
        if error.is_safe_to_repeat() { Self::Busy(error.to_string()) } else { Self::Unclear(error.to_string()) }
    }
}
