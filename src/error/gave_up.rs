//! A supervisor that ended itself because of a child, or ended a child for good: which child, the reason, and the chain
//! of causes further down.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{BudgetLeft, Exit, GiveUpReason};

/// A supervisor that gave up on one of its children. It ended itself, or it ended the child alone for good
/// ([`GiveUp::Stop`](crate::GiveUp::Stop)).
///
/// The supervisor above sees the end of such a supervisor as `shutdown` (OTP rule 28). This value distinguishes it from
/// an ordered one. It is part of [`ShutdownReport`](crate::ShutdownReport), of [`EventKind::GaveUp`](crate::EventKind::GaveUp)
/// and [`EventKind::GivenUp`](crate::EventKind::GivenUp), and of [`Why`](crate::Why).
///
/// ```
/// use regrow::testing::{Journal, ProbeMsg};
/// use regrow::Supervisor;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let tree = Supervisor::one_for_one("app").intensity(0, Duration::from_secs(5)).child(Journal::new().probe("http"));
/// let tree = tree.start().await?;
/// tree.lookup::<ProbeMsg>("app/http")?.cast(ProbeMsg::Fail("port taken"))?;
///
/// let end = tree.wait().await;
/// assert!(!end.is_clean());
/// let gave_up = end.gave_up.expect("its budget forgave no restart");
/// assert_eq!((&*gave_up.child, gave_up.exit.kind()), ("app/http", "failed"));
/// let text = "gave up on `app/http`: failed: port taken (the budget of 0 restarts in 5s is used up)";
/// assert_eq!(gave_up.to_string(), text);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GaveUp {
    /// Path of the supervisor.
    pub supervisor: Arc<str>,
    /// Path of the child that it gave up on.
    pub child: Arc<str>,
    /// Exit of that child. A supervisor that gave up has the exit [`Exit::Shutdown`]: see [`cause`](Self::cause).
    pub exit: Exit,
    /// Reason why no more restart was allowed.
    pub reason: GiveUpReason,
    /// Whether the supervisors above give up too, so that the whole tree ends: [`GiveUp::EndTree`](crate::GiveUp::EndTree).
    pub ends_tree: bool,
    /// The give-up of the child, if the child is a supervisor that gave up itself.
    pub cause: Option<Arc<Self>>,
}

impl GaveUp {
    /// Returns the innermost give-up: the one at which the failure began, on a child that is not a supervisor that gave
    /// up.
    pub fn innermost(&self) -> &Self {
        let mut innermost = self;
        while let Some(cause) = &innermost.cause {
            innermost = cause;
        }
        innermost
    }

    /// Returns the link of the chain that is about this child.
    pub(crate) fn on(self: &Arc<Self>, child: &str) -> Option<Arc<Self>> {
        let mut link = Some(self);
        while let Some(here) = link {
            if *here.child == *child {
                return Some(here.clone());
            }
            link = here.cause.as_ref();
        }
        None
    }

    /// Returns the link of the chain that is about this supervisor.
    pub(crate) fn by(self: &Arc<Self>, supervisor: &str) -> Option<Arc<Self>> {
        let mut link = Some(self);
        while let Some(here) = link {
            if *here.supervisor == *supervisor {
                return Some(here.clone());
            }
            link = here.cause.as_ref();
        }
        None
    }

    /// Writes the exit and the reason, as they follow the child's name.
    pub(crate) fn say_why(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.exit, self.reason_text())
    }

    /// Returns the reason against one more restart, as text.
    pub(crate) fn reason_text(&self) -> String {
        match self.reason {
            GiveUpReason::Budget(BudgetLeft { restarts_max, within, is_own, .. }) => {
                let (whose, s) = (if is_own { "its own" } else { "the" }, if restarts_max == 1 { "" } else { "s" });
                let rest = if self.ends_tree { ", and the tree does not go on without it" } else { "" };
                format!("{whose} budget of {restarts_max} restart{s} in {within:?} is used up{rest}")
            }
            GiveUpReason::EndOfTree => "a child below it ends the whole tree".to_owned(),
            GiveUpReason::Failures(seen) => seen.to_string(),
            GiveUpReason::Rule(place) => format!("rule {} escalates", place + 1),
            // A significant child. The enum may grow.
            _ => "it is significant".to_owned(),
        }
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut link = self;
        let verb = |link: &Self| match link.reason {
            GiveUpReason::Significant => "ended with",
            _ => "gave up on",
        };
        write!(f, "{} `{}`", verb(link), link.child)?;
        while let Some(cause) = &link.cause {
            link = cause;
            write!(f, ", which {} `{}`", verb(link), link.child)?;
        }
        f.write_str(": ")?;
        link.say_why(f)
    }
}
