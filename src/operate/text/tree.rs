//! `regrow tree`: what is not well, then the tree with its folds.

use crate::admin::wire::greeting::Greeting;
use crate::admin::wire::services::{Service, Services};
use crate::operate::text::branches::{Leaf, branches};
use crate::operate::text::headline::headline;
use crate::operate::text::length;
use crate::operate::text::notice::{doubtful, notices};
use crate::operate::text::ps::age;
use crate::operate::text::screen::{Colour, Screen};

/// Returns the text of `regrow tree`. A supervisor with more than `fold` children shows as many, and those that are not
/// well; a line says how many more there are.
///
/// `services` holds the rows in path order. If rows are missing, which `next` says, so does the text.
pub fn tree(services: &Services, greeting: Option<&Greeting>, fold: usize, screen: &Screen) -> String {
    let mut out = String::new();
    headline(&services.totals, greeting, screen, &mut out);
    if !services.unwell.is_empty() || !services.doubtful.is_empty() {
        out.push('\n');
        notices(services, screen, &mut out);
        doubtful(services, screen, &mut out);
    }
    out.push('\n');
    branches(&leaves(services), fold, screen, &mut out);
    if services.next.is_some() {
        let read = u64::try_from(services.rows.len()).unwrap_or(u64::MAX);
        let more = services.totals.children.saturating_sub(read);
        let more = format!("and {more} more that were not read: --below PATH shows a part, --all reads all");
        out.push_str(&format!("{}\n", screen.paint(Colour::Dim, &more)));
    }
    out
}

/// Returns the rows as leaves: the page's, and those that are not well and lie on other pages.
fn leaves(services: &Services) -> Vec<Leaf> {
    let leaf = |service: &Service| Leaf {
        path: service.path.clone(),
        state: service.state,
        note: note(service, services.now_ms),
    };
    let mut leaves: Vec<Leaf> = services.rows.iter().map(leaf).collect();
    leaves.extend(services.unwell.iter().map(leaf));
    leaves
}

/// Returns `for 3m 12s, generation 7, 2 restarts in the last hour, 3 queued`.
fn note(service: &Service, now_ms: u64) -> String {
    let mut parts = Vec::new();
    if service.state == crate::admin::wire::services::State::Up && !service.ready {
        parts.push("not ready".to_owned());
    }
    if let Some(since) = service.since_ms {
        parts.push(format!("for {}", length(now_ms.saturating_sub(since))));
    }
    if service.generation > 1 {
        parts.push(format!("generation {}", service.generation));
    }
    if let Some(restarts) = service.restarts.as_ref().filter(|restarts| restarts.hour > 0) {
        parts.push(format!("restarts {} in 1m, {} in 1h", restarts.minute, restarts.hour));
    }
    if service.queued > 0 {
        let oldest = service.oldest.map_or_else(String::new, |oldest| format!(", the oldest {}", age(oldest)));
        parts.push(format!("{} queued{oldest}", service.queued));
    }
    parts.join(", ")
}
