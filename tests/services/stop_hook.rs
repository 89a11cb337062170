//! The stop hook: runs when an incarnation was asked to stop, left by itself or failed; not after a panic or a kill.

use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg, until, until_event};
use regrow::{Child, Context, EventKind, Exit, Handle, Restart, Service, ServiceState, Shutdown, Strategy, Tree};
use tokio::sync::mpsc;

use crate::common::mail::{forgiving, soon, until_generation};

/// A probe that announces its stop hook.
async fn announcing(journal: &Journal, restart: Restart) -> (Tree, Handle<ProbeMsg>) {
    let tree = forgiving(Strategy::OneForOne).child(journal.probe("a").restart(restart));
    let tree = soon(tree.start()).await.unwrap();
    let handle = tree.lookup::<ProbeMsg>("app/a").unwrap();
    handle.cast(ProbeMsg::Announce).unwrap();
    soon(handle.call(ProbeMsg::Generation)).await.unwrap();
    (tree, handle)
}

#[tokio::test]
async fn leaving_runs_the_stop_hook_and_a_permanent_service_returns() {
    let journal = Journal::new();
    let (_tree, handle) = announcing(&journal, Restart::Permanent).await;
    handle.cast(ProbeMsg::Stop).unwrap();
    until_generation(&handle, 2).await;
    assert_eq!(journal.lines(), ["start a#1", "stop a#1", "end a#1", "start a#2"]);
}

#[tokio::test]
async fn leaving_runs_the_stop_hook_and_a_transient_service_rests() {
    let journal = Journal::new();
    let (tree, handle) = announcing(&journal, Restart::Transient).await;
    let mut events = tree.events();
    handle.cast(ProbeMsg::Stop).unwrap();
    let exited = soon(until_event(&mut events, |event| matches!(event.kind, EventKind::Exited { .. }))).await.unwrap();
    assert!(matches!(exited.kind, EventKind::Exited { exit: Exit::Normal }), "{exited}");
    soon(until(handle.watch(), |status| status.state == ServiceState::Down)).await;
    assert_eq!(journal.lines(), ["start a#1", "stop a#1", "end a#1"]);
}

#[tokio::test]
async fn leaving_takes_effect_after_the_message_in_hand_and_before_the_next() {
    let journal = Journal::new();
    let (_tree, handle) = announcing(&journal, Restart::Permanent).await;
    let (first, second) = (journal.clone(), journal.clone());
    handle
        .cast(ProbeMsg::Run(Box::new(move |ctx| {
            ctx.stop();
            ctx.handle().cast(ProbeMsg::Run(Box::new(move |_| second.write("next")))).unwrap();
            first.write("left");
        })))
        .unwrap();
    soon(handle.call(ProbeMsg::Generation)).await.unwrap();
    assert_eq!(journal.lines(), ["start a#1", "left", "stop a#1", "end a#1", "start a#2", "next"]);
}

#[tokio::test]
async fn shutting_down_runs_the_stop_hook() {
    let journal = Journal::new();
    let (tree, _handle) = announcing(&journal, Restart::Permanent).await;
    assert!(soon(tree.shutdown()).await.is_clean());
    assert_eq!(journal.lines(), ["start a#1", "stop a#1", "end a#1"]);
}

#[tokio::test]
async fn an_error_runs_the_stop_hook() {
    let journal = Journal::new();
    let (_tree, handle) = announcing(&journal, Restart::Permanent).await;
    handle.cast(ProbeMsg::Fail("out of paper")).unwrap();
    until_generation(&handle, 2).await;
    assert_eq!(journal.lines(), ["start a#1", "stop a#1", "end a#1", "start a#2"]);
}

#[tokio::test]
async fn a_panic_runs_no_stop_hook() {
    let journal = Journal::new();
    let (_tree, handle) = announcing(&journal, Restart::Permanent).await;
    handle.cast(ProbeMsg::Panic("boom")).unwrap();
    until_generation(&handle, 2).await;
    assert_eq!(journal.lines(), ["start a#1", "end a#1", "start a#2"]);
}

#[tokio::test]
async fn a_kill_runs_no_stop_hook() {
    let journal = Journal::new();
    let (_tree, handle) = announcing(&journal, Restart::Permanent).await;
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    assert_eq!(journal.lines(), ["start a#1", "end a#1", "start a#2"]);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_message_runs_no_stop_hook() {
    let journal = Journal::new();
    let (_tree, handle) = announcing(&journal, Restart::Permanent).await;
    handle.cast(ProbeMsg::Hang).unwrap();
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    assert_eq!(journal.lines(), ["start a#1", "end a#1", "start a#2"]);
}

/// A service whose stop hook ends as told.
struct Leaver(Hook);

#[derive(Clone, Copy)]
enum Hook {
    Fails,
    Panics,
    Hangs,
}

impl Service for Leaver {
    type Msg = Option<&'static str>;

    async fn handle(&mut self, msg: Self::Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            None => ctx.stop(),
            Some(error) => anyhow::bail!(error),
        }
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match self.0 {
            Hook::Fails => anyhow::bail!("the hook failed"),
            Hook::Panics => panic!("the hook panicked"),
            Hook::Hangs => std::future::pending().await,
        }
    }
}

/// How a service with this hook ends when it is sent `msg`.
async fn exit_of(hook: Hook, msg: Option<&'static str>) -> String {
    let (told, mut tell) = mpsc::unbounded_channel();
    let child = Child::service_with("leaver", told, move |told, ctx: Context<Leaver>| async move {
        if let Some(exit) = ctx.last_exit() {
            told.send(exit.to_string())?;
        }
        Ok(Leaver(hook))
    });
    let tree = soon(forgiving(Strategy::OneForOne).child(child).start()).await.unwrap();
    tree.lookup("app/leaver").unwrap().cast(msg).unwrap();
    soon(tell.recv()).await.unwrap()
}

#[tokio::test]
async fn a_hook_that_fails_makes_a_clean_end_a_failure() {
    assert_eq!(exit_of(Hook::Fails, None).await, "failed: the hook failed");
}

#[tokio::test]
async fn a_hook_that_panics_makes_a_clean_end_a_panic() {
    assert!(exit_of(Hook::Panics, None).await.starts_with("panicked: the hook panicked at "));
}

#[tokio::test]
async fn a_hook_that_goes_wrong_does_not_hide_the_error_before_it() {
    assert_eq!(exit_of(Hook::Fails, Some("out of paper")).await, "failed: out of paper");
    assert_eq!(exit_of(Hook::Panics, Some("out of paper")).await, "failed: out of paper");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_is_killed_when_the_shutdown_time_is_up() {
    let child = Child::service("leaver", async |_| Ok(Leaver(Hook::Hangs)));
    let child = child.shutdown(Shutdown::After(Duration::from_secs(3)));
    let tree = soon(forgiving(Strategy::OneForOne).child(child).start()).await.unwrap();
    let report = soon(tree.shutdown()).await;
    assert_eq!((report.took, report.killed), (Duration::from_secs(3), vec!["app/leaver".into()]));
}
