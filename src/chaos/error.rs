//! Why an experiment is not carried out.

use std::fmt;
use std::sync::Arc;

/// Why an experiment was not run. Nothing was armed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExperimentError {
    /// It names no targets.
    NoTargets,
    /// It has no faults.
    NoFaults,
    /// A glob that cannot be one, and why.
    BadGlob(String),
    /// This may not be zero.
    Zero(&'static str),
    /// A time that no run is long enough for.
    TooLong(&'static str),
    /// A share that is not between 0 and 1.
    Share {
        /// Of what.
        what: &'static str,
        /// The number.
        share: f64,
    },
    /// A fault that can never strike.
    Never {
        /// Which.
        fault: String,
        /// Why.
        why: &'static str,
    },
    /// A blow cannot last.
    Blow {
        /// Which.
        fault: String,
    },
    /// Nobody in this tree is a target.
    NobodyTargeted {
        /// The globs.
        targets: Vec<String>,
    },
    /// Nobody in this tree can be hit by this fault.
    NobodyHit {
        /// Which.
        fault: String,
    },
    /// Two probes have one name.
    SameProbe {
        /// The name.
        name: Arc<str>,
    },
    /// A script hits somebody who is not a target of its experiment.
    NoTarget {
        /// Whom.
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
            Self::NoTargets => f.write_str("the experiment targets nobody: faults only hit whom it names"),
            Self::NoFaults => f.write_str("the experiment has no faults"),
            Self::BadGlob(why) => write!(f, "bad glob {why}"),
            Self::Zero(what) => write!(f, "{what} is zero"),
            Self::TooLong(what) => write!(f, "{what} is longer than a year"),
            Self::Share { what, share } => write!(f, "{what}: {share} is not between 0 and 1"),
            Self::Never { fault, why } => write!(f, "`{fault}` can never strike: {why}"),
            Self::Blow { fault } => write!(f, "`{fault}` is a blow and cannot last"),
            Self::NobodyTargeted { targets } => write!(f, "nobody in this tree is targeted by {}", targets.join(", ")),
            Self::NobodyHit { fault } => write!(f, "nobody among the targets can be hit by `{fault}`"),
            Self::SameProbe { name } => write!(f, "there are two probes with the name `{name}`"),
            Self::NoTarget { path } => write!(f, "`{path}` is not a target of the experiment, and the script hits it"),
            Self::LiveClock => f.write_str("the clock of a live tree cannot jump: run the experiment in virtual time"),
            Self::AlreadyArmed { path } => write!(f, "`{path}` is under another experiment"),
            Self::Over { path } => write!(f, "`{path}` is over"),
        }
    }
}

impl std::error::Error for ExperimentError {}
