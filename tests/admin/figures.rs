//! The figures of the list: sums with ended children, orders, groups, budgets, ages.

use std::time::Duration;

use regrow::admin::Admin;
use regrow::admin::wire::service::ServiceInFull;
use regrow::admin::wire::services::{Restarts, Service, Services, State};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Backoff, DynamicSupervisor, GiveUp, Intensity, Policy, Supervisor, Tree};

use crate::client::{Served, serve};
use crate::common::tree::{hears_of, in_hand, parked, probe, up, worked_off};

const HOUR: Duration = Duration::from_secs(3600);

/// A shop with a pool of sessions `1`, `2` and `3`.
async fn shop() -> (Tree, Served) {
    let journal = Journal::new();
    let patient = || Policy::default().budget(Intensity::new(9, HOUR));
    let tree = Supervisor::one_for_one("shop")
        .child(journal.probe("db").policy(patient()))
        .child(journal.probe("web").policy(patient()))
        .child(DynamicSupervisor::new("sessions"))
        .start()
        .await
        .unwrap();
    let sessions = tree.dynamic("shop/sessions").unwrap();
    for name in ["1", "2", "3"] {
        sessions.start_child(journal.probe(name)).await.unwrap();
    }
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    (tree, served)
}

fn row<'a>(services: &'a Services, path: &str) -> &'a Service {
    services.rows.iter().find(|row| row.path == path).unwrap_or_else(|| panic!("no {path} in {services:?}"))
}

fn first(services: &Services) -> &str {
    &services.rows[0].path
}

async fn services(served: &Served, parameters: &str) -> Services {
    served.get(&format!("/v1/services?{parameters}")).await
}

/// Has a session fail with one note handled and two that die as letters, and deletes it.
async fn a_session_ends(tree: &Tree, name: &str) {
    let session = probe(tree, &format!("shop/sessions/{name}"));
    session.cast(ProbeMsg::Note(1)).unwrap();
    worked_off(&session).await;
    session.cast(ProbeMsg::Hang).unwrap();
    in_hand(&session).await;
    session.cast(ProbeMsg::Note(2)).unwrap();
    session.cast(ProbeMsg::Note(3)).unwrap();
    tree.dynamic("shop/sessions").unwrap().terminate_child(name).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sums_and_groups_have_what_ended_children_counted() {
    let (tree, served) = shop().await;
    tree.kill("shop/sessions/1").unwrap();
    up(&tree, "shop/sessions/1", 2).await;
    a_session_ends(&tree, "1").await;
    let page = services(&served, "").await;
    assert_eq!((page.totals.children, page.totals.dead_letters), (6, 2), "{:?}", page.totals);
    for parameters in ["group=true", "group=true&below=shop/sessions", "group=true&kind=service"] {
        let page = services(&served, parameters).await;
        let sessions = page.groups.iter().find(|group| group.template == "shop/sessions/*").unwrap();
        assert_eq!(
            (sessions.totals.children, sessions.totals.dead_letters, sessions.restarts),
            (2, 2, 1),
            "{parameters}"
        );
        let messages = sessions.messages;
        assert_eq!((messages.accepted, messages.handled, messages.dead_lettered), (4, 1, 2), "{parameters}");
    }
    // The paths of ended children are not known any more.
    let some = services(&served, "group=true&filter=sessions/").await;
    assert_eq!((some.totals.dead_letters, some.groups[0].messages.accepted), (0, 0));
    // A template without a listed child is still shown.
    for name in ["2", "3"] {
        tree.dynamic("shop/sessions").unwrap().terminate_child(name).await.unwrap();
    }
    let page = services(&served, "group=true").await;
    let sessions = page.groups.iter().find(|group| group.template == "shop/sessions/*").unwrap();
    assert_eq!((sessions.totals.children, sessions.messages.accepted, &*sessions.kind), (0, 4, "service"));
}

#[tokio::test(start_paused = true)]
async fn restarts_are_shown_by_cause_and_window_and_order_the_rows() {
    let (tree, served) = shop().await;
    assert_eq!(row(&services(&served, "").await, "shop/web").restarts, None);
    probe(&tree, "shop/web").cast(ProbeMsg::Fail("disk full")).unwrap();
    up(&tree, "shop/web", 2).await;
    tokio::time::advance(Duration::from_secs(120)).await;
    probe(&tree, "shop/web").cast(ProbeMsg::Panic("boom")).unwrap();
    up(&tree, "shop/web", 3).await;
    tree.kill("shop/sessions/2").unwrap();
    up(&tree, "shop/sessions/2", 2).await;
    let page = services(&served, "sort=restarts").await;
    let by_cause = [("failed".to_owned(), 1), ("panicked".to_owned(), 1)].into();
    let web = Restarts { total: 2, minute: 1, hour: 2, by_cause, taken_along: 0 };
    assert_eq!(row(&page, "shop/web").restarts, Some(web));
    assert_eq!((&*page.rows[0].path, &*page.rows[1].path), ("shop/web", "shop/sessions/2"));
    assert_eq!((page.totals.restarts_minute, page.totals.restarts_hour), (2, 3));
    assert_eq!(first(&services(&served, "sort=generation").await), "shop/web");
    let full: ServiceInFull = served.get("/v1/service?path=shop/web").await;
    assert_eq!(full.service.restarts.unwrap().total, 2);
    assert_eq!(full.service.budget_left, Some(7));
    // Restarts leave the windows, and the order with them.
    tokio::time::advance(2 * HOUR).await;
    let page = services(&served, "sort=restarts").await;
    assert_eq!((first(&page), page.totals.restarts_hour), ("shop", 0));
    assert_eq!(row(&page, "shop/web").restarts.as_ref().unwrap().total, 2);
}

#[tokio::test(start_paused = true)]
async fn siblings_that_are_taken_along_are_counted_apart() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_all("shop").child(journal.probe("a")).child(journal.probe("b"));
    let tree = tree.start().await.unwrap();
    tree.kill("shop/a").unwrap();
    up(&tree, "shop/b", 2).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let page = services(&served, "").await;
    let restarts = |path: &str| row(&page, path).restarts.clone().unwrap();
    assert_eq!((restarts("shop/a").taken_along, restarts("shop/a").by_cause["killed"]), (0, 1));
    assert_eq!((restarts("shop/b").taken_along, restarts("shop/b").by_cause.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_well_comes_first_in_every_order_with_budget_and_next_try() {
    let journal = Journal::new();
    let park = Policy::default().budget(Intensity::new(0, HOUR)).on_give_up(GiveUp::park(HOUR));
    let slow = Policy::default().backoff(Backoff::new(Duration::from_secs(60))).budget(Intensity::new(5, HOUR));
    let tree = Supervisor::one_for_one("shop")
        .child(journal.probe("a"))
        .child(journal.probe("y").policy(slow))
        .child(journal.probe("z").policy(park))
        .start()
        .await
        .unwrap();
    let mut events = tree.events();
    tree.kill("shop/y").unwrap();
    hears_of(&mut events, "shop/y#1 is started again").await;
    tree.kill("shop/z").unwrap();
    parked(&probe(&tree, "shop/z")).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    for sort in ["path", "restarts", "mailbox", "growth", "generation", "since"] {
        let page = services(&served, &format!("sort={sort}&viewer=me")).await;
        let [z, y] = page.unwell.as_slice() else { panic!("{sort}: {:?}", page.unwell) };
        assert_eq!((&*z.path, z.state, &*y.path, y.state), ("shop/z", State::Parked, "shop/y", State::Restarting));
        assert_eq!((y.budget_left, z.budget_left), (Some(4), Some(0)), "{sort}");
        assert!((3_590_000..=3_600_000).contains(&z.next_try_in_ms.unwrap()), "{sort}: {z:?}");
        assert!((50_000..=60_000).contains(&y.next_try_in_ms.unwrap()), "{sort}: {y:?}");
        assert_eq!(z.last_exit.as_ref().unwrap().cause, "killed");
        // A row that is also on the page has the answers of its supervisor, too.
        assert_eq!(row(&page, "shop/z"), z, "{sort}");
        assert_eq!(page.rows.len(), 4, "{sort}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_are_ordered_by_mailbox_by_growth_and_by_the_time_in_their_state() {
    let (tree, served) = shop().await;
    let sends = |path: &str, notes: u64| {
        let child = probe(&tree, path);
        (0..notes).for_each(|note| child.cast(ProbeMsg::Note(note)).unwrap());
    };
    for path in ["shop/db", "shop/web", "shop/sessions/3"] {
        probe(&tree, path).cast(ProbeMsg::Hang).unwrap();
        in_hand(&probe(&tree, path)).await;
    }
    sends("shop/db", 6);
    sends("shop/web", 4);
    assert_eq!(first(&services(&served, "sort=mailbox").await), "shop/db");
    // The first list has nothing to compare with.
    assert_eq!(first(&services(&served, "sort=growth&viewer=me&limit=1").await), "shop");
    sends("shop/web", 3);
    sends("shop/sessions/3", 2);
    let page = services(&served, "sort=growth&viewer=me&limit=1").await;
    assert_eq!(first(&page), "shop/web", "it was not on the page before");
    // The next page goes on in the order of the first.
    let after = page.next.unwrap().replace(' ', "%20");
    let next = services(&served, &format!("sort=growth&viewer=me&limit=1&after={after}")).await;
    assert_eq!(first(&next), "shop/sessions/3");
    assert_eq!(first(&services(&served, "sort=growth&viewer=me&limit=1").await), "shop", "nothing grew since");
    assert_eq!(first(&services(&served, "sort=growth&viewer=you&limit=1").await), "shop");
    // The child that changed last comes last.
    tokio::time::advance(Duration::from_secs(5)).await;
    tree.kill("shop/db").unwrap();
    up(&tree, "shop/db", 2).await;
    let page = services(&served, "sort=since").await;
    let last = page.rows.last().unwrap();
    assert_eq!((&*last.path, last.state), ("shop/db", State::Up));
    assert!(last.since_ms > row(&page, "shop/web").since_ms, "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_measured_service_has_exact_ages_at_the_first_look() {
    let journal = Journal::new();
    let tree =
        Supervisor::one_for_one("shop").child(journal.probe("measured").measured()).child(journal.probe("plain"));
    let tree = tree.start().await.unwrap();
    for path in ["shop/measured", "shop/plain"] {
        probe(&tree, path).cast(ProbeMsg::Hang).unwrap();
        in_hand(&probe(&tree, path)).await;
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    for path in ["shop/measured", "shop/plain"] {
        probe(&tree, path).cast(ProbeMsg::Note(1)).unwrap();
    }
    tokio::time::advance(Duration::from_secs(30)).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    for parameters in ["", "viewer=me"] {
        let page = services(&served, parameters).await;
        let measured = row(&page, "shop/measured");
        let (oldest, in_hand) = (measured.oldest.unwrap(), measured.in_hand.unwrap());
        assert!(!oldest.is_lower_bound && (30_000..31_000).contains(&oldest.ms), "{oldest:?}");
        assert!(!in_hand.is_lower_bound && (40_000..41_000).contains(&in_hand.ms), "{in_hand:?}");
        assert_eq!((row(&page, "shop/plain").oldest, row(&page, "shop/plain").in_hand), (None, None));
    }
    let full: ServiceInFull = served.get("/v1/service?path=shop/plain&viewer=me").await;
    assert!(full.service.oldest.is_some_and(|age| age.is_lower_bound), "{:?}", full.service);
    tree.kill("shop/measured").unwrap();
    tree.kill("shop/plain").unwrap();
}
