//! The herd: a hundred children die at once with a service that they all need, and that is down for eight seconds.
//!
//! A start takes 0.1 ms, and fails while the service is down. Time is virtual and the seeds are fixed, so that every number
//! is the same each time. `cargo test --test policies -- thundering_herd --nocapture` prints the table.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::MS;
use crate::common::dice::Dice;
use crate::common::sim::Sim;
use regrow_supervisors::{Action, Attempt, Backoff, ChildSpec, Exit, Flags, Intensity, Jitter, Policy};

const CHILDREN: u64 = 100;
const DOWN_FOR: Duration = Duration::from_secs(8);
const START: Duration = Duration::from_micros(100);

#[derive(Debug)]
struct Herd {
    attempts: usize,
    failed: usize,
    /// The most attempts in any 100 ms of the first second, and after it.
    worst_early: usize,
    worst_late: usize,
    last_up: Duration,
}

fn herd(policy: &Policy) -> Herd {
    let flags = Flags { intensity: Intensity::unlimited(), ..Flags::default() };
    let specs = (0..CHILDREN).map(|number| ChildSpec::new(format!("c{number}")).policy(policy.clone()));
    let mut sim = Sim::new(flags, specs);
    sim.tell(|machine, now| machine.handle_dependency("service", true, now));
    let mut up = Vec::new();
    while let Some(action) = sim.act() {
        if let Action::Start(attempt) = action {
            sim.started(attempt);
            up.push(attempt);
        }
    }
    for (seed, attempt) in up.iter().enumerate() {
        sim.tell(|machine, _| machine.set_chance(attempt.child(), Box::new(Dice::new(seed as u64))));
    }

    let begun = Duration::from_secs(3600);
    sim.now = begun;
    sim.tell(|machine, now| machine.handle_dependency("service", false, now));
    up.into_iter().for_each(|attempt| sim.exits(attempt, Exit::failed("service is gone")));
    let (mut is_down, mut ups, mut failed) = (true, 0, 0);
    let mut starting: VecDeque<(Duration, Attempt)> = VecDeque::new();
    let mut times = Vec::new();
    while ups < CHILDREN {
        while let Some(action) = sim.act() {
            if let Action::Start(attempt) = action {
                times.push(sim.now - begun);
                starting.push_back((sim.now + START, attempt));
            }
        }
        sim.hear_all();
        let outcome = starting.front().map(|(at, _)| *at);
        let back = is_down.then_some(begun + DOWN_FOR);
        let next = [outcome, back, sim.asked().poll_timeout()].into_iter().flatten().min();
        let now = next.expect("something is to come").max(sim.now);
        sim.now = now;
        if back == Some(now) {
            is_down = false;
            sim.tell(|machine, now| machine.handle_dependency("service", true, now));
        } else if outcome == Some(now) {
            let (_, attempt) = starting.pop_front().expect("it is there");
            if is_down {
                failed += 1;
                sim.start_failed(attempt, Exit::failed("refused"));
            } else {
                ups += 1;
                sim.started(attempt);
            }
        } else {
            sim.wakes_at(now);
        }
    }
    let worst = |from: Duration, to: Duration| {
        let mut buckets = std::collections::BTreeMap::new();
        for time in times.iter().filter(|time| **time >= from && **time < to) {
            *buckets.entry(time.as_millis() / 100).or_insert(0) += 1;
        }
        buckets.into_values().max().unwrap_or(0)
    };
    Herd {
        attempts: times.len(),
        failed,
        worst_early: worst(Duration::ZERO, 1000 * MS),
        worst_late: worst(1000 * MS, Duration::MAX),
        last_up: sim.now - begun,
    }
}

#[test]
fn a_hundred_children_whose_service_is_down_for_eight_seconds() {
    let curve = Backoff::new(100 * MS).max_delay(10_000 * MS);
    let delayed = |backoff: Backoff| Policy::default().backoff(backoff);
    let rows = [
        ("immediate (OTP)", Policy::default()),
        ("exponential", delayed(curve.clone())),
        ("full jitter", delayed(curve.clone().jitter(Jitter::Full))),
        ("decorrelated jitter", delayed(curve.clone().jitter(Jitter::Decorrelated))),
        ("wake on ready", delayed(curve.clone().jitter(Jitter::Full)).depends_on(["service"])),
    ];
    let herds = rows.map(|(name, policy)| (name, herd(&policy)));
    println!(
        "| restart | attempts | of these failed | worst 100 ms, 1st second | worst 100 ms, later | last child up |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (name, Herd { attempts, failed, worst_early, worst_late, last_up }) in &herds {
        println!("| {name} | {attempts} | {failed} | {worst_early} | {worst_late} | {:.2} s |", last_up.as_secs_f64());
    }
    let [immediate, exponential, full, decorrelated, wake] = herds.map(|(_, herd)| herd);
    // Without delays it tries as fast as starts can fail: every 0.1 ms. (The 80,000th finds the service back.)
    assert_eq!(immediate.failed, 79_999);
    // 0.1, 0.3, 0.7, 1.5, 3.1 and 6.3 s are too early, 12.7 s is not; and all come together each time.
    assert_eq!((exponential.failed, exponential.worst_late), (600, 100));
    assert!(exponential.last_up > 12_700 * MS && exponential.last_up < 12_720 * MS);
    // Jitter spreads the herd.
    assert!(full.worst_late < 30 && decorrelated.worst_late < 30);
    assert!(full.failed < 1200 && decorrelated.failed < 1000);
    // No child tries in vain, and none comes late.
    assert_eq!((wake.attempts, wake.failed), (100, 0));
    assert!(wake.last_up <= DOWN_FOR + 100 * START);
}
