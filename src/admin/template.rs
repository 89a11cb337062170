//! The template of a path: each name that a dynamic or partitioned supervisor gave is a `*`.

use crate::tree::directory::{ChildKind, Directory};

/// Returns the template of a path: `shop/sessions/4711/db` is `shop/sessions/*/db` below a dynamic supervisor `shop/sessions`.
///
/// The supervisors on the way are looked up. A name whose supervisor is not listed any more is kept as it is.
pub(crate) fn of(directory: &Directory, path: &str) -> String {
    with(path, |above| directory.get(above).is_some_and(|listed| gives_names(listed.kind)))
}

/// Whether a supervisor of this kind gives its children their names.
pub(crate) fn gives_names(kind: ChildKind) -> bool {
    match kind {
        ChildKind::Dynamic | ChildKind::Partitioned => true,
        ChildKind::Service | ChildKind::Task | ChildKind::Thread | ChildKind::Actor | ChildKind::Supervisor => false,
    }
}

/// Returns the template, if `gives_names` says which supervisors give names.
pub(crate) fn with(path: &str, gives_names: impl Fn(&str) -> bool) -> String {
    let mut template = String::with_capacity(path.len());
    let mut end = 0_usize;
    for name in path.split('/') {
        let above = &path[..end.saturating_sub(1)];
        if end > 0 {
            template.push('/');
        }
        template.push_str(if end > 0 && gives_names(above) { "*" } else { name });
        end += name.len() + 1;
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_supervisors_that_give_them_are_stars() {
        let gives = |path: &str| matches!(path, "shop/sessions" | "shop/pool");
        for (path, template) in [
            ("shop", "shop"),
            ("shop/db", "shop/db"),
            ("shop/sessions", "shop/sessions"),
            ("shop/sessions/4711", "shop/sessions/*"),
            ("shop/sessions/4711/db", "shop/sessions/*/db"),
            ("shop/pool/3", "shop/pool/*"),
        ] {
            assert_eq!(with(path, gives), template);
        }
    }
}
