//! Tests of the check that the runtime makes before it applies a file: the settings of one path, over those in code.

use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::{
    Backoff, DependencyGone, ExitRule, FailureRate, GiveUp, Health, Intensity, Jitter, KeptRule, NotReady, Policy,
    Readiness, Restart, RuleAction,
};

use crate::policy::explain::library_defaults;
use crate::policy::field::Group;
use crate::policy::fields::{ChildFields, SupervisorFields};
use crate::policy::{Policies, Problem, RankClass};
use crate::tree::directory::ChildKind;
use crate::tree::effect::IDLE_AFTER;
use crate::tree::overrides::{Coded, Effective, Named, Overrides};

const SEC: Duration = Duration::from_secs(1);

fn policies(text: &str) -> Policies {
    Policies::parse(text, "policy.toml").expect("valid by itself")
}

/// A service with this policy in code.
fn coded(policy: Policy) -> Coded {
    let mut coded = library_defaults("shop/till", ChildKind::Service);
    coded.own.spec = coded.own.spec.policy(policy);
    coded
}

/// A service under a root with this policy as the default of every service, in code.
fn coded_for_all(policy: Policy) -> Coded {
    let mut coded = library_defaults("shop/till", ChildKind::Service);
    coded.defaults.tree = Some(Arc::new(policy));
    coded
}

fn told(verdict: Result<Effective, Vec<Problem>>) -> Vec<String> {
    verdict.expect_err("it cannot be").iter().map(|problem| format!("{problem:?}")).collect()
}

#[test]
fn a_field_of_a_curve_changes_only_that_field_of_the_codes_curve() {
    let coded = coded(Policy::default().backoff(Backoff::new(SEC).factor(3.0).max_delay(9 * SEC)));
    let layered = policies("[path.\"shop/till\"]\njitter = \"full\"\n").resolve("shop/till", &coded).expect("valid");
    let expected = Backoff::new(SEC).factor(3.0).max_delay(9 * SEC).jitter(Jitter::Full);
    assert_eq!(layered.spec.policy_rule().backoff, Some(expected));
}

#[test]
fn half_a_budget_is_completed_by_the_code() {
    let coded = coded(Policy::default().budget(Intensity::new(7, 60 * SEC)));
    let layered = policies("[path.\"shop/till\"]\nwithin = \"10s\"\n").resolve("shop/till", &coded).expect("valid");
    assert_eq!(layered.spec.policy_rule().budget, Some(Intensity::new(7, 10 * SEC)));
}

#[test]
fn a_limit_of_the_codes_can_be_taken_away() {
    let coded = coded_for_all(Policy::default().watchdog(SEC).start_timeout(SEC));
    let text = "[defaults]\nwatchdog = \"off\"\nstart_timeout = \"off\"\n";
    let policy = policies(text).resolve("shop/till", &coded).expect("valid").spec.policy_rule();
    assert_eq!((policy.watchdog, policy.start_timeout), (None, None));
}

#[test]
fn a_cap_below_what_the_code_begins_with_is_told_with_its_place() {
    let coded = coded_for_all(Policy::default().backoff(Backoff::new(10 * SEC)));
    let policies = policies("[defaults]\nmax_delay = \"5s\"\n");
    assert_eq!(
        told(policies.resolve("shop/till", &coded)),
        ["policy.toml:2:13: this does not fit `shop/till`: the longest delay, 5s, is shorter than the first, 10s"]
    );
    // Until that is mended, the settings in code are in force.
    assert_eq!(policies.apply("shop/till", &coded), coded.whole());
}

#[test]
fn two_globs_that_disagree_are_told_where_they_meet() {
    let text = "[path.\"shop/*\"]\ndelay = \"10s\"\n[path.\"*/till\"]\nmax_delay = \"5s\"\n";
    let faults = told(policies(text).resolve("shop/till", &coded(Policy::default())));
    assert_eq!(faults, ["policy.toml:4:13: the longest delay is shorter than the first"]);
}

#[test]
fn a_significant_child_cannot_be_made_permanent() {
    let mut coded = coded(Policy::default());
    coded.own.spec = coded.own.spec.restart(Restart::Transient).significant(true);
    let faults = told(policies("[defaults]\nrestart = \"permanent\"\n").resolve("shop/till", &coded));
    assert_eq!(faults, ["policy.toml:2:11: `shop/till` is significant and cannot be permanent"]);
}

#[test]
fn a_supervisor_takes_what_its_children_share_and_no_mailbox() {
    let text =
        "[supervisor.shop]\nmax_starting = 4\nwithin = \"1m\"\n[path.shop]\nmailbox = 3\nrestart = \"transient\"\n";
    let layered = policies(text).resolve("shop", &library_defaults("shop", ChildKind::Supervisor)).expect("valid");
    let group = layered.group.expect("it is a supervisor");
    assert_eq!((group.starts_max, group.intensity), (Some(4), Intensity::new(1, 60 * SEC)));
    assert_eq!((layered.mailbox, layered.spec.restart_type()), (None, Restart::Transient));
}

#[test]
fn an_explanation_tells_the_code_from_a_default() {
    let coded = coded(Policy::default().watchdog(SEC));
    let explained = policies("[defaults]\nfactor = 2\n").explain_over("shop/till", &coded);
    let origin = |field| explained.setting(field).map(|setting| setting.origin().to_string());
    assert_eq!(origin("watchdog").as_deref(), Some("the code"));
    assert_eq!(origin("start_timeout").as_deref(), Some("default"));
}

#[test]
fn what_the_code_says_of_one_child_stands_above_every_default_in_each_field() {
    let mailbox = Named {
        restart: true,
        shutdown: true,
        capacity: true,
        overflow: true,
        on_restart: true,
        room_wait: true,
        idle_after: true,
    };
    let policy = Policy::default()
        .backoff(Backoff::new(SEC).jitter(Jitter::None))
        .budget(Intensity::new(7, 7 * SEC))
        .reset_after(7 * SEC)
        .reset_on_ready()
        .reset_after_messages(7)
        .failure_rate(FailureRate::new(70, 7, 7 * SEC))
        .on_give_up(GiveUp::park(7 * SEC))
        .retry_start()
        .not_ready(NotReady::default().budget(Intensity::new(7, 7 * SEC)).backoff(Backoff::new(7 * SEC)))
        .readiness(Readiness::WhenSaid)
        .start_timeout(7 * SEC)
        .depends_on(["db"])
        .on_dependency_gone(DependencyGone::Fail)
        .health(Health::Required)
        .watchdog(7 * SEC)
        .kept(KeptRule::new(7))
        .rule(ExitRule::new(RuleAction::Stop).error("licence").text("gone"));
    // A new field has to be set here, and to have its place in `rank.rs`.
    assert!(!format!("{policy:?}").contains("None,"), "{policy:?}");
    let own = Coded { named: mailbox, ..coded(policy.clone()) };
    let mut siblings = coded(Policy::default());
    siblings.defaults.siblings = Some(Arc::new(policy));

    let defaults = include_str!("../../tests/policy/every_default.toml");
    let fields = policies(defaults).explain("shop/till", None);
    for name in ChildFields::NAMES {
        // The idle time is set for paths only, and never inherited.
        let is_said = |field: &str| {
            let is_in_group = field.split_once('.').is_some_and(|(group, _)| group == *name);
            field != IDLE_AFTER && (field == *name || is_in_group)
        };
        let settings: Vec<_> = fields.settings().iter().filter(|setting| is_said(setting.field())).collect();
        assert!(!settings.is_empty(), "{name} is not in the file");
        assert!(settings.iter().all(|setting| setting.rank().class == RankClass::Defaults), "{name}: {settings:?}");
    }
    assert_eq!(policies(defaults).resolve("shop/till", &own), Ok(own.whole()));
    let mut text = defaults.replacen("[defaults]", "[supervisor.shop.defaults]", 1);
    assert_eq!(policies(&text).resolve("shop/till", &own), Ok(own.whole()), "{text}");
    // Within a class the file is the later layer, so it wins there, as over every class below.
    text = defaults.replacen("[defaults]", "[path.\"shop/till\"]", 1);
    let (over_own, alone) = (policies(&text).resolve("shop/till", &own), coded(Policy::default()));
    assert_eq!(over_own, policies(defaults).resolve("shop/till", &alone));
    assert_eq!(policies(&text).resolve("shop/till", &siblings), over_own);
    // The defaults of the file do not reach a field that a supervisor sets in code for its children; they reach the
    // rest.
    let mixed = policies(defaults).resolve("shop/till", &siblings).expect("valid");
    assert_eq!(mixed.spec.policy_rule(), siblings.whole().spec.policy_rule());
    assert_eq!(mixed.spec.restart_type(), Restart::Temporary);
}

#[test]
fn a_file_that_says_nothing_about_a_child_leaves_it_exactly_as_it_is() {
    let mut coded = coded(Policy::default().not_ready(NotReady::default()).budget(Intensity::unlimited()));
    coded.defaults.tree = Some(Arc::new(Policy::default().backoff(Backoff::listed([SEC, 2 * SEC]))));
    coded.defaults.siblings =
        Some(Arc::new(Policy::default().not_ready(NotReady::default().backoff(Backoff::new(SEC)))));
    for text in ["", "[path.other]\ndelay = \"1s\"\n", "[supervisor.other.defaults]\ndelay = \"1s\"\n"] {
        assert_eq!(policies(text).resolve("shop/till", &coded), Ok(coded.whole()), "{text}");
    }
}

#[test]
fn the_docs_name_every_field() {
    let docs: String = include_str!("mod.rs").lines().filter(|line| line.starts_with("//!")).collect();
    for name in ChildFields::NAMES.iter().chain(SupervisorFields::NAMES) {
        assert!(docs.contains(&format!("`{name}`")) || *name == "defaults", "{name}");
    }
}
