//! Standard output: text that fits the screen, or JSON.

use std::io::{self, Write};

use serde_json::Value;

use crate::operate::ask::answer::Answer;
use crate::operate::options::Target;
use crate::operate::text::Screen;
use crate::operate::trouble::{Trouble, in_words};

/// Where a command prints to, and how.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) screen: Screen,
    pub(crate) is_json: bool,
}

impl Output {
    /// The standard output of the command `program`, as the options want it.
    pub(crate) fn new(program: &str, target: &Target) -> Self {
        let screen = Screen::of_stdout().command(program, target.words());
        let screen = if target.no_color { screen.coloured(false) } else { screen };
        Self { screen, is_json: target.json }
    }

    /// Prints the data as they came, or the text that `text` makes of them, and remarks of the source as errors.
    pub(crate) fn answer<T>(
        &self,
        answer: &Answer<T>,
        text: impl FnOnce(&T, &Screen) -> String,
    ) -> Result<(), Trouble> {
        for issue in &answer.issues {
            eprintln!("{}", in_words(issue));
        }
        if self.is_json { self.json(&answer.raw) } else { self.text(&text(&answer.data, &self.screen)) }
    }

    /// Prints the text.
    pub(crate) fn text(&self, text: &str) -> Result<(), Trouble> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Prints the value as one document on one line.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Trouble> {
        self.text(&format!("{value}\n"))
    }
}
