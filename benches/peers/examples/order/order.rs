//! Orders, and the error of the service that has them. All three ways share them.

use std::fmt;

#[derive(Debug, Clone)]
pub struct Order {
    pub id: i64,
    pub item: String,
}

impl Order {
    pub fn new(id: i64, item: &str) -> Self {
        Self { id, item: item.to_owned() }
    }
}

#[derive(Debug)]
pub enum DbError {
    NoSuchOrder(i64),
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NoSuchOrder(id) = self;
        write!(f, "there is no order {id}")
    }
}

impl std::error::Error for DbError {}
