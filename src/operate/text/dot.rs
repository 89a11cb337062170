//! The tree in the language of Graphviz.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::admin::wire::services::{Service, Services, State};
use crate::operate::text::safe;
use crate::operate::text::screen::word;

/// Returns the tree as a graph for `dot`. Names are escaped: whatever a path contains, the text stays one graph.
///
/// ```sh
/// regrow tree --dot | dot -Tsvg > tree.svg
/// ```
pub fn dot(services: &Services) -> String {
    let mut out = String::from("digraph regrow {\n  rankdir=LR;\n  node [shape=box, style=filled];\n");
    let mut known = BTreeSet::new();
    let rows = services.rows.iter().chain(&services.unwell);
    let rows: Vec<&Service> = rows.filter(|row| known.insert(row.path.as_str())).collect();
    for service in rows {
        let name = service.path.rsplit('/').next().unwrap_or_default();
        let label = format!("{}\\n{}", quoted(name), word(service.state));
        // Writing to a `String` cannot fail.
        let _ =
            writeln!(out, "  \"{}\" [label=\"{label}\", fillcolor={}];", quoted(&service.path), fill(service.state));
    }
    let mut edges = BTreeSet::new();
    for path in known {
        let mut below = path;
        while let Some((above, _)) = below.rsplit_once('/') {
            edges.insert((above, below));
            below = above;
        }
    }
    for (above, below) in edges {
        let _ = writeln!(out, "  \"{}\" -> \"{}\";", quoted(above), quoted(below));
    }
    out.push_str("}\n");
    out
}

/// Returns the text for a string in double quotes.
fn quoted(text: &str) -> String {
    // A NUL ends a text for Graphviz; `safe` replaces it with the other control characters.
    safe(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn fill(state: State) -> &'static str {
    match state {
        State::Parked => "tomato",
        State::Restarting | State::Starting | State::Waiting => "gold",
        State::Up => "palegreen",
        State::Down | State::Gone => "lightgrey",
    }
}
