//! The log of a run, line by line.
//!
//! Lines after a limit are kept only as a digest: memory is bounded, and two runs can still be compared to the end.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::chaos::report::LogLine;

/// Lines that are kept.
const LINES_MAX: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<LogLine>,
    more: u64,
    digest: DefaultHasher,
}

impl Log {
    pub(super) fn write(&mut self, at: f64, what: impl Into<String>) {
        let what = what.into();
        if self.lines.len() < LINES_MAX {
            return self.lines.push(LogLine { at, what });
        }
        self.more += 1;
        (at.to_bits(), what).hash(&mut self.digest);
    }

    /// Takes the lines. If there were more than are kept, the last line has their number and digest.
    pub(super) fn take(&mut self, at: f64) -> Vec<LogLine> {
        let Self { mut lines, more, digest } = std::mem::take(self);
        if more > 0 {
            let what = format!("{more} lines more, whose digest is {:016x}", digest.finish());
            lines.push(LogLine { at, what });
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: usize, last: &str) -> Vec<LogLine> {
        let mut log = Log::default();
        (0..lines).for_each(|line| log.write(line as f64, "a line"));
        log.write(1e6, last);
        log.take(1e6)
    }

    #[test]
    fn what_is_not_kept_is_compared_nevertheless() {
        assert_eq!(told(LINES_MAX, "x").len(), LINES_MAX + 1);
        assert_eq!(told(2 * LINES_MAX, "x"), told(2 * LINES_MAX, "x"));
        assert_ne!(told(2 * LINES_MAX, "x"), told(2 * LINES_MAX, "y"));
        assert_eq!(told(3, "x").last().map(|line| line.what.clone()), Some("x".to_owned()));
    }
}
