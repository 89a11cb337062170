//! Values that can be saved: their version, and how they become bytes.

/// A value that a checkpoint saves.
///
/// [`Json`](crate::checkpoint::Json) is one, for types that are `Serialize` and `Deserialize`. Implement this trait for
/// another encoding, and to read values that an older program has saved:
///
/// ```
/// use regrow::checkpoint::{Json, State};
/// use serde::{Deserialize, Serialize};
/// use std::collections::BTreeMap;
///
/// /// The first version had one balance.
/// #[derive(Deserialize, Serialize)]
/// struct BookV1 { balance: i64 }
///
/// /// The second one has a balance for each account.
/// #[derive(Deserialize, Serialize, PartialEq, Debug)]
/// struct Book { accounts: BTreeMap<String, i64> }
///
/// impl State for Book {
///     const SCHEMA: u32 = 2;
///
///     fn encode(&self) -> anyhow::Result<Vec<u8>> {
///         Ok(serde_json::to_vec(self)?)
///     }
///
///     fn decode(schema: u32, bytes: &[u8]) -> anyhow::Result<Self> {
///         match schema {
///             1 => {
///                 let Json(old) = Json::<BookV1>::decode(1, bytes)?;
///                 Ok(Self { accounts: [("main".to_owned(), old.balance)].into() })
///             }
///             _ => Ok(serde_json::from_slice(bytes)?),
///         }
///     }
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// let book = Book::decode(1, br#"{"balance":5}"#)?;
/// assert_eq!(book.accounts["main"], 5);
/// assert_eq!(Book::decode(2, &book.encode()?)?, book);
/// # Ok(()) }
/// ```
///
/// The value on the disk stays in the old version until the next save. Then an older program can read it no more.
pub trait State: Sized + Send + 'static {
    /// Version of the format. Raise it if the format changes, and let [`decode`](Self::decode) read the older ones.
    const SCHEMA: u32 = 1;

    /// Encodes the value.
    ///
    /// # Errors
    ///
    /// If this value has no encoding. The save fails then, and the stored value stays as it is.
    fn encode(&self) -> anyhow::Result<Vec<u8>>;

    /// Decodes a value that was encoded with this schema, which is never newer than [`SCHEMA`](Self::SCHEMA).
    ///
    /// # Errors
    ///
    /// If the bytes are not such a value. The start of the service fails then, and the stored value stays as it is.
    fn decode(schema: u32, bytes: &[u8]) -> anyhow::Result<Self>;
}
