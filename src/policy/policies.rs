//! A policy file as a whole: it is read, asked about a path, and laid over the settings in code.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use regrow_supervisors::{Exit, PolicyError};

use crate::policy::document::Document;
use crate::policy::explain::{self, Explanation};
use crate::policy::fields::{ChildFields, SupervisorFields};
use crate::policy::pattern::Pattern;
use crate::policy::problem::{PolicyFileErrors, Problem};
use crate::policy::reader::nearest;
use crate::policy::reading::{self, LONGEST_FILE};
use crate::policy::resolve::{child_over, children_of, fields_of};
use crate::policy::source::{Place, Source};
use crate::policy::{checks, environment, in_vain};
use crate::tree::directory::ChildKind;
use crate::tree::overrides::{Coded, Effective, Overrides};

/// Settings for the services of a tree, from a policy file and the environment. Clones are cheap.
///
/// ```
/// use regrow::policy::Policies;
///
/// let policies = Policies::parse("[path.\"shop/*\"]\nmax_restarts = 3\n", "policy.toml")?;
/// assert_eq!(policies.explain("shop/till", None).setting("max_restarts").unwrap().origin(), "policy.toml:2");
///
/// let errors = Policies::parse("[defaults]\nmax_delya = \"30s\"\n", "policy.toml").unwrap_err();
/// assert_eq!(errors.problems()[0].advice(), Some("did you mean `max_delay`?"));
/// # Ok::<(), regrow::policy::PolicyFileErrors>(())
/// ```
#[derive(Clone, Default)]
pub struct Policies {
    documents: Arc<[Document]>,
    warnings: Arc<[Problem]>,
}

impl Policies {
    /// Reads a text. Messages call it `name`.
    ///
    /// # Errors
    ///
    /// Contains all mistakes in the text. A text that is longer than one mebibyte is also an error.
    pub fn parse(text: &str, name: impl Into<Arc<str>>) -> Result<Self, PolicyFileErrors> {
        let name = name.into();
        let size = text.len() as u64;
        if size > LONGEST_FILE {
            let what = format!("{name} is {size} bytes long, and a policy file has {LONGEST_FILE} at most");
            return Err(PolicyFileErrors::new(vec![Problem::whole(what)]));
        }
        let (document, problems) = Document::read(&Source::file(name, text));
        Self::default().with([document], problems)
    }

    /// Reads a file, once. The calling thread blocks meanwhile.
    ///
    /// # Errors
    ///
    /// Contains all mistakes in the file. A file that cannot be read, is longer than one mebibyte, or is not UTF-8 is
    /// also an error.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PolicyFileErrors> {
        let path = path.as_ref();
        let name: Arc<str> = path.display().to_string().into();
        match reading::read(path) {
            Ok(bytes) => Self::parse_bytes(&bytes, name),
            Err(error) => Err(Self::unreadable(&name, &error.to_string())),
        }
    }

    /// Parses the bytes of a file as [`parse`](Self::parse) does a text.
    pub(crate) fn parse_bytes(bytes: &[u8], name: Arc<str>) -> Result<Self, PolicyFileErrors> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text, name),
            Err(error) => {
                let at = error.valid_up_to();
                let source = Source::file(name, String::from_utf8_lossy(bytes).into_owned());
                let problem = Problem::error(Place::new(&source, at..at + 1), "this file is not UTF-8")
                    .label(format!("the byte 0x{:02x} at offset {at}", bytes[at]));
                Err(PolicyFileErrors::new(vec![problem]))
            }
        }
    }

    pub(crate) fn unreadable(name: &str, why: &str) -> PolicyFileErrors {
        PolicyFileErrors::new(vec![Problem::whole(format!("cannot read {name}: {}", lower(why)))])
    }

    /// The refusal of a file that has become empty.
    pub(crate) fn emptied(name: &str) -> PolicyFileErrors {
        let problem = Problem::whole(format!("{name} is empty, and the policies in force stay"));
        let advice = "write the file again; to remove all policies, leave only a comment in it";
        PolicyFileErrors::new(vec![problem.help(advice)])
    }

    /// Adds what these variables of an environment set. They are the last layer of each
    /// [class](crate::policy::RankClass). Variables other than `REGROW_POLICY` and `REGROW_DEFAULTS_FIELD` are ignored.
    ///
    /// # Errors
    ///
    /// Contains all mistakes in the variables.
    pub fn with_env(&self, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, PolicyFileErrors> {
        let (documents, problems) = environment::read(variables);
        self.with(documents, problems)
    }

    /// Adds what the environment of this process sets, as [`with_env`](Self::with_env) does. Variables that are not
    /// Unicode are ignored.
    ///
    /// # Errors
    ///
    /// Contains all mistakes in the variables.
    pub fn with_environment(&self) -> Result<Self, PolicyFileErrors> {
        self.with_env(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    fn with(
        &self,
        documents: impl IntoIterator<Item = Document>,
        problems: Vec<Problem>,
    ) -> Result<Self, PolicyFileErrors> {
        if problems.iter().any(Problem::is_error) {
            return Err(PolicyFileErrors::new(problems));
        }
        Ok(Self {
            documents: self.documents.iter().cloned().chain(documents).collect(),
            warnings: self.warnings.iter().cloned().chain(problems).collect(),
        })
    }

    /// Warnings: settings that are allowed, but were hardly meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Every setting of the child at `path`, and where it comes from, over the library's defaults.
    ///
    /// Without a `kind`, a path that a `[supervisor]` table names in full is taken for a supervisor, any other for a
    /// service.
    pub fn explain(&self, path: &str, kind: Option<ChildKind>) -> Explanation {
        let guess = || if self.is_named_supervisor(path) { ChildKind::Supervisor } else { ChildKind::Service };
        self.explain_over(path, &explain::library_defaults(path, kind.unwrap_or_else(guess)))
    }

    /// The same over the settings in code.
    pub(crate) fn explain_over(&self, path: &str, coded: &Coded) -> Explanation {
        let (fields, group) = self.said(path, coded);
        match self.resolve(path, coded) {
            Ok(configured) => Explanation::new(path, coded, &configured, &fields, group.as_ref()),
            Err(problems) => Explanation::refused(path, coded, problems),
        }
    }

    /// Warnings about globs and supervisors in the file that match none of these paths of a running tree.
    pub fn unmatched<P: AsRef<str>>(&self, paths: &[P]) -> Vec<Problem> {
        self.unmatched_but_below(paths, &[])
    }

    /// The same without patterns that may match a later child of one of the `empty` supervisors.
    fn unmatched_but_below<P: AsRef<str>>(&self, paths: &[P], empty: &[&str]) -> Vec<Problem> {
        let is_idle = |pattern: &Pattern| {
            !paths.iter().any(|path| pattern.is_match(path.as_ref()))
                && !empty.iter().any(|supervisor| pattern.may_match_below(supervisor))
        };
        let mut warnings = Vec::new();
        for document in self.documents.iter() {
            let supervisors = document.supervisors.iter().map(|(pattern, _)| ("supervisor", pattern));
            let children = document.paths.iter().map(|(pattern, _)| ("path", pattern));
            for (table, pattern) in supervisors.chain(children).filter(|(_, pattern)| is_idle(pattern)) {
                // Suggest only paths with the same number of names, since a star stands for a whole name.
                let depth = |path: &str| path.split('/').count();
                let alike = paths.iter().map(AsRef::as_ref).filter(|path| depth(path) == depth(pattern.text()));
                // Or a path that ends in the pattern: code in the tree finds its neighbours by the name alone.
                let is_end = |path: &&str| path.strip_suffix(pattern.text()).is_some_and(|rest| rest.ends_with('/'));
                let near = nearest(pattern.text(), alike).or_else(|| paths.iter().map(AsRef::as_ref).find(is_end));
                let what = format!("[{table}.{:?}] matches nothing in the tree", pattern.text());
                let problem = Problem::warning(pattern.place.clone(), what);
                warnings.push(problem.maybe_help(near.map(|near| format!("did you mean \"{near}\"?"))));
            }
        }
        warnings
    }

    /// The settings in force for `path` over those in code, or the reasons why they are invalid, with their places.
    pub(crate) fn resolve(&self, path: &str, coded: &Coded) -> Result<Effective, Vec<Problem>> {
        let (fields, group) = self.said(path, coded);
        let mut problems = Vec::new();
        checks::child(&fields, &mut problems);
        problems.retain(Problem::is_error);
        let configured = child_over(&fields, group.as_ref(), &coded.whole());
        if let (true, Err(error)) = (problems.is_empty(), configured.spec.policy_rule().check()) {
            problems.push(blame(path, &fields, &error));
        }
        let is_permanent = configured.spec.restart_type() == regrow_supervisors::Restart::Permanent;
        if let (true, true, Some(place)) = (configured.spec.is_significant(), is_permanent, fields.restart.place()) {
            problems.push(
                Problem::error(place.clone(), format!("`{path}` is significant and cannot be permanent"))
                    .label("expected \"transient\" or \"temporary\"")
                    .help("the code makes this child significant: its end also ends the supervisor"),
            );
        }
        let ends_when_idle = configured.mailbox.is_some_and(|mailbox| mailbox.idle_after.is_some());
        if ends_when_idle && configured.spec.is_restarted_after(&Exit::Normal) {
            // The code alone was checked at the start, so one of these fields takes part.
            let place = fields.mailbox.idle_after.place().or(fields.restart.place()).or(fields.rules.place());
            let what = format!("`{path}` would end when it is idle, and be started again at once");
            problems.push(match place {
                Some(place) => Problem::error(place.clone(), what)
                    .label("together with its restart type")
                    .help("leave out `idle_after`, or make it transient or temporary"),
                None => Problem::whole(what),
            });
        }
        if problems.is_empty() { Ok(configured) } else { Err(problems) }
    }

    fn said(&self, path: &str, coded: &Coded) -> (ChildFields, Option<SupervisorFields>) {
        let fields = fields_of(&self.documents, path, coded);
        (fields, coded.own.group.and_then(|_| children_of(&self.documents, path)))
    }

    fn is_named_supervisor(&self, path: &str) -> bool {
        let mut all = self.documents.iter().flat_map(|document| &document.supervisors);
        all.any(|(pattern, _)| pattern.is_literal() && pattern.text() == path)
    }
}

/// If the settings of a path are invalid, `apply` keeps those of the code. `check` tells the reasons.
impl Overrides for Policies {
    fn apply(&self, path: &str, coded: &Coded) -> Effective {
        self.resolve(path, coded).unwrap_or_else(|_| coded.whole())
    }

    fn check(&self, path: &str, coded: &Coded) -> Result<Effective, Vec<String>> {
        self.resolve(path, coded).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn settings(&self, path: &str, coded: &Coded) -> Vec<(String, String, String)> {
        let explanation = self.explain_over(path, coded);
        let settings = explanation.settings().iter();
        settings.map(|setting| (setting.field().into(), setting.value().into(), setting.origin().into())).collect()
    }

    fn warnings(&self, children: &[(&str, ChildKind)], empty: &[&str]) -> Vec<String> {
        let paths: Vec<_> = children.iter().map(|(path, _)| *path).collect();
        let (unmatched, idle) = (self.unmatched_but_below(&paths, empty), in_vain::warnings(&self.documents, children));
        self.warnings.iter().chain(&unmatched).chain(&idle).map(ToString::to_string).collect()
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = |document: &Document| document.supervisors.len() + document.paths.len();
        f.debug_struct("Policies")
            .field("sources", &self.documents.len())
            .field("entries", &self.documents.iter().map(entries).sum::<usize>())
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// Points at a field that takes part in a policy which is invalid for this path.
fn blame(path: &str, fields: &ChildFields, error: &PolicyError) -> Problem {
    let not_ready = &fields.not_ready;
    let guilty = [
        fields.max_delay.place(),
        fields.delay.place(),
        fields.factor.place(),
        not_ready.max_delay.place(),
        not_ready.delay.place(),
        not_ready.factor.place(),
        fields.on_give_up.place(),
    ];
    match guilty.into_iter().flatten().next() {
        Some(place) => Problem::error(place.clone(), format!("this does not fit `{path}`: {error}"))
            .label("together with the settings in code"),
        None => Problem::whole(format!("`{path}`: {error}")),
    }
}

/// Puts the first letter in lower case: messages of the operating system begin with a capital.
fn lower(message: &str) -> String {
    let mut letters = message.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
