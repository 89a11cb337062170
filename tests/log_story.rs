//! What a log reads like: a crash loop, a park and a return, as text and as JSON; and the spans around what a child says.

#[path = "common/mod.rs"]
mod common;

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use common::kinds::Home;
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{Backoff, Child, Context, GiveUp, Inbox, Intensity, Policy, Service, ServiceState, Supervisor, Tree};
use serde_json::Value;
use tracing::{Instrument, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

const SEC: Duration = Duration::from_secs(1);

/// What was written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn read(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Paper {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn in_a_runtime<F: Future>(subscriber: impl Subscriber + Send + Sync, code: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(code))
}

async fn is(tree: &Tree, path: &str, test: impl Fn(ServiceState) -> bool) {
    let watch = tree.directory().watch(path).unwrap();
    until(watch, |status| test(status.state)).await;
}

/// Eleven crashes in a loop, the budget is gone, and the probe an hour later brings the child back.
async fn crash_park_and_return() {
    let policy = Policy::default()
        .backoff(Backoff::new(Duration::from_millis(20)).factor(1.0))
        .budget(Intensity::new(10, 60 * SEC))
        .on_give_up(GiveUp::park(3600 * SEC));
    let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("pump").policy(policy));
    let tree = tree.start().await.unwrap();
    let pump = tree.lookup::<ProbeMsg>("shop/pump").unwrap();
    (0..11).for_each(|_| pump.cast(ProbeMsg::Fail("no answer from 10.0.0.7")).unwrap());
    is(&tree, "shop/pump", |state| matches!(state, ServiceState::Parked { .. })).await;
    is(&tree, "shop/pump", |state| state == ServiceState::Up).await;
    tree.shutdown().await;
}

/// The file of that name. `REGROW_BLESS=1` writes it.
fn golden(name: &str, found: &str) {
    let path = format!("{}/tests/log/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("REGROW_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap(), "{path}");
}

#[test]
fn a_crash_loop_a_park_and_a_return_read_well_as_text_and_as_json() {
    let (text, json) = (Paper::default(), Paper::default());
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(text.clone()))
        .with(tracing_subscriber::fmt::layer().json().without_time().with_writer(json.clone()));
    in_a_runtime(subscriber, crash_park_and_return());
    golden("story.txt", &text.read());
    golden("story.json", &json.read());

    let lines: Vec<Value> = json.read().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let parked = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
    assert_eq!(parked["fields"]["probe_in_ms"], 3_600_000);
    assert!(lines.iter().all(|line| line.get("span").is_none() && line.get("spans").is_none()), "{lines:#?}");
}

/// The message of each event of this test's, and the spans around it with their fields, the root first.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(String, String)>>>);

/// What is recorded of a span or an event.
#[derive(Default)]
struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 += &match field.name() {
            "message" => format!("{value:?}"),
            name => format!(" {name}={value:?}"),
        };
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::Id,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let mut fields = Fields(attributes.metadata().name().to_owned());
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() != "log_story" {
            return;
        }
        let mut message = Fields::default();
        event.record(&mut message);
        let scope = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
        let spans: Vec<_> = scope.map(|span| span.extensions().get::<Fields>().unwrap().0.clone()).collect();
        self.0.lock().unwrap().push((message.0, spans.join(" > ")));
    }
}

/// Says where it is whenever its code runs.
struct Talker;

impl Drop for Talker {
    fn drop(&mut self) {
        tracing::info!("in a destructor");
    }
}

impl Service for Talker {
    type Msg = ();

    async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
        tracing::info!("in the handler");
        ctx.spawn(async { tracing::info!("in a linked task") });
        let held = Talker;
        ctx.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        tracing::info!("in the stop hook");
        Ok(())
    }
}

/// What is said in a tree with this root. There is one subscriber for the process: threads of children see no other.
fn said_below(root: &str) -> Vec<(String, String)> {
    let mut said = heard().0.lock().unwrap().clone();
    said.retain(|(_, spans)| spans.contains(&format!("path={root}/")));
    said.sort();
    said
}

fn heard() -> &'static Spans {
    static HEARD: LazyLock<Spans> = LazyLock::new(|| {
        let spans = Spans::default();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(spans.clone())).unwrap();
        spans
    });
    &HEARD
}

// Reported: what linked tasks and threads logged could not be found by the path of their service (`reports/t15`).
#[tokio::test]
async fn all_code_of_an_incarnation_runs_in_its_span_and_in_no_other() {
    heard();
    for (root, home) in [("tasks", Home::Task), ("actors", Home::Actor)] {
        let service = Child::service("s", |_| async {
            tracing::info!("in the factory");
            Ok(Talker)
        });
        let thread = Child::thread("t", |inbox: Inbox<()>| {
            inbox.for_each(|()| tracing::info!("on a thread"));
            Ok(())
        });
        let task = Child::task("k", |ctx| async move {
            tracing::info!("in a task");
            ctx.spawn(async { tracing::info!("in a task's linked task") });
            std::future::pending().await
        });
        let tree = Supervisor::one_for_one(root);
        let tree = tree.child(home.of(service)).child(home.of(thread)).child(home.of_task(task));
        let tree = tree.start().instrument(tracing::info_span!("caller")).await.unwrap();
        tree.lookup::<()>(&format!("{root}/t")).unwrap().send(()).await.unwrap();
        tree.lookup::<()>(&format!("{root}/s")).unwrap().send(()).await.unwrap();
        // Both destructors run at the end, when all else has been said.
        while said_below(root).len() < 6 {
            tokio::task::yield_now().await;
        }
        tree.shutdown().await;
        let expected = [
            ("in a destructor", "s"),
            ("in a destructor", "s"),
            ("in a linked task", "s"),
            ("in a task", "k"),
            ("in a task's linked task", "k"),
            ("in the factory", "s"),
            ("in the handler", "s"),
            ("in the stop hook", "s"),
            ("on a thread", "t"),
        ];
        let expected =
            expected.map(|(what, name)| (what.into(), format!("incarnation path={root}/{name} generation=1")));
        assert_eq!(said_below(root), expected);
    }
}

#[tokio::test]
async fn the_description_of_a_supervisor_that_is_made_anew_is_in_a_span_with_its_path() {
    heard();
    let sub = Child::supervisor("sub", || {
        tracing::info!("described");
        Supervisor::one_for_one("sub").child(Journal::new().probe("a"))
    });
    let tree = Supervisor::one_for_one("made").child(sub).start().await.unwrap();
    tree.kill("made/sub").unwrap();
    let watch = tree.directory().watch("made/sub/a").unwrap();
    until(watch, |status| status.generation == 2).await;
    tree.shutdown().await;
    assert_eq!(said_below("made"), [("described".into(), "supervisor path=made/sub".into())]);
}
