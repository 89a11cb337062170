//! Reads the scenario language: one statement per line, words split by blanks, `%` starts a comment line.
//!
//! Statements that Rust's types cannot express are refused, with line and word. Examples are faulty specs, a start
//! function that returns junk, a child that cuts its link, and exit signals from strangers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use regrow_supervisors::{AutoShutdown, Exit, Restart, Shutdown, Strategy};

use crate::otp::scenario::{Body, Def, Init, Op, Outcome, Refused, Scenario, Stimulus, Sup, What, Worker, base};

type Words<'a> = &'a [&'a str];

/// Limits above the need of any scenario, and low enough to do no harm: repeats in a script, depth of a tree, a year.
const REPEATS_MAX: usize = 100_000;
const DEPTH_MAX: usize = 100;
const MILLIS_MAX: u64 = 366 * 24 * 3_600_000;

pub(crate) struct Parser<'a> {
    lines: Vec<(usize, Vec<&'a str>)>,
    at: usize,
    defs: BTreeMap<String, Def>,
    /// Whether a child may be defined again: a `def sup` describes what a running supervisor is to become.
    may_redefine: bool,
    /// Present depth in the tree.
    depth: usize,
    /// Names of children that were defined by a `def sup`.
    spare: BTreeSet<String>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.split_whitespace().collect::<Vec<_>>()))
            .filter(|(_, words)| words.first().is_some_and(|first| !first.starts_with('%')))
            .collect();
        Self { lines, at: 0, defs: BTreeMap::new(), may_redefine: false, depth: 0, spare: BTreeSet::new() }
    }

    fn next(&mut self) -> Option<(usize, Vec<&'a str>)> {
        let line = self.lines.get(self.at).cloned();
        self.at += 1;
        line
    }

    pub(crate) fn parse(mut self) -> Result<Scenario, Refused> {
        let (mut reports, mut root) = (false, None);
        let last = self.lines.last().map_or(1, |(line, _)| *line);
        loop {
            let Some((line, words)) = self.next() else {
                return Err(wrong(last, "the file ends before `run`"));
            };
            match words.as_slice() {
                ["option", "reports"] => reports = true,
                ["option", other, ..] => return Err(wrong(line, format!("unknown option `{other}`"))),
                ["def", "child", rest @ ..] => {
                    self.child(line, rest)?;
                }
                ["def", "sup", rest @ ..] => {
                    self.may_redefine = true;
                    self.sup(line, rest)?;
                    self.may_redefine = false;
                }
                ["sup", ..] if root.is_some() => return Err(wrong(line, "a second root")),
                ["sup", rest @ ..] => root = Some(self.sup(line, rest)?),
                ["run"] => break,
                [word, ..] => return Err(wrong(line, format!("unknown statement `{word}`"))),
                [] => {}
            }
        }
        let Some(root) = root else { return Err(wrong(last, "no root supervisor comes before `run`")) };
        let mut stimuli = Vec::new();
        while let Some((line, words)) = self.next() {
            stimuli.push(Stimulus { text: words.join(" "), what: self.stimulus(line, &words)? });
        }
        Ok(Scenario { reports, root, defs: self.defs, stimuli })
    }

    fn define(&mut self, line: usize, def: Def) -> Result<String, Refused> {
        let id = def.id.clone();
        if id.contains('/') {
            return Err(unsayable(line, format!("the name `{id}`, with a slash,")));
        }
        if self.may_redefine {
            self.spare.insert(id.clone());
        }
        let was_spare = self.spare.contains(&id);
        match self.defs.insert(id.clone(), def) {
            Some(_) if !was_spare => Err(wrong(line, format!("`{id}` is defined twice"))),
            Some(_) | None => Ok(id),
        }
    }

    fn child(&mut self, line: usize, words: Words<'_>) -> Result<String, Refused> {
        let [id, keys @ ..] = words else { return Err(wrong(line, "a child without a name")) };
        let mut worker = Worker {
            starts: vec![Outcome::Ok],
            start_delay: Duration::ZERO,
            traps: false,
            slow: Some(Duration::ZERO),
            on_term: None,
            counts_as_supervisor: false,
        };
        let is_supervisor = keys.contains(&"type=supervisor");
        let shutdown = if is_supervisor { Shutdown::Wait } else { Shutdown::After(Duration::from_secs(5)) };
        let mut def = common(id, shutdown, Body::Worker(worker.clone()));
        for (key, value) in keys.iter().map(|word| key_value(word)) {
            match key {
                "starts" => worker.starts = script(line, value, outcome)?,
                "startdelay" => worker.start_delay = millis(line, value)?,
                "trap" => worker.traps = flag(line, key, value)?,
                "slow" if value == "infinity" => worker.slow = None,
                "slow" => worker.slow = Some(millis(line, value)?),
                "onterm" => worker.on_term = Some(reason(value)),
                "type" => {
                    worker.counts_as_supervisor = match value {
                        "worker" => false,
                        "supervisor" => true,
                        other => return Err(unsayable(line, format!("a child of type `{other}`"))),
                    };
                }
                "unlink" | "noid" | "nostart" | "badstart" => return Err(unsayable(line, format!("`{key}`"))),
                _ => shared_key(line, &mut def, key, value)?,
            }
        }
        def.body = Body::Worker(worker);
        self.define(line, def)
    }

    fn sup(&mut self, line: usize, words: Words<'_>) -> Result<String, Refused> {
        let [id, strategy, keys @ ..] = words else {
            return Err(wrong(line, "a supervisor needs a name and a strategy"));
        };
        let strategy = match *strategy {
            "one_for_one" => Some(Strategy::OneForOne),
            "one_for_all" => Some(Strategy::OneForAll),
            "rest_for_one" => Some(Strategy::RestForOne),
            "simple_one_for_one" => None,
            other => return Err(unsayable(line, format!("the strategy `{other}`"))),
        };
        let (intensity, period, auto) = (1, Duration::from_secs(5), AutoShutdown::Never);
        let mut sup = Sup { strategy, intensity, period, auto, inits: vec![Init::Ok], kids: Vec::new() };
        let mut def = common(id, Shutdown::Wait, Body::Supervisor(sup.clone()));
        for (key, value) in keys.iter().map(|word| key_value(word)) {
            match key {
                "intensity" => {
                    let refuse = |_| unsayable(line, format!("an intensity of `{value}`"));
                    sup.intensity = value.parse().map_err(refuse)?;
                }
                "period" => match value.parse() {
                    Ok(0) | Err(_) => return Err(unsayable(line, format!("a period of `{value}`"))),
                    Ok(seconds) => sup.period = Duration::from_secs(seconds),
                },
                "auto" => {
                    sup.auto = match value {
                        "never" => AutoShutdown::Never,
                        "any_significant" => AutoShutdown::AnySignificant,
                        "all_significant" => AutoShutdown::AllSignificant,
                        other => return Err(unsayable(line, format!("auto_shutdown `{other}`"))),
                    };
                }
                "inits" => sup.inits = script(line, value, init)?,
                _ => shared_key(line, &mut def, key, value)?,
            }
        }
        loop {
            let Some((line, words)) = self.next() else {
                return Err(wrong(line, format!("`sup {id}` has no `end`")));
            };
            match words.as_slice() {
                ["end"] => break,
                ["child", rest @ ..] => sup.kids.push(self.child(line, rest)?),
                ["sup", ..] if self.depth == DEPTH_MAX => {
                    return Err(wrong(line, format!("a tree deeper than {DEPTH_MAX} supervisors")));
                }
                ["sup", rest @ ..] => {
                    self.depth += 1;
                    sup.kids.push(self.sup(line, rest)?);
                    self.depth -= 1;
                }
                [word, ..] => return Err(wrong(line, format!("`{word}` inside `sup {id}`, which has no `end` yet"))),
                [] => {}
            }
        }
        if sup.strategy.is_none() && sup.kids.len() != 1 {
            return Err(unsayable(line, format!("`{id}`: a dynamic supervisor with {} templates", sup.kids.len())));
        }
        def.body = Body::Supervisor(sup);
        self.define(line, def)
    }

    fn stimulus(&self, line: usize, words: Words<'_>) -> Result<What, Refused> {
        Ok(match words {
            ["nowait", op @ ..] => What::NoWait(self.op(line, op)?),
            ["post", op @ ..] => What::Post(self.op(line, op)?),
            ["replies"] => What::Replies,
            ["sleep", ms] => What::Sleep(millis(line, ms)?),
            ["align"] => What::Align,
            ["pause", s] => What::Pause(self.supervisor(line, s)?),
            ["unpause", s] => What::Unpause(self.supervisor(line, s)?),
            ["await_gate", x] => What::AwaitGate(self.known(line, x)?),
            ["open", x] => What::Open(self.known(line, x)?),
            op => What::Do(self.op(line, op)?),
        })
    }

    fn op(&self, line: usize, words: Words<'_>) -> Result<Op, Refused> {
        let sup = |name: &str| self.supervisor(line, name);
        Ok(match words {
            ["kill", x] => Op::Kill(self.known(line, x)?),
            ["exit", x, why] => Op::Exit(self.known(line, x)?, reason(why)),
            ["signal", x, why] if self.is_root(x) => Op::Signal(reason(why)),
            ["signal", x, _] => return Err(unsayable(line, format!("an exit signal from a stranger to `{x}`"))),
            ["start_child", s, x] => Op::StartChild(sup(s)?, self.defined(line, x)?),
            ["terminate_child", s, x] => Op::TerminateChild(sup(s)?, (*x).into()),
            ["restart_child", s, x] => Op::RestartChild(sup(s)?, (*x).into()),
            ["delete_child", s, x] => Op::DeleteChild(sup(s)?, (*x).into()),
            ["get_childspec", s, x] => Op::GetChildspec(sup(s)?, (*x).into()),
            ["which", s] => Op::Which(sup(s)?),
            ["count", s] => Op::Count(sup(s)?),
            ["stop"] => Op::Stop(Exit::Shutdown),
            ["stop", why] => Op::Stop(reason(why)),
            ["gen_stop", s, why] => Op::GenStop(sup(s)?, reason(why)),
            ["upgrade", s, new] => Op::Upgrade(sup(s)?, sup(&self.defined(line, new)?)?),
            ["check", ..] => return Err(unsayable(line, "`check`: specs are checked by their types")),
            [word, ..] => return Err(wrong(line, format!("unknown stimulus `{}`, or wrong words after it", word))),
            [] => return Err(wrong(line, "a stimulus without words")),
        })
    }

    fn is_root(&self, name: &str) -> bool {
        let is_kid = |def: &Def| matches!(&def.body, Body::Supervisor(sup) if sup.kids.iter().any(|kid| kid == name));
        self.defs.contains_key(name) && !self.defs.values().any(is_kid)
    }

    fn known(&self, line: usize, name: &str) -> Result<String, Refused> {
        if self.defs.contains_key(base(name)) {
            return Ok(name.to_owned());
        }
        Err(wrong(line, format!("nothing is named `{}`", base(name))))
    }

    /// A definition: no process, which is named `a#2`.
    fn defined(&self, line: usize, name: &str) -> Result<String, Refused> {
        if self.defs.contains_key(name) {
            return Ok(name.to_owned());
        }
        Err(wrong(line, format!("nothing is defined as `{name}`")))
    }

    fn supervisor(&self, line: usize, name: &str) -> Result<String, Refused> {
        match self.defs.get(base(name)).map(|def| &def.body) {
            Some(Body::Supervisor(_)) => Ok(name.to_owned()),
            Some(Body::Worker(_)) => Err(wrong(line, format!("`{name}` is no supervisor"))),
            None => Err(wrong(line, format!("nothing is named `{}`", base(name)))),
        }
    }
}

fn wrong(line: usize, why: impl Into<String>) -> Refused {
    refused(line, &why.into(), false)
}

fn unsayable(line: usize, what: impl fmt::Display) -> Refused {
    refused(line, &format!("{what} cannot be expressed in Rust"), true)
}

/// The words of the scenario that are quoted in it lose their control characters: they go to a terminal.
fn refused(line: usize, why: &str, is_unsayable: bool) -> Refused {
    Refused { line, why: why.replace(char::is_control, "?"), is_unsayable }
}

fn common(id: &str, shutdown: Shutdown, body: Body) -> Def {
    Def { id: id.to_owned(), restart: Restart::Permanent, shutdown, significant: false, body }
}

fn key_value(word: &str) -> (&str, &str) {
    word.split_once('=').unwrap_or((word, "true"))
}

fn shared_key(line: usize, def: &mut Def, key: &str, value: &str) -> Result<(), Refused> {
    match (key, value) {
        ("restart", "permanent") => def.restart = Restart::Permanent,
        ("restart", "transient") => def.restart = Restart::Transient,
        ("restart", "temporary") => def.restart = Restart::Temporary,
        ("restart", other) => return Err(unsayable(line, format!("restart type `{other}`"))),
        ("shutdown", "brutal_kill") => def.shutdown = Shutdown::Kill,
        ("shutdown", "infinity") => def.shutdown = Shutdown::Wait,
        ("shutdown", ms) => match ms.parse() {
            Ok(ms) => def.shutdown = Shutdown::After(Duration::from_millis(ms)),
            Err(_) => return Err(unsayable(line, format!("a shutdown of `{ms}`"))),
        },
        ("significant", "true") => def.significant = true,
        ("significant", "false") => def.significant = false,
        ("significant", other) => return Err(unsayable(line, format!("significant `{other}`"))),
        (key, _) => return Err(wrong(line, format!("unknown key `{key}`"))),
    }
    Ok(())
}

fn flag(line: usize, key: &str, value: &str) -> Result<bool, Refused> {
    value.parse().map_err(|_| wrong(line, format!("`{key}` is true or false, not `{value}`")))
}

fn millis(line: usize, value: &str) -> Result<Duration, Refused> {
    let millis = value.parse().ok().filter(|&millis| millis <= MILLIS_MAX).map(Duration::from_millis);
    millis.ok_or_else(|| wrong(line, format!("`{value}` is no number of milliseconds up to {MILLIS_MAX}")))
}

fn script<T: Copy>(
    line: usize,
    text: &str,
    word: impl Fn(usize, &str) -> Result<T, Refused>,
) -> Result<Vec<T>, Refused> {
    let mut script = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, times) = part.split_once('*').unwrap_or((part, "1"));
        let times = times.parse().ok().filter(|&times| times <= REPEATS_MAX);
        let times =
            times.ok_or_else(|| wrong(line, format!("`{part}` needs a number of repeats, at most {REPEATS_MAX}")))?;
        let outcome = word(line, name)?;
        script.extend(std::iter::repeat_n(outcome, times));
    }
    if script.is_empty() { Err(wrong(line, format!("`{text}` is an empty script"))) } else { Ok(script) }
}

fn outcome(line: usize, word: &str) -> Result<Outcome, Refused> {
    Ok(match word {
        "ok" => Outcome::Ok,
        "okinfo" => Outcome::OkInfo,
        "ignore" => Outcome::Ignore,
        "fail" => Outcome::Fail,
        "raise" => Outcome::Raise,
        "already" => Outcome::Already,
        "gate" => Outcome::Gate,
        "gatefail" => Outcome::GateFail,
        "junk" => return Err(unsayable(line, "a start function that returns `junk`")),
        other => return Err(wrong(line, format!("unknown start outcome `{other}`"))),
    })
}

fn init(line: usize, word: &str) -> Result<Init, Refused> {
    Ok(match word {
        "ok" => Init::Ok,
        "ignore" => Init::Ignore,
        "junk" | "raise" => return Err(unsayable(line, format!("an init that answers `{word}`"))),
        other => return Err(wrong(line, format!("unknown init outcome `{other}`"))),
    })
}

/// An exit reason: `normal`, `shutdown`, `shutdown:x`, or any word, which is a failure.
fn reason(word: &str) -> Exit {
    match word {
        "normal" => Exit::Normal,
        "shutdown" => Exit::Shutdown,
        "kill" | "killed" => Exit::Killed,
        _ => match word.strip_prefix("shutdown:") {
            Some(why) => Exit::ShutdownWith(why.into()),
            None => Exit::failed(word),
        },
    }
}
