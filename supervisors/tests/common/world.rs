//! `World`: a supervisor and its children, in which anything may happen and the [`Model`] watches.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use regrow_supervisors::{Attempt, ChildSpec, Exit, Flags, Intensity, Machine, Report, StopOrder, Strategy};

use super::model::{Model, Phase, Told, asked, leaves};
use super::sim::{Sim, print_history, retold};
use super::{MS, one_deed_away};

/// One thing that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Started(Attempt),
    Ignored(Attempt),
    StartFailed(Attempt),
    Ended(Attempt),
    Killed(Attempt),
    Stopped(Attempt),
    KillUnderWay(Attempt),
    /// It begins to end by itself, and takes its time.
    Leaving(Attempt),
    /// It has ended, and what it leaves behind has not.
    Remains(Attempt),
    /// Time passes until the machine wants to be woken.
    Due,
    /// A whole window of the budget passes.
    Period,
    Stop,
    Kill,
    Abandon,
    /// Every fact about an attempt that is gone is told again.
    Ghost(Attempt),
}

/// Which of the deeds that come on top of starts, exits and orders may happen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Menu {
    pub(crate) kills_by_others: bool,
    /// A life may be slow to end that ends by itself, and leave something behind.
    pub(crate) leaves: bool,
    pub(crate) periods_max: u8,
    pub(crate) abandon: bool,
    pub(crate) ghosts: bool,
    /// Two things may happen before the machine is polled.
    pub(crate) hurry: bool,
}

#[derive(Clone)]
pub(crate) struct World {
    sim: Sim,
    model: Model,
    period: Duration,
    periods: u8,
    /// Facts were told since the last time that no action was left.
    is_hurried: bool,
    gone: Vec<Attempt>,
    trail: Vec<(Deed, bool)>,
}

impl World {
    pub(crate) fn new(strategy: Strategy, restarts_max: u32, specs: impl IntoIterator<Item = ChildSpec>) -> Self {
        Self::stopping(StopOrder::OneByOne, &[], strategy, restarts_max, specs)
    }

    /// Its children are stopped in this order, and something below the first of each of these pairs, by place, depends on
    /// something below the second.
    pub(crate) fn stopping(
        stop_order: StopOrder,
        ties: &[(usize, usize)],
        strategy: Strategy,
        restarts_max: u32,
        specs: impl IntoIterator<Item = ChildSpec>,
    ) -> Self {
        let period = 1000 * MS;
        let flags = Flags { strategy, intensity: Intensity::new(restarts_max, period), stop_order, ..Flags::default() };
        let mut sim = Sim::new(flags, specs);
        let keys: Vec<_> = sim.asked().children().into_iter().map(|(key, ..)| key).collect();
        let ties: Vec<_> = ties.iter().map(|&(a, b)| (keys[a], keys[b])).collect();
        assert!(sim.tell(|machine, _| machine.set_stop_order(ties.clone())).is_empty(), "a circle");
        let specs = sim.asked().children().into_iter().map(|(key, spec, ..)| (key, spec.clone())).collect();
        let model = Model::new(strategy, (stop_order, ties.into_iter().collect()), (restarts_max, period), &specs);
        let mut world = Self { sim, model, period, periods: 0, is_hurried: false, gone: Vec::new(), trail: Vec::new() };
        world.poll();
        world
    }

    /// Every child comes up.
    pub(crate) fn boot(&mut self) {
        while let Some((&attempt, _)) = self.model.lives.iter().find(|(_, life)| life.starting) {
            self.happen(Deed::Started(attempt), false);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.model.phase == Phase::Ended
    }

    pub(crate) fn is_bounded(&self) -> bool {
        self.model.is_bounded
    }

    /// Two worlds with one print have one future.
    pub(crate) fn print(&self) -> u64 {
        let print = format!("{:?} {:?} {} {}", self.sim.asked(), self.model, self.is_hurried, self.periods);
        let mut hasher = DefaultHasher::new();
        print.hash(&mut hasher);
        hasher.finish()
    }

    /// What may happen next.
    pub(crate) fn deeds(&self, menu: Menu) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (&attempt, life) in &self.model.lives {
            if life.starting {
                deeds.extend([Deed::Started(attempt), Deed::StartFailed(attempt), Deed::Ignored(attempt)]);
            }
            match (life.told, life.starting) {
                // All exits of a permanent child are alike, and all of one that was told to stop.
                (Told::Nothing, false) if self.model.is_permanent(attempt.child()) => deeds.push(Deed::Killed(attempt)),
                (Told::Nothing, false) => deeds.extend([Deed::Ended(attempt), Deed::Killed(attempt)]),
                (Told::Nothing, true) => {}
                (Told::ToStop, _) => deeds.push(Deed::Stopped(attempt)),
                (Told::Killed, _) => deeds.push(Deed::Killed(attempt)),
            }
            if menu.kills_by_others && life.told != Told::Killed && !life.killed_by_others {
                deeds.push(Deed::KillUnderWay(attempt));
            }
            if menu.leaves && !life.killed_by_others && !life.is_leaving && life.told == Told::Nothing {
                deeds.push(Deed::Leaving(attempt));
            }
            if menu.leaves && !life.killed_by_others && life.told != Told::Killed {
                deeds.push(Deed::Remains(attempt));
            }
        }
        if self.sim.asked().poll_timeout().is_some() {
            deeds.push(Deed::Due);
        }
        if self.periods < menu.periods_max && !self.model.units.is_empty() {
            deeds.push(Deed::Period);
        }
        if !self.model.is_told_to_end() {
            deeds.push(Deed::Stop);
        }
        if !self.model.is_killed() && !self.has_ended() {
            deeds.push(Deed::Kill);
        }
        if menu.abandon && !self.has_ended() {
            deeds.push(Deed::Abandon);
        }
        if menu.ghosts {
            deeds.extend(self.gone.iter().rev().take(3).map(|&attempt| Deed::Ghost(attempt)));
        }
        deeds
    }

    /// The worlds that are one deed away.
    pub(crate) fn next(&self, menu: Menu) -> impl Iterator<Item = Self> {
        one_deed_away(self, self.deeds(menu), menu.hurry && !self.is_hurried, Self::happen)
    }

    /// Lets it happen. `hurried`: the next deed happens before the machine is polled.
    pub(crate) fn happen(&mut self, deed: Deed, hurried: bool) {
        self.trail.push((deed, hurried));
        self.told_on_panic(|world| {
            world.perform(deed);
            world.is_hurried = true;
            world.read_reports();
            if !hurried {
                world.poll();
            }
        });
    }

    /// Every child answers at last: the world comes to rest (OTP rules 30 to 46 leave no child behind).
    pub(crate) fn settle(mut self) {
        if self.is_hurried {
            self.told_on_panic(Self::poll);
        }
        for _ in 0..200 {
            let starting = self.model.lives.iter().find(|(_, life)| life.starting).map(|(&attempt, _)| attempt);
            let told =
                self.model.lives.iter().find(|(_, life)| life.told != Told::Nothing).map(|(&attempt, _)| attempt);
            match (told, starting) {
                (Some(attempt), _) => self.happen(Deed::Stopped(attempt), false),
                (None, Some(attempt)) => self.happen(Deed::Started(attempt), false),
                (None, None) => break,
            }
        }
        self.told_on_panic(|world| {
            assert!(matches!(world.model.phase, Phase::Idle | Phase::Ended), "it does not rest");
        });
    }

    /// No child answers any more, and the supervisor is told to stop: it still ends, by the passing of time alone.
    pub(crate) fn outlast(mut self) {
        self.happen(Deed::Stop, false);
        for _ in 0..200 {
            if self.sim.asked().poll_timeout().is_none() {
                break;
            }
            self.happen(Deed::Due, false);
        }
        self.told_on_panic(|world| assert!(world.has_ended(), "it waits for ever"));
    }

    fn perform(&mut self, deed: Deed) {
        let Self { sim, model, .. } = self;
        match deed {
            Deed::Started(attempt) => {
                sim.started(attempt);
                model.on_up(attempt);
            }
            Deed::Ignored(attempt) => {
                sim.ignored(attempt);
                model.on_ignored(attempt);
                self.gone.push(attempt);
            }
            Deed::StartFailed(attempt) => {
                sim.start_failed(attempt, Exit::failed("no"));
                model.on_gone(attempt);
                self.gone.push(attempt);
            }
            Deed::Ended(attempt) => self.exit(attempt, Exit::Normal),
            Deed::Killed(attempt) => self.exit(attempt, Exit::Killed),
            Deed::Stopped(attempt) => self.exit(attempt, Exit::Shutdown),
            Deed::KillUnderWay(attempt) => {
                sim.kill_under_way(attempt);
                model.lives.entry(attempt).and_modify(|life| life.killed_by_others = true);
            }
            Deed::Leaving(attempt) => {
                sim.leaving(attempt, leaves());
                model.lives.entry(attempt).and_modify(|life| life.is_leaving = true);
            }
            Deed::Remains(attempt) => {
                sim.remains(attempt, leaves());
                model.lives.entry(attempt).and_modify(|life| life.killed_by_others = true);
            }
            Deed::Due => {
                sim.wakes();
                self.on_time();
            }
            Deed::Period => {
                self.periods += 1;
                sim.wakes_at(sim.now + self.period + MS);
                self.on_time();
            }
            Deed::Stop => {
                sim.stop(asked());
                model.on_stop();
            }
            Deed::Kill => {
                sim.kill();
                model.on_kill();
            }
            Deed::Abandon => {
                sim.abandon();
                model.on_kill();
            }
            Deed::Ghost(attempt) => sim.tell(|machine, now| {
                let before = format!("{machine:?}");
                machine.handle_started(attempt, now);
                machine.handle_ignored(attempt, now);
                machine.handle_kill_under_way(attempt, now);
                machine.handle_leaving(attempt, Exit::Killed, now);
                machine.handle_remains(attempt, Exit::Killed, now);
                machine.handle_start_failed(attempt, Exit::Killed, now);
                machine.handle_exit(attempt, Exit::Killed, now);
                assert_eq!(before, format!("{machine:?}"), "a late fact has an effect");
            }),
        }
    }

    /// A start that was given up on is no longer there to be cut short.
    fn on_time(&mut self) {
        self.model.now = self.sim.now;
        self.read_reports();
        self.model.on_time();
    }

    fn exit(&mut self, attempt: Attempt, exit: Exit) {
        self.sim.exits(attempt, exit);
        self.model.on_gone(attempt);
        self.gone.push(attempt);
    }

    fn poll(&mut self) {
        self.model.on_poll();
        while let Some(action) = self.sim.act() {
            self.read_reports();
            self.model.on_action(&action);
        }
        self.read_reports();
        self.is_hurried = false;
        self.sim.check_counts();
        let standings: BTreeMap<_, _> =
            self.sim.asked().children().into_iter().map(|(key, _, standing, _)| (key, standing)).collect();
        self.model.on_polled(&standings, self.sim.asked().poll_timeout());
    }

    fn read_reports(&mut self) {
        while let Some(report) = self.sim.hear() {
            self.model.on_report(&report);
            if let Report::Abandoned { attempt } = report {
                self.gone.push(attempt);
            }
        }
    }

    fn told_on_panic(&mut self, deed: impl FnOnce(&mut Self)) {
        retold(self, deed, |world| {
            print_history(&world.trail);
            eprintln!("{:#?}\n{:#?}", world.sim, world.model);
        });
    }
}
