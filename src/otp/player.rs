//! Player of scenarios, the same for each backend: it gives the stimuli one after the other, and shows their events.

use std::time::Duration;

use crate::otp::format::Line;
use crate::otp::scenario::{Op, Scenario, What, base};
use crate::otp::transcript::Teller;

/// A place to play a scenario: the bare machines or the live runtime.
pub(crate) trait Backend {
    /// The answer to an operation: there, or still to come.
    type Reply;

    /// Starts the root.
    fn boot(&mut self);
    fn boot_result(&mut self) -> String;
    fn teller<R>(&mut self, tell: impl FnOnce(&mut Teller) -> R) -> R;
    /// The time since the beginning.
    fn now(&self) -> Duration;
    /// Lets all processes work until none can go on without the clock. No time passes.
    fn run(&mut self);
    /// Lets time pass until no supervisor waits for something that a timer can bring.
    fn settle(&mut self);
    /// Lets time pass only until the reply is there.
    fn await_reply(&mut self, reply: &Self::Reply);
    fn sleep(&mut self, time: Duration);
    fn set_paused(&mut self, supervisor: &str, is_paused: bool);
    fn is_at_gate(&self, id: &str) -> bool;
    fn open(&mut self, id: &str);
    fn op(&mut self, op: &Op) -> Self::Reply;
    fn result(&mut self, reply: Self::Reply) -> Option<String>;
    /// The children of a supervisor in reverse start order: id, process, type. `None`: it was never started;
    /// `Some(None)`: it is dead.
    fn which(&mut self, supervisor: &str) -> Option<Option<Vec<Line>>>;
}

pub(crate) struct Player<T: Backend> {
    backend: T,
    posted: Vec<(String, T::Reply)>,
}

impl<T: Backend> Player<T> {
    /// Plays `scenario` and returns its trace.
    pub(crate) fn play(backend: T, scenario: &Scenario) -> String {
        let mut player = Self { backend, posted: Vec::new() };
        player.boot(&scenario.root);
        for stimulus in &scenario.stimuli {
            player.stimulate(&stimulus.text, &stimulus.what);
        }
        player.finish(&scenario.root)
    }

    fn boot(&mut self, root: &str) {
        self.backend.boot();
        self.settle_and_show(&format!("boot {root}"));
        let result = self.backend.boot_result();
        self.tell_result(&result);
    }

    fn stimulate(&mut self, text: &str, what: &What) {
        match what {
            What::Do(op) => {
                let reply = self.backend.op(op);
                self.settle_and_show(text);
                if let Some(result) = self.backend.result(reply) {
                    self.tell_result(&result);
                }
            }
            What::NoWait(op) => {
                let reply = self.backend.op(op);
                self.backend.await_reply(&reply);
                self.echo(text);
            }
            What::Post(op) => {
                let reply = self.backend.op(op);
                self.backend.run();
                self.posted.push((text.trim_start_matches("post ").to_owned(), reply));
                self.echo(text);
            }
            What::Replies => {
                self.settle_and_show(text);
                for (op, reply) in std::mem::take(&mut self.posted) {
                    let result = self.backend.result(reply).unwrap_or_else(|| "none".into());
                    self.tell_result(&format!("{op} -> {result}"));
                }
            }
            What::Sleep(time) => {
                self.backend.sleep(*time);
                self.echo(text);
            }
            What::Align => {
                let (now, past) = (self.backend.now(), Duration::from_millis(60));
                let whole = Duration::from_secs(now.as_secs().saturating_add(1)).saturating_add(past);
                self.backend.sleep(whole.saturating_sub(now));
                self.echo(text);
            }
            What::Pause(name) => {
                self.backend.set_paused(name, true);
                self.echo(text);
            }
            What::Unpause(name) => {
                self.backend.set_paused(name, false);
                self.settle_and_show(text);
            }
            What::AwaitGate(id) => {
                if !self.backend.is_at_gate(id) {
                    self.backend.settle();
                }
                self.show(text);
            }
            What::Open(id) => {
                self.backend.open(id);
                self.backend.run();
                self.echo(text);
            }
        }
    }

    fn finish(mut self, root: &str) -> String {
        self.settle_and_show("final");
        self.tell_final(root, 1);
        self.backend.teller(|teller| std::mem::take(teller).finish())
    }

    fn tell_final(&mut self, name: &str, depth: usize) {
        let children = match self.backend.which(name) {
            None => return self.line(depth, &format!("{name} never started")),
            Some(None) => return self.line(depth, &format!("{name} dead")),
            Some(Some(children)) => children,
        };
        self.line(depth, &format!("{name} alive"));
        for (id, child, kind) in children {
            self.line(depth + 1, &format!("{id} {child} {kind}"));
            if kind == "supervisor" && child.contains('#') {
                self.tell_final(base(&child), depth + 1);
            }
        }
    }

    fn settle_and_show(&mut self, text: &str) {
        self.backend.settle();
        self.show(text);
    }

    fn show(&mut self, text: &str) {
        self.backend.teller(|teller| {
            teller.echo(text);
            teller.flush();
        });
    }

    fn echo(&mut self, text: &str) {
        self.backend.teller(|teller| teller.echo(text));
    }

    fn tell_result(&mut self, result: &str) {
        self.backend.teller(|teller| teller.result(result));
    }

    fn line(&mut self, depth: usize, line: &str) {
        self.backend.teller(|teller| teller.line(depth, line));
    }
}
