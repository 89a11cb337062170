//! Reads tables and values out of TOML, and collects all mistakes on the way.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::policy::problem::Problem;
use crate::policy::source::{Place, Source};

pub(crate) type Value<'a> = Spanned<DeValue<'a>>;

/// A source that is being read, and the problems found so far. Reading goes on after a mistake.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) source: Arc<Source>,
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn new(source: &Arc<Source>) -> Self {
        Self { source: source.clone(), problems: Vec::new() }
    }

    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        Place::new(&self.source, span)
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes an error about a value. Always `None`, so that a reading function can end with it.
    pub(crate) fn refuse<T>(&mut self, value: &Value<'_>, message: impl Into<String>, expected: &str) -> Option<T> {
        self.refuse_with(value, message, expected, None)
    }

    /// The same, with advice.
    pub(crate) fn refuse_with<T>(
        &mut self,
        value: &Value<'_>,
        message: impl Into<String>,
        expected: &str,
        help: Option<String>,
    ) -> Option<T> {
        let problem = Problem::error(self.place(value.span()), message).label(format!("expected {expected}"));
        self.push(problem.maybe_help(help));
        None
    }

    /// Notes that the value is of another type than the expected one.
    pub(crate) fn wrong_type<T>(&mut self, value: &Value<'_>, expected: &str) -> Option<T> {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("the string \"{}\"", short(text)),
            DeValue::Integer(number) => format!("the integer {}", short(number.as_str())),
            DeValue::Float(number) => format!("the number {}", short(number.as_str())),
            DeValue::Boolean(word) => format!("the boolean {word}"),
            DeValue::Datetime(_) => "a date or time".into(),
            DeValue::Array(_) => "a list".into(),
            DeValue::Table(_) => "a table".into(),
        };
        self.refuse(value, format!("wrong type: {found}"), expected)
    }

    /// The value as a string.
    pub(crate) fn text<'v>(&mut self, value: &'v Value<'_>, expected: &str) -> Option<&'v str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => self.wrong_type(value, expected),
        }
    }

    /// The value as a list.
    pub(crate) fn list<'v, 'a>(&mut self, value: &'v Value<'a>, expected: &str) -> Option<Vec<&'v Value<'a>>> {
        match value.get_ref() {
            DeValue::Array(values) => Some(values.iter().collect()),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => self.wrong_type(value, expected),
        }
    }

    /// The entries of a table, in the order of the file.
    pub(crate) fn table<'v, 'a>(&mut self, value: &'v Value<'a>, expected: &str) -> Option<Vec<Entry<'v, 'a>>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(entries(table)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => self.wrong_type(value, expected),
        }
    }

    /// The value as a whole number that is no less than `least` and no more than `most`.
    pub(crate) fn whole(&mut self, value: &Value<'_>, least: u64, most: u64, expected: &str) -> Option<u64> {
        let DeValue::Integer(number) = value.get_ref() else { return self.wrong_type(value, expected) };
        match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if number < i128::from(least) => {
                let fault = if number < 0 { "negative" } else { "too small" };
                self.refuse(value, format!("{number} is {fault}"), expected)
            }
            Ok(number) if number <= i128::from(most) => u64::try_from(number).ok(),
            Ok(_) | Err(_) => self.refuse(value, format!("{} is too large", short(number.as_str())), expected),
        }
    }

    /// Notes that a name is unknown in this table.
    pub(crate) fn unknown(&mut self, key: &Key<'_>, what: &str, known: &[&str], elsewhere: Option<String>) {
        let name = key.get_ref();
        let problem = Problem::error(
            self.place(key.span()),
            format!("unknown {} `{}`", what.split(' ').next().unwrap_or(what), short(name)),
        )
        .label(format!("not a {what}"))
        .help(elsewhere.unwrap_or_else(|| suggestion(name, known)));
        self.push(problem);
    }
}

pub(crate) type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;
pub(crate) type Entry<'v, 'a> = (&'v Key<'a>, &'v Value<'a>);

/// The entries of a table, in the order of the file.
pub(crate) fn entries<'v, 'a>(table: &'v DeTable<'a>) -> Vec<Entry<'v, 'a>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Suggests the nearest known name, or lists all known names if none is near.
pub(crate) fn suggestion(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The known name that may be meant by `name`, if one is similar enough.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // No known name is longer, and the time of a comparison grows with the product of the lengths.
    if name.len() > 64 {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let name = plain(name);
    let rated = known.into_iter().map(|known| (strsim::damerau_levenshtein(&name, &plain(known)), known));
    rated.filter(|&(slips, known)| slips <= 1 + known.len() / 4).min_by_key(|&(slips, _)| slips).map(|(_, known)| known)
}

/// The beginning of a text, enough to recognise it.
pub(crate) fn short(text: &str) -> String {
    let mut shown: String =
        text.chars().take(40).map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    if text.chars().nth(40).is_some() {
        shown.push_str("...");
    }
    shown
}
