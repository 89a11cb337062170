//! Failure of a command: a text that names the culprit and says what to do, and the exit code.

use std::fmt;
use std::io;

use crate::admin::wire::SCHEMA;
use crate::admin::wire::envelope::{Issue, IssueCode};
use crate::operate::code::Code;
use crate::operate::text::{clock, safe_lines};

/// Reason why a command failed.
#[derive(Debug)]
pub(crate) struct Trouble {
    code: Code,
    text: String,
}

impl Trouble {
    /// A failure with this code. Parts of the text that come from a program have to be safe already.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// The command line cannot be understood.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Code::Usage, text)
    }

    /// The connection was lost, or what came over it cannot be read.
    pub(crate) fn lost(text: impl Into<String>) -> Self {
        Self::new(Code::Lost, text)
    }

    /// The source refused, for these problems. The first one decides the code.
    pub(crate) fn of(issues: &[Issue]) -> Self {
        let Some(first) = issues.first() else {
            return Self::lost("the program refused and gave no reason: its version may be newer than this command");
        };
        let texts: Vec<String> = issues.iter().map(in_words).collect();
        Self::new(Code::of(first.code), texts.join("\n"))
    }

    /// The program speaks another version.
    pub(crate) fn schema(theirs: u64) -> Self {
        let older = if theirs > u64::from(SCHEMA) { "this command" } else { "the program" };
        Self::new(
            Code::Schema,
            format!(
                "the program speaks version {theirs} of the data, and this command version {SCHEMA}: {older} is older, \
                 use the command that was built with the program"
            ),
        )
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A reader such as `head` may close the output. That ends a command, and is no failure.
impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Code::Done, ""),
            _ => Self::lost(format!("the output cannot be written: {error}")),
        }
    }
}

/// Returns the problem in words. A missing capability says what to write in code. Further lines, such as the place in a policy
/// file, are indented: so none looks like a problem of its own.
pub(crate) fn in_words(issue: &Issue) -> String {
    let mut text = safe_lines(&issue.text).collect::<Vec<_>>().join("\n  ");
    let about = issue.about.as_deref();
    if let (IssueCode::BeforeBegin, Some(begins)) = (issue.code, about.and_then(|about| about.parse().ok())) {
        return format!("the record begins at {}: ask for a later moment", clock(begins));
    }
    if issue.code == IssueCode::MissingCapability {
        let granted = match about {
            Some("control") => Some("Control"),
            Some("chaos") => Some("Chaos"),
            Some(_) | None => None,
        };
        if let Some(granted) = granted.filter(|_| !text.contains("grant")) {
            text.push_str(&format!(": the program grants it in its code, by `Admin::grant(Capability::{granted})`"));
        }
    }
    text
}
