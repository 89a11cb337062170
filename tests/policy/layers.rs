//! The special wins over the general, within a class the later layer, field by field; every setting knows its rank.

use regrow::ChildKind;
use regrow::policy::{Explanation, Origin, Policies, Rank, RankClass};

const FILE: &str = r#"[defaults]
delay = "100ms"
max_delay = "20s"
restart = "transient"

[supervisor."shop/*"]
max_restarts = 10

[supervisor."shop/workers".defaults]
delay = "200ms"
restart = "permanent"

[path."shop/workers/*"]
delay = "300ms"
mailbox = { capacity = 10, overflow = "drop_oldest" }

[path."shop/**"]
jitter = "full"
mailbox = 20

[path."shop/workers/w1"]
delay = "400ms"
"#;

fn policies() -> Policies {
    Policies::parse(FILE, "policy.toml").expect("nothing is wrong with it")
}

fn setting(explanation: &Explanation, field: &str) -> (String, String) {
    let setting = explanation.setting(field).unwrap_or_else(|| panic!("{field} is explained"));
    (setting.value().into(), setting.origin().into())
}

fn env(policies: &Policies, variables: &[(&str, &str)]) -> Policies {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    policies.with_env(variables).expect("nothing is wrong with them")
}

/// Value and origin of a field of `path`.
#[track_caller]
fn expect(policies: &Policies, path: &str, field: &str, value: &str, origin: &str) {
    assert_eq!(setting(&policies.explain(path, None), field), (value.into(), origin.into()), "{field} of {path}");
}

#[test]
fn each_layer_wins_over_the_ones_before_it() {
    let policies = policies();
    expect(&policies, "other/x", "delay", "100ms", "policy.toml:2");
    expect(&policies, "shop/till", "delay", "100ms", "policy.toml:2");
    expect(&policies, "shop/workers/w2", "delay", "300ms", "policy.toml:14");
    expect(&policies, "shop/workers/w1", "delay", "400ms", "policy.toml:22");
    expect(&policies, "shop/workers/w1", "restart", "permanent", "policy.toml:11");
}

#[test]
fn layering_is_field_by_field() {
    let policies = policies();
    expect(&policies, "shop/workers/w1", "max_delay", "20s", "policy.toml:3");
    expect(&policies, "shop/workers/w1", "jitter", "full", "policy.toml:18");
    expect(&policies, "shop/workers/w1", "factor", "2", "default");
    // Also within a mailbox.
    expect(&policies, "shop/workers/w1", "mailbox.capacity", "20", "policy.toml:19");
    expect(&policies, "shop/workers/w1", "mailbox.overflow", "drop_oldest", "policy.toml:15");
    expect(&policies, "shop/workers/w1", "mailbox.on_restart", "keep", "default");
}

#[test]
fn what_nobody_says_is_the_librarys() {
    expect(&Policies::default(), "a/b", "restart", "permanent", "default");
    expect(&Policies::default(), "a/b", "delay", "none", "default");
    expect(&Policies::default(), "a/b", "shutdown_timeout", "5s", "default");
}

#[test]
fn a_star_is_within_a_name_and_two_are_across() {
    let policies =
        Policies::parse("[path.\"a/*\"]\nfactor = 3\ndelay = \"1s\"\n[path.\"b/**\"]\ndelay = \"2s\"\n", "p");
    let policies = policies.expect("nothing is wrong with it");
    expect(&policies, "a/x", "delay", "1s", "p:3");
    expect(&policies, "a/x/y", "delay", "none", "default");
    expect(&policies, "b/x", "delay", "2s", "p:5");
    expect(&policies, "b/x/y/z", "delay", "2s", "p:5");
    expect(&policies, "c/b/x", "delay", "none", "default");
}

#[test]
fn the_defaults_of_a_supervisor_are_for_what_is_directly_below_it() {
    let policies = Policies::parse("[supervisor.a.defaults]\ndelay = \"1s\"\n", "p").expect("nothing is wrong with it");
    expect(&policies, "a/x", "delay", "1s", "p:2");
    expect(&policies, "a/b/x", "delay", "none", "default");
}

#[test]
fn a_supervisor_is_no_service_and_has_its_own_fields() {
    let explained = policies().explain("shop/workers", Some(ChildKind::Supervisor));
    assert_eq!(setting(&explained, "children.max_restarts"), ("10".into(), "policy.toml:7".into()));
    assert_eq!(setting(&explained, "children.within"), ("5s".into(), "default".into()));
    assert_eq!(setting(&explained, "restart"), ("permanent".into(), "default".into()));
    assert!(explained.setting("mailbox.capacity").is_none());
    // As a child of its parent it is set like any other.
    assert_eq!(setting(&policies().explain("shop/workers", Some(ChildKind::Service)), "jitter").1, "policy.toml:18");
}

#[test]
fn half_a_budget_is_completed_by_otp() {
    let policies = Policies::parse("[path.a]\nwithin = \"1m\"\n[path.b]\nmax_restarts = 7\n", "p").expect("right");
    expect(&policies, "a", "max_restarts", "1", "default");
    expect(&policies, "a", "within", "1m", "p:2");
    expect(&policies, "b", "max_restarts", "7", "p:4");
    expect(&policies, "b", "within", "5s", "default");
}

#[test]
fn a_first_delay_beyond_the_default_cap_lifts_it() {
    let policies = Policies::parse("[path.a]\ndelay = \"1m\"\n", "p").expect("nothing is wrong with it");
    expect(&policies, "a", "max_delay", "1m", "default");
}

#[test]
fn the_environment_is_the_last_layer_of_each_class() {
    let fragment = "[defaults]\njitter = \"none\"\n[path.\"shop/workers/w1\"]\nmax_delay = \"9s\"\n";
    let policies = env(&policies(), &[("REGROW_POLICY", fragment), ("REGROW_DEFAULTS_DELAY", "50ms"), ("HOME", "/")]);
    expect(&policies, "other/x", "delay", "50ms", "environment REGROW_DEFAULTS_DELAY");
    expect(&policies, "other/x", "jitter", "none", "environment REGROW_POLICY:2");
    // What is said about its path in the file is more special than any default.
    expect(&policies, "shop/workers/w1", "delay", "400ms", "policy.toml:22");
    expect(&policies, "shop/workers/w1", "jitter", "full", "policy.toml:18");
    expect(&policies, "shop/workers/w1", "max_delay", "9s", "environment REGROW_POLICY:4");
    expect(&policies, "shop/workers/w1", "mailbox.capacity", "20", "policy.toml:19");
}

#[test]
fn each_setting_tells_its_class_and_its_layer() {
    let fragment = "[supervisor.shop.defaults]\nfactor = 3\n[path.\"shop/workers/w1\"]\nmax_delay = \"9s\"\n";
    let policies = env(&policies(), &[("REGROW_POLICY", fragment), ("REGROW_DEFAULTS_WATCHDOG", "1m")]);
    for (path, field, rank) in [
        ("other/x", "delay", "defaults, file"),
        ("other/x", "watchdog", "defaults, environment"),
        ("shop/workers/w1", "restart", "children, file"),
        ("shop/till", "factor", "children, environment"),
        ("shop/workers/w2", "delay", "child, file"),
        ("shop/workers/w1", "max_delay", "child, environment"),
        ("shop/workers/w1", "mailbox.on_restart", "library"),
    ] {
        let explained = policies.explain(path, None);
        assert_eq!(
            explained.setting(field).map(|setting| setting.rank().to_string()).as_deref(),
            Some(rank),
            "{path} {field}"
        );
    }
    let workers = policies.explain("shop/workers", Some(ChildKind::Supervisor));
    assert_eq!(
        workers.setting("children.max_restarts").unwrap().rank(),
        Rank { class: RankClass::Children, by: Origin::File }
    );
}

#[test]
fn a_variable_needs_no_quotes() {
    let variables = [
        ("REGROW_DEFAULTS_RESTART", "temporary"),
        ("REGROW_DEFAULTS_MAX_RESTARTS", "4"),
        ("REGROW_DEFAULTS_FACTOR", "1.5"),
        ("REGROW_DEFAULTS_DELAY", "[\"1s\", \"2s\"]"),
        ("REGROW_DEFAULTS_MAILBOX", "{ capacity = 5 }"),
        ("REGROW_DEFAULTS_RESET_ON_READY", "true"),
        ("REGROW_DEFAULTS_WITHIN", "\"1m\""),
    ];
    let explained = env(&Policies::default(), &variables).explain("a/b", None);
    for (field, value) in [
        ("restart", "temporary"),
        ("max_restarts", "4"),
        ("delay", "1s, 2s"),
        ("mailbox.capacity", "5"),
        ("reset_on_ready", "true"),
        ("within", "1m"),
    ] {
        assert_eq!(setting(&explained, field).0, value, "{field}");
    }
}

#[test]
fn all_mistakes_in_the_environment_are_told_with_the_variable() {
    let variables = [
        ("REGROW_DEFAULTS_DELYA", "1s"),
        ("REGROW_DEFAULTS_WITHIN", "-1s"),
        ("REGROW_DEFAULTS_TEXT", "\"\n]"),
        ("REGROW_DEFAULTS_JITTER", "a\"\\\n\u{1}b"),
        ("REGROW_POLICY", "[defaults]\nfactor = 0\n"),
    ];
    let variables = variables.map(|(name, value)| (name.to_string(), value.to_string()));
    let refused = Policies::default().with_env(variables).expect_err("each is wrong");
    let told: Vec<_> = refused.problems().iter().map(|problem| problem.file().unwrap_or("?")).collect();
    assert_eq!(
        told,
        [
            "environment REGROW_POLICY",
            "environment REGROW_DEFAULTS_DELYA",
            "environment REGROW_DEFAULTS_JITTER",
            "environment REGROW_DEFAULTS_TEXT",
            "environment REGROW_DEFAULTS_WITHIN",
        ]
    );
    assert_eq!(refused.problems()[1].advice(), Some("did you mean REGROW_DEFAULTS_DELAY?"));
}

#[test]
fn globs_that_match_nothing_in_the_tree_are_named() {
    let paths = ["shop", "shop/worker", "shop/worker/w1", "shop/till"];
    let warnings = policies().unmatched(&paths);
    let told: Vec<_> = warnings.iter().map(|warning| (warning.line(), warning.advice())).collect();
    assert_eq!(
        told,
        [
            (Some(9), Some("did you mean \"shop/worker\"?")),
            (Some(13), Some("did you mean \"shop/worker/w1\"?")),
            (Some(21), Some("did you mean \"shop/worker/w1\"?")),
        ]
    );
    assert!(warnings.iter().all(|warning| !warning.is_error()));

    // Found by a first reader: a name alone is how code finds its neighbours, and a file needs the full path.
    let names =
        Policies::parse("[path.w1]\ndelay = \"1s\"\n[supervisor.till]\nmax_restarts = 3\n", "policy.toml").unwrap();
    let told: Vec<_> =
        names.unmatched(&paths).iter().map(|it| (it.message().to_owned(), it.advice().map(str::to_owned))).collect();
    let line = |table: &str, meant: &str| {
        (format!("[{table}] matches nothing in the tree"), Some(format!("did you mean \"{meant}\"?")))
    };
    assert_eq!(told, [line("supervisor.\"till\"", "shop/till"), line("path.\"w1\"", "shop/worker/w1")]);
}

#[test]
fn what_does_not_fit_together_for_a_path_is_explained_as_refused() {
    let text = "[path.\"shop/*\"]\ndelay = \"10s\"\n[path.\"*/till\"]\nmax_delay = \"5s\"\n";
    let policies = Policies::parse(text, "policy.toml").expect("by itself each is right");
    let explained = policies.explain("shop/till", None);
    assert_eq!(explained.problems().len(), 1);
    assert_eq!(setting(&explained, "delay"), ("none".into(), "refused: as in the code".into()));
    assert!(policies.explain("shop/other", None).problems().is_empty());
}

#[test]
fn an_explanation_prints_as_a_table() {
    let table = policies().explain("shop/workers/w1", None).to_string();
    let line = table.lines().find(|line| line.trim_start().starts_with("delay")).expect("there is a line for it");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["delay", "400ms", "policy.toml:22", "child,", "file"]);
}

#[test]
fn a_service_that_may_end_when_it_is_idle_is_named_by_its_path_and_may_not_be_permanent() {
    let policies = Policies::parse("[defaults]\nmailbox = { idle_after = \"10m\" }\n", "policy.toml").unwrap();
    expect(&policies, "shop/till", "mailbox.idle_after", "off", "default");
    let text = "[path.\"shop/till\"]\nrestart = \"transient\"\nmailbox = { idle_after = \"10m\" }\n";
    let policies = Policies::parse(text, "policy.toml").unwrap();
    expect(&policies, "shop/till", "mailbox.idle_after", "10m", "policy.toml:3");
    let policies = Policies::parse(&text.replace("transient", "permanent"), "policy.toml").unwrap();
    let told = policies.explain("shop/till", None).to_string();
    assert!(told.contains("`shop/till` would end when it is idle, and be started again at once"), "{told}");
}
