//! Numbers, some of which can be a word instead; and booleans.

use schemars::{Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use crate::policy::field::Leaf;
use crate::policy::reader::{Reader, Value, nearest, short};

/// Growth of a delay over the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Factor(pub(crate) f64);

impl Leaf for Factor {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a number from 1 to 1000";
        let number: Option<f64> = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|whole| whole as f64)
            }
            DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                return reader.wrong_type(value, EXPECTED);
            }
        };
        match number {
            Some(factor) if (1.0..=1000.0).contains(&factor) => Some(Self(factor)),
            Some(factor) => reader.refuse(value, format!("the factor {factor} is out of range"), EXPECTED),
            None => reader.refuse(value, "the factor is out of range", EXPECTED),
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 1, "maximum": 1000 })
    }
}

/// Reads a number, or this word for "without limit", which is returned as `Some(None)`.
fn read_or_word(
    value: &Value<'_>,
    reader: &mut Reader,
    word: &str,
    expected: &str,
    number: impl FnOnce(&Value<'_>, &mut Reader) -> Option<u64>,
) -> Option<Option<u64>> {
    let DeValue::String(text) = value.get_ref() else { return number(value, reader).map(Some) };
    if text == word {
        return Some(None);
    }
    let help = nearest(text, [word]).map(|near| format!("did you mean \"{near}\"?"));
    reader.refuse_with(value, format!("unknown word \"{}\"", short(text)), expected, help)
}

/// Number of restarts that a budget forgives; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Restarts(pub(crate) Option<u32>);

impl Leaf for Restarts {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a whole number, or \"unlimited\"";
        let number =
            read_or_word(value, reader, "unlimited", EXPECTED, |v, r| r.whole(v, 0, u32::MAX.into(), EXPECTED))?;
        Some(Self(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX))))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u32::MAX }, { "const": "unlimited" }] })
    }
}

/// A number of one or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Count(pub(crate) u64);

impl Leaf for Count {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        reader.whole(value, 1, i64::MAX.cast_unsigned(), "a whole number from 1 on").map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1 })
    }
}

/// Number of services that may be starting at a time; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Starts(pub(crate) Option<usize>);

impl Leaf for Starts {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a whole number from 1 on, or \"unlimited\"";
        let number =
            read_or_word(value, reader, "unlimited", EXPECTED, |v, r| r.whole(v, 1, u32::MAX.into(), EXPECTED))?;
        Some(Self(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX))))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": u32::MAX }, { "const": "unlimited" }] })
    }
}

/// Number of messages that a mailbox holds; `usize::MAX` is without limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Capacity(pub(crate) usize);

impl Leaf for Capacity {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a whole number from 1 on, or \"unbounded\"";
        let most = u64::from(u32::MAX);
        let number = read_or_word(value, reader, "unbounded", EXPECTED, |v, r| r.whole(v, 1, most, EXPECTED))?;
        Some(Self(number.map_or(usize::MAX, |number| usize::try_from(number).unwrap_or(usize::MAX))))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": u32::MAX }, { "const": "unbounded" }] })
    }
}

/// A field that is true or false.
impl Leaf for bool {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let DeValue::Boolean(word) = value.get_ref() else { return reader.wrong_type(value, "true or false") };
        Some(*word)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean" })
    }
}
