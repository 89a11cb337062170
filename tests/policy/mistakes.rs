//! Every mistake in a policy file is told, with its place and what to write instead; all of them at once.

use regrow::policy::{Policies, Problem};

/// `line:column message (advice)` of each problem.
fn told(text: &str) -> Vec<String> {
    let problems = match Policies::parse(text, "policy.toml") {
        Ok(policies) => policies.warnings().to_vec(),
        Err(refused) => refused.problems().to_vec(),
    };
    problems.iter().map(line).collect()
}

fn line(problem: &Problem) -> String {
    let place = format!("{}:{}", problem.line().unwrap_or(0), problem.column().unwrap_or(0));
    let kind = if problem.is_error() { "" } else { "warning: " };
    let advice = problem.advice().map(|advice| format!(" ({advice})")).unwrap_or_default();
    format!("{place} {kind}{}{advice}", problem.message())
}

/// What is told about one field of `[defaults]`.
fn field(text: &str) -> String {
    told(&format!("[defaults]\n{text}\n")).join("\n")
}

#[test]
fn five_mistakes_are_told_at_once_as_a_compiler_would() {
    let text = include_str!("five_mistakes.toml");
    let refused = Policies::parse(text, "five_mistakes.toml").expect_err("there are five mistakes in it");
    assert_eq!(format!("{refused}\n"), include_str!("five_mistakes.out"));
}

#[test]
fn a_whole_file_without_a_mistake_is_silent() {
    assert_eq!(told(include_str!("whole.toml")), [""; 0]);
}

#[test]
fn the_nearest_name_is_suggested() {
    assert_eq!(field("max_delya = \"1s\""), "2:1 unknown field `max_delya` (did you mean `max_delay`?)");
    assert_eq!(field("max-delay = \"1s\""), "2:1 unknown field `max-delay` (did you mean `max_delay`?)");
    assert_eq!(told("[paths.\"a/b\"]\n"), ["1:2 unknown table `paths` (did you mean `path`?)"]);
    assert_eq!(field("restart = \"permanet\""), "2:11 unknown word \"permanet\" (did you mean \"permanent\"?)");
    assert_eq!(field("max_restarts = \"unlimted\""), "2:16 unknown word \"unlimted\" (did you mean \"unlimited\"?)");
    assert_eq!(field("shutdown_timeout = \"kil\""), "2:20 unknown word \"kil\" (did you mean \"kill\"?)");
    assert_eq!(field("on_give_up = \"prak\""), "2:14 unknown word \"prak\" (did you mean \"park\"?)");
    assert_eq!(field("mailbox = { capacty = 3 }"), "2:13 unknown field `capacty` (did you mean `capacity`?)");
    assert_eq!(field("not_ready = { delai = \"1s\" }"), "2:15 unknown field `delai` (did you mean `delay`?)");
}

#[test]
fn a_mailbox_that_waits_is_told_what_replaces_it() {
    let advice = "calls and sends always wait for room now: leave this out, and say how long they wait with \
                  `room_wait = \"5s\"` or `\"unlimited\"`";
    assert_eq!(
        field("mailbox = { overflow = \"wait\" }"),
        format!("2:24 \"wait\" is no longer a word here ({advice})")
    );
    assert_eq!(field("mailbox = { room_wait = \"unlimited\" }"), "");
    assert_eq!(
        field("mailbox = { room_wait = \"unlimted\" }"),
        "2:25 unknown word \"unlimted\" (did you mean \"unlimited\"?)"
    );
}

#[test]
fn where_nothing_is_near_all_names_are_told() {
    assert_eq!(told("x = 1\n"), ["1:1 unknown table `x` (known here: defaults, supervisor, path)"]);
}

#[test]
fn a_field_in_the_wrong_table_is_sent_to_the_right_one() {
    let advice = "a child has `delay`: put it into [supervisor.\"PATH\".defaults] or [path.\"PATH\"]";
    assert_eq!(told("[supervisor.a]\ndelay = \"1s\"\n"), [format!("2:1 unknown field `delay` ({advice})")]);
    let advice = "a supervisor has `max_starting`: put it into its table, [supervisor.\"PATH\"]";
    assert_eq!(field("max_starting = 4"), format!("2:1 unknown field `max_starting` ({advice})"));
}

#[test]
fn a_wrong_type_is_called_by_its_name() {
    assert_eq!(field("restart = 1"), "2:11 wrong type: the integer 1");
    assert_eq!(field("reset_on_ready = \"yes\""), "2:18 wrong type: the string \"yes\"");
    assert_eq!(field("max_restarts = 1.5"), "2:16 wrong type: the number 1.5");
    assert_eq!(field("depends_on = \"db\""), "2:14 wrong type: the string \"db\"");
    assert_eq!(field("depends_on = [1]"), "2:15 wrong type: the integer 1");
    assert_eq!(field("rules = { then = \"stop\" }"), "2:9 wrong type: a table");
    assert_eq!(field("mailbox = true"), "2:11 wrong type: the boolean true");
    assert_eq!(field("delay = 1979-05-27"), "2:9 wrong type: a date or time");
    assert_eq!(told("defaults = 1\n"), ["1:12 wrong type: the integer 1"]);
    assert_eq!(told("path = []\n"), ["1:8 wrong type: a list"]);
}

#[test]
fn a_bad_duration_is_told_for_what_it_is() {
    let about = |value: &str| field(&format!("within = {value}"));
    assert_eq!(about("\"-5s\""), "2:10 the duration \"-5s\" is negative");
    assert_eq!(about("\"0s\""), "2:10 this may not be zero");
    assert_eq!(about("\"\""), "2:10 an empty string is no duration");
    assert_eq!(about("\"soon\""), "2:10 \"soon\" is no duration");
    assert_eq!(about("\"5\""), "2:10 \"5\" has no unit (a duration has a unit: \"5s\")");
    assert_eq!(about("5"), "2:10 5 has no unit (a duration has a unit: \"5s\" or \"5ms\")");
    let units = "units are ns, us, ms, s, m, h, d, w; several add up: \"1m 30s\"";
    assert_eq!(about("\"5 sek\""), format!("2:10 unknown unit of time `sek` ({units})"));
    assert_eq!(about("\"400d\""), "2:10 \"400d\" is longer than a year");
    assert_eq!(
        about("\"99999999999999999999999s\""),
        "2:10 \"99999999999999999999999s\" is longer than can be counted"
    );
    assert_eq!(field("delay = [\"1s\", \"-1s\"]"), "2:16 the duration \"-1s\" is negative");
    assert_eq!(field("delay = []"), "2:9 the list of delays is empty");
    assert_eq!(field("watchdog = \"0ms\""), "2:12 this may not be zero");
}

#[test]
fn zero_is_fine_where_it_makes_sense() {
    assert_eq!(field("delay = \"0s\"\nshutdown_timeout = \"0s\"\nmax_restarts = 0"), "");
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert_eq!(field("max_restarts = -1"), "2:16 -1 is negative");
    assert_eq!(field("max_restarts = 4294967296"), "2:16 4294967296 is too large");
    assert_eq!(field("mailbox = 0"), "2:11 0 is too small");
    assert_eq!(field("reset_after_messages = 0"), "2:24 0 is too small");
    assert_eq!(field("factor = 0.5"), "2:10 the factor 0.5 is out of range");
    assert_eq!(field("factor = 1001"), "2:10 the factor 1001 is out of range");
    assert_eq!(field("factor = nan"), "2:10 the factor NaN is out of range");
    assert_eq!(field("factor = inf"), "2:10 the factor inf is out of range");
}

#[test]
fn a_cap_below_the_first_delay_is_told_with_both_places() {
    let fault = "the longest delay is shorter than the first (`delay` is 10s (policy.toml:2))";
    assert_eq!(field("delay = \"10s\"\nmax_delay = \"5s\""), format!("3:13 {fault}"));
    // Also where the two come together only for a path that is named in full.
    let text = "[defaults]\ndelay = \"10s\"\n[path.\"a/b\"]\nmax_delay = \"5s\"\n";
    assert_eq!(told(text), [format!("4:13 {fault}")]);
    let park = "on_give_up = { park = { delay = \"10s\", max_delay = \"5s\" } }";
    assert_eq!(field(park), format!("2:52 {fault}"));
    assert_eq!(field("on_give_up = { park = { delay = \"0s\" } }"), "2:14 the first delay of a parked child is zero");
}

#[test]
fn what_is_said_twice_is_told() {
    let advice = "(remove one of the two)";
    assert_eq!(field("factor = 2\nfactor = 3"), format!("3:1 this is set twice {advice}"));
    assert_eq!(told("[path.a]\nfactor = 2\n[path.a]\nwithin = \"3s\"\n"), [format!("3:7 this is set twice {advice}")]);
    // And what else is wrong is told beside it.
    assert_eq!(field("factor = 2\nfactor = 3\nwithin = 5").lines().count(), 2);
}

#[test]
fn a_line_that_is_no_toml_hides_no_mistake_in_the_others() {
    let text = "delay = 100ms\nmax_delya = \"1s\"\nrestart = permanent # every time\nfactor =\nwithin = 5";
    assert_eq!(
        field(text).lines().collect::<Vec<_>>(),
        [
            "2:9 not TOML: quotes are missing",
            "3:1 unknown field `max_delya` (did you mean `max_delay`?)",
            "4:11 not TOML: quotes are missing",
            "5:9 not TOML: a value is missing",
            "6:10 5 has no unit (a duration has a unit: \"5s\" or \"5ms\")",
        ]
    );
}

#[test]
fn rules_are_read_to_the_letter() {
    assert_eq!(field("rules = [{ on = [\"failed\"] }]"), "2:10 this rule does not say what to do");
    assert_eq!(
        field("rules = [{ on = [\"paniced\"], then = \"stop\" }]"),
        "2:18 unknown word \"paniced\" (did you mean \"panicked\"?)"
    );
    assert_eq!(
        field("rules = [{ on = [], then = \"stop\" }]"),
        "2:17 the list of kinds is empty (leave `on` out to mean every kind)"
    );
    assert_eq!(field("rules = [{ when = 1, then = \"stop\" }]").split(" (").next(), Some("2:12 unknown field `when`"));
}

#[test]
fn a_rule_that_can_never_fire_is_warned_of() {
    let rules =
        "rules = [{ on = [\"failed\"], then = \"stop\" }, { on = [\"failed\"], text = \"x\", then = \"park\" }]";
    let advice = "the first rule that matches wins: put the narrower one first";
    assert_eq!(field(rules), format!("2:46 warning: this rule can never fire ({advice})"));
}

#[test]
fn rules_for_a_temporary_child_are_warned_of() {
    let text = "restart = \"temporary\"\nrules = [{ then = \"stop\" }]";
    assert_eq!(field(text), "3:9 warning: rules for a temporary child");
}

#[test]
fn growth_beside_a_list_of_delays_is_warned_of() {
    assert_eq!(field("delay = [\"1s\", \"2s\"]\nfactor = 3"), "3:10 warning: this has no effect");
}

#[test]
fn a_circle_of_dependencies_is_printed() {
    let text = "[path.\"s/a\"]\ndepends_on = [\"b\"]\n[path.\"s/b\"]\ndepends_on = [\"/s/c\"]\n[path.\"s/c\"]\ndepends_on = [\"a\"]\n";
    let refused = Policies::parse(text, "policy.toml").expect_err("nobody could start");
    assert_eq!(refused.errors().count(), 1);
    assert!(refused.to_string().contains("`s/a` -> `s/b` -> `s/c` -> `s/a`"), "{refused}");
    let itself = Policies::parse("[path.\"s/a\"]\ndepends_on = [\"a\"]\n", "policy.toml").expect_err("nor could this");
    assert!(itself.to_string().contains("`s/a` -> `s/a`"), "{itself}");
    assert_eq!(told("[path.\"s/a\"]\ndepends_on = [\"b\"]\n[path.\"s/b\"]\ndepends_on = [\"c\"]\n"), [""; 0]);
}

#[test]
fn a_glob_that_matches_no_path_for_sure_is_refused() {
    assert_eq!(
        told("[path.\"/shop/a\"]\nfactor = 2\n"),
        ["1:7 `/shop/a` is not a valid path pattern (did you mean \"shop/a\"?)"]
    );
    assert!(told("[path.\"shop/[a\"]\nfactor = 2\n")[0].starts_with("1:7 bad glob: "));
    assert!(told("[path.\"shop/a**\"]\nfactor = 2\n")[0].starts_with("1:7 bad glob: "));
}

#[test]
fn messages_are_lower_case_and_have_no_full_stop() {
    for text in
        ["[defaults\n", "a = \n", "[defaults]\nfactor = 'x\n", "[defaults]\nfactor = 0.5\nwithin = 3\nfoo = 1\n"]
    {
        for message in Policies::parse(text, "p").expect_err(text).problems().iter().map(Problem::message) {
            assert!(!message.ends_with('.'), "{message}");
            assert!(message.starts_with("not TOML") || !message.starts_with(char::is_uppercase), "{message}");
        }
    }
}

// Found by a new user: `shop/b` was taken for `shop/shop/b`.
#[test]
fn a_circle_of_full_paths_is_found_as_the_tree_would() {
    let text = "[path.\"shop/a\"]\ndepends_on = [\"shop/b\"]\n[path.\"shop/b\"]\ndepends_on = [\"shop/a\"]\n";
    let errors = Policies::parse(text, "x.toml").unwrap_err().to_string();
    assert!(errors.contains("shop/a") && errors.contains("shop/b"), "{errors}");
}

/// Found by fuzzing: `\u{9b}` begins an order to a terminal as `\u{1b}[` does.
#[test]
fn no_control_character_of_a_file_or_a_variable_reaches_the_terminal() {
    let hostile = "[defaults]\n\"a\u{9b}2J\u{1b}[2J\" = 1 # \u{9b}2J\n[path.\"\u{9b}2J\u{1b}//\\n\"]\n";
    let name = "REGROW_DEFAULTS_DE\u{1b}[2J\u{9b}AY";
    let refused = [
        Policies::parse(hostile, "policy\u{1b}[2J.toml"),
        Policies::default().with_env([(name.to_owned(), "1s".to_owned())]),
        Policies::read("there/is/no\u{1b}[2J/file.toml"),
    ];
    for refused in refused.map(|refused| refused.expect_err("there are mistakes in it")) {
        let text = refused.to_string();
        assert_eq!(text.find(|letter: char| letter.is_control() && letter != '\n'), None, "{text:?}");
        for problem in refused.problems() {
            assert_eq!(problem.message().find(char::is_control), None, "{problem:?}");
        }
    }
}
