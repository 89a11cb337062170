//! The judge of supervision raises no false alarm: trees without a fault of their own, with every rule that it has to know.

#[path = "common/wild.rs"]
mod wild;

use regrow::chaos::{Report, Simulation};

/// What the judge holds against a tree.
fn alarms(report: &Report) -> Vec<String> {
    let broken = report.verdicts.iter().filter(|verdict| !verdict.held && CLAIMS.contains(&&*verdict.hypothesis));
    broken.map(|verdict| format!("{:?} {}", verdict.broken_at, verdict.evidence.clone().unwrap_or_default())).collect()
}

const CLAIMS: [&str; 5] = [
    "only those restart that strategies, rules and orders name",
    "children stop and start in their order",
    "every restart comes within the delays of its policy",
    "supervisors give up, and children are parked, when the budget is gone and not before",
    "no service lives twice at the same time",
];

fn without_alarms(simulation: &Simulation, seeds: std::ops::Range<u64>) {
    let (mut found, mut runs) = (Vec::new(), 0);
    for seed in seeds {
        // A tree that does not come up is no scene.
        let Ok(report) = simulation.run(seed) else { continue };
        runs += 1;
        found.extend(alarms(&report).into_iter().map(|alarm| format!("seed {seed}: {alarm}")));
    }
    assert!(found.is_empty(), "{} alarms in {runs} runs:\n{}", found.len(), found.join("\n"));
}

#[test]
fn trees_drawn_at_random_are_not_held_guilty() {
    without_alarms(&wild::wild(), 0..40);
}

#[test]
#[ignore = "minutes"]
fn thousands_of_trees_drawn_at_random_are_not_held_guilty() {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |text| text.parse().unwrap());
    let first = number("FIRST", 0);
    without_alarms(&wild::wild(), first..first + number("SEEDS", 2000));
}
