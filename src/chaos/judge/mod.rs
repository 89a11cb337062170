//! The judge of supervision: checks whether supervisors do what their strategies and policies say, and nothing else.
//!
//! It reads what supervisors were told and what they did (`tree/statements.rs`), and knows specs and policies. It has
//! its own reading of what follows from them and asks no machine, so that no machine can vouch for its own decisions.
//!
//! Invariants:
//! 1. Nothing uncertain counts as a violation. Examples are an end that a group restart may have
//!    swallowed, a policy that was replaced, and the time before the experiment.
//! 2. Of each claim the first violation is kept: later ones may only follow from it.
//!
//! | file | idea |
//! |---|---|
//! | `supervisor_view.rs` | one life of a supervisor: what it stated, in order |
//! | `enrol.rs` | the children of a supervisor, from its roll and from orders |
//! | `child.rs` | a child, and what is expected of it |
//! | `reading.rs` | what a spec and a policy demand after an end |
//! | `needs.rs` | dependencies all over the tree, and the stop order that follows from them |
//! | `clock.rs` | the clock of a budget |
//! | `radius.rs`, `order.rs`, `delay.rs`, `budget.rs` | the claims about supervisors |
//! | `saves.rs` | the claim about checkpoints: no acknowledged save is lost |
//! | `census.rs` | the claim about services: none has two incarnations alive at the same time |

mod budget;
mod census;
mod child;
mod clock;
mod delay;
mod enrol;
mod needs;
mod order;
mod radius;
mod reading;
mod saves;
mod supervisor_view;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::time::later;
use crate::chaos::judge::census::Census;
use crate::chaos::judge::needs::Needs;
use crate::chaos::judge::saves::Saves;
use crate::chaos::judge::supervisor_view::SupervisorView;
use crate::tree::statements::{Seen, Statement, Testimony, What};

/// The claims about every tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Radius,
    Order,
    Delay,
    Budget,
    Alive,
    Saves,
}

impl Claim {
    pub(super) const OF_SUPERVISION: [Self; 5] = [Self::Radius, Self::Order, Self::Delay, Self::Budget, Self::Alive];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Radius => "only those restart that strategies, rules and orders name",
            Self::Order => "children stop and start in their order",
            Self::Delay => "every restart comes within the delays of its policy",
            Self::Budget => "supervisors give up, and children are parked, when the budget is gone and not before",
            Self::Alive => "no service lives twice at the same time",
            Self::Saves => "no acknowledged save is lost",
        }
    }
}

/// A claim that did not hold.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) claim: Claim,
    /// On the clock of the tree.
    pub(super) at: Duration,
    /// The path, what happened to it, and the rule that this breaks.
    pub(super) evidence: String,
}

#[derive(Debug)]
pub(super) struct Judge {
    views: BTreeMap<Arc<str>, SupervisorView>,
    census: Census,
    needs: Needs,
    saves: Saves,
    /// The time by which a restart may be late.
    margin: Duration,
    /// The zero of the tree's clock.
    epoch: Instant,
    violations: Vec<Violation>,
}

impl Judge {
    /// Makes a judge. `needs` are the dependencies that are known before any supervisor has stated something. The
    /// margin is greater in real time, which passes while code runs.
    pub(super) fn new(is_virtual: bool, epoch: Instant, needs: Vec<(Arc<str>, Vec<Arc<str>>)>) -> Self {
        let margin = Duration::from_millis(if is_virtual { 50 } else { 10_000 });
        let (views, census, saves, violations) = (BTreeMap::new(), Census::default(), Saves::default(), Vec::new());
        Self { views, census, needs: Needs::new(needs), saves, margin, epoch, violations }
    }

    /// Takes a statement of a supervisor or an incarnation.
    pub(super) fn hear(&mut self, said: Statement) {
        match said {
            Statement::Testimony(testimony) => self.listen(testimony),
            Statement::MovesIn { path, signals } => {
                let found = self.census.moves_in(&path, signals, self.epoch.elapsed());
                self.keep(found);
            }
            Statement::MovesOut { path, signals } => self.census.moves_out(&path, &signals),
            Statement::Storing(storing) => {
                let found = self.saves.hear(storing, self.epoch.elapsed());
                self.keep(found);
            }
        }
    }

    fn listen(&mut self, Testimony { supervisor, life, at, seen }: Testimony) {
        let mut found = Vec::new();
        self.learn(&supervisor, &seen);
        match seen {
            // A life of a supervisor begins with its roll, and the judge forgets the life before.
            Seen::Roll(roll) => match self.views.get_mut(&supervisor).filter(|view| view.life == life) {
                Some(view) => view.enrol_again(&roll, at),
                None => {
                    let view = SupervisorView::open(supervisor.clone(), life, &roll, at, self.margin);
                    self.views.insert(supervisor, view);
                }
            },
            Seen::Over => {
                if self.views.get(&supervisor).is_some_and(|view| view.life == life) {
                    self.views.remove(&supervisor);
                }
            }
            seen => {
                if let Some(view) = self.views.get_mut(&supervisor).filter(|view| view.life == life) {
                    view.tie(&self.needs, at);
                    view.look(at, &mut found);
                    view.hear(at, seen, &mut found);
                }
            }
        }
        self.keep(found);
    }

    /// Learns dependencies from what a supervisor has seen.
    fn learn(&mut self, supervisor: &str, seen: &Seen) {
        match seen {
            Seen::Roll(roll) => {
                // Children that were added at run time are gone after the life of their supervisor.
                self.needs.keep(supervisor, &roll.children.iter().map(|child| &*child.path).collect());
                roll.children.iter().for_each(|child| self.needs.read(supervisor, &child.path, &child.spec));
            }
            Seen::Child { path, what: What::Adopted(spec) } => self.needs.read(supervisor, path, spec),
            Seen::Child { path, what: What::Forgotten } => self.needs.forget(path),
            Seen::Child { .. }
            | Seen::IsReady { .. }
            | Seen::Ordered { .. }
            | Seen::Answered { .. }
            | Seen::ToEnd { .. }
            | Seen::Up
            | Seen::Over => {}
        }
    }

    /// Looks for restarts that are missing by now.
    pub(super) fn look(&mut self) {
        let at = self.epoch.elapsed();
        let mut found = Vec::new();
        // In the order of the paths, so that the first violation is the same in every run.
        self.views.values_mut().for_each(|view| view.look(at, &mut found));
        self.keep(found);
    }

    /// Prepares for a jump of the clock: supervisors can do nothing in that time.
    pub(super) fn jump(&mut self, by: Duration) {
        self.views.values_mut().for_each(|view| view.put_off(by));
    }

    /// Takes the violations since the last call, with their times.
    pub(super) fn violations(&mut self) -> Vec<(Instant, Violation)> {
        std::mem::take(&mut self.violations).into_iter().map(|found| (later(self.epoch, found.at), found)).collect()
    }

    fn keep(&mut self, found: impl IntoIterator<Item = Violation>) {
        self.violations.extend(found);
    }
}
