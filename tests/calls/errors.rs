//! Errors give the message back, work with `?`, and read well.

use std::cell::Cell;
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{Call, CallError, Child, Context, Handle, Reply, SendError, Service, Strategy};

use crate::common::mail::*;

/// A message that is `Send`, but not `Sync`.
struct Local(Cell<u64>);

enum LocalMsg {
    Take(Local),
    Ask(Local, Reply<Cell<u64>>),
}

struct Locals;

impl Service for Locals {
    type Msg = LocalMsg;
    async fn handle(&mut self, msg: LocalMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            LocalMsg::Take(_) => {}
            LocalMsg::Ask(Local(cell), reply) => {
                reply.send(cell);
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn errors_work_with_anyhow_though_the_message_is_not_sync() {
    async fn talk(handle: &Handle<LocalMsg>) -> anyhow::Result<u64> {
        handle.cast(LocalMsg::Take(Local(Cell::new(1))))?;
        handle.send(LocalMsg::Take(Local(Cell::new(1)))).await?;
        Ok(handle.call(|reply| LocalMsg::Ask(Local(Cell::new(2)), reply)).await?.get())
    }
    async fn cast(handle: &Handle<LocalMsg>) -> anyhow::Result<()> {
        Ok(handle.cast(LocalMsg::Take(Local(Cell::new(7))))?)
    }
    async fn call(handle: &Handle<LocalMsg>) -> anyhow::Result<Cell<u64>> {
        Ok(handle.call(|reply| LocalMsg::Ask(Local(Cell::new(2)), reply)).await?)
    }
    let tree = forgiving(Strategy::OneForOne).child(Child::service("locals", |_| async { Ok(Locals) }));
    let tree = soon(tree.start()).await.unwrap();
    let handle = tree.lookup::<LocalMsg>("app/locals").unwrap();
    assert_eq!(soon(talk(&handle)).await.unwrap(), 2);

    soon(tree.shutdown()).await;
    let error = cast(&handle).await.unwrap_err().downcast::<SendError<LocalMsg>>().unwrap();
    assert!(matches!(error.into_message(), LocalMsg::Take(Local(cell)) if cell.get() == 7));
    let error = call(&handle).await.unwrap_err().downcast::<CallError<LocalMsg>>().unwrap();
    assert!(error.is_safe_to_repeat());
}

#[tokio::test(start_paused = true)]
async fn errors_are_lower_case_and_have_no_full_stop_and_name_the_service_and_the_type_of_message() {
    let journal = Journal::new();
    let tree = forgiving(Strategy::OneForOne).child(journal.probe("probe").capacity(1));
    let tree = soon(tree.start()).await.unwrap();
    let handle = tree.lookup::<ProbeMsg>("app/probe").unwrap();
    let limit = Duration::from_secs(1);
    let mut fates = vec![handle.call(ProbeMsg::Unanswered).await.unwrap_err().to_string()];
    fates.push(handle.call(|reply| ProbeMsg::PanicOn(reply, "boom")).await.unwrap_err().to_string());
    until(handle.watch(), |status| status.generation == 2).await;
    fates.push(handle.call_within(limit, ProbeMsg::HangOn).await.unwrap_err().to_string());
    fates.push(handle.call_within(limit, ProbeMsg::Generation).await.unwrap_err().to_string());
    let mut refusals = vec![handle.cast(ProbeMsg::Note(1)).unwrap_err().to_string()];
    soon(tree.shutdown()).await;
    refusals.push(handle.cast(ProbeMsg::Note(1)).unwrap_err().to_string());
    refusals.push(handle.call(ProbeMsg::Generation).await.unwrap_err().to_string());
    refusals.push(handle.kill().unwrap_err().to_string());

    for text in fates.iter().chain(&refusals) {
        let begin = text.trim_start_matches('`').chars().next().unwrap();
        assert!(begin.is_lowercase() && !text.ends_with('.'), "{text}");
    }
    for text in fates.iter().chain(&refusals) {
        assert!(text.contains("app/probe"), "does not name its service: {text}");
    }
    // The last one is about no message.
    for text in fates.iter().chain(&refusals[..refusals.len() - 1]) {
        assert!(text.contains("`ProbeMsg`"), "does not name the type of the message: {text}");
    }
    assert_eq!(fates[0], "`app/probe` dropped the reply to `ProbeMsg` without answering");
}

#[test]
fn errors_stay_small() {
    assert!(size_of::<SendError<[u8; 500]>>() <= 8);
    assert!(size_of::<CallError<[u8; 500]>>() <= 32, "{}", size_of::<CallError<[u8; 500]>>());
    // What a call gives back for an answer that is small itself.
    assert!(size_of::<Result<u64, CallError<u64>>>() <= 32);
    assert!(size_of::<Call<[u8; 500], u64>>() <= 56, "{}", size_of::<Call<[u8; 500], u64>>());
}
