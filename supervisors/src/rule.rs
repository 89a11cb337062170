//! Rules of a policy: what is to be done about some ends of a child.

use std::sync::Arc;

use crate::exit::Exit;

/// A kind of end. One end can be of two kinds: a panic in a start is both [`Panicked`](Self::Panicked) and
/// [`StartFailed`](Self::StartFailed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitKind {
    /// It finished by itself.
    Normal,
    /// It was shut down by somebody other than its supervisor, or shut itself down.
    Shutdown,
    /// It was killed.
    Killed,
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It hung, and was killed for it.
    Hung,
    /// It did not come up.
    StartFailed,
    /// It came up and did not become ready, or not in time.
    NotReady,
}

/// What to do about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleAction {
    /// Restart it, as the strategy says.
    Restart,
    /// Restart it and all its siblings, whatever the strategy.
    RestartGroup,
    /// Put it away, and try again as [`GiveUp::Park`](crate::GiveUp::Park) says.
    Park,
    /// Let it rest, as a child that ended cleanly.
    Stop,
    /// Let the supervisor give up.
    Escalate,
}

impl RuleAction {
    /// The word for it, the same in files and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::RestartGroup => "restart_group",
            Self::Park => "park",
            Self::Stop => "stop",
            Self::Escalate => "escalate",
        }
    }
}

/// What is to be done about some ends of a child: *if it ended in one of these ways, with an error of this type, whose
/// text says this, then*. What is not said matches everything.
///
/// A rule comes before the restart type: `RuleAction::Restart` restarts a transient child that ended cleanly too. Temporary
/// children are beyond rules.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct ExitRule {
    /// The kinds of end; none means every kind.
    pub on: Vec<ExitKind>,
    /// The name under which the error's type was registered.
    pub error: Option<Arc<str>>,
    /// A part of the end's text.
    pub text: Option<Arc<str>>,
    /// What to do.
    pub then: RuleAction,
    /// Whether a restart counts against the budget.
    pub counts: bool,
}

impl ExitRule {
    /// A rule for every end.
    pub fn new(then: RuleAction) -> Self {
        Self { on: Vec::new(), error: None, text: None, then, counts: true }
    }

    /// Only for this kind of end, or one of those named before.
    pub fn on(mut self, on: ExitKind) -> Self {
        self.on.push(on);
        self
    }

    /// Only for errors of the type that is registered under this name.
    pub fn error(self, name: impl Into<Arc<str>>) -> Self {
        Self { error: Some(name.into()), ..self }
    }

    /// Only for ends whose text contains this.
    pub fn text(self, part: impl Into<Arc<str>>) -> Self {
        Self { text: Some(part.into()), ..self }
    }

    /// Without charging the budget.
    pub fn free(self) -> Self {
        Self { counts: false, ..self }
    }

    /// Whether an end of this kind is meant. `phase` is the second kind that it is of, if any.
    pub(crate) fn matches(&self, exit: &Exit, phase: Option<ExitKind>) -> bool {
        let kinds = [Some(exit.on()), phase];
        (self.on.is_empty() || self.on.iter().any(|on| kinds.contains(&Some(*on))))
            && self.error.as_ref().is_none_or(|name| exit.is_error_named(name))
            && self.text.as_ref().is_none_or(|part| exit.to_string().contains(&**part))
    }

    /// Whether every end that `other` matches is matched by this one.
    pub fn covers(&self, other: &Self) -> bool {
        (self.on.is_empty() || (!other.on.is_empty() && other.on.iter().all(|on| self.on.contains(on))))
            && self.error.as_ref().is_none_or(|name| other.error.as_ref() == Some(name))
            && self.text.as_ref().is_none_or(|part| other.text.as_ref().is_some_and(|text| text.contains(&**part)))
    }
}
