//! The trees of the walk: a supervisor of each kind below another one, and a dependency elsewhere.

use regrow_supervisors::{Backoff, GiveUp, Intensity, Policy, Strategy};

use crate::walk::actors::{Msg, SEC, Stage, Variety, actor};
use crate::walk::events::Event;
use crate::{DynamicSupervisor, Handle, Partitioned, ServiceChild, Supervisor, Tree};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    OneForOne,
    OneForAll,
    RestForOne,
    Dynamic,
    Partitioned,
    /// The target child is a supervisor.
    Nested,
}

pub(super) const SHAPES: [Shape; 6] =
    [Shape::OneForOne, Shape::OneForAll, Shape::RestForOne, Shape::Dynamic, Shape::Partitioned, Shape::Nested];

pub(super) const SUP: &str = "app/mid/sup";

impl Shape {
    /// Returns the names of the eldest child, of the target, and of the youngest.
    pub(super) fn names(self) -> [&'static str; 3] {
        match self {
            Self::Partitioned => ["0", "1", "2"],
            _ => ["a", "b", "c"],
        }
    }

    /// Returns the path of the target: the child that calls and events are about.
    pub(super) fn target(self) -> String {
        format!("{SUP}/{}", self.names()[1])
    }

    /// Returns the path of the service that events happen to.
    pub(super) fn leaf(self) -> String {
        match self {
            Self::Nested => format!("{SUP}/b/x"),
            _ => self.target(),
        }
    }

    pub(super) fn strategy(self) -> Strategy {
        match self {
            Self::OneForAll => Strategy::OneForAll,
            Self::RestForOne => Strategy::RestForOne,
            _ => Strategy::OneForOne,
        }
    }

    /// Describes the supervisor with its static children.
    pub(super) fn described(self, stage: &Stage, event: Event) -> Supervisor {
        let sup = Supervisor::new("sup", self.strategy()).budget(budget(event));
        let middle = named(stage, "b", event);
        let sup = sup.child(actor(stage, "a"));
        let sup = match self {
            Self::Nested => {
                let inner = Supervisor::one_for_one("b").budget(Intensity::new(0, SEC)).policy(policy(event));
                let inner = inner.restart(stage.1.restart);
                sup.child(inner.child(actor(stage, "x")))
            }
            _ => sup.child(middle),
        };
        sup.child(actor(stage, "c"))
    }

    pub(super) async fn plant(self, stage: &Stage, event: Event) -> Tree {
        self.plant_with(stage, event, || Ok(())).await
    }

    /// Starts the tree. `init` is called at each start of the supervisor.
    pub(super) async fn plant_with(
        self,
        stage: &Stage,
        event: Event,
        init: impl Fn() -> anyhow::Result<()> + Send + Sync + 'static,
    ) -> Tree {
        let mid = Supervisor::one_for_one("mid").budget(Intensity::unlimited());
        let mid = if stage.1.has_gate { mid.max_starting(1) } else { mid };
        let mid = match self {
            Self::Dynamic => mid.child(DynamicSupervisor::new("sup").budget(budget(event)).init(init)),
            Self::Partitioned => {
                let stage = stage.clone();
                let make = move |index: usize| match index {
                    1 => named(&stage, "p", event),
                    _ => actor(&stage, "p"),
                };
                mid.child(Partitioned::new("sup", 3, make).budget(budget(event)).init(init))
            }
            _ => mid.child(self.described(stage, event).init(init)),
        };
        let app = Supervisor::one_for_one("app").budget(Intensity::unlimited()).seed(1);
        let tree = app.child(actor(stage, "dep")).child(mid).start().await.expect("it boots");
        if self == Self::Dynamic {
            let sup = tree.dynamic(SUP).expect("it is there");
            for child in [actor(stage, "a"), named(stage, "b", event), actor(stage, "c")] {
                sup.start_child(child).await.expect("it starts");
            }
        }
        tree
    }
}

fn budget(event: Event) -> Intensity {
    if event == Event::GivesUp { Intensity::new(1, SEC) } else { Intensity::unlimited() }
}

/// Describes a child with the policy that the event needs.
pub(super) fn named(stage: &Stage, name: &str, event: Event) -> ServiceChild<Msg> {
    let Variety { restart, is_actor, has_gate: _, drains } = stage.1;
    let child = actor(stage, name).policy(policy(event)).restart(restart);
    let child = if is_actor { child.as_actor() } else { child };
    if drains { child.drain() } else { child }
}

fn policy(event: Event) -> Policy {
    let policy = Policy::default();
    let parks = || policy.clone().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(5 * SEC));
    match event {
        Event::InBackoff => policy.backoff(Backoff::new(2 * SEC)),
        Event::InitHangs => policy.start_timeout(SEC),
        Event::Parks => parks(),
        Event::ParkedAndDue => parks().depends_on(["/app/dep"]),
        Event::WaitsForWhatComes | Event::WaitsForWhatIsGone => policy.depends_on(["/app/dep"]),
        _ => policy,
    }
}

pub(super) fn handle(tree: &Tree, path: &str) -> Option<Handle<Msg>> {
    tree.lookup(path).ok()
}
