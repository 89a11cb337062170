//! The events of a life that happen while an order is on its way.

use regrow_supervisors::Exit;

use crate::Tree;
use crate::slot::erased::Control;
use crate::walk::actors::{Msg, SEC, Stage, Start};
use crate::walk::trees::{SUP, Shape, handle};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Idle,
    Panics,
    Fails,
    Leaves,
    IsKilled,
    InitFails,
    InitPanics,
    InitIgnores,
    InitHangs,
    /// The start hangs, and no time limit ends it.
    InitNeverEnds,
    InitIsSlow,
    GivesUp,
    SiblingFails,
    /// The group is being stopped, and a sibling takes its time.
    GroupIsStopping,
    InBackoff,
    Parks,
    /// The child is due for its probe while its dependency is starting.
    ParkedAndDue,
    WaitsForWhatComes,
    WaitsForWhatIsGone,
    /// The child leaves, and takes longer than it may.
    LeavesSlowly,
    /// An order stops the child, and it takes longer than it may.
    IsStoppedSlowly,
    IsAbandoned,
    SupervisorIsKilled,
    SupervisorStops,
    SupervisorStopsSlowly,
    ParentIsKilled,
    ParentStops,
    HandleHangs,
}

pub(super) const EVENTS: [Event; 28] = [
    Event::Idle,
    Event::Panics,
    Event::Fails,
    Event::Leaves,
    Event::IsKilled,
    Event::InitFails,
    Event::InitPanics,
    Event::InitIgnores,
    Event::InitHangs,
    Event::InitNeverEnds,
    Event::InitIsSlow,
    Event::GivesUp,
    Event::SiblingFails,
    Event::GroupIsStopping,
    Event::InBackoff,
    Event::Parks,
    Event::ParkedAndDue,
    Event::WaitsForWhatComes,
    Event::WaitsForWhatIsGone,
    Event::LeavesSlowly,
    Event::IsStoppedSlowly,
    Event::IsAbandoned,
    Event::SupervisorIsKilled,
    Event::SupervisorStops,
    Event::SupervisorStopsSlowly,
    Event::ParentIsKilled,
    Event::ParentStops,
    Event::HandleHangs,
];

impl Event {
    pub(super) async fn happen(self, tree: &Tree, shape: Shape, stage: &Stage) {
        let leaf = &*shape.leaf();
        let [eldest, _, youngest] = shape.names().map(|name| format!("{SUP}/{name}"));
        let tell = |path: &str, msg: Msg| handle(tree, path).is_some_and(|handle| handle.cast(msg).is_ok());
        let dies_into = |starts: &[Start]| {
            stage.plan(leaf, starts);
            tell(leaf, Msg::Panic);
        };
        match self {
            Self::Idle => {}
            Self::Panics | Self::InBackoff | Self::Parks => drop(tell(leaf, Msg::Panic)),
            Self::Fails => drop(tell(leaf, Msg::Fail)),
            Self::Leaves => drop(tell(leaf, Msg::Leave)),
            Self::IsKilled => drop(tree.kill(leaf)),
            Self::InitFails => dies_into(&[Start::Fails, Start::Fails, Start::Up]),
            Self::InitPanics => dies_into(&[Start::Panics, Start::Up]),
            Self::InitIgnores => dies_into(&[Start::Ignores, Start::Up]),
            Self::InitHangs => dies_into(&[Start::Hangs, Start::Up]),
            Self::InitNeverEnds => dies_into(&[Start::Hangs]),
            Self::InitIsSlow => dies_into(&[Start::Slow, Start::Up]),
            Self::GivesUp => dies_into(&[Start::Fails, Start::Fails, Start::Fails, Start::Up]),
            Self::SiblingFails => drop(tell(&eldest, Msg::Panic)),
            Self::GroupIsStopping => {
                tell(&youngest, Msg::StopsIn(SEC / 2));
                tell(&eldest, Msg::Panic);
            }
            Self::ParkedAndDue => {
                tell(leaf, Msg::Panic);
                tokio::time::sleep(SEC).await;
                stage.plan("app/dep", &[Start::Hangs]);
                let _ = tree.kill("app/dep");
                tokio::time::sleep(3 * SEC + SEC / 2).await;
            }
            Self::WaitsForWhatComes => {
                stage.plan("app/dep", &[Start::Hangs]);
                let _ = tree.kill("app/dep");
                tell(leaf, Msg::Panic);
            }
            Self::WaitsForWhatIsGone => {
                let _ = tree.supervisor("app").expect("the root").terminate_child("dep").await;
                tell(leaf, Msg::Panic);
            }
            Self::LeavesSlowly => {
                tell(leaf, Msg::StopsIn(5 * SEC));
                tell(leaf, Msg::Leave);
            }
            Self::IsStoppedSlowly => {
                tell(leaf, Msg::StopsIn(5 * SEC));
                if let Some(sup) = tree.shared.supervisor_of(SUP) {
                    let _ = sup.terminate_child(shape.names()[1]).await;
                }
            }
            Self::IsAbandoned => {
                let listed = tree.shared.directory.get(leaf);
                if let Some(Control::Signals(signals)) = listed.and_then(|listed| listed.slot.control()) {
                    tell(leaf, Msg::Hang);
                    tokio::task::yield_now().await;
                    signals.set_ignores_kill(true);
                    let _ = tree.kill(leaf);
                }
            }
            Self::SupervisorIsKilled => drop(tree.kill(SUP)),
            Self::SupervisorStops => stop(tree, SUP),
            Self::SupervisorStopsSlowly => {
                tell(leaf, Msg::StopsIn(5 * SEC));
                stop(tree, SUP);
            }
            Self::ParentIsKilled => drop(tree.kill("app/mid")),
            Self::ParentStops => stop(tree, "app/mid"),
            Self::HandleHangs => drop(tell(leaf, Msg::Hang)),
        }
    }
}

fn stop(tree: &Tree, path: &str) {
    if let Some(supervisor) = tree.shared.supervisor_of(path) {
        let _ = supervisor.stop(Exit::failed("walk"));
    }
}
