//! The errors of look-ups: the reason in the user's terms, and a path that may have been meant.

use std::fmt;
use std::sync::Arc;

use crate::tree::directory::{ChildKind, Directory};

/// The reason why a look-up found no handle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupError {
    /// Nothing has this path, and nothing on the way to it exists.
    NotFound {
        /// The path that was asked for.
        path: Arc<str>,
    },
    /// Nothing has this path. The tree looks up full paths, which begin with the name of the root. This one is the end
    /// of a path, or has a slash before it.
    NotFullPath {
        /// The path that was asked for.
        path: Arc<str>,
        /// The path that may have been meant: the first one that ends like this.
        meant: Arc<str>,
    },
    /// Nothing has this path: a supervisor on the way to it has no child of that name.
    NoChild {
        /// The path that was asked for.
        path: Arc<str>,
        /// The deepest supervisor on the way that exists.
        supervisor: Arc<str>,
        /// The name that none of its children has.
        name: Arc<str>,
        /// A child of it with a similar name.
        meant: Option<Arc<str>>,
    },
    /// Nothing has this path: it leads through a child that is no supervisor.
    NotASupervisor {
        /// The path that was asked for.
        path: Arc<str>,
        /// The child on the way.
        child: Arc<str>,
        /// The kind of that child.
        found: ChildKind,
    },
    /// The child with this path takes no messages: it is a task or a supervisor.
    TakesNoMessages {
        /// The path that was asked for.
        path: Arc<str>,
        /// Its kind.
        found: ChildKind,
    },
    /// The service takes other messages.
    WrongType {
        /// The path that was asked for.
        path: Arc<str>,
        /// The messages it takes.
        found: &'static str,
        /// The messages of the handle that was asked for.
        asked: &'static str,
    },
    /// The child with this path is of another kind.
    WrongKind {
        /// The path that was asked for.
        path: Arc<str>,
        /// Its kind.
        found: ChildKind,
        /// The kind that was asked for.
        asked: ChildKind,
    },
    /// The partitions of this supervisor are supervisors, and take no messages.
    PartitionsAreSupervisors {
        /// The supervisor.
        path: Arc<str>,
    },
    /// The partitions of this supervisor are services, not supervisors.
    PartitionsAreServices {
        /// The supervisor.
        path: Arc<str>,
    },
    /// The dynamic supervisor has no template.
    NoTemplate {
        /// The supervisor.
        path: Arc<str>,
    },
    /// The dynamic supervisor's template takes other values.
    WrongTemplate {
        /// The supervisor.
        path: Arc<str>,
        /// The values that it takes.
        found: &'static str,
        /// The values that it was asked to take.
        asked: &'static str,
    },
}

impl LookupError {
    /// The error for a path that nothing has.
    pub(crate) fn not_found(directory: &Directory, path: &str) -> Self {
        let mut above = path;
        while let Some((here, _)) = above.rsplit_once('/') {
            above = here;
            let Some(kind) = directory.get(here).map(|listed| listed.kind) else { continue };
            if !kind.is_supervisor() {
                return Self::NotASupervisor { path: path.into(), child: here.into(), found: kind };
            }
            let rest = &path[here.len() + 1..];
            let name = rest.split_once('/').map_or(rest, |(name, _)| name);
            let meant = directory.similar(here, name);
            return Self::NoChild { path: path.into(), supervisor: here.into(), name: name.into(), meant };
        }
        Self::NotFound { path: path.into() }
    }

    /// Returns the same error for `name`, which was looked up as this path.
    pub(crate) fn of(mut self, name: &str) -> Self {
        if let Self::NotFound { path } | Self::NoChild { path, .. } | Self::NotASupervisor { path, .. } = &mut self {
            *path = name.into();
        }
        self
    }
}

/// The method that finds children of this kind. A task is only listed.
fn method(kind: ChildKind) -> Option<&'static str> {
    match kind {
        ChildKind::Service | ChildKind::Thread | ChildKind::Actor => Some("lookup"),
        ChildKind::Supervisor => Some("supervisor"),
        ChildKind::Dynamic => Some("dynamic"),
        ChildKind::Partitioned => Some("partitions"),
        ChildKind::Task => None,
    }
}

pub(crate) fn article(kind: ChildKind) -> &'static str {
    if kind == ChildKind::Actor { "an" } else { "a" }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => write!(f, "nothing is named `{path}` in this tree"),
            Self::NotFullPath { path, meant } => {
                write!(f, "nothing is named `{path}` in this tree; did you mean `{meant}`? a path begins with the root")
            }
            Self::NoChild { path, supervisor, name, meant } => {
                write!(f, "nothing is named `{path}` in this tree: `{supervisor}` has no child `{name}`")?;
                meant.as_ref().map_or(Ok(()), |meant| write!(f, "; did you mean `{meant}`?"))
            }
            Self::NotASupervisor { path, child, found } => {
                let article = article(*found);
                write!(f, "nothing is named `{path}` in this tree: `{child}` is {article} {found}, and has no children")
            }
            Self::TakesNoMessages { path, found } => {
                write!(f, "`{path}` is {} {found}, and takes no messages", article(*found))?;
                method(*found).map_or(Ok(()), |method| write!(f, ": find it with `{method}`"))
            }
            Self::WrongType { path, found, asked } => {
                write!(f, "`{path}` takes messages of type `{found}`, not `{asked}`")
            }
            Self::WrongKind { path, found, asked } => {
                write!(f, "`{path}` is {} {found}, not {} {asked}", article(*found), article(*asked))?;
                method(*found).map_or(Ok(()), |method| write!(f, ": find it with `{method}`"))
            }
            Self::PartitionsAreSupervisors { path } => {
                write!(f, "the partitions of `{path}` are supervisors: find them with `supervisor_partitions`")
            }
            Self::PartitionsAreServices { path } => {
                write!(f, "the partitions of `{path}` are services: find them with `partitions`")
            }
            Self::NoTemplate { path } => write!(f, "`{path}` has no template: start its children by their specs"),
            Self::WrongTemplate { path, found, asked } => {
                write!(f, "the template of `{path}` takes values of type `{found}`, not `{asked}`")
            }
        }
    }
}

impl std::error::Error for LookupError {}

/// Number of letters by which two names differ, if one may be a slip for the other.
pub(crate) fn slip(one: &str, other: &str) -> Option<usize> {
    let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.chars().collect());
    let most = (one.len().max(other.len()) / 3).min(3);
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    // Levenshtein's distance: a row of the table for each letter of `one`.
    let mut row: Vec<_> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (place, to) in other.iter().enumerate() {
            let least = row[place].min(row[place + 1]) + 1;
            let swapped = std::mem::replace(&mut row[place + 1], least.min(diagonal + usize::from(letter != to)));
            diagonal = swapped;
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_slip_and_another_word_is_not() {
        for (one, other, distance) in [
            ("ledger", "ledger", Some(0)),
            ("legder", "ledger", Some(2)),
            ("ledgr", "ledger", Some(1)),
            ("ledgers", "ledger", Some(1)),
            ("audit", "ledger", None),
            ("a", "b", None),
            ("", "a", None),
            ("caché", "cache", Some(1)),
        ] {
            assert_eq!(slip(one, other), distance, "{one} {other}");
            assert_eq!(slip(other, one), distance, "{other} {one}");
        }
    }
}
