//! Pages of the tree as it was.

use crate::admin::wire::history::Was;

/// Page of the tree as it was. What was not well is on the first one.
pub(super) struct Page {
    pub(super) rows: Vec<Was>,
    pub(super) next: Option<String>,
    /// Number of children on later pages, and of those that were not well and found no room on the first one.
    pub(super) left_out: usize,
}

impl Page {
    /// Makes the page behind a path of children in the order of the paths.
    pub(super) fn of(past: impl Iterator<Item = Was>, after: Option<&str>, rows_max: usize) -> Self {
        let (mut rows, well): (Vec<_>, Vec<_>) = past.partition(|was| was.state.is_unwell());
        let mut left_out = rows.len().saturating_sub(rows_max);
        rows.truncate(rows_max);
        if after.is_some() {
            (rows, left_out) = (Vec::new(), 0);
        }
        let mut well = well.into_iter().filter(|was| after.is_none_or(|after| *was.path > *after)).peekable();
        // A first page that is full begins the order of the paths on the next one, before every path.
        let mut last = String::new();
        while rows.len() < rows_max
            && let Some(was) = well.next()
        {
            last.clone_from(&was.path);
            rows.push(was);
        }
        let next = well.peek().is_some().then_some(last);
        Self { rows, next, left_out: left_out.saturating_add(well.count()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::wire::services::State;

    fn was(path: &str, state: State) -> Was {
        Was { path: path.into(), state, generation: 1 }
    }

    fn pages(rows_max: usize) -> Vec<Vec<String>> {
        let past = || {
            let mut past: Vec<_> = (0..7).map(|number| was(&format!("app/{number}"), State::Up)).collect();
            past.extend([was("app/x", State::Parked), was("app/y", State::Down), was("app/z", State::Restarting)]);
            past.into_iter()
        };
        let (mut pages, mut after, mut left) = (Vec::new(), None, 10);
        loop {
            let page = Page::of(past(), after.as_deref(), rows_max);
            left -= page.rows.len();
            assert_eq!(page.left_out, left, "{rows_max}");
            pages.push(page.rows.into_iter().map(|was| was.path).collect());
            match page.next {
                Some(next) => after = Some(next),
                None => return pages,
            }
        }
    }

    // Found by the builder of the commands: a parked child behind ten thousand others was cut away.
    #[test]
    fn what_was_not_well_is_on_the_first_page_and_each_child_on_one() {
        for rows_max in [2, 3, 4, 10, 20] {
            let pages = pages(rows_max);
            assert_eq!(pages[0][..2], ["app/x", "app/z"]);
            let mut all = pages.concat();
            all.sort();
            all.dedup();
            assert_eq!((all.len(), pages.concat().len()), (10, 10));
        }
    }
}
