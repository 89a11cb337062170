//! A tree under faults: one of each kind that the figures tell apart.

use regrow::metrics::Metrics;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, Child, Context, DynamicSupervisor, GiveUp, Intensity, Overflow, Policy, Service, ServiceState, Supervisor,
    TaskContext, Tree,
};

use crate::common::tree::{MS, SEC, in_hand, parked, probe, soon, up};
use crate::scrape::Scrape;

/// A service that fails on each even number, and has each message redelivered once.
struct Picky;

impl Service for Picky {
    type Msg = u64;

    async fn handle(&mut self, number: u64, _: &mut Context<Self>) -> anyhow::Result<()> {
        anyhow::ensure!(number % 2 == 1, "{number} is even");
        Ok(())
    }
}

/// The tree, with a service of every kind that the figures need.
pub(crate) async fn tree() -> Tree {
    let journal = Journal::new();
    let sessions = journal.clone();
    let sessions = DynamicSupervisor::new("sessions")
        .template(move |name: String| sessions.probe(&name).restart(regrow::Restart::Transient));
    let fragile = Supervisor::one_for_one("fragile").intensity(1, SEC).child(journal.probe("glass"));
    Supervisor::one_for_one("shop")
        .intensity(100, 10 * SEC)
        .child(journal.probe("db").measured())
        .child(journal.probe("tight").capacity(2).overflow(Overflow::Refuse))
        .child(journal.probe("fickle").policy(
            Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::Park(Backoff::listed([3600 * SEC]))),
        ))
        .child(Child::service("picky", |_| async { Ok(Picky) }).redeliver(1))
        .child(Child::task("clock", |_: TaskContext| std::future::pending()))
        .child(fragile)
        .child(sessions)
        .start()
        .await
        .unwrap()
}

/// Lets each fault happen, and waits until it has.
pub(crate) async fn run(tree: &Tree) {
    // Supervisors note their budgets from the first collector on.
    drop(Metrics::new().tree(tree));
    // A panic, a kill, and a restart by order.
    let db = probe(tree, "shop/db");
    db.cast(ProbeMsg::Panic("a bug")).unwrap();
    up(tree, "shop/db", 2).await;
    db.kill().unwrap();
    up(tree, "shop/db", 3).await;
    db.cast(ProbeMsg::Note(1)).unwrap();
    assert_eq!(soon("the note", db.call(ProbeMsg::Noted)).await.unwrap(), [1]);
    // A full mailbox.
    let tight = probe(tree, "shop/tight");
    tight.cast(ProbeMsg::Hang).unwrap();
    in_hand(&tight).await;
    tight.cast(ProbeMsg::Note(1)).unwrap();
    tight.cast(ProbeMsg::Note(2)).unwrap();
    tight.cast(ProbeMsg::Note(3)).unwrap_err();
    // A parked service, with a message that dies.
    let fickle = probe(tree, "shop/fickle");
    fickle.cast(ProbeMsg::Fail("no")).unwrap();
    fickle.cast(ProbeMsg::Note(1)).unwrap();
    soon("the park", parked(&fickle)).await;
    fickle.cast(ProbeMsg::Note(2)).unwrap_err();
    // Poison.
    let picky = tree.lookup::<u64>("shop/picky").unwrap();
    picky.cast(2).unwrap();
    up(tree, "shop/picky", 3).await;
    // A supervisor that gives up, and takes its child along.
    let glass = probe(tree, "shop/fragile/glass");
    for generation in 1..=3 {
        up(tree, "shop/fragile/glass", generation).await;
        glass.cast(ProbeMsg::Panic("shards")).unwrap();
    }
    up(tree, "shop/fragile/glass", 4).await;
    // Children that come and go.
    let sessions = tree.dynamic("shop/sessions").unwrap();
    let template = sessions.template::<String>().unwrap();
    for name in ["ada", "bob"] {
        template.start_child(name.into()).await.unwrap();
    }
    let ada = probe(tree, "shop/sessions/ada");
    ada.cast(ProbeMsg::Note(1)).unwrap();
    ada.cast(ProbeMsg::Stop).unwrap();
    let mut status = ada.watch();
    soon("the end", status.wait_for(|status| status.state == ServiceState::Gone)).await.unwrap();
    ada.cast(ProbeMsg::Note(2)).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn each_fault_is_counted_once_and_under_its_cause() {
    let tree = tree().await;
    run(&tree).await;
    let scrape = Scrape::read(&Metrics::new().tree(&tree).render());
    let of = |name: &str, service: &str, more: (&str, &str)| {
        let labels = [("tree", "shop"), ("service", service), more];
        let labels = if more.0.is_empty() { &labels[..2] } else { &labels[..] };
        assert!(scrape.has(name, labels), "{name} {labels:?}");
        scrape.sum(name, labels)
    };
    let none = ("", "");
    assert_eq!(of("regrow_service_starts_total", "shop/db", ("outcome", "up")), 3.0);
    assert_eq!(of("regrow_service_exits_total", "shop/db", ("cause", "panicked")), 1.0);
    assert_eq!(of("regrow_service_exits_total", "shop/db", ("cause", "killed")), 1.0);
    assert_eq!(of("regrow_service_restarts_total", "shop/db", ("scope", "own")), 2.0);
    assert_eq!(of("regrow_service_restarts_last_minute", "shop/db", none), 2.0);
    assert_eq!(of("regrow_messages_refused_total", "shop/tight", ("reason", "full")), 1.0);
    assert_eq!(of("regrow_mailbox_fullest_ratio", "shop/tight", none), 1.0);
    assert_eq!(of("regrow_mailbox_messages", "shop/tight", none), 2.0);
    assert_eq!(of("regrow_services", "shop/fickle", ("state", "parked")), 1.0);
    assert_eq!(of("regrow_dead_letters_total", "shop/fickle", ("reason", "parked")), 1.0);
    assert_eq!(of("regrow_messages_refused_total", "shop/fickle", ("reason", "parked")), 1.0);
    assert_eq!(of("regrow_quarantined_total", "shop/picky", none), 1.0);
    assert_eq!(of("regrow_redeliveries_total", "shop/picky", none), 1.0);
    assert_eq!(of("regrow_supervisor_gave_up_total", "shop/fragile", none), 1.0);
    assert_eq!(of("regrow_service_restarts_total", "shop/fragile", ("scope", "own")), 1.0);
    // Two of its own, and one with its supervisor: the second life of that one forgives one more.
    assert_eq!(of("regrow_service_restarts_total", "shop/fragile/glass", ("scope", "own")), 2.0);
    assert_eq!(of("regrow_service_restarts_total", "shop/fragile/glass", ("scope", "taken_along")), 1.0);
    assert_eq!(of("regrow_services", "shop/sessions/*", ("state", "up")), 1.0);
    assert_eq!(of("regrow_service_starts_total", "shop/sessions/*", ("outcome", "up")), 2.0);
    assert_eq!(of("regrow_service_exits_total", "shop/sessions/*", ("cause", "normal")), 1.0);
    assert_eq!(of("regrow_messages_handled_total", "shop/sessions/*", none), 2.0);
    assert_eq!(scrape.sum("regrow_messages_refused_by_gone_total", &[("tree", "shop")]), 1.0);
    assert_eq!(scrape.sum("regrow_accounting_difference", &[]), 0.0);
    // A parked service is missed.
    assert_eq!(scrape.sum("regrow_tree_ready", &[("tree", "shop")]), 0.0);
    // A service that never restarted has no window, and a task no mailbox.
    assert!(!scrape.has("regrow_service_restarts_last_hour", &[("service", "shop/clock")]));
    assert!(!scrape.has("regrow_messages_accepted_total", &[("service", "shop/clock")]));
    tokio::time::sleep(90 * SEC + MS).await;
    let later = Scrape::read(&Metrics::new().tree(&tree).render());
    assert_eq!(later.sum("regrow_service_restarts_last_minute", &[("service", "shop/db")]), 0.0);
    assert_eq!(later.sum("regrow_service_restarts_last_hour", &[("service", "shop/db")]), 2.0);
    tree.shutdown_within(SEC).await;
}
