//! Patterns of paths, and the other filters.

use glob::{MatchOptions, Pattern};

use crate::admin::wire::envelope::{Issue, IssueCode};
use crate::admin::wire::query::ServicesQuery;
use crate::admin::wire::services::State;
use crate::base::name::is_within;
use crate::tree::directory::ChildKind;

const HOW: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

const KINDS: [ChildKind; 7] = [
    ChildKind::Service,
    ChildKind::Task,
    ChildKind::Thread,
    ChildKind::Actor,
    ChildKind::Supervisor,
    ChildKind::Dynamic,
    ChildKind::Partitioned,
];

/// Filters of a query. A child is listed if all let it through.
pub(super) struct Filter {
    below: Option<String>,
    path: PathFilter,
    state: Option<State>,
    kind: Option<ChildKind>,
}

enum PathFilter {
    All,
    /// The path contains this text.
    Contains(String),
    /// The path matches this glob.
    Glob(Box<Pattern>),
}

impl Filter {
    /// Reads the filters of a query.
    pub(super) fn read(query: &ServicesQuery) -> Result<Self, Issue> {
        let kind = query.kind.as_deref().map(kind_of).transpose()?;
        let path = match query.filter.as_deref() {
            None | Some("") => PathFilter::All,
            Some(text) => PathFilter::read(text)?,
        };
        let below = query.below.as_deref().map(|below| below.trim_end_matches('/').to_owned());
        Ok(Self { below, path, state: query.state, kind })
    }

    pub(super) fn lets_all_through(&self) -> bool {
        matches!(self.path, PathFilter::All) && self.below.is_none() && self.state.is_none() && self.kind.is_none()
    }

    pub(super) fn lets_path_through(&self, path: &str, kind: ChildKind) -> bool {
        let is_match = match &self.path {
            PathFilter::All => true,
            PathFilter::Contains(text) => path.contains(&**text),
            PathFilter::Glob(glob) => glob.matches_with(path, HOW),
        };
        is_match
            && self.kind.is_none_or(|asked| asked == kind)
            && self.below.as_deref().is_none_or(|below| is_within(path, below))
    }

    pub(super) fn lets_state_through(&self, state: State) -> bool {
        self.state.is_none_or(|asked| asked == state)
    }

    /// Whether what ended children of a template counted is asked for. Their own paths and states are not known any more.
    pub(super) fn lets_ended_through(&self, template: &str, kind: ChildKind) -> bool {
        matches!(self.path, PathFilter::All)
            && self.state.is_none()
            && self.kind.is_none_or(|asked| asked == kind)
            && self.below.as_deref().is_none_or(|below| is_within(template, below))
    }

    /// The names with which every path that matches begins, without the last one.
    pub(super) fn literal_begin(&self) -> Option<String> {
        let PathFilter::Glob(glob) = &self.path else { return None };
        let begin = glob.as_str().split('/').take_while(|name| !is_special(name));
        let mut begin = Vec::from_iter(begin);
        if begin.len() == glob.as_str().split('/').count() {
            begin.pop();
        }
        (!begin.is_empty()).then(|| begin.join("/"))
    }
}

impl PathFilter {
    fn read(text: &str) -> Result<Self, Issue> {
        if !is_special(text) {
            return Ok(Self::Contains(text.to_owned()));
        }
        if text.split('/').any(str::is_empty) {
            let why = "between two names is one `/`, and none is before the first or behind the last";
            return Err(bad("filter", format!("`{text}` is not a pattern of paths: {why}")));
        }
        match Pattern::new(text) {
            Ok(glob) => Ok(Self::Glob(Box::new(glob))),
            Err(error) => {
                let how = "`*` is any part of one name, `**` any number of names, `[*]` a star itself";
                let (at, why) = (error.pos.saturating_add(1), error.msg.to_lowercase());
                Err(bad("filter", format!("`{text}` is not a pattern of paths: {why}, at its character {at}; {how}")))
            }
        }
    }
}

fn is_special(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn kind_of(text: &str) -> Result<ChildKind, Issue> {
    KINDS.into_iter().find(|kind| kind.to_string() == text).ok_or_else(|| {
        let kinds = KINDS.map(|kind| format!("`{kind}`")).join(", ");
        bad("kind", format!("no child is of the kind `{text}`: there are {kinds}"))
    })
}

/// Returns the issue of a parameter that makes no sense.
pub(super) fn bad(parameter: &str, text: String) -> Issue {
    Issue::new(IssueCode::BadRequest, text).about(parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Result<Filter, Issue> {
        Filter::read(&ServicesQuery { filter: Some(text.into()), ..ServicesQuery::default() })
    }

    fn lets(text: &str, path: &str) -> bool {
        filter(text).unwrap().lets_path_through(path, ChildKind::Service)
    }

    #[test]
    fn a_star_is_part_of_one_name_and_two_are_any_names() {
        assert!(lets("shop/*/db", "shop/sessions/db"));
        assert!(!lets("shop/*/db", "shop/sessions/4711/db"));
        assert!(lets("**/pool", "shop/a/b/pool") && lets("**/pool", "pool"));
        assert!(lets("shop/**", "shop/a/b") && !lets("shop/**", "shops/a"));
        assert!(lets("shop/s[ei]*", "shop/sessions") && !lets("shop/?", "shop/ab"));
    }

    #[test]
    fn a_text_without_signs_is_contained() {
        assert!(lets("ssions/4", "shop/sessions/4711") && !lets("Sessions", "shop/sessions"));
        assert!(lets("", "anything"));
    }

    #[test]
    fn a_bad_filter_is_named() {
        let text = |text: &str| filter(text).err().map(|issue| (issue.about.unwrap(), issue.text)).unwrap();
        assert!(text("shop/[a").1.contains("`shop/[a` is not a pattern of paths"));
        assert!(text("shop//*").1.contains("one `/`"));
        assert!(text("a**").1.contains("at its character"));
        assert_eq!(text("a**").0, "filter");
        let kind = Filter::read(&ServicesQuery { kind: Some("servise".into()), ..ServicesQuery::default() });
        assert!(kind.err().unwrap().text.contains("there are `service`, `task`"));
    }

    #[test]
    fn only_what_is_below_the_names_without_signs_is_walked_through() {
        let begin = |text| filter(text).unwrap().literal_begin();
        assert_eq!(begin("shop/sessions/*").as_deref(), Some("shop/sessions"));
        assert_eq!(begin("shop/*/db").as_deref(), Some("shop"));
        assert_eq!(begin("**/db"), None);
        assert_eq!(begin("shop"), None);
    }
}
