//! The rule about a kept value, as a file sets it.

use regrow_supervisors::{KeptRule, KeptThen};
use schemars::{Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use crate::policy::field::{Field, Keyed, Leaf, group};
use crate::policy::fields::ParkFields;
use crate::policy::give_up::{PROBE, read_park};
use crate::policy::numbers::Count;
use crate::policy::reader::{Reader, Value, nearest, short};

const EXPECTED: &str = "a table such as { lives = 3, then = \"begin_empty\" }";
const THEN: &str = "\"begin_empty\", \"park\" or { park = { delay = \"30s\" } }";

/// A rule about a kept value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept(pub(crate) KeptRule);

group! {
    /// Fields of a rule about a kept value.
    "field of kept"
    struct KeptFields {
        /// Number of lives in a row that fail with the value before it is set aside. Default: 3.
        lives: Field<Count>,
        /// Consequence. Default: begin_empty.
        then: Field<Then>,
    }
}

/// Consequence of a value that was set aside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Then(KeptThen);

impl Leaf for Then {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        if let DeValue::Table(_) = value.get_ref() {
            return read_park(value, reader, "field of then", THEN).map(|probes| Self(KeptThen::Park(probes)));
        }
        match reader.text(value, THEN)? {
            "begin_empty" => Some(Self(KeptThen::BeginEmpty)),
            "park" => Some(Self(KeptThen::park(PROBE))),
            other => {
                let help = nearest(other, ["begin_empty", "park"]).map(|near| format!("did you mean \"{near}\"?"));
                reader.refuse_with(value, format!("unknown word \"{}\"", short(other)), THEN, help)
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "const": "begin_empty", "description": "the next life begins without a value" },
            { "const": "park", "description": "it alone is parked, and begins without a value after 30s" },
            {
                "type": "object",
                "properties": { "park": ParkFields::schema(generator) },
                "required": ["park"],
                "additionalProperties": false,
            },
        ] })
    }
}

impl Leaf for Kept {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        reader.table(value, EXPECTED)?;
        let (mut fields, before) = (KeptFields::default(), reader.problems.len());
        fields.read(value, reader);
        if reader.problems.len() > before {
            return None;
        }
        let usual = KeptRule::default();
        let lives = fields.lives.get().map_or(usual.lives_max, |lives| u32::try_from(lives.0).unwrap_or(u32::MAX));
        Some(Self(KeptRule::new(lives).then(fields.then.cloned().map_or(usual.then, |then| then.0))))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        KeptFields::schema(generator)
    }
}
