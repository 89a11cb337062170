//! Experiments in files: what the builder can say, in TOML. Probes and rollbacks are code, and only the builder has
//! them. The page [`guide::files`](crate::guide::files#experiments) has the format.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::base::plain::plain_lines;
use crate::chaos::error::ExperimentError;
use crate::chaos::experiment::Experiment;
use crate::chaos::fault::{Fault, Times, Trigger, When};
use crate::chaos::scope::Scope;
use crate::tree::directory::ChildKind;

/// Largest size of a file: no experiment needs more.
const BYTES_MAX: u64 = 1 << 20;

impl Experiment {
    /// Reads an experiment from TOML. The page [files](crate::guide::files#experiments) has the format.
    ///
    /// # Errors
    ///
    /// Text that is not TOML or has a wrong field, with line and column; or an experiment that makes no sense.
    pub fn parse(text: &str) -> Result<Self, ExperimentFileError> {
        let file: File = toml::from_str(text).map_err(|error| ExperimentFileError::Syntax(error.to_string()))?;
        let experiment = file.experiment()?;
        experiment.check().map_err(ExperimentFileError::Senseless)?;
        Ok(experiment)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), and if the file cannot be read or is larger than 1 MiB.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ExperimentFileError> {
        let mut text = String::new();
        let path = path.as_ref();
        let file = std::fs::File::open(path).map_err(ExperimentFileError::Unreadable)?;
        // What is read is limited, not what the file says of its size: a pipe says nothing.
        let bytes = file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(ExperimentFileError::Unreadable)?;
        if bytes as u64 > BYTES_MAX {
            return Err(ExperimentFileError::TooLarge);
        }
        let mut experiment = Self::parse(&text)?;
        experiment.replay = Some(format!("regrow chaos replay {}", path.display()));
        Ok(experiment)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    #[serde(default)]
    seed: u64,
    #[serde(default, deserialize_with = "time")]
    duration: Option<Duration>,
    targets: Vec<Whom>,
    at_once: Option<usize>,
    #[serde(default, deserialize_with = "time")]
    stabilise_within: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    look_every: Option<Duration>,
    #[serde(default)]
    stop_when_broken: bool,
    stop_after_escalations: Option<u32>,
    #[serde(default)]
    hypothesis: Claims,
    #[serde(default, rename = "fault")]
    faults: Vec<FaultFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Claims {
    everybody_up: bool,
    supervision: bool,
    restarts_max: Option<u64>,
    availability: Option<f64>,
}

impl Default for Claims {
    fn default() -> Self {
        Self { everybody_up: true, supervision: true, restarts_max: None, availability: None }
    }
}

/// A glob, or a table.
#[derive(Debug)]
enum Whom {
    Path(String),
    Scope(ScopeFile),
}

impl<'de> Deserialize<'de> for Whom {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Whom;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a glob, or { path, kind, depth }")
            }

            fn visit_str<E: serde::de::Error>(self, glob: &str) -> Result<Whom, E> {
                Ok(Whom::Path(glob.to_owned()))
            }

            // Not as an untagged enum: of that serde would only say that no variant fits.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Whom, A::Error> {
                ScopeFile::deserialize(MapAccessDeserializer::new(map)).map(Whom::Scope)
            }
        }
        from.deserialize_any(Either)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeFile {
    path: Option<String>,
    #[serde(default, deserialize_with = "kind")]
    kind: Option<ChildKind>,
    depth: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFile {
    kind: FaultKind,
    on: Option<Whom>,
    /// Number of victims, or of starts or saves that fail (none: each).
    count: Option<u32>,
    #[serde(default, deserialize_with = "time")]
    by: Option<Duration>,
    share: Option<f64>,
    #[serde(default, deserialize_with = "time")]
    every: Option<Duration>,
    at: Option<Vec<Time>>,
    rate: Option<f64>,
    after: Option<After>,
    #[serde(default, deserialize_with = "time")]
    lasts: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultKind {
    Kill,
    KillTogether,
    Panic,
    Error,
    StartPanic,
    StartError,
    SlowStart,
    Flap,
    Hang,
    Hold,
    Slow,
    RefuseStop,
    Block,
    Drop,
    Delay,
    Duplicate,
    Reorder,
    MailboxFull,
    SaveFail,
    SaveTear,
    SaveDelay,
    SaveLose,
    ClockJump,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    event: Trigger,
    of: Option<Whom>,
    #[serde(default, deserialize_with = "time")]
    delay: Option<Duration>,
}

#[derive(Debug, Deserialize)]
struct Time(#[serde(deserialize_with = "one_time")] Duration);

fn one_time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text)
        .map_err(|error| serde::de::Error::custom(format!("`{text}` is not a time such as \"250ms\": {error}")))
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    one_time(from).map(Some)
}

impl File {
    fn experiment(self) -> Result<Experiment, ExperimentFileError> {
        let mut experiment = Experiment::new(self.title).seed(self.seed);
        if let Some(duration) = self.duration {
            experiment = experiment.duration(duration);
        }
        if let Some(limit) = self.stabilise_within {
            experiment = experiment.stabilise_within(limit);
        }
        if let Some(period) = self.look_every {
            experiment = experiment.look_every(period);
        }
        for target in self.targets {
            experiment = experiment.target(target.scope());
        }
        (experiment.at_once_max, experiment.stop_when_broken) = (self.at_once, self.stop_when_broken);
        experiment.escalations_max = self.stop_after_escalations;
        let Claims { everybody_up, supervision, restarts_max, availability } = self.hypothesis;
        (experiment.hypothesis.everybody_up, experiment.hypothesis.supervision) = (everybody_up, supervision);
        experiment.hypothesis.restarts_max = restarts_max;
        experiment.hypothesis.availability_min = availability;
        for (number, fault) in self.faults.into_iter().enumerate() {
            experiment.faults.push(fault.planned().map_err(|(kind, what)| ExperimentFileError::Fault {
                number: number + 1,
                kind: word(kind),
                what,
            })?);
        }
        Ok(experiment)
    }
}

type Unclear = (FaultKind, &'static str);

/// Returns the name of the kind in files.
fn word(kind: FaultKind) -> String {
    let mut word = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(letter.to_lowercase());
    }
    word
}

impl FaultFile {
    fn planned(self) -> Result<crate::chaos::experiment::Planned, Unclear> {
        let kind = self.kind;
        let needs = |what| move || (kind, what);
        let by = self.by.ok_or_else(needs("it needs `by`, a time"));
        let share = self.share.ok_or_else(needs("it needs `share`, from 0 to 1"));
        let times = self.count.map_or(Times::Always, Times::Count);
        let (fault, takes_by, takes_share, takes_count) = match kind {
            FaultKind::Kill => (Fault::Kill, false, false, false),
            FaultKind::KillTogether => {
                let count = self.count.ok_or_else(needs("it needs `count`, how many die together"))?;
                (Fault::KillTogether(count as usize), false, false, true)
            }
            FaultKind::Panic => (Fault::Panic, false, false, false),
            FaultKind::Error => (Fault::Error, false, false, false),
            FaultKind::StartPanic => (Fault::StartPanic(times), false, false, true),
            FaultKind::StartError => (Fault::StartError(times), false, false, true),
            FaultKind::SlowStart => (Fault::SlowStart(by?), true, false, false),
            FaultKind::Flap => (Fault::Flap(by?), true, false, false),
            FaultKind::Hang => (Fault::Hang, false, false, false),
            FaultKind::Hold => (Fault::Hold, false, false, false),
            FaultKind::Slow => (Fault::Slow(by?), true, false, false),
            FaultKind::RefuseStop => (Fault::RefuseStop, false, false, false),
            FaultKind::Block => (Fault::Block(by?), true, false, false),
            FaultKind::Drop => (Fault::Drop(share?), false, true, false),
            FaultKind::Delay => (Fault::Delay(by?), true, false, false),
            FaultKind::Duplicate => (Fault::Duplicate(share?), false, true, false),
            FaultKind::Reorder => (Fault::Reorder(share?), false, true, false),
            FaultKind::MailboxFull => (Fault::MailboxFull, false, false, false),
            FaultKind::SaveFail => (Fault::SaveFail(times), false, false, true),
            FaultKind::SaveTear => (Fault::SaveTear(times), false, false, true),
            FaultKind::SaveDelay => (Fault::SaveDelay(by?), true, false, false),
            FaultKind::SaveLose => (Fault::SaveLose(times), false, false, true),
            FaultKind::ClockJump => (Fault::ClockJump(by?), true, false, false),
        };
        for (is_said, is_taken, what) in [
            (self.by.is_some(), takes_by, "`by` has no meaning for this kind: remove it"),
            (self.share.is_some(), takes_share, "`share` has no meaning for this kind: remove it"),
            (self.count.is_some(), takes_count, "`count` has no meaning for this kind: remove it"),
        ] {
            if is_said && !is_taken {
                return Err((kind, what));
            }
        }
        let when = match (self.every, self.at, self.rate, self.after) {
            (Some(period), None, None, None) => When::Every(period),
            (None, Some(times), None, None) => When::At(times.into_iter().map(|Time(time)| time).collect()),
            (None, None, Some(rate), None) => When::Rate(rate),
            (None, None, None, Some(After { event, of, delay })) => {
                When::After { event, of: of.map_or_else(Scope::default, Whom::scope), delay: delay.unwrap_or_default() }
            }
            (None, None, None, None) => return Err((kind, "it needs one of `every`, `at`, `rate`, `after`")),
            (..) => return Err((kind, "it can have only one of `every`, `at`, `rate`, `after`")),
        };
        let scope = self.on.map_or_else(Scope::default, Whom::scope);
        Ok(crate::chaos::experiment::Planned { fault, scope, when, lasts: self.lasts })
    }
}

impl Whom {
    fn scope(self) -> Scope {
        match self {
            Self::Path(path) => Scope::path(path),
            Self::Scope(ScopeFile { path, kind, depth }) => Scope { path: path.map(Into::into), kind, depth },
        }
    }
}

/// Error of reading an experiment from a file or a text.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExperimentFileError {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// The file is larger than 1 MiB.
    TooLarge,
    /// The text is not TOML, or not an experiment: with line, column and what was expected.
    Syntax(String),
    /// A fault with fields that are missing or do not go together.
    Fault {
        /// Position of the fault in the file, from 1.
        number: usize,
        /// Its kind.
        kind: String,
        /// The mistake.
        what: &'static str,
    },
    /// The file can be read, but the experiment makes no sense.
    Senseless(ExperimentError),
}

impl fmt::Display for ExperimentFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Unreadable(error) => format!("the file cannot be read: {error}"),
            Self::TooLarge => {
                format!("the file has more than {BYTES_MAX} bytes, which is the limit for an experiment")
            }
            Self::Syntax(text) => text.trim_end().to_owned(),
            Self::Fault { number, kind, what } => format!("fault {number} (`{kind}`): {what}"),
            Self::Senseless(error) => error.to_string(),
        };
        // Lines and globs of the file stand in the text, and the text goes to a terminal.
        f.write_str(&plain_lines(&text))
    }
}

impl std::error::Error for ExperimentFileError {}

/// The kinds of children by the names that they have in files.
#[derive(serde::Deserialize)]
#[serde(remote = "ChildKind", rename_all = "snake_case")]
enum KindInFile {
    Service,
    Task,
    Thread,
    Actor,
    Supervisor,
    Dynamic,
    Partitioned,
}

fn kind<'de, D: Deserializer<'de>>(value: D) -> Result<Option<ChildKind>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Kind(#[serde(with = "KindInFile")] ChildKind);
    Kind::deserialize(value).map(|Kind(kind)| Some(kind))
}
