//! A tree in which the bugs of supervision would show: every strategy, with delays, budgets that are used up, and children
//! that are parked. A small one in which a child often dies while what it depends on starts. And the demo market, whose tills
//! save each sale, under faults of saves. Nothing but the built-in claims is claimed of them.

use std::time::Duration;

use crate::tills;
use regrow::chaos::{Experiment, Fault, Scope, SimulatedTree, Simulation, Times, When};
use regrow::testing::Journal;
use regrow::{
    Backoff, BudgetClock, ChildKind, DynamicSupervisor, GiveUp, Intensity, Jitter, Policy, Restart, Supervisor,
};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

pub(crate) fn firm() -> Simulation {
    Simulation::new(|seed| async move {
        let journal = Journal::new();
        let probe = |name: &str| journal.probe(name);
        let unlimited = Intensity::unlimited;
        let delays = || Policy::default().backoff(Backoff::new(100 * MS).max_delay(800 * MS));
        let parks = |restarts: u32, period: Duration| {
            delays().reset_after(600 * MS).budget(Intensity::new(restarts, period)).on_give_up(GiveUp::park(300 * MS))
        };
        let template = journal.clone();
        let temps = DynamicSupervisor::new("temps")
            .budget(unlimited())
            .defaults(parks(2, 2 * SEC).backoff(Backoff::new(50 * MS).max_delay(SEC).jitter(Jitter::Decorrelated)))
            .template(move |name: String| template.probe(&name));
        let tree = Supervisor::one_for_one("firm")
            .seed(seed)
            .budget(unlimited())
            .child(
                Supervisor::rest_for_one("line")
                    .budget(unlimited())
                    .defaults(delays())
                    .children(["cut", "weld"].map(probe))
                    .child(probe("paint").restart(Restart::Transient))
                    .child(probe("pack").policy(delays().backoff(Backoff::new(200 * MS).jitter(Jitter::Full)))),
            )
            .child(
                Supervisor::one_for_all("board")
                    .intensity(3, 4 * SEC)
                    .defaults(delays())
                    .children(["chair", "deputy", "clerk"].map(probe)),
            )
            .child(
                Supervisor::one_for_one("desks")
                    .budget(unlimited())
                    .child(probe("post").policy(parks(3, 3 * SEC)))
                    .child(probe("till").policy(parks(1, 2 * SEC)))
                    // It dies once a second: the restart before is exactly as old as the period.
                    .child(
                        probe("bell").policy(
                            Policy::default()
                                .budget(Intensity::new(1, SEC))
                                .on_give_up(GiveUp::park(300 * MS))
                                .reset_on_ready(),
                        ),
                    ),
            )
            .child(
                Supervisor::rest_for_one("night")
                    .intensity(2, 3 * SEC)
                    .budget_clock(BudgetClock::WithoutStops)
                    .children(["guard", "dog"].map(probe)),
            )
            // The ship is the elder, and stops first all the same: its captain depends on the pilot in the port.
            .child(
                Supervisor::one_for_all("dock")
                    .budget(unlimited())
                    .child(
                        Supervisor::one_for_one("ship")
                            .child(probe("captain").policy(Policy::default().depends_on(["/firm/dock/port/pilot"]))),
                    )
                    .child(Supervisor::one_for_one("port").child(probe("pilot")))
                    .child(probe("gate")),
            )
            .child(temps)
            .start()
            .await?;
        let temps = tree.dynamic("firm/temps")?.template::<String>()?;
        for number in 0..3 {
            temps.start_child(format!("temp-{number}")).await?;
        }
        let experiment = Experiment::new("the firm")
            .duration(12 * SEC)
            .look_every(500 * MS)
            .stabilise_within(60 * SEC)
            .target("firm/**")
            .fault(Fault::Kill, "firm/line/*", When::Rate(1.5))
            .fault(Fault::StartError(Times::Count(2)), "firm/line/*", When::Rate(0.4))
            .fault(Fault::Block(80 * MS), "firm/line/*", When::Rate(0.3))
            .fault(Fault::Kill, "firm/board/*", When::Rate(0.9))
            .fault(Fault::KillTogether(2), "firm/board/*", When::Every(5 * SEC))
            .fault(Fault::Kill, Scope::path("firm/*").kind(ChildKind::Supervisor), When::Rate(0.15))
            .fault(Fault::Kill, "firm/desks/post", When::Rate(1.2))
            .fault(Fault::Kill, "firm/desks/till", When::Rate(0.6))
            .fault(Fault::Kill, "firm/desks/bell", When::Every(SEC))
            .fault(Fault::Kill, "firm/night/*", When::Rate(0.8))
            .fault(Fault::Kill, "firm/dock/gate", When::Rate(0.4))
            .fault(Fault::Kill, "firm/temps/*", When::Rate(1.5));
        Ok(SimulatedTree::new(tree, experiment))
    })
}

pub(crate) fn ferry() -> Simulation {
    Simulation::new(|seed| async move {
        let journal = Journal::new();
        let tree = Supervisor::one_for_one("ferry")
            .seed(seed)
            .budget(Intensity::unlimited())
            .child(journal.probe("tide").policy(Policy::default().backoff(Backoff::new(200 * MS))))
            .child(journal.probe("boat").policy(Policy::default().depends_on(["tide"])))
            .start()
            .await?;
        let experiment = Experiment::new("the ferry")
            .duration(4 * SEC)
            .stabilise_within(30 * SEC)
            .target("ferry/*")
            .fault(Fault::Kill, "ferry/tide", When::Rate(1.0))
            .fault(Fault::Kill, "ferry/boat", When::Rate(2.0));
        Ok(SimulatedTree::new(tree, experiment))
    })
}

pub(crate) fn market() -> Simulation {
    Simulation::new(|seed| async move {
        let experiment = Experiment::parse(include_str!("../../examples/chaos/saves.toml"))?;
        Ok(SimulatedTree::new(tills::market(seed).await?, experiment))
    })
}
