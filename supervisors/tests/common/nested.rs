//! `Nested`: supervisors that are children of supervisors, each with a simulator of its own.
//!
//! Children answer at once. What they do is told in the words of the OTP traces: `init s`, `start x#2`, `startfail x`,
//! `startfail s shutdown`, `exit x#2 killed`; `#2` counts the lives of one name.

use std::collections::{BTreeMap, VecDeque};

use regrow_supervisors::{Action, Attempt, ChildSpec, Exit, Flags, Intensity, Report, Strategy};

use super::sim::Sim;
use super::{IntoSpec, MS};

/// A child as it is written down: a worker, or a supervisor with children of its own.
#[derive(Clone)]
pub(crate) struct Plan {
    spec: ChildSpec,
    inner: Option<(Strategy, u32, Vec<Plan>)>,
}

pub(crate) fn worker(child: impl IntoSpec) -> Plan {
    Plan { spec: child.into_spec(), inner: None }
}

/// A permanent supervisor that forgives this many restarts a minute.
pub(crate) fn supervisor<const N: usize>(name: &str, strategy: Strategy, restarts: u32, children: [Plan; N]) -> Plan {
    Plan { spec: ChildSpec::supervisor(name), inner: Some((strategy, restarts, children.into())) }
}

impl Plan {
    pub(crate) fn spec(mut self, change: impl FnOnce(ChildSpec) -> ChildSpec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

/// How a start of a worker goes.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Up,
    Fails,
    Hangs,
}

/// What all supervisors of one tree share: the story, and what is to come.
#[derive(Default)]
struct Stage {
    story: Vec<String>,
    starts: BTreeMap<String, VecDeque<Start>>,
    lives: BTreeMap<String, u32>,
}

impl Stage {
    fn tell(&mut self, words: impl Into<String>) {
        self.story.push(words.into());
    }

    fn started(&mut self, name: &str) {
        let life = self.lives.entry(name.to_owned()).or_default();
        *life += 1;
        let words = format!("start {name}#{life}");
        self.tell(words);
    }

    fn ended(&mut self, name: &str, exit: &Exit) {
        let life = self.lives.get(name).copied().unwrap_or_default();
        self.tell(format!("exit {name}#{life} {exit}"));
    }
}

enum Body {
    Worker { is_up: bool },
    Nested(Box<Node>),
}

struct Node {
    name: String,
    sim: Sim,
    plans: BTreeMap<String, Plan>,
    bodies: BTreeMap<Attempt, Body>,
    is_up: bool,
    /// Whether it gave up for the whole tree.
    ends_tree: bool,
}

/// What a supervisor becomes for its parent.
enum Fate {
    Up,
    Failed(Exit),
    Ended(Exit),
}

impl Node {
    fn new(plan: &Plan, stage: &mut Stage) -> Self {
        let (strategy, restarts, children) = plan.inner.as_ref().expect("a supervisor");
        stage.tell(format!("init {}", plan.spec.id()));
        let specs = children.iter().map(|child| child.spec.clone());
        Self {
            name: plan.spec.id().to_owned(),
            sim: Sim::new(
                Flags { strategy: *strategy, intensity: Intensity::new(*restarts, 60_000 * MS), ..Flags::default() },
                specs,
            ),
            plans: children.iter().map(|child| (child.spec.id().to_owned(), child.clone())).collect(),
            bodies: BTreeMap::new(),
            is_up: false,
            ends_tree: false,
        }
    }

    /// Performs all there is to do, here and below.
    fn run(&mut self, stage: &mut Stage) -> Vec<Fate> {
        let mut fates = Vec::new();
        loop {
            while let Some(action) = self.sim.act() {
                while let Some(report) = self.sim.hear() {
                    self.ends_tree |= matches!(report, Report::GaveUp { ends_tree: true, .. });
                }
                match action {
                    Action::Start(attempt) => self.start(attempt, stage),
                    Action::Ask(attempt) => self.end_child(attempt, Exit::Shutdown, stage),
                    Action::Kill(attempt) => self.end_child(attempt, Exit::Killed, stage),
                    Action::Abandon(attempt) => drop(self.bodies.remove(&attempt)),
                    Action::Rest(_)
                    | Action::Forget(_)
                    | Action::Dismiss(_)
                    | Action::Withdraw(_)
                    | Action::Readmit(_)
                    | Action::Park { .. }
                    | Action::Wait(_)
                    | Action::NoteKept { .. }
                    | Action::Adopt { .. }
                    | Action::Answer { .. } => {}
                    Action::Up => {
                        self.is_up = true;
                        stage.started(&self.name);
                        fates.push(Fate::Up);
                    }
                    Action::End(exit) if self.is_up => {
                        stage.ended(&self.name, &exit);
                        fates.push(Fate::Ended(exit));
                    }
                    Action::End(exit) => {
                        stage.tell(format!("startfail {} {exit}", self.name));
                        fates.push(Fate::Failed(exit));
                    }
                }
            }
            if !self.run_below(stage) {
                return fates;
            }
        }
    }

    /// `true` when a nested supervisor had something to say.
    fn run_below(&mut self, stage: &mut Stage) -> bool {
        let mut heard = Vec::new();
        for (&attempt, body) in &mut self.bodies {
            if let Body::Nested(node) = body {
                let fates = node.run(stage);
                let ends_tree = node.ends_tree;
                heard.extend(fates.into_iter().map(|fate| (attempt, fate, ends_tree)));
            }
        }
        let has_news = !heard.is_empty();
        for (attempt, fate, ends_tree) in heard {
            if ends_tree {
                self.sim.tell(|machine, now| machine.handle_end_of_tree(attempt, now));
            }
            match fate {
                Fate::Up => self.sim.started(attempt),
                Fate::Failed(exit) => {
                    self.bodies.remove(&attempt);
                    self.sim.start_failed(attempt, exit);
                }
                Fate::Ended(exit) => {
                    self.bodies.remove(&attempt);
                    self.sim.exits(attempt, exit);
                }
            }
        }
        has_news
    }

    fn start(&mut self, attempt: Attempt, stage: &mut Stage) {
        let name = self.sim.name(attempt);
        let plan = &self.plans[&name];
        if plan.inner.is_some() {
            let node = Self::new(plan, stage);
            self.bodies.insert(attempt, Body::Nested(Box::new(node)));
            return;
        }
        match stage.starts.get_mut(&name).and_then(VecDeque::pop_front).unwrap_or(Start::Up) {
            Start::Up => {
                stage.started(&name);
                self.bodies.insert(attempt, Body::Worker { is_up: true });
                self.sim.started(attempt);
            }
            Start::Fails => {
                stage.tell(format!("startfail {name}"));
                self.sim.start_failed(attempt, Exit::failed("no"));
            }
            Start::Hangs => {
                stage.tell(format!("hang {name}"));
                self.bodies.insert(attempt, Body::Worker { is_up: false });
            }
        }
    }

    /// A worker obeys at once, a supervisor goes through its own children first.
    fn end_child(&mut self, attempt: Attempt, exit: Exit, stage: &mut Stage) {
        match self.bodies.get_mut(&attempt) {
            Some(Body::Nested(node)) => match exit {
                Exit::Killed => node.sim.kill(),
                exit => node.sim.stop(exit),
            },
            Some(Body::Worker { is_up: true }) => {
                let name = self.sim.name(attempt);
                stage.ended(&name, &exit);
                self.bodies.remove(&attempt);
                self.sim.exits(attempt, exit);
            }
            Some(Body::Worker { is_up: false }) => {
                let name = self.sim.name(attempt);
                stage.tell(format!("startfail {name}"));
                self.bodies.remove(&attempt);
                self.sim.start_failed(attempt, exit);
            }
            None => {}
        }
    }

    /// `true` when the child was found here or below.
    fn kill(&mut self, name: &str, stage: &mut Stage) -> bool {
        let found = self.bodies.keys().copied().find(|&attempt| self.sim.name(attempt) == name);
        if let Some(attempt) = found {
            self.end_child(attempt, Exit::Killed, stage);
            return true;
        }
        self.bodies.values_mut().any(|body| match body {
            Body::Nested(node) => node.kill(name, stage),
            Body::Worker { .. } => false,
        })
    }

    /// A millisecond passes.
    fn wake(&mut self) {
        self.sim.wakes_at(self.sim.now + MS);
        for body in self.bodies.values_mut() {
            if let Body::Nested(node) = body {
                node.wake();
            }
        }
    }
}

/// A tree of supervisors, and its story.
pub(crate) struct Nested {
    root: Node,
    stage: Stage,
}

impl Nested {
    pub(crate) fn unbooted(root: &Plan) -> Self {
        let mut stage = Stage::default();
        Self { root: Node::new(root, &mut stage), stage }
    }

    /// A tree that is up, and whose story begins now.
    pub(crate) fn new(root: &Plan) -> Self {
        let mut nest = Self::unbooted(root);
        nest.run();
        nest.stage.story.clear();
        nest
    }

    /// How the next starts of a worker go; later ones succeed.
    pub(crate) fn will<const N: usize>(&mut self, name: &str, starts: [Start; N]) -> &mut Self {
        self.stage.starts.insert(name.to_owned(), starts.into());
        self
    }

    pub(crate) fn kill(&mut self, name: &str) -> &mut Self {
        assert!(self.root.kill(name, &mut self.stage), "{name} does not live");
        self
    }

    pub(crate) fn kill_root(&mut self) -> &mut Self {
        self.root.sim.kill();
        self
    }

    pub(crate) fn stop(&mut self) -> &mut Self {
        self.root.sim.stop(Exit::Shutdown);
        self
    }

    /// Time passes for all, a millisecond at a time.
    pub(crate) fn after(&mut self, ms: u32) -> &mut Self {
        for _ in 0..ms {
            self.run();
            self.root.wake();
        }
        self
    }

    /// Exactly this was told since the last time.
    #[track_caller]
    pub(crate) fn tells<const N: usize>(&mut self, story: [&str; N]) -> &mut Self {
        self.run();
        assert_eq!(self.stage.story, story);
        self.stage.story.clear();
        self
    }

    /// The last thing that was told.
    #[track_caller]
    pub(crate) fn ends_with(&mut self, words: &str) -> &mut Self {
        self.run();
        assert_eq!(self.stage.story.last().map(String::as_str), Some(words));
        self.stage.story.clear();
        self
    }

    fn run(&mut self) {
        drop(self.root.run(&mut self.stage));
    }
}
