//! Durations, and the words that a field about time allows instead.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{LONGEST_TIME, Shutdown};
use schemars::{Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use crate::policy::field::Leaf;
use crate::policy::reader::{Reader, Value, nearest, short};

const DURATION: &str = "a duration such as \"250ms\"";

/// A duration that may be zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Delay(pub(crate) Duration);

/// A duration that may not be zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span(pub(crate) Duration);

fn read_duration(value: &Value<'_>, reader: &mut Reader, expected: &str) -> Option<Duration> {
    if let DeValue::Integer(number) = value.get_ref() {
        let help = format!("a duration has a unit: \"{}s\" or \"{0}ms\"", short(number.as_str()));
        return reader.refuse_with(value, format!("{} has no unit", short(number.as_str())), expected, Some(help));
    }
    let text = reader.text(value, expected)?;
    if text.trim_start().starts_with('-') {
        return reader.refuse(value, format!("the duration \"{}\" is negative", short(text)), expected);
    }
    let fault = match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST_TIME => return Some(time),
        Ok(_) => format!("\"{}\" is longer than a year", short(text)),
        Err(humantime::DurationError::NumberOverflow) => format!("\"{}\" is longer than can be counted", short(text)),
        Err(humantime::DurationError::Empty) => "an empty string is no duration".into(),
        Err(humantime::DurationError::UnknownUnit { unit, .. }) if unit.is_empty() => {
            let help = Some(format!("a duration has a unit: \"{}s\"", short(text.trim())));
            return reader.refuse_with(value, format!("\"{}\" has no unit", short(text)), expected, help);
        }
        Err(humantime::DurationError::UnknownUnit { unit, .. }) => {
            let help = Some("units are ns, us, ms, s, m, h, d, w; several add up: \"1m 30s\"".into());
            return reader.refuse_with(value, format!("unknown unit of time `{}`", short(&unit)), expected, help);
        }
        Err(humantime::DurationError::InvalidCharacter(_) | humantime::DurationError::NumberExpected(_)) => {
            format!("\"{}\" is no duration", short(text))
        }
    };
    reader.refuse(value, fault, expected)
}

/// Schema of a duration.
fn duration_schema() -> Schema {
    json_schema!({ "type": "string", "pattern": r"^\s*\d.*[a-zA-Zµ]\s*$|^\s*0\s*$", "examples": ["250ms", "1m 30s"] })
}

pub(crate) fn time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

impl Leaf for Delay {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        read_duration(value, reader, DURATION).map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        duration_schema()
    }
}

impl Leaf for Span {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match read_duration(value, reader, DURATION)? {
            Duration::ZERO => reader.refuse(value, "this may not be zero", DURATION),
            time => Some(Self(time)),
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        duration_schema()
    }
}

/// The first delay of a curve, or a list of all delays.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Delays {
    First(Duration),
    Listed(Arc<[Duration]>),
}

impl Leaf for Delays {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a duration such as \"250ms\", or a list of them";
        let DeValue::Array(values) = value.get_ref() else {
            return read_duration(value, reader, EXPECTED).map(Self::First);
        };
        if values.is_empty() {
            return reader.refuse(value, "the list of delays is empty", EXPECTED);
        }
        let delays: Vec<_> = values.iter().map(|value| read_duration(value, reader, DURATION)).collect();
        Some(Self::Listed(delays.into_iter().collect::<Option<_>>()?))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            duration_schema(),
            { "type": "array", "items": duration_schema(), "minItems": 1 },
        ] })
    }
}

/// A limit that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

impl Leaf for Limit {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a duration such as \"10s\", or \"off\"";
        if let DeValue::String(text) = value.get_ref()
            && text == "off"
        {
            return Some(Self(None));
        }
        match read_duration(value, reader, EXPECTED)? {
            Duration::ZERO => reader.refuse(value, "this may not be zero", EXPECTED),
            time => Some(Self(Some(time))),
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "off" }, duration_schema()] })
    }
}

/// Time for which senders wait for room in a mailbox; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RoomWait(pub(crate) Option<Duration>);

impl Leaf for RoomWait {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a duration such as \"5s\", or \"unlimited\"";
        if let DeValue::String(text) = value.get_ref() {
            match nearest(text, ["unlimited"]) {
                Some(_) if text == "unlimited" => return Some(Self(None)),
                Some(near) => {
                    let help = Some(format!("did you mean \"{near}\"?"));
                    return reader.refuse_with(value, format!("unknown word \"{}\"", short(text)), EXPECTED, help);
                }
                None => {}
            }
        }
        read_duration(value, reader, EXPECTED).map(|time| Self(Some(time)))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "unlimited" }, duration_schema()] })
    }
}

/// The shutdown of a child.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stop(pub(crate) Shutdown);

impl Leaf for Stop {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a duration such as \"5s\", or \"kill\" or \"wait\"";
        if let DeValue::String(text) = value.get_ref() {
            match nearest(text, ["kill", "wait"]) {
                Some("kill") if text == "kill" => return Some(Self(Shutdown::Kill)),
                Some("wait") if text == "wait" => return Some(Self(Shutdown::Wait)),
                Some(near) => {
                    let help = Some(format!("did you mean \"{near}\"?"));
                    return reader.refuse_with(value, format!("unknown word \"{}\"", short(text)), EXPECTED, help);
                }
                None => {}
            }
        }
        read_duration(value, reader, EXPECTED).map(|time| Self(Shutdown::After(time)))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "enum": ["kill", "wait"] }, duration_schema()] })
    }
}
