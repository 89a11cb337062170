//! Rules of a policy: reactions to some ends of a child.

use std::sync::Arc;

use crate::exit::Exit;

/// A kind of end. An end can be of two kinds: a panic in a start is both [`Panicked`](Self::Panicked) and
/// [`StartFailed`](Self::StartFailed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitKind {
    /// The child finished without being told to.
    Normal,
    /// The child was shut down by something other than its supervisor, or shut itself down.
    Shutdown,
    /// The child was killed.
    Killed,
    /// The child returned an error.
    Failed,
    /// The child panicked.
    Panicked,
    /// The child hung, and was killed for it.
    Hung,
    /// The child did not come up.
    StartFailed,
    /// The child came up and did not become ready, or not in time.
    NotReady,
}

impl ExitKind {
    /// Returns the word for the kind, the same in files and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown => "shutdown",
            Self::Killed => "killed",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Hung => "hung",
            Self::StartFailed => "start_failed",
            Self::NotReady => "not_ready",
        }
    }
}

/// The reaction to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleAction {
    /// Restart the child, as the strategy says.
    Restart,
    /// Restart the child and all its siblings, whatever the strategy.
    RestartGroup,
    /// Park the child, and try it again as [`GiveUp::Park`](crate::GiveUp::Park) says.
    Park,
    /// Let the child rest, as if it had ended cleanly.
    Stop,
    /// Let the supervisor give up.
    Escalate,
}

impl RuleAction {
    /// Returns the word for the reaction, the same in files and texts.
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

/// A reaction to some ends of a child. A rule can name kinds of end, a registered type of error, and a part of the
/// end's text. A condition that is left out matches everything.
///
/// A rule comes before the restart type: `RuleAction::Restart` restarts a transient child that ended cleanly too. No
/// rule applies to temporary children.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct ExitRule {
    /// The kinds of end. Empty means every kind.
    pub on: Vec<ExitKind>,
    /// The name under which the error's type was registered.
    pub error: Option<Arc<str>>,
    /// A part of the end's text.
    pub text: Option<Arc<str>>,
    /// The reaction.
    pub then: RuleAction,
    /// Whether a restart counts against the budget.
    pub counts: bool,
}

impl ExitRule {
    /// A rule for every end.
    pub fn new(then: RuleAction) -> Self {
        Self { on: Vec::new(), error: None, text: None, then, counts: true }
    }

    /// Limits the rule to this kind of end, besides those named before.
    pub fn on(mut self, on: ExitKind) -> Self {
        self.on.push(on);
        self
    }

    /// Limits the rule to errors of the type that is registered under this name.
    pub fn error(self, name: impl Into<Arc<str>>) -> Self {
        Self { error: Some(name.into()), ..self }
    }

    /// Limits the rule to ends with this part in their text.
    pub fn text(self, part: impl Into<Arc<str>>) -> Self {
        Self { text: Some(part.into()), ..self }
    }

    /// Lets the restart cost no unit of the budget.
    pub fn free(self) -> Self {
        Self { counts: false, ..self }
    }

    /// Whether the rule is about this end. `phase` is the second kind of the end, if it has one.
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
