//! Policy files, the environment, exit scripts; and policies that are applied to a running tree.

use std::collections::BTreeMap;

use regrow::admin::Admin;
use regrow::policy::{ExitScript, Explanation, Policies, Problem, Setting, simulate};
use regrow::testing::Journal;
use regrow::{DynamicSupervisor, Intensity, Supervisor, Tree};
use serde_json::Value;

use crate::targets::admin::ask;
use crate::targets::{folder, halves, is_line_of, runtime};

/// A policy file.
pub(super) fn file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return no_text(data) };
    match Policies::parse(text, "policy.toml") {
        Ok(policies) => {
            policies.warnings().iter().for_each(|problem| is_placed(problem, text));
            for path in ["shop", "shop/till", "shop/workers/w1", ""] {
                let explained = policies.explain(path, None);
                explained.problems().iter().for_each(is_printable);
                assert!(!explained.settings().is_empty(), "`{path}` has no settings");
                is_written_back(&explained);
            }
            policies
                .unmatched(&["shop", "shop/till", "shop/workers"])
                .iter()
                .for_each(|problem| is_placed(problem, text));
        }
        Err(errors) => {
            assert!(errors.errors().next().is_some(), "refused without an error");
            errors.problems().iter().for_each(|problem| is_placed(problem, text));
            is_clean(&errors.to_string());
        }
    }
}

/// Settings that can be set alone, and in the environment.
const ALONE: [&str; 9] = [
    "restart",
    "shutdown_timeout",
    "start_timeout",
    "ready",
    "on_dependency_gone",
    "watchdog",
    "reset_on_ready",
    "reset_after_messages",
    "retry_start",
];

/// A value that is shown can be written into the environment, and is shown again.
fn is_written_back(explained: &Explanation) {
    let told = explained.settings().iter().filter(|setting| setting.origin().starts_with("policy.toml"));
    let told: Vec<_> = told.filter(|setting| ALONE.contains(&setting.field())).collect();
    let variable = |field: &str| format!("REGROW_DEFAULTS_{}", field.to_ascii_uppercase());
    let variables = told.iter().map(|setting| (variable(setting.field()), setting.value().to_owned()));
    let again = Policies::default().with_env(variables).unwrap_or_else(|errors| panic!("shown, and refused: {errors}"));
    let again = again.explain("shop/till", None);
    for setting in told {
        assert_eq!(again.setting(setting.field()).map(Setting::value), Some(setting.value()), "{}", setting.field());
    }
}

/// A file that is not UTF-8 is refused at the byte that is not.
fn no_text(data: &[u8]) {
    let folder = folder();
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, data).expect("room in memory");
    let errors = Policies::read(&path).expect_err("bytes were taken for a text");
    is_clean(&errors.to_string());
    if let Some(line) = errors.problems()[0].line() {
        is_line_of(line, &String::from_utf8_lossy(data));
    }
}

/// A line `NAME=VALUE` for each variable.
pub(super) fn environment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let variables: Vec<(String, String)> = text
        .split('\0')
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let foreign = variables.iter().all(|(name, _)| !name.starts_with("REGROW_"));
    match Policies::default().with_env(variables.iter().cloned()) {
        Ok(policies) => {
            policies.warnings().iter().for_each(is_printable);
            let explained = policies.explain("shop/till", None);
            if foreign {
                assert!(explained.settings().iter().all(|setting| !setting.origin().contains("environment")));
            }
        }
        Err(errors) => {
            assert!(!foreign, "variables of other programs were refused: {errors}");
            is_clean(&errors.to_string());
            errors.problems().iter().for_each(is_printable);
        }
    }
}

/// A script, and behind a line `--` a policy file.
pub(super) fn script(data: &[u8]) {
    let (script, policy) = halves(data, b"\n--\n");
    let (Ok(script), Ok(policy)) = (std::str::from_utf8(script), std::str::from_utf8(policy)) else { return };
    let script = match ExitScript::parse(script) {
        Ok(script) => script,
        Err(error) => {
            let text = error.to_string();
            is_clean(&text);
            let step = text.strip_prefix("step ").and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
            let steps = script.lines().flat_map(|line| line.split(';')).count().max(1);
            assert!(step.is_some_and(|step| (1..=steps).contains(&step)), "names no step of {steps}: {text}");
            return;
        }
    };
    let Ok(policies) = Policies::parse(policy, "policy.toml") else { return };
    for path in ["shop/till", "shop/workers/w1"] {
        match simulate(&policies, path, &script, 7) {
            Ok(told) => {
                let again = simulate(&policies, path, &script, 7).expect("it was simulated before");
                assert_eq!(told.to_string(), again.to_string(), "one seed, two stories");
                let steps = told.happenings();
                assert!(steps.is_sorted_by_key(|step| step.at), "time goes back");
                assert!(steps.iter().all(|step| step.at <= told.end()));
            }
            Err(errors) => is_clean(&errors.to_string()),
        }
    }
}

/// A policy file for a running tree. It is applied as a whole or not at all, and what it set goes with it.
pub(super) fn applied(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(policies) = Policies::parse(text, "policy.toml") else { return };
    let runtime = runtime();
    runtime.block_on(async {
        let tree = shop().await;
        let admin = Admin::new("fuzz").tree(&tree);
        let before = settings(&tree, &admin).await;
        match tree.apply(&policies).await {
            Ok(_) => {
                let during = settings(&tree, &admin).await;
                let again = tree.apply(&policies).await.expect("it was applied before");
                assert!(again.is_empty(), "the same policies, and something has changed: {again}");
                assert_eq!(during, settings(&tree, &admin).await);
                let none = tree.apply(&Policies::default()).await;
                none.expect("the settings in code were in force at the start");
                assert_eq!(before, settings(&tree, &admin).await, "what a file set outlives it");
            }
            Err(error) => {
                assert!(!error.problems.is_empty(), "refused without a reason");
                assert_eq!(before, settings(&tree, &admin).await, "refused, and yet: {error}");
            }
        }
        let report = tree.shutdown().await;
        assert!(report.is_clean(), "{report}");
    });
    runtime.shutdown_background();
}

/// A tree with each kind of supervisor that a table of a policy file can name.
pub(super) async fn shop() -> Tree {
    let journal = Journal::new();
    let workers = Supervisor::one_for_all("workers").child(journal.probe("w1")).child(journal.probe("w2"));
    let deep = Supervisor::one_for_one("a").child(
        Supervisor::one_for_one("a")
            .child(Supervisor::one_for_one("a").child(Supervisor::one_for_one("a").child(journal.probe("aaaa")))),
    );
    let tree = Supervisor::one_for_one("shop")
        .budget(Intensity::unlimited())
        .child(journal.probe("till"))
        .child(workers)
        .child(DynamicSupervisor::new("sessions"))
        .child(deep)
        .start()
        .await
        .expect("it starts");
    let sessions = tree.dynamic("shop/sessions").expect("it is there");
    sessions.start_child(journal.probe("4711")).await.expect("it starts");
    tree
}

/// The settings of every child, as the source tells them. `None` for one that is gone.
async fn settings(tree: &Tree, admin: &Admin) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for entry in tree.directory().entries() {
        let answer = ask(&admin.router(), "GET", &format!("/v1/service?path={}", entry.path), &[], b"").await;
        let told: Value = serde_json::from_slice(&answer.content).expect("JSON");
        all.insert(entry.path.to_string(), told["data"]["policy"].clone());
    }
    all
}

/// Checks that a problem has a place inside the text.
fn is_placed(problem: &Problem, text: &str) {
    is_printable(problem);
    let (Some(line), Some(column)) = (problem.line(), problem.column()) else { return };
    is_line_of(line, text);
    let length = text.split('\n').nth(line - 1).unwrap_or_default().chars().count();
    assert!((1..=length + 1).contains(&column), "column {column} of a line of {length}: {problem:?}");
}

fn is_printable(problem: &Problem) {
    is_clean(&problem.to_string());
    is_clean(problem.message());
}

/// Checks that no control character of the file reaches the terminal. The renderer shows them as pictures.
pub(super) fn is_clean(text: &str) {
    let bad = text.chars().find(|letter| letter.is_control() && *letter != '\n');
    assert_eq!(bad, None, "goes to the terminal raw: {text:?}");
}
