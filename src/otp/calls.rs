//! Calls of a simulated supervisor, when their turn has come.

use regrow_supervisors::{ChildState, Exit, Order, OrderId};

use crate::otp::scenario::{Body, Init, Op};
use crate::otp::simulator::{Pid, Read, Running, Simulator};

/// The meaning of a label for a dynamic supervisor (OTP rule 83).
enum Meant {
    /// The child with this name.
    Child(String),
    /// A dead process that this supervisor does not list.
    Dead,
    /// A live process that is not a child of this supervisor.
    Foreign,
    /// A word that names no process.
    Word,
}

impl Simulator<'_> {
    pub(crate) fn serve(&mut self, pid: Pid, call: OrderId, op: &Op) {
        let is_dynamic = self.running(pid).is_some_and(|running| running.template.is_some());
        let order = match op {
            Op::GenStop(_, exit) => return self.stop_for(pid, call, exit),
            Op::StartChild(_, x) => Ok(Order::StartChild(self.spec_to_start(pid, call, x))),
            Op::TerminateChild(_, x) if is_dynamic => match self.meant(pid, x) {
                Meant::Child(name) => Ok(Order::TerminateChild(name.into())),
                Meant::Dead => Err("ok"),
                Meant::Foreign => Err("error(not_found)"),
                Meant::Word => Err("error(simple_one_for_one)"),
            },
            Op::RestartChild(..) | Op::DeleteChild(..) if is_dynamic => Err("error(simple_one_for_one)"),
            Op::TerminateChild(_, x) => Ok(Order::TerminateChild(x.as_str().into())),
            Op::RestartChild(_, x) => Ok(Order::RestartChild(x.as_str().into())),
            Op::DeleteChild(_, x) => Ok(Order::DeleteChild(x.as_str().into())),
            Op::GetChildspec(_, x) if is_dynamic => self.template_for(pid, x).map(|template| {
                self.reads.insert(call, Read::Template(template));
                Order::Read
            }),
            Op::GetChildspec(_, x) => match self.running(pid).and_then(|running| running.machine.find(x)) {
                Some(key) => Ok(self.read_for(call, Read::Spec(key))),
                None => Err("error(not_found)"),
            },
            Op::Which(_) => Ok(self.read_for(call, Read::Which)),
            Op::Count(_) => Ok(self.read_for(call, Read::Count)),
            Op::Upgrade(_, new) => self.upgrade(pid, new),
            Op::Kill(_) | Op::Exit(..) | Op::Stop(_) | Op::Signal(_) => unreachable!("these are no calls"),
        };
        let now = self.now;
        match (order, self.running(pid)) {
            (Ok(order), Some(running)) => running.machine.order(call, order, now),
            (Ok(_), None) => {}
            (Err(answer), _) => {
                self.replies.insert(call, answer.into());
            }
        }
    }

    fn read_for(&mut self, call: OrderId, read: Read) -> Order {
        self.reads.insert(call, read);
        Order::Read
    }

    fn stop_for(&mut self, pid: Pid, call: OrderId, exit: &Exit) {
        let now = self.now;
        if let Some(running) = self.running(pid) {
            running.stop_calls.push((call, exit.clone()));
            running.machine.stop(exit.clone(), now);
        }
    }

    /// The spec of a child to start. The machine wants names, so a dynamic child, which has none in OTP, gets a number.
    fn spec_to_start(&mut self, pid: Pid, call: OrderId, x: &str) -> regrow_supervisors::ChildSpec {
        match self.running(pid).and_then(|running| running.template.clone()) {
            Some(template) => self.def(&template).spec(&format!("{template}.{}", call.0)),
            None => self.def(x).spec(x),
        }
    }

    fn upgrade(&mut self, pid: Pid, new: &str) -> Result<Order, &'static str> {
        let label = self.processes[pid].label.clone();
        self.teller.event(format!("reinit {label} from {new}"));
        let Body::Supervisor(sup) = &self.def(new).body else { return Err("ok") };
        if sup.init(self.count_attempt(new)) == Init::Ignore {
            return Err("ok");
        }
        let (flags, specs) = self.scenario.configuration(sup);
        Ok(match self.running(pid).map(|running| &mut running.template) {
            Some(Some(template)) => {
                template.clone_from(&sup.kids[0]);
                Order::Limit { intensity: flags.intensity, children_max: None }
            }
            Some(None) | None => Order::Reconfigure(flags, specs),
        })
    }

    fn meant(&mut self, pid: Pid, x: &str) -> Meant {
        let Some(child) = self.pid(x).filter(|_| x.contains('#')) else { return Meant::Word };
        let (parent, is_alive) = (self.processes[child].parent, self.processes[child].is_alive);
        let name = match (parent, self.running(pid)) {
            (Some((parent, attempt)), Some(running)) if parent == pid => name_of(running, attempt),
            _ => None,
        };
        match (name, is_alive) {
            (Some(name), _) => Meant::Child(name),
            (None, true) => Meant::Foreign,
            (None, false) => Meant::Dead,
        }
    }

    /// The template, if a dynamic supervisor returns its spec for `x`: the template itself, one of its children, or a
    /// dead process.
    fn template_for(&mut self, pid: Pid, x: &str) -> Result<String, &'static str> {
        let template = self.running(pid).and_then(|running| running.template.clone()).unwrap_or_default();
        match self.meant(pid, x) {
            Meant::Child(_) | Meant::Dead => Ok(template),
            Meant::Word if x == template => Ok(template),
            Meant::Foreign | Meant::Word => Err("error(not_found)"),
        }
    }
}

/// The name of the child that this attempt is the latest process of, whether it lives or is to be tried again.
fn name_of(running: &Running, attempt: regrow_supervisors::Attempt) -> Option<String> {
    let key = attempt.child();
    let is_latest = running.latest.get(&key) == Some(&attempt);
    let spec = running.machine.spec(key).filter(|_| is_latest)?;
    let is_there = running.machine.standing(key).is_some_and(|standing| standing != ChildState::Down);
    is_there.then(|| spec.id().to_owned())
}
