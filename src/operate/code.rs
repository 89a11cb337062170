//! The exit codes of the commands.

use std::process::ExitCode;

use crate::admin::wire::envelope::IssueCode;

/// Exit codes as `--help` and the manual show them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  `status`, `ps --check`: something is not well
  2  the command line cannot be understood
  3  no running program was found, or several
  4  no such path, tree, number or moment
  5  refused, or failed: a missing capability, another generation, the state of the child, a busy program
  6  the connection was lost, or the program met an error of its own
  7  the program speaks another version of the data";

/// Exit code of a command. The numbers are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done: 0.
    Done = 0,
    /// The answer of `status` or `ps --check` is that something is not well: 1.
    NotWell = 1,
    /// The command line cannot be understood: 2.
    Usage = 2,
    /// No running program was found, or several: 3.
    NoProgram = 3,
    /// No such path, tree, number or moment: 4.
    Unknown = 4,
    /// The request was refused, or the act failed: 5.
    Refused = 5,
    /// The connection was lost, or the program met an error of its own: 6.
    Lost = 6,
    /// The program speaks another version of the data: 7.
    Schema = 7,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        // A fieldless enum of `u8`.
        Self::from(code as u8)
    }
}

impl Code {
    /// Returns the code for a problem that the source names.
    pub(crate) fn of(issue: IssueCode) -> Self {
        match issue {
            IssueCode::BadRequest => Self::Usage,
            IssueCode::UnknownTree
            | IssueCode::UnknownPath
            | IssueCode::UnknownNumber
            | IssueCode::NothingMatches
            | IssueCode::BeforeBegin => Self::Unknown,
            IssueCode::NotAuthenticated
            | IssueCode::MissingCapability
            | IssueCode::ForbiddenOrigin
            | IssueCode::NotApplicable
            | IssueCode::AlreadyReplaced
            | IssueCode::TreeOver
            | IssueCode::NotAvailable
            | IssueCode::Busy
            | IssueCode::ActFailed => Self::Refused,
            IssueCode::SchemaMismatch => Self::Schema,
            // `LeftOut` is a remark beside data; as a refusal it would be a mistake of the server.
            IssueCode::LeftOut | IssueCode::Internal => Self::Lost,
        }
    }
}
