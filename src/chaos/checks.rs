//! Checks of the claims: before, during and after the faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::base::panics;
use crate::base::sync::lock;
use crate::chaos::experiment::{Experiment, Hypothesis, Look, Probe};
use crate::chaos::judge::{Claim, Judge, Violation};
use crate::chaos::recorder::{Recorder, seconds};
use crate::chaos::report::{CheckResult, ServiceRecord};
use crate::slot::status::ServiceState;
use crate::tree::Directory;
use crate::tree::directory::{ChildKind, DirectoryEntry};

/// The claims, and the results so far.
pub(super) struct Claims {
    hypothesis: Hypothesis,
    probes: Vec<Probe>,
    failures: Vec<u32>,
    pub(super) verdicts: Vec<CheckResult>,
}

const LAW: &str = "the books of every mailbox balance";
const UP: &str = "every target is up before and after";

impl Claims {
    pub(super) fn new(experiment: &Experiment) -> Self {
        let Experiment { hypothesis, probes, .. } = experiment;
        let mut claims = Vec::new();
        claims.push(LAW.to_owned());
        let of_supervision = Claim::OF_SUPERVISION.into_iter().filter(|_| hypothesis.supervision);
        claims.extend(of_supervision.map(|claim| claim.text().to_owned()));
        claims.push(Claim::Saves.text().to_owned());
        claims.extend(hypothesis.everybody_up.then(|| UP.to_owned()));
        claims.extend(probes.iter().map(|probe| probe.name.to_string()));
        let held = |hypothesis| CheckResult { hypothesis, held: true, broken_at: None, evidence: None };
        Self {
            hypothesis: hypothesis.clone(),
            probes: probes.clone(),
            failures: vec![0; probes.len()],
            verdicts: claims.into_iter().map(held).collect(),
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken().is_some()
    }

    /// The first claim that does not hold.
    pub(super) fn broken(&self) -> Option<String> {
        self.verdicts.iter().find(|verdict| !verdict.held).map(|verdict| verdict.hypothesis.clone())
    }

    /// Marks a claim as broken. Only the first time counts.
    fn break_claim(&mut self, hypothesis: &str, at: f64, evidence: String) {
        if let Some(verdict) = self.verdicts.iter_mut().find(|verdict| verdict.hypothesis == hypothesis && verdict.held)
        {
            (verdict.held, verdict.broken_at, verdict.evidence) = (false, Some(at), Some(evidence));
        }
    }

    pub(super) fn look_at_accounting(&mut self, entries: &[DirectoryEntry], at: f64) {
        if let Some(entry) = entries.iter().find(|entry| !entry.accounting.is_balanced()) {
            self.break_claim(LAW, at, format!("{}: {}", entry.path, entry.accounting));
        }
    }

    /// Called before and after the faults, when all targets should be up.
    pub(super) fn look_at_targets<'a>(&mut self, targets: impl Iterator<Item = (&'a Arc<str>, ServiceState)>, at: f64) {
        let down = targets.filter(|(_, state)| *state != ServiceState::Up);
        let down: Vec<_> = down.map(|(path, state)| format!("{path} is {state}")).collect();
        if !down.is_empty() {
            self.break_claim(UP, at, down.join(", "));
        }
    }

    /// Checks the claims that only the whole run can decide.
    pub(super) fn look_back(&mut self, services: &[ServiceRecord], targets: &BTreeMap<Arc<str>, ChildKind>) {
        if let Some(most) = self.hypothesis.restarts_max {
            let is_over = |service: &&ServiceRecord| targets.contains_key(&*service.path) && service.restarts > most;
            let over = services.iter().find(is_over);
            let evidence = over.map(|service| format!("{} came up {} times", service.path, service.restarts));
            self.add(format!("no target comes up more than {most} times"), evidence);
        }
        if let Some(least) = self.hypothesis.availability_min {
            let is_meant =
                |service: &&ServiceRecord| targets.get(&*service.path).is_some_and(|kind| !kind.is_supervisor());
            let shares: Vec<f64> = services.iter().filter(is_meant).map(|service| service.availability).collect();
            let mean = shares.iter().fold(0.0, |sum, share| sum + share) / shares.len().max(1) as f64;
            let evidence = (mean < least).then(|| format!("they were up for {:.3} % of the time", mean * 100.0));
            self.add(format!("targets are up for {} % of the time", least * 100.0), evidence);
        }
    }

    pub(super) fn add(&mut self, hypothesis: String, evidence: Option<String>) {
        self.verdicts.push(CheckResult { hypothesis, held: evidence.is_none(), broken_at: None, evidence });
    }
}

/// Takes what the judge has found since the last call. Returns whether it has found anything.
pub(super) fn ask_judge(judge: &Mutex<Judge>, claims: &Mutex<Claims>, recorder: &Mutex<Recorder>) -> bool {
    let found = lock(judge).violations();
    let begun = lock(recorder).begun();
    let mut claims = lock(claims);
    for (at, Violation { claim, evidence, .. }) in &found {
        // Times before the beginning are negative.
        let at = seconds(at.saturating_duration_since(begun)) - seconds(begun.saturating_duration_since(*at));
        claims.break_claim(claim.text(), at, evidence.clone());
    }
    !found.is_empty()
}

/// Asks every probe. A claim does not hold if its probe panics or takes too long.
pub(super) async fn look(
    claims: &Arc<Mutex<Claims>>,
    recorder: &Arc<Mutex<Recorder>>,
    directory: &Directory,
    is_strict: bool,
) {
    let (probes, at) = (lock(claims).probes.clone(), lock(recorder).now());
    lock(claims).look_at_accounting(&directory.entries(), at);
    for (number, Probe { name, tolerance, look }) in probes.into_iter().enumerate() {
        let seen = ask(&look).await;
        let at = lock(recorder).now();
        let mut claims = lock(claims);
        match seen {
            Ok(()) => claims.failures[number] = 0,
            Err(evidence) => {
                claims.failures[number] += 1;
                if is_strict || claims.failures[number] > tolerance {
                    claims.break_claim(&name, at, evidence);
                }
            }
        }
    }
}

/// Asks the user's code in a task, which contains a panic and is aborted with the run.
pub(super) async fn ask(look: &Look) -> Result<(), String> {
    let mut task = JoinSet::new();
    let look = look.clone();
    task.spawn(async move { look().await });
    match tokio::time::timeout(PATIENCE, task.join_next()).await {
        Ok(None | Some(Ok(Ok(())))) => Ok(()),
        Ok(Some(Ok(Err(error)))) => Err(format!("{error:#}")),
        Ok(Some(Err(error))) => Err(match error.try_into_panic() {
            Ok(panic) => format!("it panicked: {}", panics::text_of(&*panic)),
            Err(_) => "it was cancelled".to_owned(),
        }),
        Err(_) => Err(format!("no answer within {} s", seconds(PATIENCE))),
    }
}

/// The longest time that a probe may take.
const PATIENCE: Duration = Duration::from_secs(5);
