//! What is answered in the simulated world, and how it is shown.

use regrow_supervisors::{Answer, Attempt, Call, ChildKey, OrderError, Standing};

use crate::trace::format::{self, Line};
use crate::trace::world::{Kind, Pid, Process, Read, World};

impl World<'_> {
    /// What `which_children` shows: id, process, type, in reverse start order.
    pub(crate) fn which(&mut self, pid: Pid) -> Vec<Line> {
        let Some(running) = self.running(pid) else { return Vec::new() };
        let template = running.template.clone();
        let lines: Vec<_> = running
            .machine
            .children()
            .into_iter()
            .map(|(_, spec, standing, attempt)| {
                (spec.id().to_owned(), standing, attempt.and_then(|attempt| running.pids.get(&attempt).copied()))
            })
            .collect();
        let mut lines: Vec<_> = lines
            .into_iter()
            .rev()
            .map(|(id, standing, child)| {
                let process = match (standing, child) {
                    (Standing::Retrying, _) => "restarting".into(),
                    (_, Some(child)) => self.processes[child].label.clone(),
                    (_, None) => "undefined".into(),
                };
                let is_supervisor = self.def(template.as_ref().unwrap_or(&id)).counts_as_supervisor();
                let shown = if template.is_some() { "undefined".into() } else { id };
                (shown, process, format::kind(is_supervisor))
            })
            .collect();
        if template.is_some() {
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
                let found = self
                    .running(pid)
                    .and_then(|running| Some((running.machine.spec(*key)?.clone(), running.template.clone())));
                let Some((spec, template)) = found else { return "error(not_found)".into() };
                let id = template.unwrap_or_else(|| spec.id().to_owned());
                format::spec(&spec, &id, self.def(&id).is_supervisor())
            }
        }
    }

    pub(crate) fn answer(&mut self, pid: Pid, call: Call, result: Result<Answer, OrderError>) {
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
