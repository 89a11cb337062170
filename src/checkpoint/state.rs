//! Values that can be saved: their version, and how they become bytes.

/// A value that a checkpoint saves.
///
/// [`Json`](crate::checkpoint::Json) does it for types that are `Serialize` and `Deserialize`.
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
