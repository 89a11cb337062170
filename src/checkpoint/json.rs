//! Values that are saved as JSON.

use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::state::State;

/// A value that is saved as JSON, with the version of its format. It is used like the value in it, which is `.0`. A number
/// in a [`GroupCommit`](crate::checkpoint::GroupCommit) is `**count`, through both.
///
/// A field that is added with `#[serde(default)]` needs no new version: the values of older programs can be read. For any
/// other change raise `SCHEMA`, and implement [`State`] to read the older versions, which shows how. A start that finds
/// an older version and no such code fails.
///
/// ```
/// use regrow::checkpoint::{Json, State};
///
/// #[derive(serde::Serialize, serde::Deserialize, Default)]
/// struct Book { balance: i64 }
///
/// # fn main() -> anyhow::Result<()> {
/// let mut book: Json<Book> = Json::default();
/// book.balance += 5;
/// assert_eq!(book.encode()?, br#"{"balance":5}"#);
/// assert_eq!(Json::<Book>::decode(1, br#"{"balance":7}"#)?.balance, 7);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Json<T, const SCHEMA: u32 = 1>(pub T);

impl<T: Serialize + DeserializeOwned + Send + 'static, const SCHEMA: u32> State for Json<T, SCHEMA> {
    const SCHEMA: u32 = SCHEMA;

    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&self.0)?)
    }

    fn decode(schema: u32, bytes: &[u8]) -> anyhow::Result<Self> {
        anyhow::ensure!(
            schema == SCHEMA,
            "it has schema {schema}, and this program has code for schema {SCHEMA} only: implement `State` to read the \
             older one"
        );
        Ok(Self(serde_json::from_slice(bytes)?))
    }
}

impl<T, const SCHEMA: u32> From<T> for Json<T, SCHEMA> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T, const SCHEMA: u32> Deref for Json<T, SCHEMA> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T, const SCHEMA: u32> DerefMut for Json<T, SCHEMA> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
