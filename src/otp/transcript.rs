//! Text of a trace. Events are collected until a stimulus shows them.

use crate::otp::format;

#[derive(Debug, Default)]
pub(crate) struct Teller {
    events: Vec<String>,
    out: String,
    dynamic_ids: Vec<String>,
}

impl Teller {
    pub(crate) fn new(dynamic_ids: Vec<String>) -> Self {
        Self { dynamic_ids, ..Self::default() }
    }

    pub(crate) fn event(&mut self, line: impl Into<String>) {
        self.events.push(line.into());
    }

    pub(crate) fn echo(&mut self, stimulus: &str) {
        self.out.push_str("> ");
        self.out.push_str(stimulus);
        self.out.push('\n');
    }

    /// Shows the events so far.
    pub(crate) fn flush(&mut self) {
        let events = std::mem::take(&mut self.events);
        for line in format::sort_runs(events, |id| self.dynamic_ids.iter().any(|dynamic| dynamic == id)) {
            self.line(1, &line);
        }
    }

    pub(crate) fn result(&mut self, result: &str) {
        self.line(1, &format!("= {result}"));
    }

    pub(crate) fn line(&mut self, depth: usize, line: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(line);
        self.out.push('\n');
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }
}
