//! What the lint of `.clippy.toml` is to find, and what it is to leave alone. `.ci/time` reads this.

use std::time::{Duration, Instant, SystemTime};

const MS: Duration = Duration::from_millis(1);

pub fn instants(at: Instant, by: Duration) -> Instant {
    let mut at = at + by; // caught
    at += by; // caught
    at -= by; // caught
    let _between = at - Instant::now(); // caught
    let _now = Instant::now() + by; // caught
    at - by // caught
}

pub fn durations(time: Duration, by: Duration, number: u32) -> Duration {
    let mut time = time + by; // caught
    time += by; // caught
    time -= by; // caught
    time *= number; // caught
    time /= number; // caught
    let _more = number * time; // caught
    let _times = time * number; // caught
    let _parts = time / number; // caught
    let _half = time / 2; // caught
    let _many = 100 * MS; // caught
    let reference = &time;
    let _borrowed = *reference + by; // caught
    time - by // caught
}

pub fn floats(time: Duration, factor: f64) -> Duration {
    let _share = time.mul_f64(factor); // caught
    let _part = time.div_f64(factor); // caught
    Duration::from_secs_f64(factor) // caught
}

pub fn clocks(at: SystemTime, by: Duration) -> SystemTime {
    at + by // caught
}

pub struct Lasts(pub Duration);

impl Lasts {
    pub fn longer(&self, by: &Duration) -> Duration {
        self.0 + *by // caught
    }
}

pub fn left_alone(time: Duration, number: u64, index: usize, share: f64) -> (Duration, u64, usize, f64) {
    let safe = time.saturating_add(time).saturating_mul(2);
    (safe, number * 2 + 1, index + 1, share * 2.0)
}
