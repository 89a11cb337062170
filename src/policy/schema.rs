//! The format of policy files as a JSON schema, for editors.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::policy::field::Keyed;
use crate::policy::fields::{ChildFields, SupervisorFields};

/// Returns the JSON schema of policy files, as text. It is generated from the types that read the files.
pub fn schema() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<File>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// A policy file, as editors see it.
struct File;

impl JsonSchema for File {
    fn schema_name() -> Cow<'static, str> {
        "regrow policy file".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // The fields of a child occur in three places of a file. The schema describes them once.
        let child = generator.subschema_for::<Of<ChildFields>>();
        let mut supervisor = SupervisorFields::schema(generator);
        if let Some(defaults) = supervisor.pointer_mut("/properties/defaults") {
            *defaults = child.clone().into();
        }
        json_schema!({
            "description": "Restart policies. The special wins, field by field: [path.GLOB] over [supervisor.X.defaults] over \
                            [defaults]. Within each of these classes the file wins over the code, and the environment over both.",
            "type": "object",
            "properties": {
                "defaults": child,
                "supervisor": { "type": "object", "additionalProperties": supervisor },
                "path": { "type": "object", "additionalProperties": child },
            },
            "additionalProperties": false,
        })
    }
}

/// A group of fields as a named schema.
struct Of<G>(std::marker::PhantomData<G>);

impl JsonSchema for Of<ChildFields> {
    fn schema_name() -> Cow<'static, str> {
        "child".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ChildFields::schema(generator)
    }
}
