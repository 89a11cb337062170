//! Ends of processes in the simulation, and the reports of them.

use std::collections::BTreeSet;

use regrow_supervisors::{Attempt, Exit};

use crate::otp::format;
use crate::otp::scenario::{Body, Op, Worker};
use crate::otp::simulator::{BOOT, Kind, Mail, Pid, Process, Simulator, Timer};

impl Simulator<'_> {
    /// Tells a child to stop, or kills it.
    pub(crate) fn tell_child(&mut self, pid: Pid, attempt: Attempt, by_force: bool) {
        let Some(running) = self.running(pid) else { return };
        let Some(&child) = running.pids.get(&attempt) else {
            // The start of the child waits at a gate.
            self.gates.retain(|_, (owner, waiting, _)| (*owner, *waiting) != (pid, attempt));
            self.start_failed(pid, attempt, Exit::Killed);
            return;
        };
        let told = running.mail.iter().position(|mail| matches!(mail, Mail::Exit(dead, _) if *dead == attempt));
        if let Some(Mail::Exit(_, exit)) = told.and_then(|at| running.mail.remove(at)) {
            // The child is dead already, and its exit is in the mailbox (OTP rule 52).
            self.outcome(pid, attempt, |machine, attempt, now| machine.handle_exit(attempt, exit, now));
            return;
        }
        running.waits_for.insert(attempt);
        let def = self.def(&self.processes[child].id);
        match (&def.body, by_force) {
            (Body::Supervisor(_), false) => self.mail(child, Mail::Stop(Exit::Shutdown)),
            (Body::Supervisor(_), true) => self.kill(child),
            (Body::Worker(_), true) => self.die(child, Exit::Killed),
            (Body::Worker(worker), false) => self.ask_worker(child, worker),
        }
    }

    fn ask_worker(&mut self, pid: Pid, worker: &Worker) {
        let exit = worker.on_term.clone().filter(|_| worker.traps).unwrap_or(Exit::Shutdown);
        match worker.slow {
            Some(time) if worker.traps && !time.is_zero() => self.set_timer(time, Timer::Die(pid, exit)),
            None if worker.traps => {}
            Some(_) | None => self.die(pid, exit),
        }
    }

    /// Kills a process of any kind.
    pub(crate) fn kill(&mut self, pid: Pid) {
        let now = self.now;
        match self.running(pid) {
            Some(running) => {
                running.is_paused = false;
                running.waits_for.clear();
                running.machine.kill(now);
                self.ready.push_back(pid);
            }
            None => self.die(pid, Exit::Killed),
        }
    }

    /// Tells a worker to end with this reason. A worker that traps ignores it during its stop.
    pub(crate) fn leave(&mut self, pid: Pid, exit: Exit) {
        let Process { id, parent, .. } = &self.processes[pid];
        let traps = matches!(&self.def(id).body, Body::Worker(worker) if worker.traps);
        let is_stopping = parent.is_some_and(|(parent, attempt)| match &self.processes[parent].kind {
            Kind::Supervisor(running) => running.waits_for.contains(&attempt),
            Kind::Worker { .. } => false,
        });
        if !(traps && is_stopping) {
            self.die(pid, exit);
        }
    }

    /// Ends a process, and tells its supervisor.
    pub(crate) fn die(&mut self, pid: Pid, exit: Exit) {
        if !std::mem::replace(&mut self.processes[pid].is_alive, false) {
            return;
        }
        let line = format!("exit {} {}", self.processes[pid].label, format::exit(&exit));
        self.teller.event(line);
        let Some((parent, attempt)) = self.processes[pid].parent else { return };
        let Some(running) = self.running(parent) else { return };
        if running.waits_for.contains(&attempt) {
            self.outcome(parent, attempt, |machine, attempt, now| machine.handle_exit(attempt, exit, now));
        } else {
            self.mail(parent, Mail::Exit(attempt, exit));
        }
    }

    pub(crate) fn end(&mut self, pid: Pid, exit: Exit) {
        let why = format::exit(&exit);
        let (mut is_up, mut lines, mut waiting) = (true, BTreeSet::new(), Vec::new());
        if let Some(running) = self.running(pid) {
            is_up = running.is_up;
            lines = std::mem::take(&mut running.group_errors);
            let mail = std::mem::take(&mut running.mail);
            let calls = mail.into_iter().filter_map(|mail| match mail {
                Mail::Call(call, Op::GenStop(_, wanted)) => Some((call, Some(wanted))),
                Mail::Call(call, _) => Some((call, None)),
                Mail::Exit(..) | Mail::Retry(_) | Mail::Stop(_) => None,
            });
            waiting.extend(calls);
            waiting
                .extend(std::mem::take(&mut running.stop_calls).into_iter().map(|(call, wanted)| (call, Some(wanted))));
            waiting.extend(std::mem::take(&mut running.late_calls).into_iter().map(|call| (call, None)));
        }
        for (call, wanted) in waiting {
            // A stop succeeds if the supervisor ends with the reason that the stop gave.
            let is_as_wanted = wanted.is_some_and(|wanted| format::exit(&wanted) == why);
            let answer = if is_as_wanted { "ok".into() } else { format!("call_exit({why})") };
            self.replies.insert(call, answer);
        }
        if self.scenario.reports {
            lines.into_iter().for_each(|line| self.teller.event(line));
        }
        if is_up {
            self.die(pid, exit);
            return;
        }
        let Process { id, label, parent, .. } = &mut self.processes[pid];
        let (id, label, parent) = (id.clone(), label.clone(), *parent);
        self.processes[pid].is_alive = false;
        self.teller.event(format!("exit {label} {why}"));
        self.teller.event(format!("startfail {id} {why}"));
        if let Some((parent, attempt)) = parent {
            self.start_failed(parent, attempt, exit);
        } else {
            self.replies.insert(BOOT, format!("error({why})"));
        }
    }
}
