//! Requests that only look.

use std::time::Duration;

use regrow::admin::wire::envelope::IssueCode;
use regrow::admin::wire::greeting::{Greeting, TreeState};
use regrow::admin::wire::history::History;
use regrow::admin::wire::service::ServiceInFull;
use regrow::admin::wire::services::{Services, State};
use regrow::admin::{Admin, Capability};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, Child, Context, Dependency, DynamicSupervisor, Intensity, Policy, Readiness, ServiceState, Supervisor,
    Tree,
};

use crate::client::serve;
use crate::common::tree::{SEC, hears_of, probe, soon, stands, up, worked_off};

async fn shop() -> Tree {
    let journal = Journal::new();
    let pool = DynamicSupervisor::new("sessions");
    let tree = Supervisor::one_for_one("shop").budget(Intensity::unlimited()).child(journal.probe("db")).child(pool);
    let tree = tree.start().await.unwrap();
    let sessions = tree.dynamic("shop/sessions").unwrap();
    sessions.start_child(journal.probe("4711")).await.unwrap();
    tree
}

#[tokio::test]
async fn the_greeting_says_what_runs_and_what_is_granted() {
    let tree = shop().await;
    let other = Supervisor::one_for_one("other").start().await.unwrap();
    let admin = Admin::new("shop").tree(&tree).grant(Capability::Control).tree(&other);
    let served = serve(&admin).await;
    let greeting: Greeting = served.get("/v1").await;
    assert_eq!((&*greeting.program, greeting.pid), ("shop", std::process::id()));
    assert_eq!(greeting.capabilities, [Capability::Read, Capability::Control]);
    let trees: Vec<_> = greeting.trees.iter().map(|tree| (&*tree.name, tree.state, tree.ready)).collect();
    assert_eq!(trees, [("shop", TreeState::Up, true), ("other", TreeState::Up, true)]);
    assert!(greeting.trees[0].newest >= 3);
    let again: Greeting = served.get("/v1/").await;
    assert_eq!(again.boot, greeting.boot);
}

#[tokio::test]
async fn a_row_has_the_template_the_state_and_the_counters() {
    let tree = shop().await;
    probe(&tree, "shop/db").cast(ProbeMsg::Note(1)).unwrap();
    worked_off(&probe(&tree, "shop/db")).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let services: Services = served.get("/v1/services").await;
    let rows: Vec<_> = services.rows.iter().map(|row| (&*row.path, &*row.template, &*row.kind)).collect();
    assert_eq!(
        rows,
        [
            ("shop", "shop", "supervisor"),
            ("shop/db", "shop/db", "service"),
            ("shop/sessions", "shop/sessions", "dynamic supervisor"),
            ("shop/sessions/4711", "shop/sessions/*", "service"),
        ]
    );
    let db = &services.rows[1];
    assert_eq!((db.state, db.ready, db.generation, db.messages.handled), (State::Up, true, 1, 1));
    assert!(db.since_ms.is_some());
    assert!(services.unwell.is_empty());
}

// Found by parking a dependency: the row named it without its supervisor, offered to start the dependent without it, and
// `why` told of a budget that was used up.
#[tokio::test]
async fn a_service_that_waits_for_a_parked_one_names_its_path_and_blames_no_budget() {
    let journal = Journal::new();
    let needs = |on: &'static str| Policy::default().depends_on([Dependency::ready(on)]);
    let late = Policy::default().readiness(Readiness::WhenSaid);
    let tree = Supervisor::one_for_one("shop")
        .child(journal.probe("db"))
        .child(journal.probe("web").policy(needs("db")))
        .child(journal.probe("late").policy(late))
        .child(journal.probe("last").policy(needs("late")))
        .start()
        .await
        .unwrap();
    tree.park("shop/db", "upgrade").await.unwrap();
    tree.kill("shop/web").unwrap();
    stands(&tree, "shop/web", ServiceState::Parked { until: None }).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let services: Services = served.get("/v1/services").await;
    let row = |path: &str| services.unwell.iter().find(|row| &*row.path == path).unwrap();
    let said = |path: &str| (row(path).state, row(path).waits_for.join(" "), row(path).act.clone().unwrap_or_default());
    let expected = |state, waits: &str, act: &str| (state, waits.to_owned(), format!("regrow {act}"));
    assert_eq!(said("shop/db"), expected(State::Parked, "", "revive shop/db --reason TEXT"));
    assert_eq!(said("shop/web"), expected(State::Parked, "shop/db", "why shop/web"));
    assert_eq!(said("shop/last"), expected(State::Waiting, "shop/late", "why shop/last"));
    for (path, text) in [
        (
            "shop/web",
            "`shop/web` is parked with a service that it depends on: revive that one. It waits for `shop/db`. Its last life \
             ended",
        ),
        ("shop/last", "`shop/last` is not started. It waits for `shop/late`. Nothing has gone wrong with it yet."),
    ] {
        let full: ServiceInFull = served.get(&format!("/v1/service?path={path}")).await;
        assert!(full.why.starts_with(text) && !full.why.contains("used up"), "{}", full.why);
    }
    let missing = tree.health().to_string();
    let all = "shop/db is parked, shop/last is waiting";
    assert!(missing.contains("not ready") && missing.contains(all), "{missing}");
    tree.shutdown().await;
}

#[tokio::test]
async fn a_service_that_is_down_for_a_while_is_listed_first_with_its_cause_and_the_command_that_acts() {
    let slow = Policy::default().backoff(Backoff::new(Duration::from_secs(60)));
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("shop").child(journal.probe("a")).child(journal.probe("z").policy(slow));
    let tree = tree.start().await.unwrap();
    let mut events = tree.events();
    probe(&tree, "shop/z").cast(ProbeMsg::Fail("disk full")).unwrap();
    hears_of(&mut events, "shop/z#1 is started again").await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let services: Services = served.get("/v1/services").await;
    let [z] = services.unwell.as_slice() else { panic!("{services:?}") };
    assert_eq!((&*z.path, z.state), ("shop/z", State::Restarting));
    let exit = z.last_exit.as_ref().unwrap();
    assert_eq!((&*exit.cause, &*exit.text), ("failed", "failed: disk full"));
    assert!((50_000..=60_000).contains(&z.next_try_in_ms.unwrap()));
    assert_eq!(z.act.as_deref(), Some("regrow revive shop/z --reason TEXT"));
    assert!(z.since_ms.is_some());
    assert!(z.budget_left.is_some());
}

#[tokio::test]
async fn a_service_in_full_says_why_and_what_it_says_of_itself() {
    let db = Child::task("db", |ctx| async move {
        ctx.describe("three connections open");
        ctx.ready();
        ctx.stopping().await;
        Ok(())
    });
    let tree = Supervisor::one_for_one("shop").child(db).start().await.unwrap();
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let full = async {
        loop {
            let full: ServiceInFull = served.get("/v1/service?path=shop/db").await;
            if full.described.is_some() {
                return full;
            }
        }
    };
    let full = soon("the description", full).await;
    assert_eq!(full.described.as_deref(), Some("three connections open"));
    assert!(full.why.starts_with("`shop/db` is up in generation 1."), "{}", full.why);
    assert!(full.history.iter().any(|entry| entry.kind == "started"));
    assert!(
        full.policy.iter().any(|setting| setting.field == "restart" && setting.origin == "default"),
        "{:?}",
        full.policy
    );
    assert!(full.acts.contains(&"kill".into()));
}

#[tokio::test]
async fn a_text_of_an_incarnation_that_is_over_is_not_shown() {
    struct Says;
    impl regrow::Service for Says {
        type Msg = &'static str;
        async fn handle(&mut self, text: &'static str, ctx: &mut Context<Self>) -> anyhow::Result<()> {
            anyhow::ensure!(text != "fail", "as asked");
            ctx.describe(text);
            Ok(())
        }
    }
    let tree =
        Supervisor::one_for_one("shop").child(Child::service("a", |_| async { Ok(Says) })).start().await.unwrap();
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let a = tree.lookup::<&str>("shop/a").unwrap();
    a.cast("hello").unwrap();
    worked_off(&a).await;
    let full: ServiceInFull = served.get("/v1/service?path=shop/a").await;
    assert_eq!(full.described.as_deref(), Some("hello"));
    a.cast("fail").unwrap();
    up(&tree, "shop/a", 2).await;
    let full: ServiceInFull = served.get("/v1/service?path=shop/a").await;
    assert_eq!(full.described, None);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_hand_has_its_time_with_a_watchdog_and_a_lower_bound_from_the_second_look_without() {
    let journal = Journal::new();
    let watched = journal.probe("watched").policy(Policy::default().watchdog(Duration::from_secs(800)));
    let tree = Supervisor::one_for_one("shop").child(watched).child(journal.probe("plain")).start().await.unwrap();
    for name in ["shop/watched", "shop/plain"] {
        probe(&tree, name).cast(ProbeMsg::Hang).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let ages = async || {
        let page: Services = served.get("/v1/services?viewer=me").await;
        let age = |path: &str| page.rows.iter().find(|row| row.path == path).unwrap().in_hand;
        (age("shop/watched"), age("shop/plain"))
    };
    let (watched, plain) = ages().await;
    // The watchdog looks eight times per limit.
    assert!((200_000..=310_000).contains(&watched.unwrap().ms) && !watched.unwrap().is_lower_bound, "{watched:?}");
    assert_eq!(plain, None);
    let (_, plain) = ages().await;
    assert!(plain.is_some_and(|age| age.is_lower_bound), "{plain:?}");
    tree.kill("shop/watched").unwrap();
    tree.kill("shop/plain").unwrap();
}

#[tokio::test]
async fn the_history_is_newest_first_and_shows_the_tree_as_it_was() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let before: History = served.get("/v1/history").await;
    tokio::time::sleep(2 * crate::common::tree::MS).await;
    probe(&tree, "shop/db").cast(ProbeMsg::Panic("boom")).unwrap();
    up(&tree, "shop/db", 2).await;
    let history = async {
        loop {
            let history: History = served.get("/v1/history?below=shop/db").await;
            if history.entries.first().is_some_and(|entry| entry.kind == "started" && entry.generation == 2) {
                return history;
            }
        }
    };
    let history = soon("the second start", history).await;
    let kinds: Vec<_> =
        history.entries.iter().map(|entry| (&*entry.kind, entry.generation, entry.is_failure)).collect();
    assert_eq!(kinds[..2], [("started", 2, false), ("exited", 1, true)]);
    assert_eq!(history.entries[1].cause.as_deref(), Some("panicked"));
    assert_eq!(history.entries[1].before, Some(State::Up));
    let past: History = served.get(&format!("/v1/history?below=shop/db&at_ms={}", before.now_ms)).await;
    let was: Vec<_> = past.as_it_was.iter().map(|was| (&*was.path, was.state, was.generation)).collect();
    assert_eq!(was, [("shop/db", State::Up, 1)]);
    let page: History = served.get("/v1/history?limit=1").await;
    assert_eq!((page.entries.len(), page.next), (1, Some(page.entries[0].seq)));
    // Promised, and only shown of rows that were not well: the last exit.
    let page: Services = served.get("/v1/services?filter=shop/db").await;
    let exit = page.rows[0].last_exit.as_ref().expect("the record has it");
    assert!(page.rows[0].state == State::Up && exit.cause == "panicked" && exit.text.contains("boom"), "{exit:?}");
    assert!(exit.at_ms.is_some_and(|at| at <= page.now_ms));
    // Found by an operator: `tree is up` was listed among the failures.
    let failures: History = served.get("/v1/history?failures=true").await;
    let kinds: Vec<_> = failures.entries.iter().map(|entry| (&*entry.path, &*entry.kind)).collect();
    assert_eq!((kinds, failures.next), (vec![("shop/db", "exited")], None));
}

#[tokio::test]
async fn a_dump_is_the_record_line_by_line() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let answer = served.ask("GET", "/v1/history/dump", &[], "").await;
    let dump = regrow::admin::Dump::read(answer.body.as_bytes()).unwrap();
    assert_eq!(dump.entries.len(), tree.history().entries.len());
    assert_eq!(dump.entries[0].event, "started");
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_is_over_is_shown_with_its_reason_for_a_minute() {
    let strict = Intensity::new(0, SEC);
    let tree = Supervisor::one_for_one("shop").budget(strict).child(Journal::new().probe("db")).start().await.unwrap();
    let admin = Admin::new("shop").tree(&tree);
    probe(&tree, "shop/db").cast(ProbeMsg::Fail("disk full")).unwrap();
    tree.wait().await;
    let look = async || {
        let served = serve(&admin).await;
        let greeting: Greeting = served.get("/v1").await;
        greeting.trees
    };
    let trees = look().await;
    assert_eq!(trees[0].state, TreeState::Failed);
    let reason = trees[0].ended.as_deref().unwrap();
    assert!(reason.contains("gave up") && reason.contains("disk full"), "{reason}");
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(look().await.len(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(look().await.len(), 0);
}

// Found by the builder of the commands: the moment of an entry showed the tree without it, and a moment before the tree was
// made showed an empty tree.
#[tokio::test]
async fn the_tree_as_it_was_has_what_happened_in_its_millisecond_and_begins_with_the_tree() {
    let tree = shop().await;
    tree.kill("shop/db").unwrap();
    up(&tree, "shop/db", 2).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let history: History = served.get("/v1/history?limit=8192").await;
    for entry in &history.entries {
        let past: History = served.get(&format!("/v1/history?limit=8192&at_ms={}", entry.at_ms)).await;
        let last = past.entries.iter().find(|other| other.path == entry.path && other.at_ms <= entry.at_ms).unwrap();
        let was = past.as_it_was.iter().find(|was| was.path == entry.path).map(|was| was.generation);
        let generation = if last.kind == "started" || last.kind == "exited" { last.generation } else { continue };
        assert_eq!(was, Some(generation), "{entry:?}");
    }
    let begin = history.failures_begin.at_ms;
    let first: History = served.get(&format!("/v1/history?at_ms={begin}")).await;
    assert_eq!(first.at_ms, Some(begin));
    let refused = served.ask("GET", &format!("/v1/history?at_ms={}", begin - 1), &[], "").await;
    assert_eq!((refused.status, refused.refusal().0), (409, IssueCode::BeforeBegin));
}

#[tokio::test]
async fn the_greeting_names_what_is_not_ready_as_the_health_of_the_tree_does() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let greeting = async || served.get::<Greeting>("/v1").await.trees.remove(0);
    assert!(greeting().await.ready && greeting().await.not_ready.is_empty());
    tree.supervisor("shop").unwrap().terminate_child("db").await.unwrap();
    let (told, health) = (greeting().await, tree.health());
    assert!(!told.ready && !health.is_ready());
    assert_eq!(told.not_ready, ["shop/db"]);
    assert_eq!(&*health.missing[0].path, "shop/db");
    let parts = served.get::<Greeting>("/v1").await.parts;
    assert!(
        parts.contains(&"policy".into()) && !parts.contains(&"metrics".into()),
        "it was given no collector: {parts:?}"
    );
    assert_eq!(parts.contains(&"health".into()), cfg!(feature = "health"));
}

/// Found by an operator at night, who typed the name of the service alone.
#[tokio::test]
async fn a_path_without_its_tree_is_refused_with_the_whole_path() {
    let tree = shop().await;
    let other = Supervisor::one_for_one("other").start().await.unwrap();
    let served = serve(&Admin::new("shop").tree(&other).tree(&tree)).await;
    for (asked, meant) in [("db", "shop/db"), ("sessions/4711", "shop/sessions/4711")] {
        let answer = served.ask("GET", &format!("/v1/service?path={asked}"), &[], "").await;
        let (code, text) = answer.refusal();
        assert_eq!(code, IssueCode::UnknownPath);
        assert!(text.contains(&format!("did you mean `{meant}`?")), "{text}");
    }
    let (code, text) = served.ask("GET", "/v1/service?path=nothing", &[], "").await.refusal();
    assert!(code == IssueCode::UnknownTree && text.contains("`other`, `shop`"), "{text}");
}

#[tokio::test]
async fn a_child_that_takes_no_messages_has_no_type_of_messages() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    for (path, has_one) in [("shop", false), ("shop/sessions", false), ("shop/db", true)] {
        let full: ServiceInFull = served.get(&format!("/v1/service?path={path}")).await;
        assert_eq!(!full.message_type.is_empty(), has_one, "{path}");
    }
}
