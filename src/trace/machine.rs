//! Plays a scenario on the bare machines, in virtual time.

use std::time::Duration;

use regrow_supervisors::{Call, Order};

use crate::trace::format::Line;
use crate::trace::player::{Player, Theatre};
use crate::trace::scenario::{Body, Init, Op, Scenario};
use crate::trace::teller::Teller;
use crate::trace::world::{BOOT, Mail, Pid, Read, Running, World};

/// Plays `scenario` on the bare machines and returns its trace.
pub fn play(scenario: &Scenario) -> String {
    let world = World::new(scenario, Teller::new(scenario.templates()));
    Player::play(Machines { world, calls: 0, booted: None }, scenario)
}

struct Machines<'a> {
    world: World<'a>,
    calls: u64,
    booted: Option<Result<Pid, String>>,
}

/// The answer to an operation: there, or still to come.
enum Reply {
    Nothing,
    Text(String),
    Call(Call),
}

impl Theatre for Machines<'_> {
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
            Reply::Nothing => None,
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
                // A supervisor takes it for a message like any other, and does not die of it.
                if self.pid(x).is_some_and(|pid| self.world.running(pid).is_some()) {
                    return Reply::Text("timeout".into());
                }
                self.hit(x, |world, pid| world.die(pid, exit))
            }
            Op::Stop(exit) => {
                let root = self.world.scenario.root.clone();
                match self.pid(&root).filter(|&pid| self.world.running(pid).is_some()) {
                    Some(pid) => {
                        self.world.mail(pid, Mail::Stop(exit.clone()));
                        Reply::Nothing
                    }
                    None => Reply::Text("noproc".into()),
                }
            }
            Op::GenStop(s, exit) => self.call(s, |_, _, call| Ok(Mail::GenStop(exit.clone(), call))),
            Op::StartChild(s, x) => self.call(s, |machines, pid, call| {
                let world = &mut machines.world;
                let template = world.running(pid).and_then(|running| running.template.clone());
                // The machine wants names; OTP's dynamic children have none.
                let spec = match template {
                    Some(template) => world.def(&template).spec(&format!("{template}.{}", call.0)),
                    None => world.def(x).spec(x),
                };
                Ok(Mail::Order(call, Order::StartChild(spec)))
            }),
            Op::TerminateChild(s, x) => self.call(s, |machines, pid, call| {
                let id = machines.dynamic_id(pid, x).unwrap_or_else(|| Ok(x.clone()))?;
                Ok(Mail::Order(call, Order::TerminateChild(id.into())))
            }),
            Op::RestartChild(s, x) => self.call(s, |machines, pid, call| {
                machines.refuse_dynamic(pid)?;
                Ok(Mail::Order(call, Order::RestartChild(x.as_str().into())))
            }),
            Op::DeleteChild(s, x) => self.call(s, |machines, pid, call| {
                machines.refuse_dynamic(pid)?;
                Ok(Mail::Order(call, Order::DeleteChild(x.as_str().into())))
            }),
            Op::GetChildspec(s, x) => self.call(s, |machines, pid, call| {
                let id = machines.dynamic_id(pid, x).unwrap_or_else(|| Ok(x.clone()))?;
                let key = machines.world.running(pid).and_then(|running| running.machine.find(&id));
                let key = key.ok_or_else(|| String::from("error(not_found)"))?;
                Ok(machines.read(call, Read::Spec(key)))
            }),
            Op::Which(s) => self.call(s, |machines, _, call| Ok(machines.read(call, Read::Which))),
            Op::Count(s) => self.call(s, |machines, _, call| Ok(machines.read(call, Read::Count))),
            Op::Upgrade(s, new) => self.call(s, |machines, pid, call| {
                let label = machines.world.processes[pid].label.clone();
                machines.world.teller.event(format!("reinit {label} from {new}"));
                let Body::Supervisor(sup) = &machines.world.def(new).body else { return Err("ok".into()) };
                if sup.inits.first() == Some(&Init::Ignore) {
                    return Err("ok".into());
                }
                let (flags, specs) = machines.world.scenario.configuration(sup);
                let order = match machines.world.running(pid).map(|running| &mut running.template) {
                    Some(Some(template)) => {
                        template.clone_from(&sup.kids[0]);
                        Order::Limit { intensity: flags.intensity, children_max: None }
                    }
                    Some(None) | None => Order::Reconfigure(flags, specs),
                };
                Ok(Mail::Order(call, order))
            }),
        }
    }
}

impl Machines<'_> {
    /// The newest process of a name, or the one that a label names, dead or alive.
    fn pid(&self, name: &str) -> Option<Pid> {
        if name.contains('#') {
            return self.world.processes.iter().position(|process| process.label == name);
        }
        self.world.newest.get(name).copied()
    }

    fn hit(&mut self, name: &str, how: impl FnOnce(&mut World<'_>, Pid)) -> Reply {
        match self.pid(name).filter(|&pid| self.world.processes[pid].is_alive) {
            Some(pid) => {
                how(&mut self.world, pid);
                Reply::Nothing
            }
            // OTP's `kill` of a process that is dead, or was never born.
            None => Reply::Text("noproc".into()),
        }
    }

    fn call(&mut self, name: &str, mail: impl FnOnce(&mut Self, Pid, Call) -> Result<Mail, String>) -> Reply {
        let Some(pid) = self.pid(name).filter(|&pid| self.world.running(pid).is_some()) else {
            return Reply::Text("noproc".into());
        };
        self.calls += 1;
        let call = Call(self.calls);
        match mail(self, pid, call) {
            Ok(mail) => {
                self.world.mail(pid, mail);
                Reply::Call(call)
            }
            Err(text) => Reply::Text(text),
        }
    }

    fn read(&mut self, call: Call, read: Read) -> Mail {
        self.world.reads.insert(call, read);
        Mail::Order(call, Order::Read)
    }

    /// OTP names it after the strategy.
    fn refuse_dynamic(&mut self, pid: Pid) -> Result<(), String> {
        match self.world.running(pid) {
            Some(Running { template: Some(_), .. }) => Err("error(simple_one_for_one)".into()),
            Some(_) | None => Ok(()),
        }
    }

    /// For a dynamic supervisor: the name of the child that the label `x` means (OTP rule 83).
    fn dynamic_id(&mut self, pid: Pid, x: &str) -> Option<Result<String, String>> {
        self.world.running(pid)?.template.as_ref()?;
        let Some(child) = self.pid(x).filter(|_| x.contains('#')) else {
            return Some(Err("error(simple_one_for_one)".into()));
        };
        let (parent, is_alive) = (self.world.processes[child].parent, self.world.processes[child].is_alive);
        let spec = match parent {
            Some((parent, attempt)) if parent == pid => {
                self.world.running(pid).and_then(|running| Some(running.machine.spec(attempt.child())?.id().to_owned()))
            }
            Some(_) | None => None,
        };
        Some(match (spec, is_alive) {
            (Some(id), _) => Ok(id),
            (None, true) => Err("error(not_found)".into()),
            (None, false) => Err("ok".into()),
        })
    }
}
