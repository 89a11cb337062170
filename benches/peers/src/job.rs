//! One measurement as data: what a process is told to do, and what it prints when it is done.

use serde::{Deserialize, Serialize};

use crate::system::SystemName;
use crate::workload::{Mode, Workload};

/// One measurement of one system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub workload: Workload,
    pub system: SystemName,
    pub mode: Mode,
    /// How many children the tree has.
    pub children: usize,
    /// How many messages, calls, deaths or rounds.
    pub work: u64,
}

/// One number of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The workload, with a suffix where it has several numbers: `panic-p99`.
    pub name: String,
    pub value: f64,
    pub unit: String,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self { name: name.into(), value, unit: unit.into() }
    }
}

/// What came of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub figures: Vec<Figure>,
    /// What is odd but not wrong, such as starts that nobody asked for.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl From<Figure> for Outcome {
    fn from(figure: Figure) -> Self {
        vec![figure].into()
    }
}

impl From<Vec<Figure>> for Outcome {
    fn from(figures: Vec<Figure>) -> Self {
        Self { figures, notes: Vec::new() }
    }
}
