//! Experiments in files: the same as the builder, and bad ones say where and why.

use std::time::Duration;

use regrow::ChildKind;
use regrow::chaos::{Experiment, Fault, Scope, Times, Trigger, When};

const SEC: Duration = Duration::from_secs(1);

#[test]
fn a_file_says_what_the_builder_says() {
    let file = r#"
        title = "all of it"
        seed = 7
        duration = "1m"
        targets = ["shop/**", { kind = "dynamic", depth = 1 }]
        at_once = 5
        stabilise_within = "20s"
        look_every = "500ms"
        stop_when_broken = true
        stop_after_escalations = 2
        [hypothesis]
        everybody_up = false
        availability = 0.9
        restarts_max = 50
        [[fault]]
        kind = "kill"
        on = "shop/workers/*"
        rate = 2.0
        [[fault]]
        kind = "slow"
        by = "50ms"
        on = { path = "shop/**", kind = "service", depth = 2 }
        every = "10s"
        lasts = "3s"
        [[fault]]
        kind = "start_error"
        count = 3
        at = ["1s", "2s"]
        [[fault]]
        kind = "kill_together"
        count = 2
        after = { event = "start_failed", of = "shop/db", delay = "10ms" }
        [[fault]]
        kind = "drop"
        share = 0.25
        at = ["5s"]
    "#;
    let after = When::After { event: Trigger::StartFailed, of: "shop/db".into(), delay: SEC / 100 };
    let built = Experiment::new("all of it")
        .seed(7)
        .duration(60 * SEC)
        .target("shop/**")
        .target(Scope::default().kind(ChildKind::Dynamic).depth(1))
        .at_once(5)
        .stabilise_within(20 * SEC)
        .look_every(SEC / 2)
        .stop_when_broken()
        .stop_after_escalations(2)
        .allow_unavailable()
        .availability(0.9)
        .restarts_max(50)
        .fault(Fault::Kill, "shop/workers/*", When::Rate(2.0))
        .lasting(
            Fault::Slow(SEC / 20),
            Scope::path("shop/**").kind(ChildKind::Service).depth(2),
            When::Every(10 * SEC),
            3 * SEC,
        )
        .fault(Fault::StartError(Times::Count(3)), Scope::default(), When::At(vec![SEC, 2 * SEC]))
        .fault(Fault::KillTogether(2), Scope::default(), after)
        .fault(Fault::Drop(0.25), Scope::default(), When::At(vec![5 * SEC]));
    assert_eq!(format!("{:?}", Experiment::parse(file).unwrap()), format!("{built:?}"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let head = "title = \"x\"\ntargets = [\"**\"]\n";
    let fault = |text: &str| format!("{head}[[fault]]\n{text}\n");
    for (text, said) in [
        ("".to_owned(), "missing field `title`"),
        (head.to_owned(), "the experiment has no faults"),
        (fault("kind = \"kil\"\nrate = 1.0"), "line 4, column 8"),
        (fault("kind = \"kil\"\nrate = 1.0"), "unknown variant `kil`, expected one of `kill`, `kill_together`"),
        (fault("kind = \"kill\"\nrate = 1.0\nfoo = 1"), "unknown field `foo`"),
        (fault("kind = \"kill\""), "fault 1 (`kill`): it needs one of `every`, `at`, `rate`, `after`"),
        (fault("kind = \"kill\"\nrate = 1.0\nevery = \"1s\""), "only one of `every`, `at`, `rate`, `after`"),
        (fault("kind = \"slow\"\nrate = 1.0"), "fault 1 (`slow`): it needs `by`"),
        (fault("kind = \"kill\"\nby = \"1s\"\nrate = 1.0"), "`by` has no meaning for this kind"),
        (fault("kind = \"drop\"\nshare = 2.0\nrate = 1.0"), "drop: 2 is not between 0 and 1"),
        (fault("kind = \"kill\"\nrate = -1.0"), "its rate is not above zero"),
        (fault("kind = \"kill\"\nevery = \"-1s\""), "`-1s` is not a time"),
        (fault("kind = \"kill\"\nevery = \"1h\""), "its first time is after the end"),
        (fault("kind = \"kill\"\nat = [\"1s\", \"1h\"]"), "at a time that is after the end"),
        (fault("kind = \"kill\"\nrate = 1e-9"), "less than once in a hundred runs"),
        (fault("kind = \"kill\"\nrate = 1.0\non = { path = \"**\", kinds = \"task\" }"), "unknown field `kinds`"),
        (fault("kind = \"kill\"\nrate = 1.0\non = { kind = \"tusk\" }"), "unknown variant `tusk`"),
        (fault("kind = \"kill\"\nrate = 1.0\non = 7"), "expected a glob, or { path, kind, depth }"),
        (fault("kind = \"kill\"\nrate = 1.0\non = \"app/[\""), "bad glob `app/[`"),
        (
            format!("seed = \"seven\"\n{}", fault("kind = \"kill\"\nrate = 1.0")),
            "invalid type: string \"seven\", expected u64",
        ),
        (fault("kind = \"kill\"\nrate = "), "line 5"),
    ] {
        let error = Experiment::parse(&text).unwrap_err().to_string();
        assert!(error.contains(said), "`{said}` is not in:\n{error}");
    }
    let error = Experiment::read("nowhere.toml").unwrap_err().to_string();
    assert!(error.starts_with("the file cannot be read"), "{error}");
}

/// Found by fuzzing, first in policy files.
#[test]
fn no_control_character_of_a_file_reaches_the_terminal() {
    let fault =
        |on: &str| format!("title = \"t\"\ntargets = [\"**\"]\n[[fault]]\nkind = \"kill\"\nrate = 1.0\non = {on}\n");
    for text in
        [fault("\"\u{9b}2J[\""), fault("5 # \u{9b}2J"), fault("\"\\u001b[2J[\""), "\u{9b}2J\u{1b}[2J".to_owned()]
    {
        let error = Experiment::parse(&text).unwrap_err().to_string();
        assert_eq!(error.find(|letter: char| letter.is_control() && letter != '\n'), None, "{error:?}");
    }
}
