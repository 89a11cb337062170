//! Sources of settings: a text with a name, and a place in it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::policy::rank::Origin;

/// A policy file, or a variable of the environment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    name: Arc<str>,
    text: String,
    /// Offset of the begin of each line; the first is 0.
    lines: Vec<usize>,
    is_environment: bool,
}

impl Source {
    pub(crate) fn file(name: impl Into<Arc<str>>, text: impl Into<String>) -> Arc<Self> {
        Self::new(name.into(), text.into(), false)
    }

    /// A variable of the environment, with its value as the text of a policy file.
    pub(crate) fn variable(variable: &str, text: impl Into<String>) -> Arc<Self> {
        Self::new(format!("environment {variable}").into(), text.into(), true)
    }

    fn new(name: Arc<str>, text: String, is_environment: bool) -> Arc<Self> {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Arc::new(Self { name, text, lines, is_environment })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// A span in a source. A span past the end is moved to the end of the last line.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    source: Arc<Source>,
    start: usize,
    end: usize,
}

impl Place {
    pub(crate) fn new(source: &Arc<Source>, span: Range<usize>) -> Self {
        let text = source.text.as_str();
        let mut start = span.start.min(text.len());
        // No line of the file follows the last line feed.
        if start == text.len() && text.ends_with('\n') {
            start -= 1;
        }
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = span.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Self { source: source.clone(), start, end }
    }

    /// The name of the file, or `environment VARIABLE`.
    pub(crate) fn name(&self) -> &str {
        &self.source.name
    }

    pub(crate) fn by(&self) -> Origin {
        if self.source.is_environment { Origin::Environment } else { Origin::File }
    }

    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// The line, counted from 1.
    pub(crate) fn line(&self) -> usize {
        self.source.lines.partition_point(|&begin| begin <= self.start)
    }

    /// The column in characters, counted from 1.
    pub(crate) fn column(&self) -> usize {
        let begin = self.source.lines.get(self.line() - 1).copied().unwrap_or_default();
        self.source.text[begin..self.start].chars().count() + 1
    }

    /// The line without its line end, and the part of it in this span.
    pub(crate) fn in_line(&self) -> (&str, Range<usize>) {
        let text = &self.source.text;
        let begin = self.source.lines.get(self.line() - 1).copied().unwrap_or_default();
        let end = text[begin..].find('\n').map_or(text.len(), |length| begin + length);
        let line = text[begin..end].trim_end_matches('\r');
        let start = (self.start - begin).min(line.len());
        (line, start..(self.end - begin).clamp(start, line.len()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        // A variable usually has one line, which needs no number.
        if self.source.is_environment && self.source.lines.len() == 1 {
            return Ok(());
        }
        write!(f, ":{}", self.line())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}:{}", self.column())
    }
}
