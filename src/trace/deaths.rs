//! How processes of the simulated world end, and who is told.

use regrow_supervisors::{Attempt, Exit};

use crate::trace::format;
use crate::trace::scenario::{Body, Worker};
use crate::trace::world::{BOOT, Mail, Pid, Process, Timer, World};

impl World<'_> {
    /// Tells a child to stop, or kills it.
    pub(crate) fn tell_child(&mut self, pid: Pid, attempt: Attempt, by_force: bool) {
        let Some(running) = self.running(pid) else { return };
        let Some(&child) = running.pids.get(&attempt) else {
            // It waits at a gate.
            self.gates.retain(|_, (owner, waiting, _)| (*owner, *waiting) != (pid, attempt));
            self.start_came_to_nothing(pid, attempt, Exit::Killed);
            return;
        };
        let told = running.mail.iter().position(|mail| matches!(mail, Mail::Exit(dead, _) if *dead == attempt));
        if let Some(Mail::Exit(_, exit)) = told.and_then(|at| running.mail.remove(at)) {
            // Dead already, and its exit is on its way (OTP rule 52).
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

    /// Kills a process of whatever kind.
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

    /// A process ends, and its supervisor is told.
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
        let (mut is_up, mut waiting) = (true, Vec::new());
        if let Some(running) = self.running(pid) {
            is_up = running.is_up;
            for call in std::mem::take(&mut running.stop_calls) {
                waiting.push((call, "ok"));
            }
            for mail in std::mem::take(&mut running.mail) {
                if let Mail::GenStop(_, call) | Mail::Order(call, _) = mail {
                    waiting.push((call, "noproc"));
                }
            }
        }
        for (call, answer) in waiting {
            self.replies.insert(call, answer.into());
        }
        if is_up {
            self.die(pid, exit);
            return;
        }
        let Process { id, label, parent, .. } = &mut self.processes[pid];
        let (id, label, parent) = (id.clone(), label.clone(), *parent);
        self.processes[pid].is_alive = false;
        let why = format::exit(&exit);
        self.teller.event(format!("exit {label} {why}"));
        self.teller.event(format!("startfail {id} {why}"));
        if let Some((parent, attempt)) = parent {
            self.start_came_to_nothing(parent, attempt, exit);
        } else {
            self.replies.insert(BOOT, format!("error({why})"));
        }
    }
}
