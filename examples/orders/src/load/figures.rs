//! The figures of a run: requests by outcome, and the times of orders.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::Placed;

/// Outcome of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    Status(u16),
    /// The connection was refused or broke off, or it took too long.
    None,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(201) => f.write_str("201 taken"),
            Self::Status(200) => f.write_str("200 taken before"),
            Self::Status(429) => f.write_str("429 too fast"),
            Self::Status(503) => f.write_str("503 busy, repeat"),
            Self::Status(status) => write!(f, "{status}"),
            Self::None => f.write_str("no answer"),
        }
    }
}

#[derive(Debug)]
pub struct Figures {
    /// Each order, in the order in which their fates became known.
    pub placed: Vec<Placed>,
    pub answers: BTreeMap<Answer, u64>,
    /// Microseconds from when an order was due until it was acknowledged.
    times: Histogram<u64>,
    pub took: Duration,
}

impl Default for Figures {
    fn default() -> Self {
        let times = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("an hour in microseconds, and three digits");
        Self { placed: Vec::new(), answers: BTreeMap::new(), times, took: Duration::ZERO }
    }
}

impl Figures {
    pub fn add(&mut self, placed: Placed) {
        for answer in &placed.answers {
            *self.answers.entry(*answer).or_default() += 1;
        }
        if placed.acknowledged.is_some() {
            self.times.saturating_record(placed.took.as_micros() as u64);
        }
        self.placed.push(placed);
    }

    pub fn acknowledged(&self) -> usize {
        self.times.len() as usize
    }

    /// Orders that were never acknowledged.
    pub fn given_up(&self) -> usize {
        self.placed.len() - self.acknowledged()
    }

    /// The time within which this share of the orders was acknowledged.
    pub fn within(&self, share: f64) -> Duration {
        Duration::from_micros(self.times.value_at_quantile(share))
    }

    /// For the progress bar.
    pub fn line(&self) -> String {
        let bad = |answer: &Answer| !matches!(answer, Answer::Status(200 | 201));
        let bad: Vec<_> = self.answers.iter().filter(|(answer, _)| bad(answer)).collect();
        let bad: String = bad.iter().map(|(answer, count)| format!(", {count} {answer}")).collect();
        format!("p99 {}{bad}", milliseconds(self.within(0.99)))
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The figures of some runs side by side.
pub struct Table<'a>(pub &'a [(&'a str, &'a Figures)]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, cell: &dyn Fn(&Figures) -> String| {
            write!(f, "  {name:<22}")?;
            self.0.iter().try_for_each(|(_, figures)| write!(f, "{:>14}", cell(figures)))?;
            writeln!(f)
        };
        write!(f, "{:24}", "")?;
        self.0.iter().try_for_each(|(name, _)| write!(f, "{name:>14}"))?;
        writeln!(f)?;
        line(f, "orders", &|run| run.placed.len().to_string())?;
        line(f, "acknowledged", &|run| run.acknowledged().to_string())?;
        line(f, "given up", &|run| run.given_up().to_string())?;
        line(f, "orders a second", &|run| format!("{:.0}", run.placed.len() as f64 / run.took.as_secs_f64()))?;
        writeln!(f, "requests by outcome")?;
        let kinds: BTreeMap<Answer, ()> =
            self.0.iter().flat_map(|(_, run)| run.answers.keys().map(|answer| (*answer, ()))).collect();
        for answer in kinds.keys() {
            line(f, &answer.to_string(), &|run| run.answers.get(answer).map_or("-".into(), u64::to_string))?;
        }
        writeln!(f, "time until acknowledged, repetitions included")?;
        for (name, share) in [("half", 0.5), ("99 %", 0.99), ("99.9 %", 0.999), ("the slowest", 1.0)] {
            line(f, name, &|run| milliseconds(run.within(share)))?;
        }
        Ok(())
    }
}
