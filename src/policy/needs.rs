//! Dependencies of a service, as a file sets them.

use std::sync::Arc;

use regrow_supervisors::{Dependency, DependencyCondition};
use schemars::{Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use crate::policy::field::Leaf;
use crate::policy::reader::{Reader, Value};
use crate::policy::texts::read_text;

const EXPECTED: &str =
    "the name of a service, { name = \"NAME\", restart = true }, or { completed = \"NAME\" } for a job";
const KEYS: [&str; 4] = ["name", "ready", "completed", "restart"];

/// Services that have to be ready, and jobs that have to be completed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Needs(pub(crate) Arc<[Dependency]>);

impl Leaf for Needs {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let values = reader.list(value, "a list such as [\"db\", { completed = \"migrate\" }]")?;
        let needs: Vec<_> = values.into_iter().map(|value| read_one(value, reader)).collect();
        Some(Self(needs.into_iter().collect::<Option<_>>()?))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let name = json_schema!({ "type": "string", "minLength": 1 });
        let restart = json_schema!({
            "type": "boolean",
            "description": "whether it is restarted when that service is ready again in a new life",
        });
        json_schema!({ "type": "array", "items": { "anyOf": [
            { "type": "string", "minLength": 1, "description": "a service that has to be ready" },
            {
                "type": "object",
                "properties": { "completed": name },
                "required": ["completed"],
                "additionalProperties": false,
                "description": "a job that has to have ended normally",
            },
            {
                "type": "object",
                "properties": { "ready": name, "restart": restart },
                "required": ["ready"],
                "additionalProperties": false,
                "description": "a service that has to be ready",
            },
            {
                "type": "object",
                "properties": { "name": name, "restart": restart },
                "required": ["name"],
                "additionalProperties": false,
                "description": "a service that has to be ready",
            },
        ] } })
    }
}

fn read_one(value: &Value<'_>, reader: &mut Reader) -> Option<Dependency> {
    let DeValue::Table(_) = value.get_ref() else {
        return Some(Dependency::ready(read_text(value, reader, EXPECTED)?));
    };
    let entries = reader.table(value, EXPECTED)?;
    let (mut found, mut restart, before) = (None, false, reader.problems.len());
    for (key, value) in &entries {
        let condition = match &**key.get_ref() {
            "name" | "ready" => DependencyCondition::Ready,
            "completed" => DependencyCondition::Completed,
            "restart" => {
                restart = bool::read(value, reader)?;
                continue;
            }
            _ => {
                reader.unknown(key, "condition of a dependency", &KEYS, None);
                continue;
            }
        };
        if found.is_some() {
            return reader.refuse(value, "a dependency has exactly one name", EXPECTED);
        }
        found = Some((read_text(value, reader, "the name of a service")?, condition));
    }
    match found {
        _ if reader.problems.len() > before => None,
        None => reader.refuse(value, "a dependency has exactly one name", EXPECTED),
        Some((_, DependencyCondition::Completed)) if restart => {
            reader.refuse(value, "a job that has to be completed has no new life to be restarted with", EXPECTED)
        }
        Some((name, condition)) => Some(Dependency { name, condition, restart }),
    }
}
