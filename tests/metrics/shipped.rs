//! The shipped dashboard and alert rules name only what a scrape has. In other projects, every query of the runbook named
//! a metric that no code emits, and an empty answer looks like health.

use std::collections::BTreeSet;

use regrow::metrics::Metrics;

use crate::common::tree::SEC;
use crate::faults;
use crate::scrape::Scrape;

/// A selector such as `regrow_services{state="parked"}`: the name, and each label with the values that it is compared to.
#[derive(Debug)]
struct Selector {
    name: String,
    labels: Vec<(String, Vec<String>)>,
}

/// The selectors in an expression, and the labels that it groups by or shows.
fn selectors(expression: &str) -> Vec<Selector> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("regrow_") {
        rest = &rest[at..];
        let end = rest.find(|letter| !is_of_name(letter)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        let mut labels = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            let (inner, after) = inner.split_once('}').expect("a closing brace");
            rest = after;
            for matcher in inner.split(',').filter(|matcher| !matcher.is_empty()) {
                let end = matcher.find(['=', '!']).expect("an operator");
                let value = matcher.split('"').nth(1).expect("a quoted value");
                // A variable of the dashboard stands for any value.
                let values =
                    if value.starts_with('$') { Vec::new() } else { value.split('|').map(str::to_owned).collect() };
                labels.push((matcher[..end].trim().to_owned(), values));
            }
        }
        found.push(Selector { name: name.to_owned(), labels });
    }
    found
}

/// The labels in `by (...)`, and in `{{...}}` of a legend or a text.
fn shown(text: &str) -> BTreeSet<String> {
    let by = text.split("by (").skip(1).filter_map(|rest| rest.split(')').next()).flat_map(|list| list.split(','));
    let braces = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let braces = braces.filter(|text| !text.contains("$value")).map(|text| text.trim().trim_start_matches("$labels."));
    by.map(str::trim).chain(braces).map(str::to_owned).collect()
}

/// Each expression of a file, with the texts around it that show labels.
fn expressions() -> Vec<(String, String)> {
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../examples/operations/grafana.json")).expect("it is JSON");
    let mut all = Vec::new();
    for target in dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap())
    {
        all.push((target["expr"].as_str().unwrap().to_owned(), target["legendFormat"].as_str().unwrap().to_owned()));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            let label = query.trim_end_matches(')').rsplit_once(", ").unwrap().1;
            all.push((query.to_owned(), format!("{{{{{label}}}}}")));
        }
    }
    let rules = include_str!("../../examples/operations/alerts.yml");
    for rule in rules.split("- alert: ").skip(1) {
        let expression = rule.lines().find_map(|line| line.trim().strip_prefix("expr: ")).expect("an expression");
        all.push((expression.to_owned(), rule.to_owned()));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn every_name_and_label_of_the_dashboard_and_the_rules_is_in_a_scrape() {
    let tree = faults::tree().await;
    faults::run(&tree).await;
    let text = Metrics::new().tree(&tree).render();
    let scrape = Scrape::read(&text);
    let all = expressions();
    assert!(all.len() > 40, "{}", all.len());
    let mut named = BTreeSet::new();
    for (expression, around) in &all {
        let selectors = selectors(expression);
        assert!(!selectors.is_empty(), "{expression}");
        for Selector { name, labels } in &selectors {
            assert!(scrape.has(name, &[]), "no {name} in a scrape: {expression}");
            for (label, values) in labels {
                let known = scrape.values(name, label);
                assert!(!known.is_empty(), "no label {label} of {name}: {expression}");
                for value in values {
                    assert!(known.contains(&**value), "{name} has no {label}={value:?}: {expression}");
                }
            }
            named.insert(name.clone());
        }
        for label in shown(expression).into_iter().chain(shown(around)) {
            let is_known = selectors.iter().any(|selector| !scrape.values(&selector.name, &label).is_empty());
            assert!(is_known, "no label {label}: {expression}");
        }
    }
    // The other way round: the dashboard shows everything. A histogram is one metric with three kinds of series.
    let stem = |name: &str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let emitted: BTreeSet<String> = scrape.0.iter().map(|sample| stem(&sample.name)).collect();
    let named: BTreeSet<String> = named.iter().map(|name| stem(name)).collect();
    assert_eq!(emitted.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new());
    if let Some(file) = std::env::var_os("REGROW_SCRAPE") {
        std::fs::write(file, text).expect("a file that can be written");
    }
    tree.shutdown_within(SEC).await;
}

#[test]
fn selectors_are_found_with_their_labels() {
    let found = selectors(r#"sum by (le) (rate(regrow_a_total{tree=~"$tree", reason!~"x|y"}[5m])) / regrow_b"#);
    assert_eq!((found[0].name.as_str(), found[1].name.as_str()), ("regrow_a_total", "regrow_b"));
    assert_eq!(found[0].labels, [("tree".into(), vec![]), ("reason".into(), vec!["x".into(), "y".into()])]);
    assert_eq!(shown("sum by (a, b) (x) {{ $labels.c }} {{ $value }}"), ["a", "b", "c"].map(String::from).into());
}
