//! The reaction to an exhausted budget, as a file sets it.

use std::time::Duration;

use regrow_supervisors::{Backoff, GiveUp};
use schemars::{Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use crate::policy::curve::{self, Curve};
use crate::policy::field::{Keyed, Leaf};
use crate::policy::fields::ParkFields;
use crate::policy::problem::Problem;
use crate::policy::reader::{Reader, Value, nearest, short};

/// First delay of a child that a file parks without saying how.
pub(crate) const PROBE: Duration = Duration::from_secs(30);
const WORDS: [&str; 4] = ["escalate", "park", "stop", "end_tree"];
const EXPECTED: &str = "\"escalate\", \"stop\", \"end_tree\", \"park\" or { park = { delay = \"30s\" } }";

/// Escalate, park, stop or end the tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OnGiveUp(pub(crate) GiveUp);

impl Leaf for OnGiveUp {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = match value.get_ref() {
            DeValue::Table(_) => {
                let probes = read_park(value, reader, "field of on_give_up", EXPECTED);
                return probes.map(|probes| Self(GiveUp::Park(probes)));
            }
            DeValue::String(_) => reader.text(value, EXPECTED)?,
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                return reader.wrong_type(value, EXPECTED);
            }
        };
        match text {
            "escalate" => Some(Self(GiveUp::Escalate)),
            "park" => Some(Self(GiveUp::park(PROBE))),
            "stop" => Some(Self(GiveUp::Stop)),
            "end_tree" => Some(Self(GiveUp::EndTree)),
            other => {
                let help = nearest(other, WORDS).map(|near| format!("did you mean \"{near}\"?"));
                reader.refuse_with(value, format!("unknown word \"{}\"", short(other)), EXPECTED, help)
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "const": "escalate", "description": "the supervisor gives up: the failure climbs" },
            { "const": "park", "description": "it alone is put away and tried again after 30s, then ever later, up to 1h" },
            { "const": "stop", "description": "it alone ends for good: only an order starts it again" },
            { "const": "end_tree", "description": "the whole tree ends, whatever the budgets of the supervisors above it" },
            {
                "type": "object",
                "properties": { "park": ParkFields::schema(generator) },
                "required": ["park"],
                "additionalProperties": false,
            },
        ] })
    }
}

/// Reads `{ park = { .. } }`. `what` and `expected` are for its errors.
pub(crate) fn read_park(value: &Value<'_>, reader: &mut Reader, what: &str, expected: &str) -> Option<Backoff> {
    let entries = reader.table(value, expected)?;
    let mut fields = ParkFields::default();
    let mut is_there = false;
    let before = reader.problems.len();
    for (key, value) in entries {
        if key.get_ref() == "park" {
            fields.read(value, reader);
            is_there = true;
        } else {
            reader.unknown(key, what, &["park"], None);
        }
    }
    if !is_there && reader.problems.len() == before {
        return reader.refuse(value, "this table has no `park`", expected);
    }
    let curve = Curve::from(&fields);
    curve::check(&curve, &mut reader.problems);
    curve::check_idle(&curve, &mut reader.problems);
    let GiveUp::Park(base) = GiveUp::park(PROBE) else { return None };
    let probes: Backoff = curve.over(Some(&base))?;
    let is_fine = !reader.problems[before..].iter().any(Problem::is_error);
    if is_fine && probes.curve(0).is_zero() {
        return reader.refuse(value, "the first delay of a parked child is zero", "a delay longer than that");
    }
    Some(probes)
}
