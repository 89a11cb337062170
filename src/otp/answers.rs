//! Answers of supervisors in the simulation, and their text in a trace.

use regrow_supervisors::{Answer, Attempt, ChildKey, ChildState, OrderError, OrderId};

use crate::otp::format::{self, Line};
use crate::otp::simulator::{Kind, Pid, Process, Read, Simulator};

impl Simulator<'_> {
    /// The lines of `which_children`: id, process, type, in reverse start order.
    pub(crate) fn which(&mut self, pid: Pid) -> Vec<Line> {
        let Some(running) = self.running(pid) else { return Vec::new() };
        let is_dynamic = running.template.is_some();
        let line = |(key, _, standing, attempt): (ChildKey, _, ChildState, Option<Attempt>)| {
            let id = running.def_id(key).unwrap_or("?").to_owned();
            (id, standing, attempt.and_then(|attempt| running.pids.get(&attempt).copied()))
        };
        let lines: Vec<_> = running.machine.children().into_iter().rev().map(line).collect();
        let show = |(id, standing, child): (String, ChildState, Option<Pid>)| {
            let process = match (standing, child) {
                (ChildState::Retrying | ChildState::Waiting | ChildState::Parked, _) => "restarting".into(),
                (_, Some(child)) => self.processes[child].label.clone(),
                (_, None) => "undefined".into(),
            };
            let kind = format::kind(self.def(&id).counts_as_supervisor());
            (if is_dynamic { "undefined".into() } else { id }, process, kind)
        };
        let mut lines: Vec<_> = lines.into_iter().map(show).collect();
        if is_dynamic {
            lines.sort();
        }
        lines
    }

    pub(crate) fn read(&mut self, pid: Pid, read: &Read) -> String {
        match read {
            Read::Which => format::which(&self.which(pid)),
            Read::Count => {
                let is_dynamic = self.running(pid).is_some_and(|running| running.template.is_some());
                let lines = self.which(pid);
                format::count(&lines, is_dynamic, |label| {
                    self.processes.iter().any(|process| process.label == label && process.is_alive)
                })
            }
            Read::Spec(key) => {
                let spec = self.running(pid).and_then(|running| running.machine.spec(*key).cloned());
                let Some(spec) = spec else { return "error(not_found)".into() };
                format::spec(&spec, spec.id(), self.def(spec.id()).counts_as_supervisor())
            }
            Read::Template(id) => {
                let def = self.def(id);
                format::spec(&def.spec(id), id, def.counts_as_supervisor())
            }
        }
    }

    pub(crate) fn answer(&mut self, pid: Pid, call: OrderId, result: Result<Answer, OrderError>) {
        if let Err(OrderError::Over) = result {
            if let Some(running) = self.running(pid) {
                running.late_calls.push(call);
            }
            return;
        }
        let text = match (self.reads.remove(&call), result) {
            (Some(read), Ok(_)) => self.read(pid, &read),
            (None, Ok(Answer::Started(attempt))) => match self.pid_of(pid, attempt) {
                Some(Process { label, kind: Kind::Worker { has_info: true }, .. }) => format!("ok({label},info)"),
                Some(Process { label, .. }) => format!("ok({label})"),
                None => "ok".into(),
            },
            (None, Ok(Answer::Ignored)) => "ok(undefined)".into(),
            (None, Ok(Answer::Done)) => "ok".into(),
            (_, Err(error)) => format::order_error(&error, || match error {
                OrderError::AlreadyStarted(key) => self.label_of(pid, key),
                _ => String::new(),
            }),
        };
        self.replies.insert(call, text);
    }

    fn pid_of(&mut self, pid: Pid, attempt: Attempt) -> Option<&Process> {
        let child = *self.running(pid)?.pids.get(&attempt)?;
        self.processes.get(child)
    }

    fn label_of(&mut self, pid: Pid, key: ChildKey) -> String {
        let attempt =
            self.running(pid).and_then(|running| running.machine.children().into_iter().find(|line| line.0 == key)?.3);
        let process = attempt.and_then(|attempt| self.pid_of(pid, attempt));
        process.map_or_else(|| "undefined".into(), |process| process.label.clone())
    }
}
