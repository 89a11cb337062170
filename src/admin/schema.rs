//! The JSON schema of all data of the admin source.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::admin::wire::SCHEMA;
use crate::admin::wire::act::{ActRequest, Acted};
use crate::admin::wire::envelope::Envelope;
use crate::admin::wire::event::Message;
use crate::admin::wire::experiment::{ExperimentRequest, ExperimentState};
use crate::admin::wire::greeting::Greeting;
use crate::admin::wire::history::History;
use crate::admin::wire::letter::{Letter, Letters};
use crate::admin::wire::query::{
    DumpQuery, EventsQuery, HistoryQuery, LetterQuery, LettersQuery, ServiceQuery, ServicesQuery, StopQuery,
};
use crate::admin::wire::service::ServiceInFull;
use crate::admin::wire::services::Services;

/// Returns the JSON schema of the admin source, as text: what each route takes and answers. It is generated from the types
/// that the server writes and the commands read.
pub fn schema() -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut routes = serde_json::Map::new();
    let mut route = |name: &str, takes: Option<Schema>, answers: Schema| {
        let takes = takes.map_or(serde_json::Value::Null, Into::into);
        routes.insert(name.into(), serde_json::json!({ "takes": takes, "answers": answers }));
    };
    let all = &mut generator;
    route("GET /v1", None, of::<Envelope<Greeting>>(all));
    route("GET /v1/services", Some(of::<ServicesQuery>(all)), of::<Envelope<Services>>(all));
    route("GET /v1/service", Some(of::<ServiceQuery>(all)), of::<Envelope<ServiceInFull>>(all));
    route("GET /v1/history", Some(of::<HistoryQuery>(all)), of::<Envelope<History>>(all));
    route("GET /v1/history/dump", Some(of::<DumpQuery>(all)), json_schema!({ "description": "JSON lines: a dump" }));
    route("GET /v1/events", Some(of::<EventsQuery>(all)), of::<Message>(all));
    route("GET /v1/dead-letters", Some(of::<LettersQuery>(all)), of::<Envelope<Letters>>(all));
    route("GET /v1/dead-letters/{number}", Some(of::<LetterQuery>(all)), of::<Envelope<Letter>>(all));
    route("POST /v1/acts", Some(of::<ActRequest>(all)), of::<Envelope<Acted>>(all));
    route("GET /v1/experiments", None, of::<Envelope<Vec<ExperimentState>>>(all));
    route("POST /v1/experiments", Some(of::<ExperimentRequest>(all)), of::<Envelope<ExperimentState>>(all));
    route("DELETE /v1/experiments/{number}", Some(of::<StopQuery>(all)), of::<Envelope<ExperimentState>>(all));
    let schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "regrow admin source",
        "description": "The data of a running program's admin source. `routes` has what each route takes and answers.",
        "version": SCHEMA,
        "routes": routes,
        "$defs": generator.take_definitions(true),
    });
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
