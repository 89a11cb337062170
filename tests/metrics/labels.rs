//! Labels: bounded in number, and safe whatever the names are.

use regrow::metrics::Metrics;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{DynamicSupervisor, Partitioned, Supervisor};

use crate::common::tree::{SEC, probe, up};
use crate::scrape::Scrape;

#[tokio::test]
async fn templates_beyond_the_cap_are_counted_together_and_those_are_counted() {
    let journal = Journal::new();
    let names: Vec<String> = (0..20).map(|number| format!("s{number:02}")).collect();
    let root = Supervisor::one_for_one("app").children(names.iter().map(|name| journal.probe(name)));
    let tree = root.start().await.unwrap();
    let metrics = Metrics::new().tree(&tree).templates_max(6);
    let scrape = Scrape::read(&metrics.render());
    // The root is listed, too, and has the first label.
    let labels = scrape.values("regrow_services", "service");
    assert_eq!(labels, ["app", "app/s00", "app/s01", "app/s02", "app/s03", "app/s04", "other"].into());
    assert_eq!(scrape.sum("regrow_templates_in_other", &[]), 15.0);
    assert_eq!(scrape.sum("regrow_services", &[("service", "other"), ("state", "up")]), 15.0);
    for name in ["app/s04", "app/s05", "app/s19"] {
        probe(&tree, name).cast(ProbeMsg::Note(1)).unwrap();
    }
    // A label stays where it is when templates come that are before it in the order.
    tree.supervisor("app").unwrap().start_child(journal.probe("a")).await.unwrap();
    let scrape = Scrape::read(&metrics.render());
    assert_eq!(scrape.sum("regrow_messages_accepted_total", &[("service", "app/s04")]), 1.0);
    assert_eq!(scrape.sum("regrow_messages_accepted_total", &[("service", "other")]), 2.0);
    assert_eq!(scrape.sum("regrow_templates_in_other", &[]), 16.0);
    tree.shutdown().await;
}

#[tokio::test]
async fn hostile_names_are_values_and_never_lines_or_labels() {
    let journal = Journal::new();
    let hostile =
        ["a\"} 1", "back\\slash", "back\\\\slash", "end\\", "\\\"", "nul\0", "{x=\"y\"}", "säge ☃", "other", "*"];
    let root = Supervisor::one_for_one("app \"\\n").children(hostile.map(|name| journal.probe(name)));
    let tree = root.start().await.unwrap();
    let scrape = Scrape::read(&Metrics::new().tree(&tree).render());
    let labels = scrape.values("regrow_services", "service");
    assert_eq!(scrape.values("regrow_services", "tree"), ["app \"\\n"].into());
    for name in hostile {
        let label = format!("app \"\\n/{}", name.replace('\0', "\u{FFFD}"));
        assert!(labels.contains(&*label), "{label:?} is not in {labels:?}");
    }
    assert_eq!(labels.len(), hostile.len() + 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn names_given_at_run_time_are_one_template_at_every_level() {
    let journal = Journal::new();
    let inner = journal.clone();
    let users = DynamicSupervisor::new("users").template(move |name: String| {
        let (db, jobs) = (inner.probe("db"), inner.clone());
        let jobs = DynamicSupervisor::new("jobs").template(move |name: String| jobs.probe(&name));
        regrow::Child::from(Supervisor::one_for_one(name).child(db).child(jobs))
    });
    let shards = Partitioned::new("shards", 3, move |_| journal.probe("shard"));
    let tree = Supervisor::one_for_one("app").child(users).child(shards).start().await.unwrap();
    let users = tree.dynamic("app/users").unwrap().template::<String>().unwrap();
    for name in ["ada", "bob"] {
        users.start_child(name.into()).await.unwrap();
        let jobs = tree.dynamic(&format!("app/users/{name}/jobs")).unwrap().template::<String>().unwrap();
        jobs.start_child("one".into()).await.unwrap();
        jobs.start_child("two".into()).await.unwrap();
    }
    let metrics = Metrics::new().tree(&tree);
    let up = |scrape: &Scrape, service: &str| scrape.sum("regrow_services", &[("service", service), ("state", "up")]);
    let starts = |scrape: &Scrape, service: &str| scrape.sum("regrow_service_starts_total", &[("service", service)]);
    let scrape = Scrape::read(&metrics.render());
    let known = scrape.values("regrow_services", "service");
    let expected = [
        "app",
        "app/shards",
        "app/shards/*",
        "app/users",
        "app/users/*",
        "app/users/*/db",
        "app/users/*/jobs",
        "app/users/*/jobs/*",
    ];
    assert_eq!(known, expected.into());
    let counts =
        ["app/shards/*", "app/users/*", "app/users/*/db", "app/users/*/jobs/*"].map(|service| up(&scrape, service));
    assert_eq!(counts, [3.0, 2.0, 2.0, 4.0]);
    // What ended stays in the sums.
    tree.dynamic("app/users").unwrap().terminate_child("ada").await.unwrap();
    let scrape = Scrape::read(&metrics.render());
    assert_eq!((up(&scrape, "app/users/*/jobs/*"), starts(&scrape, "app/users/*/jobs/*")), (2.0, 4.0));
    assert_eq!((up(&scrape, "app/users/*"), starts(&scrape, "app/users/*")), (1.0, 2.0));
    tree.shutdown().await;
}

#[tokio::test]
async fn one_collector_shows_several_trees_and_adds_up_those_of_one_name() {
    let journal = Journal::new();
    let start = async |name: &str, child: &str| {
        Supervisor::one_for_one(name).child(journal.probe(child)).start().await.unwrap()
    };
    let (a, b, again) = (start("a", "x").await, start("b", "x").await, start("a", "x").await);
    let metrics = Metrics::new().tree(&a).tree(&b);
    metrics.add(&again);
    for (tree, path) in [(&a, "a/x"), (&b, "b/x"), (&again, "a/x")] {
        probe(tree, path).cast(ProbeMsg::Note(1)).unwrap();
    }
    let scrape = Scrape::read(&metrics.render());
    assert_eq!(scrape.sum("regrow_messages_accepted_total", &[("tree", "a"), ("service", "a/x")]), 2.0);
    assert_eq!(scrape.sum("regrow_messages_accepted_total", &[("tree", "b"), ("service", "b/x")]), 1.0);
    again.shutdown().await;
    // One that is over keeps its last figures, and is not ready.
    let scrape = Scrape::read(&metrics.render());
    assert_eq!(scrape.sum("regrow_messages_accepted_total", &[("tree", "a"), ("service", "a/x")]), 2.0);
    assert_eq!(
        (scrape.sum("regrow_tree_ready", &[("tree", "a")]), scrape.sum("regrow_tree_ready", &[("tree", "b")])),
        (0.0, 1.0)
    );
    a.shutdown().await;
    b.shutdown().await;
}

// Found by reading: the renderer keeps the last value of a gauge, and the budget of a supervisor that was gone stayed zero.
#[tokio::test]
async fn the_budget_of_a_supervisor_that_is_gone_is_no_number() {
    let inner = Journal::new();
    let users = DynamicSupervisor::new("users").template(move |name: String| {
        regrow::Child::from(Supervisor::one_for_one(name).intensity(1, 3600 * SEC).child(inner.probe("db")))
    });
    let tree = Supervisor::one_for_one("app").child(users).start().await.unwrap();
    let metrics = Metrics::new().tree(&tree);
    let budget = || {
        let scrape = Scrape::read(&metrics.render());
        scrape.with("regrow_budget_left", &[("service", "app/users/*")]).map(|sample| sample.value).next()
    };
    let users = tree.dynamic("app/users").unwrap();
    users.template::<String>().unwrap().start_child("ada".into()).await.unwrap();
    assert_eq!(budget(), None);
    tree.kill("app/users/ada/db").unwrap();
    up(&tree, "app/users/ada/db", 2).await;
    // The note follows the start in the same turn of the supervisor, and an answer comes after it.
    tree.why("app/users/ada/db").await.unwrap();
    assert_eq!(budget(), Some(0.0));
    users.terminate_child("ada").await.unwrap();
    assert!(budget().is_some_and(f64::is_nan), "{:?}", budget());
    tree.shutdown().await;
}
