//! Reasons why an experiment is refused.

use std::fmt;
use std::sync::Arc;

/// Reason why an experiment was refused. No fault was active.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The experiment names no targets.
    NoTargets,
    /// The experiment has no faults.
    NoFaults,
    /// A glob is not valid. The text has the glob and the reason.
    BadGlob(String),
    /// A setting is zero and may not be.
    Zero(&'static str),
    /// A time is longer than a year.
    TooLong(&'static str),
    /// A share is not between 0 and 1.
    Share {
        /// The setting.
        what: &'static str,
        /// The number.
        share: f64,
    },
    /// A fault can never strike.
    Never {
        /// The fault.
        fault: String,
        /// The reason.
        why: &'static str,
    },
    /// An instantaneous fault was given a time to last.
    Blow {
        /// The fault.
        fault: String,
    },
    /// No child of this tree is a target.
    NobodyTargeted {
        /// The globs.
        targets: Vec<String>,
    },
    /// No target in this tree can be hit by this fault.
    NobodyHit {
        /// The fault.
        fault: String,
    },
    /// Two probes have one name.
    SameProbe {
        /// The name.
        name: Arc<str>,
    },
    /// A script hits a child that is not a target of its experiment.
    NoTarget {
        /// The child.
        path: Arc<str>,
    },
    /// The clock of a live tree cannot jump.
    LiveClock,
    /// This tree is under another experiment.
    AlreadyArmed {
        /// The tree.
        path: Arc<str>,
    },
    /// The tree is over.
    Over {
        /// The tree.
        path: Arc<str>,
    },
}

impl fmt::Display for ExperimentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTargets => f.write_str("the experiment has no targets: name the children that its faults may hit"),
            Self::NoFaults => f.write_str("the experiment has no faults"),
            Self::BadGlob(why) => write!(f, "bad glob {why}"),
            Self::Zero(what) => write!(f, "{what} is zero"),
            Self::TooLong(what) => write!(f, "{what} is longer than a year"),
            Self::Share { what, share } => write!(f, "{what}: {share} is not between 0 and 1"),
            Self::Never { fault, why } => write!(f, "`{fault}` can never strike: {why}"),
            Self::Blow { fault } => write!(f, "`{fault}` is instantaneous and cannot last: remove `lasts`"),
            Self::NobodyTargeted { targets } => {
                write!(f, "no child of this tree matches the targets {}", targets.join(", "))
            }
            Self::NobodyHit { fault } => write!(f, "`{fault}` can hit none of the targets"),
            Self::SameProbe { name } => write!(f, "there are two probes with the name `{name}`"),
            Self::NoTarget { path } => write!(f, "`{path}` is not a target of the experiment, and the script hits it"),
            Self::LiveClock => f.write_str("the clock of a live tree cannot jump: run the experiment in virtual time"),
            Self::AlreadyArmed { path } => write!(f, "another experiment is running on `{path}`: wait for its end"),
            Self::Over { path } => write!(f, "`{path}` has ended: start the tree again for an experiment"),
        }
    }
}

impl std::error::Error for ExperimentError {}
