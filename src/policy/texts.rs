//! Texts and names.

use std::sync::Arc;

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::policy::reader::{Reader, Value};
use crate::policy::said::Leaf;

/// Names of services.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Names(pub(crate) Arc<[Arc<str>]>);

impl Leaf for Names {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let values = reader.list(value, "a list of names such as [\"db\"]")?;
        let names: Vec<_> = values.into_iter().map(|value| read_text(value, reader, "the name of a service")).collect();
        Some(Self(names.into_iter().collect::<Option<_>>()?))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string", "minLength": 1 } })
    }
}

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

fn read_text(value: &Value<'_>, reader: &mut Reader, expected: &str) -> Option<Arc<str>> {
    match reader.text(value, expected)? {
        "" => reader.refuse(value, "an empty string", expected),
        text => Some(text.into()),
    }
}
