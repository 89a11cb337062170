//! Managing a running supervisor: OTP's calls, live (OTP rules 60 to 72).

use crate::common::tree::{SEC, Slow, starting};
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    AutoShutdown, Child, ChildState, DeleteChildError, ManageError, NotRunning, ReconfigureError, Refusal, Restart,
    RestartChildError, ServiceState, StartChildError, StartError, StartOutcome, StopChildError, Supervisor,
    SupervisorHandle, Tree,
};

async fn app(journal: &Journal, names: &[&str]) -> anyhow::Result<(Tree, SupervisorHandle)> {
    let children = names.iter().map(|name| journal.probe(name));
    let tree = Supervisor::one_for_one("app").intensity(9, Duration::from_secs(60)).children(children).start().await?;
    let app = tree.supervisor("app")?;
    Ok((tree, app))
}

async fn standings(app: &SupervisorHandle) -> Result<Vec<(String, ChildState)>, ManageError> {
    Ok(app.which_children().await?.into_iter().map(|child| (child.name.to_string(), child.standing)).collect())
}

#[tokio::test]
async fn a_child_added_at_run_time_is_found_supervised_and_stopped_first() -> anyhow::Result<()> {
    let journal = Journal::new();
    let (tree, app) = app(&journal, &["a"]).await?;
    let StartOutcome::Up(up) = app.start_child(journal.probe("b")).await? else { anyhow::bail!("it is wanted") };
    assert_eq!((&*up.path, up.generation), ("app/b", 1));

    let b = tree.lookup::<ProbeMsg>("app/b")?;
    b.cast(ProbeMsg::Panic("boom"))?;
    until(b.watch(), |status| status.generation == 2).await;
    journal.take();
    tree.shutdown().await;
    assert_eq!(journal.take(), ["end b#2", "end a#1"]);
    Ok(())
}

#[tokio::test]
async fn the_answers_are_otps() -> anyhow::Result<()> {
    let journal = Journal::new();
    let (tree, app) = app(&journal, &["a"]).await?;
    let path = |name: &str| format!("app/{name}").into();

    assert!(
        matches!(app.start_child(journal.probe("a")).await, Err(StartChildError::AlreadyStarted { path: p }) if p == path("a"))
    );
    assert!(matches!(app.restart_child("a").await, Err(RestartChildError::Running { .. })));
    assert!(matches!(app.delete_child("a").await, Err(DeleteChildError::Running { .. })));
    for error in [
        ManageError::from(app.terminate_child("no").await.unwrap_err()),
        app.delete_child("no").await.unwrap_err().into(),
    ] {
        assert!(matches!(error, ManageError::NotFound { path: p } if p == path("no")));
    }

    let a = tree.lookup::<ProbeMsg>("app/a")?;
    app.terminate_child("a").await?;
    app.terminate_child("a").await?;
    assert_eq!(standings(&app).await?, [("a".into(), ChildState::Down)]);
    assert_eq!(a.cast(ProbeMsg::Note(1)).map_err(|error| error.refusal()), Err(Refusal::Down));
    assert!(matches!(app.start_child(journal.probe("a")).await, Err(StartChildError::AlreadyPresent { .. })));

    assert!(matches!(app.restart_child("a").await?, StartOutcome::Up(_)));
    assert_eq!(a.status().generation, 2, "the handle from before is good for the child that came back");

    app.terminate_child("a").await?;
    app.delete_child("a").await?;
    assert_eq!(a.status().state, ServiceState::Gone);
    assert!(tree.lookup::<ProbeMsg>("app/a").is_err());
    assert_eq!(app.count_children().await?.specs, 0);
    tree.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_start_that_fails_keeps_nothing_and_costs_nothing() -> anyhow::Result<()> {
    let journal = Journal::new();
    let tree =
        Supervisor::one_for_one("app").intensity(0, Duration::from_secs(60)).child(journal.probe("a")).start().await?;
    let app = tree.supervisor("app")?;
    let failing =
        || Child::service("b", |_: regrow::Context<regrow::testing::Probe>| async { anyhow::bail!("no luck") });
    for _ in 0..3 {
        let error = app.start_child(failing()).await.expect_err("the factory fails");
        assert!(error.to_string().contains("`app/b` did not start: failed: no luck"), "{error}");
    }
    assert_eq!(standings(&app).await?, [("a".into(), ChildState::Up)]);
    assert!(tree.lookup::<ProbeMsg>("app/b").is_err());
    tree.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_description_that_makes_no_sense_is_refused_and_changes_nothing() -> anyhow::Result<()> {
    let journal = Journal::new();
    let (tree, app) = app(&journal, &["a"]).await?;
    for (child, culprit) in [
        (journal.probe("x/y"), "x/y"),
        (journal.probe(""), "``"),
        (journal.probe("b").capacity(0), "app/b"),
        (journal.probe("c").restart(Restart::Transient).significant(), "app/c"),
    ] {
        let error = app.start_child(child).await.expect_err(culprit);
        assert!(matches!(error, StartChildError::Refused(_)), "{error:?}");
        assert!(error.to_string().contains(culprit), "{error}");
    }
    assert_eq!(standings(&app).await?, [("a".into(), ChildState::Up)]);
    assert_eq!(tree.directory().entries().len(), 2);
    tree.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_service_manages_its_own_supervisor_without_a_deadlock() -> anyhow::Result<()> {
    let journal = Journal::new();
    let (tree, app) = app(&journal, &["a", "b"]).await?;
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    tree.lookup::<ProbeMsg>("app/a")?.cast(ProbeMsg::Run(Box::new(move |ctx| {
        let (own, ctx) = (ctx.supervisor(), ctx.clone());
        ctx.clone().spawn(async move {
            let own = own.expect("it has one");
            own.terminate_child("b").await.expect("b is a child");
            own.start_child(Journal::new().probe(&format!("c{}", ctx.generation()))).await.expect("the name is free");
            let _ = told.send(());
        });
    })))?;
    tell.recv().await;
    let expected = [("a".into(), ChildState::Up), ("b".into(), ChildState::Down), ("c1".into(), ChildState::Up)];
    assert_eq!(standings(&app).await?, expected);
    tree.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn reads_and_other_orders_are_served_while_a_start_hangs() -> anyhow::Result<()> {
    let journal = Journal::new();
    let (tree, app) = app(&journal, &["a"]).await?;
    let hung = tokio::spawn({
        let app = app.clone();
        async move {
            app.start_child(Child::service("hung", |_: regrow::Context<regrow::testing::Probe>| {
                std::future::pending::<anyhow::Result<regrow::testing::Probe>>()
            }))
            .await
        }
    });
    starting(&tree, "app/hung").await;
    assert_eq!(standings(&app).await?, [("a".into(), ChildState::Up), ("hung".into(), ChildState::Starting)]);
    app.start_child(journal.probe("b")).await?;
    app.terminate_child("a").await?;
    app.terminate_child("hung").await?;
    assert!(matches!(hung.await?, Err(StartChildError::Failed { .. })));
    tree.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn run_time_children_are_lost_with_their_supervisor_and_deleted_ones_return() -> anyhow::Result<()> {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app")
        .child(Supervisor::one_for_one("s").child(journal.probe("x")).child(journal.probe("y")))
        .start()
        .await?;
    let s = tree.supervisor("app/s")?;
    s.start_child(journal.probe("dyn")).await?;
    let added = tree.lookup::<ProbeMsg>("app/s/dyn")?;
    s.terminate_child("y").await?;
    s.delete_child("y").await?;
    tree.kill("app/s")?;
    until(tree.directory().watch("app/s").expect("it is listed"), |status| status.generation == 2).await;
    assert_eq!(standings(&s).await?, [("x".into(), ChildState::Up), ("y".into(), ChildState::Up)]);
    assert_eq!(added.status().state, ServiceState::Gone);
    tree.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn new_flags_and_specs_come_into_force_and_running_children_are_kept() -> anyhow::Result<()> {
    let journal = Journal::new();
    let (tree, app) = app(&journal, &["a", "b"]).await?;
    let new = Supervisor::one_for_all("ignored").intensity(9, Duration::from_secs(60));
    app.reconfigure(new.child(journal.probe("a")).child(journal.probe("c"))).await?;
    let expected = [("a".into(), ChildState::Up), ("c".into(), ChildState::Down), ("b".into(), ChildState::Up)];
    assert_eq!(standings(&app).await?, expected);
    journal.take();
    tree.lookup::<ProbeMsg>("app/a")?.kill()?;
    until(tree.directory().watch("app/b").expect("it is listed"), |status| status.generation == 2).await;
    assert_eq!(journal.take(), ["end a#1", "end b#1", "start a#2", "start c#1", "start b#2"]);

    let twins = Supervisor::one_for_one("app").child(journal.probe("z")).child(journal.probe("z"));
    assert!(matches!(app.reconfigure(twins).await, Err(ReconfigureError::Refused(StartError::DuplicateName { .. }))));
    assert_eq!(standings(&app).await?.len(), 3);
    tree.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_significant_child_ends_its_supervisor() -> anyhow::Result<()> {
    let journal = Journal::new();
    let significant = journal.probe("work").restart(Restart::Transient).significant();
    let tree = Supervisor::one_for_one("job")
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(journal.probe("helper"))
        .child(significant)
        .start()
        .await?;
    tree.lookup::<ProbeMsg>("job/work")?.cast(ProbeMsg::Stop)?;
    assert_eq!(tree.wait().await.exit.to_string(), "shutdown");
    assert_eq!(journal.take(), ["start helper#1", "start work#1", "end work#1", "end helper#1"]);
    Ok(())
}

#[tokio::test]
async fn a_supervisor_that_is_over_answers_at_once() -> anyhow::Result<()> {
    let journal = Journal::new();
    let (tree, app) = app(&journal, &["a"]).await?;
    tree.shutdown().await;
    assert!(matches!(app.start_child(journal.probe("b")).await, Err(StartChildError::NotRunning { .. })));
    assert!(matches!(app.terminate_child("a").await, Err(StopChildError::NotRunning { .. })));
    assert!(matches!(app.which_children().await, Err(NotRunning { .. })));
    Ok(())
}

// Found by the bank on a full disk: an elder that had died was called by younger ones until their shutdown time was up.
#[tokio::test(start_paused = true)]
async fn during_a_shutdown_nobody_waits_for_an_elder_that_is_dead() -> anyhow::Result<()> {
    let journal = Journal::new();
    let (tree, _) = app(&journal, &["db"]).await?;
    let db = tree.lookup::<ProbeMsg>("app/db")?;
    let client = tree.supervisor("app")?;
    let elder = db.clone();
    client
        .start_child(Child::task("client", move |ctx| {
            let db = elder.clone();
            async move {
                ctx.stopping().await;
                // It wants a last word with the elder, which dies meanwhile.
                let _ = db.kill();
                while let Err(error) = db.call(ProbeMsg::Generation).await {
                    if error.is_safe_to_repeat() {
                        return Ok(());
                    }
                }
                Ok(())
            }
        }))
        .await?;
    let report = tree.shutdown().await;
    assert_eq!((report.was_wanted(), report.failed.len()), (true, 1), "the elder was killed: {report}");
    assert!(report.took < Duration::from_secs(1), "{report}");
    Ok(())
}

/// A probe whose stop hook takes a second.
fn slow(journal: &Journal) -> regrow::ServiceChild<()> {
    Slow::child("slow", journal, SEC)
}

// Found by the reports of other systems (membrane_core #889): the name of a child that was stopping was "already started".
#[tokio::test(start_paused = true)]
async fn orders_about_a_child_that_is_stopping_say_so() -> anyhow::Result<()> {
    let journal = Journal::new();
    let pool = regrow::DynamicSupervisor::new("pool").template(|journal: Journal| slow(&journal));
    let tree = Supervisor::one_for_one("app").child(slow(&journal)).child(pool).start().await?;
    let (app, pool) = (tree.supervisor("app")?, tree.dynamic("app/pool")?);
    let sessions = pool.template::<Journal>()?;
    sessions.start_child(journal.clone()).await?;
    let orders = tokio::spawn({
        let (app, pool) = (app.clone(), pool.clone());
        async move { tokio::join!(app.terminate_child("slow"), pool.terminate_child("slow")) }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let refused: [ManageError; 7] = [
        app.start_child(slow(&journal)).await.unwrap_err().into(),
        app.restart_child("slow").await.unwrap_err().into(),
        app.delete_child("slow").await.unwrap_err().into(),
        app.revive("slow").await.unwrap_err().into(),
        pool.start_child(slow(&journal)).await.unwrap_err().into(),
        sessions.start_child(journal.clone()).await.unwrap_err().into(),
        pool.revive("slow").await.unwrap_err().into(),
    ];
    for error in refused {
        assert!(matches!(error, ManageError::Stopping { .. }), "{error}");
        assert!(error.to_string().ends_with("slow` is stopping: wait for its end first"), "{error}");
    }
    let (first, second) = orders.await?;
    first?;
    second?;
    app.restart_child("slow").await?;
    pool.start_child(slow(&journal)).await?;
    tree.shutdown().await;
    Ok(())
}
