//! Log lines about policies: one for each changed setting, each warning, and each reason for a refusal.

use std::collections::BTreeMap;
use std::path::Path;

use tracing::field::display;

use crate::log::{line, one_line};
use crate::policy::apply::{Applied, PolicyChange};
use crate::policy::follow::ReloadError;
use crate::policy::problem::Problem;

/// Most lines for children with the same change; further ones are counted.
const ALIKE_MAX: usize = 5;

/// Logs the settings that have changed.
pub(crate) fn changes(applied: &Applied) {
    for (changes, in_force) in [(&applied.live, "now"), (&applied.at_next_start, "at next start")] {
        let mut alike = BTreeMap::<_, usize>::new();
        for PolicyChange { path, field, before, after } in changes {
            let count = alike.entry((*field, before, after)).or_default();
            *count += 1;
            if *count <= ALIKE_MAX {
                line!(INFO, { path = %path, field = %field, from = %one_line(before), to = %one_line(after), in_force = %in_force }, "policy changed");
            }
        }
        for ((field, from, to), count) in alike {
            if let Some(more) = count.checked_sub(ALIKE_MAX).filter(|more| *more > 0) {
                line!(INFO, { field = %field, from = %one_line(from), to = %one_line(to), in_force = %in_force, more }, "policy changed for more children");
            }
        }
    }
    for path in &applied.not_running {
        line!(INFO, { path = %path }, "policy is in force when the supervisor runs");
    }
    warnings(&applied.warnings);
}

/// Logs warnings.
pub(crate) fn warnings(warnings: &[String]) {
    warnings.iter().for_each(|warning| Said::rendered(warning).warn(None));
}

/// Logs the answer to a text of a file that is followed.
pub(crate) fn answer(file: &Path, answer: &Result<Applied, ReloadError>) {
    let file = file.display().to_string();
    match answer {
        Ok(Applied { live, at_next_start, not_running: _, warnings }) => {
            let (live, at_next_start, warnings) = (live.len(), at_next_start.len(), warnings.len());
            line!(INFO, { file = %one_line(&file), live, at_next_start, warnings }, "policy file applied");
        }
        Err(ReloadError::File(errors)) => {
            for problem in errors.problems() {
                let said = Said::of(problem);
                if problem.is_error() { said.refuse(&file) } else { said.warn(Some(&file)) }
            }
        }
        Err(ReloadError::Tree(error)) => {
            error.problems.iter().for_each(|problem| Said::rendered(problem).refuse(&file));
        }
    }
}

/// A problem, as fields.
struct Said<'a> {
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    text: &'a str,
    advice: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn of(problem: &'a Problem) -> Self {
        Self {
            file: problem.file(),
            line: problem.line(),
            column: problem.column(),
            text: problem.message(),
            advice: problem.advice(),
        }
    }

    /// Takes the fields out of a problem that has been printed as a compiler would.
    fn rendered(text: &'a str) -> Self {
        let mut said = Self { file: None, line: None, column: None, text, advice: None };
        let Some((headline, rest)) = text.split_once('\n') else { return said };
        let place = rest.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
        // The name of a file may have colons.
        let mut place = place.into_iter().flat_map(|place| place.rsplitn(3, ':'));
        said.column = place.next().and_then(|column| column.parse().ok());
        said.line = place.next().and_then(|line| line.parse().ok());
        said.file = place.next();
        if said.file.is_some() {
            said.text = headline.strip_prefix("error: ").or(headline.strip_prefix("warning: ")).unwrap_or(headline);
            said.advice = rest.lines().find_map(|line| line.split_once("= help: ")).map(|(_, advice)| advice);
        }
        said
    }

    fn warn(&self, followed: Option<&str>) {
        let Self { file, line, column, text, advice } = *self;
        let (file, advice) = (file.or(followed).map(one_line).map(display), advice.map(one_line).map(display));
        line!(WARN, { file, line, column, text = %one_line(text), advice }, "policy file warns");
    }

    fn refuse(&self, followed: &str) {
        let Self { file, line, column, text, advice } = *self;
        let (file, advice) = (file.unwrap_or(followed), advice.map(one_line).map(display));
        line!(ERROR, { file = %one_line(file), line, column, text = %one_line(text), advice }, "policy file refused: nothing has changed");
    }
}
