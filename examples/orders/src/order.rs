//! An order, and the reason why one is not taken.

use regrow::CallError;
use serde::{Deserialize, Serialize};

/// Request of a customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewOrder {
    pub customer: String,
    pub cents: u32,
    /// The customer's own name for the order, from the header `idempotency-key`. A customer's order with a known key is not
    /// taken twice: the answer is the first one.
    #[serde(skip)]
    pub key: String,
}

/// An order that is in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: i64,
    pub customer: String,
    pub cents: u32,
    pub status: Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Taken, and not charged yet.
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

    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Paid, Self::Declined].into_iter().find(|status| status.word() == word)
    }
}

/// An order as it was taken, now or by an earlier request with the same key.
#[derive(Debug, Clone)]
pub struct Taken {
    pub order: Order,
    pub is_new: bool,
}

/// The reason why a request was not served. `http/answers.rs` has the status of each.
#[derive(Debug)]
pub enum Trouble {
    /// The request makes no sense, and never will.
    Invalid(String),
    /// The key belongs to another order of the customer.
    KeyInUse,
    /// The customer orders faster than is allowed.
    TooFast,
    /// It is not known whether the order was taken. To repeat the request is safe: the key is the same.
    Busy(String),
}

/// Turns an error of a peer into an answer instead of a crash, since it is no fault of the caller.
impl<M> From<CallError<M>> for Trouble {
    fn from(error: CallError<M>) -> Self {
        Self::Busy(error.to_string())
    }
}
