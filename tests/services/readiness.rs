//! Whether a tree is ready follows what is in force now, and what becomes of any of its services.

use std::time::Duration;

use regrow::policy::Policies;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, Child, ExitKind, ExitRule, Intensity, Policy, Readiness, RuleAction, ServiceChild, ServiceState,
    Supervisor, TaskContext, Tree,
};

const SEC: Duration = Duration::from_secs(1);

fn late(name: &str) -> ServiceChild<ProbeMsg> {
    Journal::new().probe(name).policy(Policy::default().readiness(Readiness::WhenSaid))
}

fn missing(tree: &Tree) -> Vec<String> {
    tree.directory().not_ready().iter().map(ToString::to_string).collect()
}

// Found by a hostile test: only the first of those that were missing was watched.
#[tokio::test(start_paused = true)]
async fn a_wait_for_all_ends_as_soon_as_any_of_them_is_down() {
    let tree = Supervisor::one_for_one("app").child(late("a")).child(late("b")).start().await.unwrap();
    let begun = tokio::time::Instant::now();
    let (waited, ()) = tokio::join!(tree.ready(100 * SEC), async {
        tokio::time::sleep(SEC).await;
        tree.supervisor("app").unwrap().terminate_child("b").await.unwrap();
    });
    assert!(waited.is_err() && begun.elapsed() < 2 * SEC, "{waited:?} after {:?}", begun.elapsed());
    tree.shutdown().await;
}

// Found by a hostile test: children kept what their supervisor had said when they were planned.
#[tokio::test]
async fn what_a_supervisor_says_of_its_health_holds_for_its_children_at_once_and_to_and_fro() {
    let optional = Policies::parse("[path.\"app/s\"]\nhealth = \"optional\"\n", "p.toml").unwrap();
    let nested = || Supervisor::one_for_one("s").child(late("a"));
    let tree = Supervisor::one_for_one("app").child(nested()).start().await.unwrap();
    assert_eq!(missing(&tree), ["app/s/a"]);
    tree.apply(&optional).await.unwrap();
    assert!(missing(&tree).is_empty() && tree.directory().is_ready());
    tree.apply(&Policies::default()).await.unwrap();
    assert_eq!(missing(&tree), ["app/s/a"]);
    tree.shutdown().await;

    let tree = Supervisor::one_for_one("app").policies(&optional).child(nested()).start().await.unwrap();
    assert!(missing(&tree).is_empty());
    tree.apply(&Policies::default()).await.unwrap();
    assert_eq!(missing(&tree), ["app/s/a"]);
    tree.shutdown().await;
}

// Found by a hostile test: it waited, and told its senders that it was being terminated.
#[tokio::test(start_paused = true)]
async fn what_was_terminated_takes_messages_again_while_its_ordered_start_waits_for_a_dependency() {
    let web = Journal::new().probe("web").policy(Policy::default().depends_on(["db"]));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(late("db")).child(web);
    let tree = tree.start().await.unwrap();
    let (db, web) = (tree.lookup::<ProbeMsg>("app/db").unwrap(), tree.lookup::<ProbeMsg>("app/web").unwrap());
    db.cast(ProbeMsg::Run(Box::new(|ctx| ctx.ready()))).unwrap();
    regrow::testing::until(web.watch(), |status| status.state == ServiceState::Up).await;
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("web").await.unwrap();
    db.kill().unwrap();
    regrow::testing::until(db.watch(), |status| status.generation == 2).await;
    let order = tokio::spawn({
        let app = app.clone();
        async move { app.restart_child("web").await }
    });
    regrow::testing::until(web.watch(), |status| status.state == ServiceState::Restarting).await;
    web.cast(ProbeMsg::Note(1)).unwrap();
    order.abort();
    tree.shutdown().await;
}

// Found by a hostile test: the boot waited for one that a rule tries again, and gave up on another: "did not start: shutdown".
#[tokio::test(start_paused = true)]
async fn a_boot_that_gives_up_on_a_child_that_was_up_names_it_and_its_exit() {
    let again = Policy::default()
        .rule(ExitRule::new(RuleAction::Restart).on(ExitKind::StartFailed))
        .backoff(Backoff::new(SEC))
        .budget(Intensity::unlimited());
    let db = Child::service("db", |_: regrow::Context<Never>| async { anyhow::bail!("db is away") }).policy(again);
    let http = Child::task("http", |_: TaskContext| async {
        tokio::time::sleep(SEC / 2).await;
        anyhow::bail!("Address already in use")
    });
    let root = || Supervisor::one_for_one("app").intensity(0, SEC);
    let error = root().child(db).child(http).start().await.unwrap_err().to_string();
    assert!(error.contains("http") && error.contains("Address already in use"), "{error}");
}

struct Never;

impl regrow::Service for Never {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &mut regrow::Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}
