//! The end of a life, in one word and one letter.

use crate::chaos::report::LifeRecord;

/// The end of a life, as far as its text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// The life has not ended.
    Up,
    /// An end in order: the life was done, or was asked to stop.
    InOrder,
    Killed,
    Failed,
    Panicked,
    Hung,
    /// An incarnation that did not end when it was told to, and was abandoned.
    Abandoned,
}

impl Ending {
    pub(super) const ALL: [Self; 7] =
        [Self::Up, Self::InOrder, Self::Killed, Self::Failed, Self::Panicked, Self::Hung, Self::Abandoned];

    /// Reads the first word of the text, which is always one of [`Exit`](crate::Exit)'s.
    pub(super) fn of(life: &LifeRecord) -> Self {
        let Some(exit) = &life.exit else { return if life.to.is_some() { Self::InOrder } else { Self::Up } };
        match exit.split([' ', ':']).next() {
            Some("killed") => Self::Killed,
            Some("failed" | "child") => Self::Failed,
            Some("panicked") => Self::Panicked,
            Some("hung") => Self::Hung,
            Some("abandoned") => Self::Abandoned,
            Some(_) | None => Self::InOrder,
        }
    }

    /// Returns the CSS class with its colour.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Up => "e-up",
            Self::InOrder => "e-order",
            Self::Killed => "e-killed",
            Self::Failed => "e-failed",
            Self::Panicked => "e-panicked",
            Self::Hung => "e-hung",
            Self::Abandoned => "e-abandoned",
        }
    }

    /// Returns the letter on every bar that is wide enough, because colours alone are not enough for every reader.
    pub(super) fn letter(self) -> Option<char> {
        match self {
            Self::Up => None,
            Self::InOrder => Some('S'),
            Self::Killed => Some('K'),
            Self::Failed => Some('E'),
            Self::Panicked => Some('P'),
            Self::Hung => Some('H'),
            Self::Abandoned => Some('A'),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Up => "still up",
            Self::InOrder => "stopped in order",
            Self::Killed => "killed",
            Self::Failed => "error",
            Self::Panicked => "panicked",
            Self::Hung => "hung",
            Self::Abandoned => "abandoned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regrow_supervisors::{Exit, Failure, Panic};

    #[test]
    fn the_words_of_exits_are_known() {
        let of = |exit: &Exit| {
            Ending::of(&LifeRecord { generation: 1, from: 0.0, to: Some(1.0), exit: Some(exit.to_string()) })
        };
        assert_eq!(of(&Exit::Normal), Ending::InOrder);
        assert_eq!(of(&Exit::Shutdown), Ending::InOrder);
        assert_eq!(of(&Exit::Killed), Ending::Killed);
        assert_eq!(of(&Exit::Failed(Failure::new("killed by taxes"))), Ending::Failed);
        assert_eq!(of(&Exit::Panicked(Panic::new("at the disco"))), Ending::Panicked);
    }
}
