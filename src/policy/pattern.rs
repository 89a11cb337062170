//! A glob over paths: `*` within one name, `**` across any number of them.

use glob::{MatchOptions, Pattern as Glob};

use crate::policy::problem::Problem;
use crate::policy::reader::{Key, Reader};
use crate::policy::source::Place;

const HOW: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// A glob, and its place.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    glob: Glob,
    pub(crate) place: Place,
}

impl Pattern {
    /// Reads a glob, or notes the mistake.
    pub(crate) fn read(key: &Key<'_>, reader: &mut Reader) -> Option<Self> {
        let (text, place) = (key.get_ref(), reader.place(key.span()));
        if text.is_empty() || text.split('/').any(str::is_empty) {
            let problem = Problem::error(place, format!("`{text}` is not a valid path pattern"))
                .label("expected names with one `/` between two, such as \"shop/workers/*\"");
            reader.push(problem.maybe_help(trimmed(text)));
            return None;
        }
        match Glob::new(text) {
            Ok(glob) => Some(Self { glob, place }),
            Err(error) => {
                let problem = Problem::error(place, format!("bad glob: {}", error.msg.to_lowercase()))
                    .label(format!("at its character {}", error.pos + 1))
                    .help("`*` is any part of one name, `**` any number of names, `[*]` a star itself");
                reader.push(problem);
                None
            }
        }
    }

    pub(crate) fn text(&self) -> &str {
        self.glob.as_str()
    }

    pub(crate) fn is_match(&self, path: &str) -> bool {
        self.glob.matches_with(path, HOW)
    }

    /// Whether some path below `path` may match it.
    pub(crate) fn may_match_below(&self, path: &str) -> bool {
        let mut globs = self.text().split('/');
        for name in path.split('/') {
            match globs.next() {
                None => return false,
                Some("**") => return true,
                Some(glob) if Glob::new(glob).is_ok_and(|glob| glob.matches_with(name, HOW)) => {}
                Some(_) => return false,
            }
        }
        globs.next().is_some()
    }

    /// Whether it names one path in full.
    pub(crate) fn is_literal(&self) -> bool {
        !self.text().contains(['*', '?', '['])
    }
}

fn trimmed(text: &str) -> Option<String> {
    let names: Vec<_> = text.split('/').filter(|name| !name.is_empty()).collect();
    (!names.is_empty()).then(|| format!("did you mean \"{}\"?", names.join("/")))
}
