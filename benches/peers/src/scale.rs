//! How much work each job is given.

use crate::job::Job;
use crate::system::SystemName;
use crate::workload::{Mode, Workload};

/// What the command line says about sizes.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub is_quick: bool,
    /// Messages of the cast workloads; calls are a fifth of it.
    pub messages: Option<u64>,
    /// Children of the workloads that have many.
    pub children: Option<usize>,
}

impl Scale {
    /// The jobs that a system does for a workload: one, or one for each number of siblings.
    pub fn jobs(self, workload: Workload, system: SystemName, mode: Mode) -> Vec<Job> {
        let job = |children, work| Job { workload, system, mode, children, work };
        let pick = |quick: u64, full: u64| if self.is_quick { quick } else { full };
        let messages = self.messages.unwrap_or(pick(200_000, 2_000_000));
        let calls = (messages / 5).max(1);
        let children = self.children.unwrap_or(10_000);
        match workload {
            Workload::Cast => vec![job(1, messages)],
            // A call to another arbiter takes as long there as a hundred elsewhere.
            Workload::Call if (system, mode) == (SystemName::Actix, Mode::Mt) => vec![job(1, (calls / 40).max(1))],
            Workload::Call => vec![job(1, (calls / 2).max(1))],
            Workload::Call64 => vec![job(1, calls)],
            Workload::Cast64 => vec![job(1, messages)],
            Workload::Cast64Own => vec![job(64, messages)],
            Workload::CallInside => vec![job(2, (calls / 2).max(1))],
            Workload::CastName => vec![job(1_000, (messages / 2).max(1))],
            Workload::Panic | Workload::Kill => vec![job(1, pick(1_000, 5_000))],
            Workload::Restarts => vec![job(children, pick(children as u64 / 4, children as u64 * 2).max(1))],
            Workload::OneForAll | Workload::RestForOne => vec![job(children, pick(1, 10))],
            Workload::Bytes => vec![job(self.children.unwrap_or(if self.is_quick { 10_000 } else { 100_000 }), 1)],
            Workload::Start => {
                let sizes: &[usize] = if self.is_quick { &[1_000, 30_000] } else { &[1_000, 30_000, 1_000_000] };
                let largest = self.children.unwrap_or(self.big(system).max(30_000)).max(1_000);
                // Small trees are over before the clock has ticked: a few of them, one after the other.
                let trees = |size: usize| (30_000 / size).max(1) as u64;
                sizes.iter().filter(|size| **size <= largest).map(|size| job(*size, trees(*size))).collect()
            }
            Workload::Growth => {
                let sizes: &[usize] =
                    if self.is_quick { &[100, 10_000, 100_000] } else { &[100, 1_000, 10_000, 100_000, 1_000_000] };
                let largest = self.children.unwrap_or(self.big(system)).max(100);
                sizes.iter().filter(|size| **size <= largest).map(|size| job(*size, pick(300, 2_000))).collect()
            }
        }
    }

    /// The size of a tree where size is the point.
    fn big(self, system: SystemName) -> usize {
        use SystemName::*;
        let is_large = match system {
            Regrow | RegrowChaos | RegrowActor | RegrowDynamic | RegrowStartChildren | RegrowWatched | TokioBounded
            | TokioUnbounded | Erlang | ErlangDynamic => true,
            Ractor | RactorSpans | RactorSupervisor | Kameo | KameoUnbounded | Actix => false,
        };
        match (is_large, self.is_quick) {
            (true, false) => 1_000_000,
            (true, true) | (false, false) => 100_000,
            (false, true) => 10_000,
        }
    }
}
