//! What other crates rely on: a machine that is closed, texts, and the page of rules.

mod closed;
mod rules;
mod texts;
