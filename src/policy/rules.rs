//! Rules about ends, as a file sets them.

use std::sync::Arc;

use regrow_supervisors::{ExitKind, ExitRule, RuleAction};
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::policy::field::{Field, Keyed, Leaf, group};
use crate::policy::keywords::OneOf;
use crate::policy::problem::Problem;
use crate::policy::reader::{Reader, Value};
use crate::policy::source::Place;
use crate::policy::texts::Text;

/// A list of rules.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules(pub(crate) Arc<[ExitRule]>);

group! {
    /// Fields of a rule.
    "field of a rule"
    struct RuleFields {
        /// The kinds of end that are meant. Default: every kind.
        on: Field<Ends>,
        /// Only errors of the type that is registered under this name.
        error: Field<Text>,
        /// Only ends whose text contains this.
        text: Field<Text>,
        /// What to do.
        then: Field<OneOf<RuleAction>>,
        /// Whether a restart counts against the budget. Default: true.
        counts: Field<bool>,
    }
}

/// Kinds of end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ends(Vec<ExitKind>);

impl Leaf for Ends {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a list of kinds of end such as [\"panicked\", \"failed\"]";
        let values = reader.list(value, EXPECTED)?;
        if values.is_empty() {
            let help = Some("leave `on` out to mean every kind".into());
            return reader.refuse_with(value, "the list of kinds is empty", EXPECTED, help);
        }
        let ends: Vec<_> = values.into_iter().map(|value| OneOf::<ExitKind>::read(value, reader)).collect();
        ends.into_iter().map(|end| end.map(|end| end.0)).collect::<Option<_>>().map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": OneOf::<ExitKind>::schema(generator), "minItems": 1 })
    }
}

impl Leaf for Rules {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let values = reader.list(value, "a list of rules such as [{ on = [\"failed\"], then = \"stop\" }]")?;
        let mut rules: Vec<(ExitRule, Place)> = Vec::new();
        let mut is_whole = true;
        for value in values {
            let Some(rule) = read_rule(value, reader) else {
                is_whole = false;
                continue;
            };
            let place = reader.place(value.span());
            // Only the first hundred rules are compared, since each rule is compared with each.
            if let Some((_, earlier)) = rules.iter().take(100).find(|(earlier, _)| earlier.covers(&rule)) {
                let problem = Problem::warning(place.clone(), "this rule can never fire")
                    .label(format!("the rule in line {} matches every end that this one matches", earlier.line()));
                reader.push(problem.help("the first rule that matches wins: put the narrower one first"));
            }
            rules.push((rule, place));
        }
        is_whole.then(|| Self(rules.into_iter().map(|(rule, _)| rule).collect()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut rule = RuleFields::schema(generator);
        rule.insert("required".into(), ["then"].as_slice().into());
        json_schema!({ "type": "array", "items": rule })
    }
}

fn read_rule(value: &Value<'_>, reader: &mut Reader) -> Option<ExitRule> {
    let mut fields = RuleFields::default();
    let before = reader.problems.len();
    fields.read(value, reader);
    if reader.problems[before..].iter().any(Problem::is_error) {
        return None;
    }
    let Some(then) = fields.then.get() else {
        return reader.refuse(value, "this rule does not say what to do", "a field `then`");
    };
    let mut rule = ExitRule::new(then.0);
    rule.on = fields.on.cloned().map(|ends| ends.0).unwrap_or_default();
    rule.error = fields.error.cloned().map(|text| text.0);
    rule.text = fields.text.cloned().map(|text| text.0);
    rule.counts = fields.counts.cloned().unwrap_or(true);
    Some(rule)
}
