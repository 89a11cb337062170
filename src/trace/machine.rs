//! Plays a scenario on the bare machines, in virtual time.

use std::time::Duration;

use regrow_supervisors::{Call, Order, Standing};

use crate::trace::format;
use crate::trace::scenario::{Body, Init, Op, Scenario, What, base};
use crate::trace::teller::Teller;
use crate::trace::world::{BOOT, Mail, Pid, Read, Running, World};

/// Plays `scenario` on the bare machines and returns its trace.
pub fn play(scenario: &Scenario) -> String {
    let dynamic = scenario.defs.values().filter_map(|def| match &def.body {
        Body::Supervisor(sup) if sup.strategy.is_none() => Some(sup.kids.clone()),
        Body::Supervisor(_) | Body::Worker(_) => None,
    });
    let teller = Teller::new(dynamic.flatten().collect());
    let mut player = Player { world: World::new(scenario, teller), calls: 0, posted: Vec::new() };
    player.boot();
    for stimulus in &scenario.stimuli {
        player.stimulate(&stimulus.text, &stimulus.what);
    }
    player.finish()
}

struct Player<'a> {
    world: World<'a>,
    calls: u64,
    posted: Vec<(String, Reply)>,
}

/// The answer to an operation: there, or still to come.
enum Reply {
    Nothing,
    Text(String),
    Call(Call),
}

impl Player<'_> {
    fn boot(&mut self) {
        let booted = self.world.boot();
        self.world.settle();
        let root = self.world.scenario.root.clone();
        self.world.teller.echo(&format!("boot {root}"));
        self.world.teller.flush();
        let result = match (booted, self.world.replies.remove(&BOOT)) {
            (Err(refused), _) | (Ok(_), Some(refused)) => refused,
            (Ok(pid), None) => format!("ok({})", self.world.processes[pid].label),
        };
        self.world.teller.result(&result);
    }

    fn stimulate(&mut self, text: &str, what: &What) {
        match what {
            What::Do(op) => {
                let reply = self.op(op);
                self.world.settle();
                self.world.teller.echo(text);
                self.world.teller.flush();
                if let Some(result) = self.result(reply) {
                    self.world.teller.result(&result);
                }
            }
            What::NoWait(op) => {
                self.op(op);
                self.world.run();
                self.world.teller.echo(text);
            }
            What::Post(op) => {
                let reply = self.op(op);
                self.world.run();
                self.posted.push((text.trim_start_matches("post ").to_owned(), reply));
                self.world.teller.echo(text);
            }
            What::Replies => {
                self.world.settle();
                self.world.teller.echo(text);
                self.world.teller.flush();
                for (op, reply) in std::mem::take(&mut self.posted) {
                    let result = self.result(reply).unwrap_or_else(|| "none".into());
                    self.world.teller.result(&format!("{op} -> {result}"));
                }
            }
            What::Sleep(time) => {
                self.world.sleep(*time);
                self.world.teller.echo(text);
            }
            What::Align => {
                let past = Duration::from_millis(60);
                let whole = Duration::from_secs(self.world.now.as_secs() + 1) + past;
                self.world.sleep(whole - self.world.now);
                self.world.teller.echo(text);
            }
            What::Pause(name) | What::Unpause(name) => {
                let is_paused = matches!(what, What::Pause(_));
                if let Some(pid) = self.pid(name) {
                    if let Some(running) = self.world.running(pid) {
                        running.is_paused = is_paused;
                    }
                    self.world.wake(pid);
                }
                if is_paused {
                    self.world.teller.echo(text);
                } else {
                    self.world.settle();
                    self.world.teller.echo(text);
                    self.world.teller.flush();
                }
            }
            What::AwaitGate(id) => {
                if !self.world.gates.contains_key(id) {
                    self.world.settle();
                }
                self.world.teller.echo(text);
                self.world.teller.flush();
            }
            What::Open(id) => {
                self.world.open(id);
                self.world.run();
                self.world.teller.echo(text);
            }
        }
    }

    fn result(&mut self, reply: Reply) -> Option<String> {
        match reply {
            Reply::Nothing => None,
            Reply::Text(text) => Some(text),
            Reply::Call(call) => Some(self.world.replies.remove(&call).unwrap_or_else(|| "noproc".into())),
        }
    }

    /// The newest process of a name, or the one that a label names, dead or alive.
    fn pid(&self, name: &str) -> Option<Pid> {
        if name.contains('#') {
            return self.world.processes.iter().position(|process| process.label == name);
        }
        self.world.newest.get(name).copied()
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
            Op::StartChild(s, x) => self.call(s, |player, pid, call| {
                let world = &mut player.world;
                let template = world.running(pid).and_then(|running| running.template.clone());
                // The machine wants names; OTP's dynamic children have none.
                let spec = match template {
                    Some(template) => world.child_spec(world.def(&template), &format!("{template}.{}", call.0)),
                    None => world.child_spec(world.def(x), x),
                };
                Ok(Mail::Order(call, Order::StartChild(spec)))
            }),
            Op::TerminateChild(s, x) => self.call(s, |player, pid, call| {
                let id = player.dynamic_id(pid, x).unwrap_or_else(|| Ok(x.clone()))?;
                Ok(Mail::Order(call, Order::TerminateChild(id.into())))
            }),
            Op::RestartChild(s, x) => self.call(s, |player, pid, call| {
                player.refuse_dynamic(pid)?;
                Ok(Mail::Order(call, Order::RestartChild(x.as_str().into())))
            }),
            Op::DeleteChild(s, x) => self.call(s, |player, pid, call| {
                player.refuse_dynamic(pid)?;
                Ok(Mail::Order(call, Order::DeleteChild(x.as_str().into())))
            }),
            Op::GetChildspec(s, x) => self.call(s, |player, pid, call| {
                let id = player.dynamic_id(pid, x).unwrap_or_else(|| Ok(x.clone()))?;
                let key = player.world.running(pid).and_then(|running| running.machine.find(&id));
                let key = key.ok_or_else(|| String::from("error(not_found)"))?;
                Ok(player.read(call, Read::Spec(key)))
            }),
            Op::Which(s) => self.call(s, |player, _, call| Ok(player.read(call, Read::Which))),
            Op::Count(s) => self.call(s, |player, _, call| Ok(player.read(call, Read::Count))),
            Op::Upgrade(s, new) => self.call(s, |player, pid, call| {
                let label = player.world.processes[pid].label.clone();
                player.world.teller.event(format!("reinit {label} from {new}"));
                let Body::Supervisor(sup) = &player.world.def(new).body else { return Err("ok".into()) };
                if sup.inits.first() == Some(&Init::Ignore) {
                    return Err("ok".into());
                }
                let (flags, specs) = player.world.configuration(sup);
                Ok(Mail::Order(call, Order::Reconfigure(flags, specs)))
            }),
        }
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

    fn finish(mut self) -> String {
        self.world.settle();
        self.world.teller.echo("final");
        self.world.teller.flush();
        let root = self.world.scenario.root.clone();
        self.tell_final(&root, 1);
        self.world.teller.finish()
    }

    fn tell_final(&mut self, name: &str, depth: usize) {
        let Some(pid) = self.world.newest.get(name).copied() else {
            self.world.teller.line(depth, &format!("{name} never started"));
            return;
        };
        if self.world.running(pid).is_none() {
            self.world.teller.line(depth, &format!("{name} dead"));
            return;
        }
        self.world.teller.line(depth, &format!("{name} alive"));
        for (id, child, kind) in self.world.which(pid) {
            self.world.teller.line(depth + 1, &format!("{id} {child} {kind}"));
            if kind == "supervisor" && child.contains('#') {
                self.tell_final(base(&child).to_owned().as_str(), depth + 1);
            }
        }
    }
}

impl World<'_> {
    /// What `which_children` shows: id, process, type, in reverse start order.
    pub(crate) fn which(&mut self, pid: Pid) -> Vec<(String, String, &'static str)> {
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
                let def = self.def(template.as_ref().unwrap_or(&id));
                let is_supervisor = match &def.body {
                    Body::Supervisor(_) => true,
                    Body::Worker(worker) => worker.counts_as_supervisor,
                };
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
            Read::Which => {
                let lines: Vec<_> =
                    self.which(pid).into_iter().map(|(id, child, kind)| format!("{id}={child}/{kind}")).collect();
                format!("[{}]", lines.join(", "))
            }
            Read::Count => {
                let is_dynamic = self.running(pid).is_some_and(|running| running.template.is_some());
                let lines = self.which(pid);
                let supervisors = lines.iter().filter(|line| line.2 == "supervisor").count();
                let is_active =
                    |child: &str| self.processes.iter().any(|it| it.label == child && (it.is_alive || is_dynamic));
                let active = lines.iter().filter(|line| is_active(&line.1)).count();
                let (specs, workers) = (if is_dynamic { 1 } else { lines.len() }, lines.len() - supervisors);
                format!("specs={specs} active={active} supervisors={supervisors} workers={workers}")
            }
            Read::Spec(key) => {
                let found = self
                    .running(pid)
                    .and_then(|running| Some((running.machine.spec(*key)?.clone(), running.template.clone())));
                let Some((spec, template)) = found else { return "error(not_found)".into() };
                let id = template.unwrap_or_else(|| spec.id().to_owned());
                let is_supervisor = matches!(self.def(&id).body, Body::Supervisor(_));
                format::spec(&spec, &id, is_supervisor)
            }
        }
    }
}
