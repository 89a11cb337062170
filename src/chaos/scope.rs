//! The children that a fault may hit, or whose events it follows.

use std::fmt;
use std::sync::Arc;

use crate::tree::directory::ChildKind;

/// The children that a fault may hit: those for which all of this is true. A child that is not among the experiment's
/// targets is never hit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// A glob over full paths: `*` within a segment, `**` across. `None` matches every path.
    pub path: Option<Arc<str>>,
    /// Only children of this kind.
    pub kind: Option<ChildKind>,
    /// Only children at this depth: the root is at 0.
    pub depth: Option<usize>,
}

impl Scope {
    /// Selects the children with a path that matches this glob.
    pub fn path(glob: impl Into<Arc<str>>) -> Self {
        Self { path: Some(glob.into()), ..Self::default() }
    }

    /// Leaves only children of this kind.
    #[must_use]
    pub fn kind(mut self, kind: ChildKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Leaves only children at this depth: the root is at 0.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = Some(depth);
        self
    }

    /// Checks the glob, and returns what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let glob = self.path.as_deref().map_or(Ok(()), |path| glob::Pattern::new(path).map(drop));
        glob.map_err(|error| format!("`{}`: {}", self.path.as_deref().unwrap_or_default(), error.msg.to_lowercase()))
    }

    /// Whether a child is in scope.
    pub fn matches(&self, path: &str, kind: ChildKind) -> bool {
        self.path.as_ref().is_none_or(|glob| matches(glob, path))
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.depth.is_none_or(|depth| path.matches('/').count() == depth)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.path.as_deref().unwrap_or("**"))?;
        self.kind.map_or(Ok(()), |kind| write!(f, " of kind {kind}"))?;
        self.depth.map_or(Ok(()), |depth| write!(f, " at depth {depth}"))
    }
}

impl From<&str> for Scope {
    fn from(glob: &str) -> Self {
        Self::path(glob)
    }
}

/// `*` stands for anything within a segment, `**` for any number of segments. Nothing matches a bad glob.
pub(crate) fn matches(glob: &str, path: &str) -> bool {
    const HOW: glob::MatchOptions = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    glob::Pattern::new(glob).is_ok_and(|glob| glob.matches_with(path, HOW))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stay_within_a_segment_or_go_across() {
        assert!(matches("app/*", "app/a") && !matches("app/*", "app/a/b") && matches("**", "app/a/b"));
        assert!(matches("app/**/w-*", "app/w-1") && matches("app/**/w-*", "app/x/y/w-22"));
        assert!(matches("*pp/a*c", "app/abc") && !matches("*pp/a*c", "app/ab") && !matches("app", "app/a"));
        assert!(matches("app/**", "app/a/b") && !matches("[", "["));
    }
}
