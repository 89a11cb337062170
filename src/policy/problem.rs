//! Mistakes in a policy file, printed as a compiler would.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::base::plain::plain_lines;
use crate::policy::source::Place;

/// A mistake in a policy file, or a setting that was hardly meant.
///
/// It prints as a compiler would: file, line, column, the line itself with a mark under it, and what to write instead
/// if that can be guessed.
#[derive(Clone, PartialEq, Eq)]
pub struct Problem {
    is_error: bool,
    message: String,
    label: String,
    help: Option<String>,
    place: Option<Place>,
}

impl Problem {
    pub(crate) fn error(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::whole(message) }
    }

    pub(crate) fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(place, message) }
    }

    /// An error about a file as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        // Names of the file stand in messages as they are. A message is one line.
        let message = message.into().replace(char::is_control, "?");
        Self { is_error: true, message, label: String::new(), help: None, place: None }
    }

    /// Sets the text under the marked place.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// Whether the file is refused because of it. Otherwise it is a warning.
    pub fn is_error(&self) -> bool {
        self.is_error
    }

    /// The mistake, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Advice what to do about it, if there is any.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The file, or `environment VARIABLE`. `None` if there is no place to point at.
    pub fn file(&self) -> Option<&str> {
        self.place.as_ref().map(Place::name)
    }

    /// The line, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(Place::line)
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(Place::column)
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.is_error { Level::ERROR } else { Level::WARNING };
        let title = level.primary_title(self.message.as_str());
        // Only the marked line goes to the renderer, which would otherwise read the whole file for each problem.
        let mut group = match &self.place {
            Some(place) => {
                let (line, span) = place.in_line();
                let mark = AnnotationKind::Primary.span(span);
                let mark = if self.label.is_empty() { mark } else { mark.label(self.label.as_str()) };
                title.element(Snippet::source(line).path(place.name()).line_start(place.line()).annotation(mark))
            }
            None => annotate_snippets::Group::with_title(title),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        // The renderer shows most control characters as pictures, but not those above ASCII, and none in the name of a file.
        f.write_str(&plain_lines(&Renderer::plain().render(&[group])))
    }
}

/// Prints one line: `file:line:column: message`.
impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}:{}: ", place.name(), place.line(), place.column())?;
        }
        f.write_str(&self.message)
    }
}

/// All errors and warnings about a policy file, in the order of the file. There is at least one error.
///
/// Nothing of such a file is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFileErrors {
    problems: Arc<[Problem]>,
}

impl PolicyFileErrors {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems: problems.into() }
    }

    /// Errors and warnings, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The errors alone.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_error)
    }
}

/// Prints them as a compiler would, with a blank line between two.
impl fmt::Display for PolicyFileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "\n\n" })?;
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyFileErrors {}
