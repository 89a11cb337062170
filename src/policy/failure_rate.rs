//! A budget by rate of failing messages, as a file sets it.

use std::time::Duration;

use regrow_supervisors::FailureRate;
use schemars::{Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use crate::policy::durations::Span;
use crate::policy::field::{Field, Keyed, Leaf, group};
use crate::policy::numbers::Count;
use crate::policy::reader::{Reader, Value};

const EXPECTED: &str = "\"off\", or a table such as { percent = 50, messages = 20, within = \"10s\" }";

/// A rate, or none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(pub(crate) Option<FailureRate>);

group! {
    /// Fields of a budget by rate.
    "field of failure_rate"
    struct RateFields {
        /// More than this part of the messages is too much, in percent.
        percent: Field<Percent>,
        /// Only from this number of messages on.
        messages: Field<Count>,
        /// The window. Default: 10s.
        within: Field<Span>,
    }
}

/// A percentage that can be exceeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(u8);

impl Leaf for Percent {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let percent = reader.whole(value, 0, 99, "a whole number from 0 to 99")?;
        u8::try_from(percent).ok().map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": 99 })
    }
}

impl Leaf for Rate {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        if let DeValue::String(word) = value.get_ref()
            && word == "off"
        {
            return Some(Self(None));
        }
        reader.table(value, EXPECTED)?;
        let (mut fields, before) = (RateFields::default(), reader.problems.len());
        fields.read(value, reader);
        let (percent, messages) = match (fields.percent.get(), fields.messages.get()) {
            _ if reader.problems.len() > before => return None,
            (Some(percent), Some(messages)) => (percent.0, messages.0),
            (None, _) => return reader.refuse(value, "this table has no `percent`", EXPECTED),
            (_, None) => return reader.refuse(value, "this table has no `messages`", EXPECTED),
        };
        let within = fields.within.get().map_or(Duration::from_secs(10), |within| within.0);
        Some(Self(Some(FailureRate::new(percent, messages, within))))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut table = RateFields::schema(generator);
        table.insert("required".into(), vec!["percent", "messages"].into());
        json_schema!({ "anyOf": [{ "const": "off" }, table] })
    }
}
