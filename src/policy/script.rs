//! Script of a simulation: a row of lives.

use std::fmt;
use std::time::Duration;

use crate::policy::reader::{nearest, short};

/// Course of a life, and its number of repetitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitStep {
    pub(crate) life: Life,
    /// Repetitions; `None` is for ever.
    pub(crate) times: Option<u32>,
}

/// Course of one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Panics(Duration),
    Fails(Duration),
    IsKilled(Duration),
    Ends(Duration),
    StartFails(Duration),
    StartHangs,
    NeverReady,
    Hangs(Duration),
    Lives,
}

/// A row of lives for [`simulate`](super::simulate()). After the last one, the child lives for good.
///
/// Steps are separated by line ends or semicolons. `#` begins a comment:
///
/// | step | what the child does |
/// |---|---|
/// | `panic after 2s`, `error after 2s`, `kill after 2s` | is up for this time, then panics, returns an error, or is killed |
/// | `end after 1s` | is up for this time, then ends normally |
/// | `start fails`, `start fails after 50ms` | does not come up |
/// | `start hangs` | is starting until its `start_timeout` |
/// | `never ready` | comes up and does not say that it is ready |
/// | `hang after 3s` | begins a message that it never finishes |
/// | `lives` | stays up |
///
/// `*20` after a step gives it 20 times, `*` alone repeats it for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitScript {
    pub(crate) steps: Vec<ExitStep>,
}

/// A step that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitScriptError {
    step: usize,
    what: Box<str>,
}

const KINDS: &[&str] = &["panic", "error", "kill", "end", "start", "never", "hang", "lives"];

impl ExitScript {
    /// Reads a script.
    ///
    /// # Errors
    ///
    /// Names the first step that cannot be read, with the reason.
    pub fn parse(text: &str) -> Result<Self, ExitScriptError> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let steps = lines.flat_map(|line| line.split(';')).map(str::trim).filter(|step| !step.is_empty());
        let steps = steps.enumerate().map(|(at, step)| {
            read_step(step).map_err(|what| ExitScriptError { step: at + 1, what: what.into_boxed_str() })
        });
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        if steps.is_empty() {
            return Err(ExitScriptError { step: 1, what: "there is no step".into() });
        }
        Ok(Self { steps })
    }

    /// The life of this number, counted from 0.
    pub(crate) fn life(&self, mut number: u32) -> Life {
        for step in &self.steps {
            match step.times {
                Some(times) if number >= times => number -= times,
                Some(_) | None => return step.life,
            }
        }
        Life::Lives
    }
}

fn read_step(step: &str) -> Result<ExitStep, String> {
    let (words, times) = match step.split_once('*') {
        None => (step, Some(1)),
        Some((words, times)) if times.trim().is_empty() => (words, None),
        Some((words, times)) => match times.trim().parse() {
            Ok(times) if times > 0 => (words, Some(times)),
            Ok(_) | Err(_) => return Err(format!("`*{}` is no number of repetitions", short(times.trim()))),
        },
    };
    let words: Vec<_> = words.split_whitespace().collect();
    let life = match *words.as_slice() {
        ["panic", "after", ref time @ ..] => Life::Panics(read_time(time)?),
        ["error", "after", ref time @ ..] => Life::Fails(read_time(time)?),
        ["kill", "after", ref time @ ..] => Life::IsKilled(read_time(time)?),
        ["end", "after", ref time @ ..] => Life::Ends(read_time(time)?),
        ["hang", "after", ref time @ ..] => Life::Hangs(read_time(time)?),
        ["start", "fails"] => Life::StartFails(Duration::ZERO),
        ["start", "fails", "after", ref time @ ..] => Life::StartFails(read_time(time)?),
        ["start", "hangs"] => Life::StartHangs,
        ["never", "ready"] => Life::NeverReady,
        ["lives"] => Life::Lives,
        [first, ..] => return Err(unknown(first, &words.join(" "))),
        [] => return Err("a step is missing before `*`".into()),
    };
    Ok(ExitStep { life, times })
}

fn unknown(first: &str, step: &str) -> String {
    match nearest(first, KINDS.iter().copied()) {
        Some(near) if near == first => format!("`{}` is no step: `{first} after 2s`?", short(step)),
        Some(near) => format!("`{}` is no step: did you mean `{near}`?", short(step)),
        None => format!("`{}` is no step; steps begin with {}", short(step), KINDS.join(", ")),
    }
}

fn read_time(words: &[&str]) -> Result<Duration, String> {
    let text = words.join(" ");
    match humantime::parse_duration(&text) {
        Ok(time) if time <= regrow_supervisors::LONGEST_TIME => Ok(time),
        Ok(_) => Err(format!("\"{}\" is longer than a year", short(&text))),
        Err(error) => Err(format!("\"{}\" is no duration: {}", short(&text), error.to_string().to_lowercase())),
    }
}

impl fmt::Display for ExitScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step, self.what)
    }
}

impl std::error::Error for ExitScriptError {}
