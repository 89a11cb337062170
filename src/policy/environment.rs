//! Settings that the environment adds to a policy file, as the last layer of each class.

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::policy::document::Document;
use crate::policy::field::{Group, Keyed};
use crate::policy::fields::ChildFields;
use crate::policy::problem::Problem;
use crate::policy::rank::RankClass;
use crate::policy::reader::{Reader, nearest};
use crate::policy::source::{Place, Source};

const FRAGMENT: &str = "REGROW_POLICY";
const FIELD: &str = "REGROW_DEFAULTS_";

/// Reads the variables with our names, in the order of their layers: one document for `REGROW_POLICY`, and one for all
/// single fields.
pub(crate) fn read(variables: impl IntoIterator<Item = (String, String)>) -> (Vec<Document>, Vec<Problem>) {
    let mut ours: Vec<_> =
        variables.into_iter().filter(|(name, _)| name == FRAGMENT || name.starts_with(FIELD)).collect();
    // The fragment first, then the fields by name, since an environment has no order.
    ours.sort_by_key(|(name, _)| (name != FRAGMENT, name.clone()));
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    let mut defaults = ChildFields::default();
    for (name, value) in &ours {
        match name.strip_prefix(FIELD) {
            None => {
                let (document, found) = Document::read(&Source::variable(name, value.as_str()));
                documents.push(document);
                problems.extend(found);
            }
            Some(field) => defaults.layer(&one_field(name, field, value, &mut problems), RankClass::Defaults),
        }
    }
    let last = Document { defaults, ..Document::default() };
    crate::policy::checks::document(&last, &mut problems);
    documents.push(last);
    (documents, problems)
}

/// Reads a variable such as `REGROW_DEFAULTS_DELAY=50ms`.
fn one_field(variable: &str, field: &str, value: &str, problems: &mut Vec<Problem>) -> ChildFields {
    let mut fields = ChildFields::default();
    let name = field.to_ascii_lowercase();
    if !ChildFields::NAMES.contains(&name.as_str()) {
        let whole = Source::variable(variable, value);
        let near = nearest(&name, ChildFields::NAMES.iter().copied());
        let help = near.map(|near| format!("did you mean {FIELD}{}?", near.to_uppercase()));
        let what = format!("{variable} sets no field of a child");
        problems.push(Problem::error(Place::new(&whole, 0..value.len()), what).maybe_help(help));
        return fields;
    }
    let source = as_toml(variable, &name, value);
    let mut reader = Reader::new(&source);
    if let Ok(table) = DeTable::parse(source.text()) {
        fields.read_entries(&crate::policy::reader::entries(table.get_ref()), &mut reader);
    }
    problems.extend(reader.problems);
    fields
}

/// A value as it would stand in a file, with quotes if needed: in the environment, words and durations have none.
fn as_toml(variable: &str, name: &str, value: &str) -> Arc<Source> {
    let bare = format!("{name} = {value}");
    let is_meant = |value: &DeValue<'_>| match value {
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => true,
        DeValue::Datetime(_) => false,
    };
    let is_bare = DeTable::parse(&bare).is_ok_and(|table| {
        table.get_ref().len() == 1 && table.get_ref().values().all(|value| is_meant(value.get_ref()))
    });
    if is_bare {
        return Source::variable(variable, bare);
    }
    let mut quoted = String::new();
    for letter in value.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    Source::variable(variable, format!("{name} = \"{quoted}\""))
}
