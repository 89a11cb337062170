//! What the runtime asks of a file before it takes it over: the verdict on one path, over what the code says.

use std::time::Duration;

use regrow_supervisors::{Backoff, Intensity, Jitter, Policy, Restart};

use crate::layer::{Configured, Layer};
use crate::policy::explain::library_defaults;
use crate::policy::fields::{ChildFields, SupervisorFields};
use crate::policy::said::Group;
use crate::policy::{Policies, Problem};

const SEC: Duration = Duration::from_secs(1);

fn policies(text: &str) -> Policies {
    Policies::parse(text, "policy.toml").expect("nothing is wrong with it by itself")
}

/// A service as the code says it.
fn coded(policy: Policy) -> Configured {
    let mut configured = library_defaults("shop/till", false);
    configured.spec = configured.spec.policy(policy);
    configured
}

fn told(verdict: Result<Configured, Vec<Problem>>) -> Vec<String> {
    verdict.expect_err("it cannot be").iter().map(|problem| format!("{problem:?}")).collect()
}

#[test]
fn a_field_of_a_curve_changes_only_that_field_of_the_codes_curve() {
    let coded = coded(Policy::default().backoff(Backoff::new(SEC).factor(3.0).max_delay(9 * SEC)));
    let layered = policies("[path.\"shop/till\"]\njitter = \"full\"\n").verdict("shop/till", &coded).expect("valid");
    let expected = Backoff::new(SEC).factor(3.0).max_delay(9 * SEC).jitter(Jitter::Full);
    assert_eq!(layered.spec.policy_rule().backoff, Some(expected));
}

#[test]
fn half_a_budget_is_completed_by_the_code() {
    let coded = coded(Policy::default().budget(Intensity::new(7, 60 * SEC)));
    let layered = policies("[path.\"shop/till\"]\nwithin = \"10s\"\n").verdict("shop/till", &coded).expect("valid");
    assert_eq!(layered.spec.policy_rule().budget, Some(Intensity::new(7, 10 * SEC)));
}

#[test]
fn a_limit_of_the_codes_can_be_taken_away() {
    let coded = coded(Policy::default().watchdog(SEC).start_timeout(SEC));
    let text = "[defaults]\nwatchdog = \"off\"\nstart_timeout = \"off\"\n";
    let policy = policies(text).verdict("shop/till", &coded).expect("valid").spec.policy_rule();
    assert_eq!((policy.watchdog, policy.start_timeout), (None, None));
}

#[test]
fn a_cap_below_what_the_code_begins_with_is_told_with_its_place() {
    let coded = coded(Policy::default().backoff(Backoff::new(10 * SEC)));
    let policies = policies("[defaults]\nmax_delay = \"5s\"\n");
    assert_eq!(
        told(policies.verdict("shop/till", &coded)),
        ["policy.toml:2:13: this does not fit `shop/till`: the longest delay, 5s, is shorter than the first, 10s"]
    );
    // And until that is mended, the code is in force.
    assert_eq!(policies.apply("shop/till", &coded), coded);
}

#[test]
fn two_globs_that_disagree_are_told_where_they_meet() {
    let text = "[path.\"shop/*\"]\ndelay = \"10s\"\n[path.\"*/till\"]\nmax_delay = \"5s\"\n";
    let faults = told(policies(text).verdict("shop/till", &coded(Policy::default())));
    assert_eq!(faults, ["policy.toml:4:13: the longest delay is shorter than the first"]);
}

#[test]
fn a_significant_child_cannot_be_made_permanent() {
    let mut coded = coded(Policy::default());
    coded.spec = coded.spec.restart(Restart::Transient).significant(true);
    let faults = told(policies("[defaults]\nrestart = \"permanent\"\n").verdict("shop/till", &coded));
    assert_eq!(faults, ["policy.toml:2:11: `shop/till` is significant and cannot be permanent"]);
}

#[test]
fn a_supervisor_takes_what_its_children_share_and_no_mailbox() {
    let text =
        "[supervisor.shop]\nmax_starting = 4\nwithin = \"1m\"\n[path.shop]\nmailbox = 3\nrestart = \"transient\"\n";
    let layered = policies(text).verdict("shop", &library_defaults("shop", true)).expect("valid");
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
fn the_docs_name_every_field() {
    let docs: String = include_str!("mod.rs").lines().filter(|line| line.starts_with("//!")).collect();
    for name in ChildFields::NAMES.iter().chain(SupervisorFields::NAMES) {
        assert!(docs.contains(&format!("`{name}`")) || *name == "defaults", "{name}");
    }
}
