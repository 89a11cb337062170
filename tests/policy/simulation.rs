//! A simulation runs the real machine: what it tells is what a tree would do.

use std::time::Duration;

use regrow::policy::{ExitScript, LIVES_MAX, Policies, PolicySimulation, simulate};

fn run(policy: &str, script: &str) -> PolicySimulation {
    let policies = Policies::parse(policy, "policy.toml").expect("nothing is wrong with it");
    let script = ExitScript::parse(script).expect("nothing is wrong with it");
    simulate(&policies, "shop/till", &script, 7).expect("it is valid for this path")
}

/// `time what`, for each line of the table.
fn story(policy: &str, script: &str) -> Vec<String> {
    let told = run(policy, script);
    told.happenings().iter().map(|line| format!("{}s {}", line.at.as_secs_f64(), line.what)).collect()
}

#[test]
fn delays_grow_and_a_long_life_begins_the_curve_anew() {
    let policy = "[defaults]\nmax_restarts = 9\ndelay = \"1s\"\nmax_delay = \"10s\"\n";
    assert_eq!(
        story(policy, "panic after 2s *2; error after 10s; lives"),
        [
            "0s life 1 is up",
            "2s life 1 ends: panicked: by the script",
            "3s life 2 is up",
            "5s life 2 ends: panicked: by the script",
            "7s life 3 is up",
            "17s life 3 ends: failed: by the script",
            "18s life 4 is up, and stays",
        ]
    );
}

#[test]
fn without_a_policy_it_is_otp() {
    let told = run("[defaults]\nrestart = \"permanent\"\n", "kill after 1s *");
    let last = told.happenings().last().expect("something happened");
    assert_eq!(
        (last.at, last.what.as_str()),
        (Duration::from_secs(2), "the supervisor ends (shutdown): the failure escalates")
    );
}

#[test]
fn a_parked_child_is_tried_again() {
    let policy = "[defaults]\nmax_restarts = 0\nwithin = \"1m\"\non_give_up = { park = { delay = \"30s\" } }\n";
    assert_eq!(
        story(policy, "panic after 1s; lives"),
        ["0s life 1 is up", "1s life 1 ends: panicked: by the script", "1s parked", "31s life 2 is up, and stays",]
    );
}

#[test]
fn a_child_ends_for_good_or_with_its_tree() {
    let policy = |then: &str| format!("[defaults]\nmax_restarts = 1\nwithin = \"1m\"\non_give_up = \"{then}\"\n");
    let first = [
        "0s life 1 is up",
        "1s life 1 ends: panicked: by the script",
        "1s life 2 is up",
        "2s life 2 ends: panicked: by the script",
    ];
    for (then, last) in [
        ("stop", ["2s the budget is gone: it ends for good", "2s stays down: it is not restarted"]),
        (
            "end_tree",
            ["2s the budget is gone: the whole tree ends", "2s the supervisor ends (shutdown): the failure escalates"],
        ),
    ] {
        let told: Vec<_> = first.into_iter().chain(last).collect();
        assert_eq!(story(&policy(then), "panic after 1s; panic after 1s; lives"), told);
    }
}

#[test]
fn hangs_and_slow_starts_are_cut_short() {
    let policy = "[defaults]\nmax_restarts = 9\nwatchdog = \"10s\"\nstart_timeout = \"5s\"\nready = \"when_said\"\n";
    assert_eq!(
        story(policy, "hang after 1s; start hangs; never ready; end after 1s; start fails after 2s; lives"),
        [
            "0s life 1 is up",
            "11s overdue, and killed: hung: `a message of the script` in hand for 10.0s",
            "11s life 1 ends: hung: `a message of the script` in hand for 10.0s",
            "11s life 2 hangs in its start",
            "16s overdue, and killed: failed: not ready after 5s",
            "16s life 2 does not come up: failed: not ready after 5s",
            "16s life 3 is up and not ready",
            "21s overdue, and killed: failed: not ready after 5s",
            "21s life 3 ends: failed: not ready after 5s",
            "21s life 4 is up",
            "22s life 4 ends: normal",
            "24s life 5 does not come up: failed: by the script",
            "24s life 6 is up, and stays",
        ]
    );
}

#[test]
fn nothing_goes_on_for_ever() {
    let told = run("[defaults]\nmax_restarts = \"unlimited\"\n", "panic after 1ms *");
    assert_eq!(told.end(), Duration::from_millis(LIVES_MAX.into()));
    for script in ["hang after 1s", "start hangs", "never ready", "lives"] {
        assert!(run("[defaults]\nfactor = 2\n", script).happenings().len() <= 2, "{script}");
    }
}

#[test]
fn the_same_seed_draws_the_same_delays_and_another_draws_others() {
    let policy =
        Policies::parse("[defaults]\ndelay = \"1s\"\njitter = \"full\"\nmax_restarts = 99\n", "p").expect("right");
    let script = ExitScript::parse("panic after 1s *20").expect("right");
    let told = |seed| simulate(&policy, "a/b", &script, seed).expect("valid").to_string();
    assert_eq!(told(1), told(1));
    assert_ne!(told(1), told(2));
}

#[test]
fn the_picture_shows_what_the_child_did() {
    let policy = "[defaults]\nmax_restarts = 9\ndelay = \"10s\"\n";
    let told = run(policy, "panic after 10s; start fails after 10s; lives").to_string();
    let bar = told.lines().find(|line| line.starts_with('|')).expect("there is a bar");
    let mut signs: Vec<_> = bar.chars().collect();
    signs.dedup();
    assert_eq!(signs.iter().collect::<String>(), "|#.+.#|", "{told}");
    assert!(told.ends_with("x an end, or several in this time"), "{told}");
}

#[test]
fn a_step_that_cannot_be_read_is_named() {
    let fault = |script: &str| ExitScript::parse(script).expect_err("it cannot be read").to_string();
    assert_eq!(fault(""), "step 1: there is no step");
    assert_eq!(fault("lives; panik after 2s"), "step 2: `panik after 2s` is no step: did you mean `panic`?");
    assert_eq!(fault("panic"), "step 1: `panic` is no step: `panic after 2s`?");
    assert_eq!(fault("panic after 2s *x"), "step 1: `*x` is no number of repetitions");
    assert_eq!(fault("panic after 900d"), "step 1: \"900d\" is longer than a year");
    assert!(fault("panic after soon").starts_with("step 1: \"soon\" is no duration"));
}
