//! A service that has chosen its end and is still busy: it accepts more only if something starts it again by itself.

use crate::common::story::find;
use crate::common::tree::{SEC, soon, up};
use crate::common::worker::{Job, generation, hooked, run, worker};
use regrow::testing::until;
use regrow::{
    Backoff, DynamicSupervisor, Exit, ExitKind, ExitRule, Intensity, Policy, Refusal, Restart, RuleAction,
    ServiceChild, ServiceState, Supervisor, Tree,
};
use tokio::sync::oneshot;

async fn start(child: ServiceChild<Job>) -> Tree {
    let pool = DynamicSupervisor::new("pool").budget(Intensity::unlimited());
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).child(pool);
    app.start().await.unwrap()
}

/// It chooses this end and is busy until the sender is used: then it goes on as that says. Its supervisor knows.
async fn chooses(tree: &Tree, path: &str, exit: Exit) -> oneshot::Sender<anyhow::Result<()>> {
    let ((chosen, has_chosen), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    let work = run(move |ctx| async move {
        ctx.exit(exit);
        chosen.send(()).unwrap();
        goes_on.await?
    });
    find(tree, path).cast(work).unwrap();
    has_chosen.await.unwrap();
    let (above, _) = path.rsplit_once('/').unwrap();
    match tree.supervisor(above) {
        Ok(above) => drop(above.count_children().await.unwrap()),
        Err(_) => drop(tree.dynamic(above).unwrap().count_children().await.unwrap()),
    }
    go_on
}

fn nothing() -> Job {
    run(|_| async { Ok(()) })
}

fn refusal(tree: &Tree, path: &str) -> Option<Refusal> {
    find(tree, path).cast(nothing()).err().map(|error| error.refusal())
}

// Found by the report of an idle session (its 12th): the cast said `Ok`, and was a dead letter.
#[tokio::test(start_paused = true)]
async fn what_comes_after_a_last_end_was_chosen_is_refused_and_has_its_message_back() {
    for restart in [Restart::Transient, Restart::Temporary] {
        let tree = start(worker("a")).await;
        tree.dynamic("app/pool").unwrap().start_child(worker("ada").restart(restart)).await.unwrap();
        let ada = find(&tree, "app/pool/ada");
        let go_on = chooses(&tree, "app/pool/ada", Exit::Normal).await;
        assert_eq!(ada.cast(nothing()).unwrap_err().refusal(), Refusal::Stopping);
        assert!(ada.call(generation).await.unwrap_err().is_safe_to_repeat());
        go_on.send(Ok(())).unwrap();
        soon("its end", until(ada.watch(), |status| status.state == ServiceState::Gone)).await;
        assert_eq!((ada.accounting().accepted, ada.accounting().dead_lettered), (1, 0));
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_started_again_goes_on_accepting() {
    let again = Policy::default().rule(ExitRule::new(RuleAction::Restart).on(ExitKind::Normal));
    for (child, exit) in [
        (worker("a"), Exit::Normal),
        (worker("a").restart(Restart::Transient), Exit::failed("no")),
        (worker("a").restart(Restart::Transient).policy(again), Exit::Normal),
    ] {
        let tree = start(child).await;
        let go_on = chooses(&tree, "app/a", exit).await;
        assert_eq!(refusal(&tree, "app/a"), None);
        go_on.send(Ok(())).unwrap();
        up(&tree, "app/a", 2).await;
        assert_eq!(find(&tree, "app/a").call(generation).await.unwrap(), 2);
        assert_eq!(find(&tree, "app/a").accounting().dead_lettered, 0);
        tree.shutdown().await;
    }
}

/// What it chose is not what it came to: nothing of the refusal is left, also while it waits for its delay.
#[tokio::test(start_paused = true)]
async fn one_that_fails_on_its_way_to_a_last_end_accepts_again_as_soon_as_it_has_failed() {
    let child = worker("a").restart(Restart::Transient).policy(Policy::default().backoff(Backoff::new(5 * SEC)));
    let tree = start(child).await;
    let go_on = chooses(&tree, "app/a", Exit::Normal).await;
    assert_eq!(refusal(&tree, "app/a"), Some(Refusal::Stopping));
    go_on.send(Err(anyhow::anyhow!("on the way"))).unwrap();
    let a = find(&tree, "app/a");
    soon("its end", until(a.watch(), |status| status.state == ServiceState::Restarting)).await;
    tree.supervisor("app").unwrap().count_children().await.unwrap();
    assert_eq!(refusal(&tree, "app/a"), None);
    // So does one that an order starts.
    up(&tree, "app/a", 2).await;
    drop(chooses(&tree, "app/a", Exit::Normal).await.send(Ok(())));
    soon("its end", until(a.watch(), |status| status.state == ServiceState::Down)).await;
    tree.supervisor("app").unwrap().restart_child("a").await.unwrap();
    assert_eq!((refusal(&tree, "app/a"), a.call(generation).await.unwrap()), (None, 3));
    tree.shutdown().await;
}

/// Without a choice: a temporary service that failed is in its stop hook.
#[tokio::test(start_paused = true)]
async fn a_stop_hook_of_a_last_life_lets_nothing_in() {
    let (told, mut is_told) = tokio::sync::mpsc::unbounded_channel();
    let hook = move |_| {
        let (go_on, goes_on) = oneshot::channel::<()>();
        told.send(go_on).unwrap();
        async move { Ok(goes_on.await?) }
    };
    let tree = start(hooked("a", hook).restart(Restart::Temporary)).await;
    let a = find(&tree, "app/a");
    a.cast(run(|_| async { anyhow::bail!("no") })).unwrap();
    let go_on = soon("the hook", is_told.recv()).await.unwrap();
    tree.supervisor("app").unwrap().count_children().await.unwrap();
    assert_eq!(refusal(&tree, "app/a"), Some(Refusal::Stopping));
    go_on.send(()).unwrap();
    soon("its end", until(a.watch(), |status| status.state == ServiceState::Gone)).await;
    assert_eq!(a.accounting().dead_lettered, 0);
    tree.shutdown().await;
}
