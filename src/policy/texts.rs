//! Texts that are not empty.

use std::sync::Arc;

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::policy::field::Leaf;
use crate::policy::reader::{Reader, Value};

/// A text that is not empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Text(pub(crate) Arc<str>);

impl Leaf for Text {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        read_text(value, reader, "a text").map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// Reads a text that is not empty.
pub(crate) fn read_text(value: &Value<'_>, reader: &mut Reader, expected: &str) -> Option<Arc<str>> {
    match reader.text(value, expected)? {
        "" => reader.refuse(value, "an empty string", expected),
        text => Some(text.into()),
    }
}
