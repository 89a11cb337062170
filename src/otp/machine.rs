//! Plays a scenario on the bare machines, in virtual time.

use std::time::Duration;

use regrow_supervisors::{Exit, OrderId};

use crate::otp::format::Line;
use crate::otp::player::{Backend, Player};
use crate::otp::scenario::{Op, Scenario};
use crate::otp::simulator::{BOOT, Mail, Pid, Simulator};
use crate::otp::transcript::Teller;

/// Plays `scenario` on the bare machines and returns its trace.
pub fn play(scenario: &Scenario) -> String {
    let world = Simulator::new(scenario, Teller::new(scenario.templates()));
    Player::play(Machines { world, calls: 0, booted: None }, scenario)
}

struct Machines<'a> {
    world: Simulator<'a>,
    calls: u64,
    booted: Option<Result<Pid, String>>,
}

/// The answer to an operation: there, or still to come.
enum Reply {
    Nothing,
    Text(String),
    Call(OrderId),
    /// None; waiting for it means waiting for the end of this process.
    Death(Pid),
}

impl Backend for Machines<'_> {
    type Reply = Reply;

    fn boot(&mut self) {
        self.booted = Some(self.world.boot());
    }

    fn boot_result(&mut self) -> String {
        match (self.booted.take(), self.world.replies.remove(&BOOT)) {
            (Some(Err(refused)), _) | (_, Some(refused)) => refused,
            (Some(Ok(pid)), None) => format!("ok({})", self.world.processes[pid].label),
            (None, None) => "noproc".into(),
        }
    }

    fn teller<R>(&mut self, tell: impl FnOnce(&mut Teller) -> R) -> R {
        tell(&mut self.world.teller)
    }

    fn now(&self) -> Duration {
        self.world.now
    }

    fn run(&mut self) {
        self.world.run();
    }

    fn settle(&mut self) {
        self.world.settle();
    }

    fn await_reply(&mut self, reply: &Reply) {
        self.world.run();
        let is_there = |world: &mut Simulator<'_>| match reply {
            Reply::Nothing | Reply::Text(_) => true,
            Reply::Call(call) => world.replies.contains_key(call),
            Reply::Death(pid) => !world.processes[*pid].is_alive,
        };
        while !is_there(&mut self.world) && self.world.pass_time() {}
    }

    fn sleep(&mut self, time: Duration) {
        self.world.sleep(time);
    }

    fn set_paused(&mut self, supervisor: &str, is_paused: bool) {
        if let Some(pid) = self.pid(supervisor) {
            if let Some(running) = self.world.running(pid) {
                running.is_paused = is_paused;
            }
            self.world.wake(pid);
        }
    }

    fn is_at_gate(&self, id: &str) -> bool {
        self.world.gates.contains_key(id)
    }

    fn open(&mut self, id: &str) {
        self.world.open(id);
    }

    fn result(&mut self, reply: Reply) -> Option<String> {
        match reply {
            Reply::Nothing | Reply::Death(_) => None,
            Reply::Text(text) => Some(text),
            Reply::Call(call) => Some(self.world.replies.remove(&call).unwrap_or_else(|| "noproc".into())),
        }
    }

    fn which(&mut self, supervisor: &str) -> Option<Option<Vec<Line>>> {
        let pid = self.world.newest.get(supervisor).copied()?;
        Some(self.world.running(pid).is_some().then(|| self.world.which(pid)))
    }

    fn op(&mut self, op: &Op) -> Reply {
        match op {
            Op::Kill(x) => self.hit(x, |world, pid| world.kill(pid)),
            Op::Exit(x, exit) => {
                let exit = exit.clone();
                // A supervisor treats an exit signal as an ordinary message, and does not end.
                if self.pid(x).is_some_and(|pid| self.world.running(pid).is_some()) {
                    return Reply::Text("timeout".into());
                }
                let reply = self.hit(x, |world, pid| world.leave(pid, exit));
                match (reply, self.pid(x)) {
                    (Reply::Nothing, Some(pid)) => Reply::Death(pid),
                    (reply, _) => reply,
                }
            }
            Op::Stop(exit) => self.stop(exit, "noproc"),
            Op::Signal(exit) => self.stop(exit, ""),
            op => self.call(op),
        }
    }
}

impl Machines<'_> {
    /// The newest process of a name, or the one that a label names, dead or alive.
    fn pid(&self, name: &str) -> Option<Pid> {
        self.world.pid(name)
    }

    fn hit(&mut self, name: &str, how: impl FnOnce(&mut Simulator<'_>, Pid)) -> Reply {
        match self.pid(name).filter(|&pid| self.world.processes[pid].is_alive) {
            Some(pid) => {
                how(&mut self.world, pid);
                Reply::Nothing
            }
            // The answer of OTP to a `kill` of a process that is dead, or was never started.
            None => Reply::Text("noproc".into()),
        }
    }

    /// Sends an exit signal from the parent of the root. If `dead` is empty, a root that has ended gives no answer.
    fn stop(&mut self, exit: &Exit, dead: &str) -> Reply {
        let root = self.world.scenario.root.clone();
        match self.pid(&root) {
            Some(pid) if self.world.running(pid).is_some() => {
                self.world.mail(pid, Mail::Stop(exit.clone()));
                Reply::Death(pid)
            }
            Some(_) if dead.is_empty() => Reply::Nothing,
            Some(_) | None => Reply::Text("noproc".into()),
        }
    }

    fn call(&mut self, op: &Op) -> Reply {
        let name = op.supervisor().unwrap_or_default();
        let known = self.pid(name);
        let Some(pid) = known.filter(|&pid| self.world.running(pid).is_some()) else {
            let is_stop_of_the_dead = known.is_some() && matches!(op, Op::GenStop(..));
            return Reply::Text(if is_stop_of_the_dead { "call_exit(noproc)" } else { "noproc" }.into());
        };
        self.calls += 1;
        let call = OrderId(self.calls);
        self.world.mail(pid, Mail::Call(call, op.clone()));
        Reply::Call(call)
    }
}
