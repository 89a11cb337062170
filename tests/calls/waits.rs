//! Waits end: for readiness, for what is gone, and for replies that were handed on.

use std::sync::Arc;
use std::time::Duration;

use crate::common::tree::{MS, SEC, probe, soon, up};
use regrow::testing::{Journal, until};
use regrow::{
    CallError, Child, Context, DynamicSupervisor, GiveUp, Handle, Health, Intensity, Overflow, Policy, Readiness,
    Refusal, Reply, Restart, Service, ServiceState, Supervisor,
};
use tokio::sync::Notify;

fn says() -> Policy {
    Policy::default().readiness(Readiness::WhenSaid)
}

fn late(name: &str, after: Duration) -> regrow::TaskChild {
    Child::task(name, move |ctx| async move {
        tokio::time::sleep(after).await;
        ctx.ready();
        ctx.stopping().await;
        Ok(())
    })
    .policy(says().health(Health::Required))
}

#[tokio::test(start_paused = true)]
async fn a_tree_is_ready_when_all_that_are_required_are() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app")
        .child(late("http", 2 * SEC))
        .child(journal.probe("web").policy(Policy::default().depends_on(["http"])))
        .child(Supervisor::one_for_one("sub").policy(Policy::default().depends_on(["web"])).child(journal.probe("a")))
        .child(Child::task("cron", |_| async { std::future::pending().await }).policy(says()))
        .child(DynamicSupervisor::new("pool"))
        .start()
        .await
        .unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(journal.probe("session").policy(says())).await.unwrap();
    assert!(!tree.directory().is_ready());
    let not_ready: Vec<_> = tree.directory().not_ready();
    assert_eq!(not_ready, ["app/http", "app/sub", "app/web"].map(Into::into));

    let error = tree.ready(SEC).await.unwrap_err();
    assert_eq!((error.limit, error.missing.len()), (Some(SEC), 3));
    assert_eq!(&*error.missing[0].path, "app/http");
    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(
        lines[..2],
        ["not ready after 1s:", "  `app/http` is up in generation 1, but has not said that it is ready."]
    );
    assert_eq!(lines[3], "  `app/web` is not started. It waits for `app/http`.");

    tree.ready(Duration::MAX).await.unwrap();
    assert!(tree.directory().is_ready());
    assert_eq!(tree.directory().status("app/sub/a").unwrap().state, ServiceState::Up);
    // A session may be required.
    pool.start_child(journal.probe("last").policy(says().health(Health::Required))).await.unwrap();
    assert!(!tree.directory().is_ready());
    pool.terminate_child("last").await.unwrap();
    tree.ready(Duration::ZERO).await.unwrap();
    probe(&tree, "app/web").kill().unwrap();
    up(&tree, "app/web", 2).await;
    tree.ready(SEC).await.unwrap();
    let directory = tree.directory();
    tree.shutdown().await;
    assert!(!directory.is_ready());
}

#[tokio::test(start_paused = true)]
async fn what_is_down_is_not_waited_for_unless_it_ended_as_it_should() {
    let journal = Journal::new();
    let done = Child::service("done", |_: Context<Worker>| async { regrow::ignore::<Worker>() });
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(done).start().await.unwrap();
    tree.ready(SEC).await.unwrap();
    tree.supervisor("app").unwrap().terminate_child("a").await.unwrap();
    let error = soon("an answer", tree.ready(3600 * SEC)).await.unwrap_err();
    assert_eq!((error.limit, &*error.missing[0].path), (None, "app/a"));
    assert_eq!(
        error.to_string(),
        "not ready, and these services need an order to come back:\n  `app/a` is down: an order stopped it, and only \
         an order or a restart of its group brings it back."
    );
    let why = error.missing[0].why.to_string();
    assert!(error.missing[0].why.was_terminated && !why.contains("Nothing has gone wrong"), "{why}");
    let waits = tree.ready(3600 * SEC);
    tree.shutdown().await;
    assert!(waits.await.is_err(), "the tree is over");
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_one_service_ends_when_it_refuses() {
    let journal = Journal::new();
    let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(10 * SEC));
    let tree = Supervisor::one_for_one("app")
        .child(late("http", SEC))
        .child(journal.probe("web").policy(parks.depends_on(["http"])))
        .child(journal.probe("once").restart(Restart::Temporary))
        .start()
        .await
        .unwrap();
    let (web, once) = (probe(&tree, "app/web"), probe(&tree, "app/once"));
    web.wait_ready().await.unwrap();
    web.kill().unwrap();
    until(web.watch(), |status| matches!(status.state, ServiceState::Parked { .. })).await;
    assert!(matches!(web.wait_ready().await.unwrap_err().refusal, Refusal::Parked { .. }));
    once.kill().unwrap();
    until(once.watch(), |status| status.state != ServiceState::Up).await;
    let error = once.wait_ready().await.unwrap_err();
    assert_eq!((error.refusal, &*error.path), (Refusal::Gone, "app/once"));
    tree.shutdown().await;
    assert_eq!(web.wait_ready().await.unwrap_err().refusal, Refusal::Gone);
}

struct Reluctant {
    told: Arc<Notify>,
}

impl Service for Reluctant {
    type Msg = ();
    async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
        ctx.ready();
        Ok(())
    }
    async fn stopped(&mut self, _: &mut Context<Self>) -> anyhow::Result<()> {
        self.told.notify_one();
        tokio::time::sleep(SEC).await;
        Ok(())
    }
}

// Found by a new user: the wait said that all is well while `cast` was told of the termination.
#[tokio::test(start_paused = true)]
async fn a_wait_for_one_that_is_terminated_ends_as_a_cast_does_also_if_it_began_before() {
    let told = Arc::new(Notify::new());
    for is_ready in [true, false] {
        let tells = told.clone();
        let made = move |_: Context<Reluctant>| {
            let told = tells.clone();
            async move { Ok(Reluctant { told }) }
        };
        let child = Child::service("a", made).policy(says());
        let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
        let (a, app) = (tree.lookup::<()>("app/a").unwrap(), tree.supervisor("app").unwrap());
        if is_ready {
            a.cast(()).unwrap();
            a.wait_ready().await.unwrap();
        }
        let waiter = a.clone();
        let before = tokio::spawn(async move { if is_ready { Ok(()) } else { waiter.wait_ready().await } });
        tokio::task::yield_now().await;
        let order = tokio::spawn(async move { app.terminate_child("a").await });
        soon("the stop hook", told.notified()).await;
        assert_eq!(a.cast(()).unwrap_err().refusal(), Refusal::Stopping);
        assert_eq!(a.wait_ready().await.unwrap_err().refusal, Refusal::Stopping);
        if let Err(error) = soon("the wait that began before", before).await.unwrap() {
            assert_eq!(error.refusal, Refusal::Stopping);
        } else {
            assert!(is_ready);
        }
        assert!(!order.is_finished(), "all of that while it stops");
        order.await.unwrap().unwrap();
        assert_eq!(a.wait_ready().await.unwrap_err().refusal, Refusal::Down);
        tree.shutdown().await;
    }
}

// Found by reading: who followed a status, or waited for an order to stop, did so for ever.
#[tokio::test(start_paused = true)]
async fn those_who_follow_what_is_gone_are_told_and_go() {
    let (send, contexts) = std::sync::mpsc::channel();
    let task = Child::task("task", move |ctx| {
        send.send(ctx.clone()).unwrap();
        async { std::future::pending().await }
    });
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).child(task).start().await.unwrap();
    let a = probe(&tree, "app/a");
    let (mut before, ctx) = (a.watch(), contexts.recv().unwrap());
    let stopping = tokio::spawn(ctx.stopping());
    tree.kill("app/task").unwrap();
    soon("the end of the life that was asked about", stopping).await.unwrap();
    soon("and of one that is asked about late", ctx.stopping()).await;
    tree.shutdown().await;
    let last = async { while before.changed().await.is_ok() {} };
    soon("the end of the status", last).await;
    assert_eq!(before.borrow().state, ServiceState::Gone);
    assert!(a.watch().changed().await.is_err(), "nor does one that comes late wait");
}

struct Front {
    worker: Handle<Reply<u64>>,
    by_cast: bool,
}

impl Service for Front {
    type Msg = Reply<u64>;
    async fn handle(&mut self, reply: Reply<u64>, _: &mut Context<Self>) -> anyhow::Result<()> {
        match self.by_cast {
            true => self.worker.cast(reply)?,
            false => reply.forward(&self.worker, |reply| reply)?,
        }
        Ok(())
    }
}

struct Worker;

impl Service for Worker {
    type Msg = Reply<u64>;
    async fn handle(&mut self, reply: Reply<u64>, _: &mut Context<Self>) -> anyhow::Result<()> {
        tokio::time::sleep(50 * MS).await;
        reply.send(1);
        Ok(())
    }
}

fn desk(by_cast: bool) -> Supervisor {
    let worker = Child::service("worker", |_| async { Ok(Worker) }).capacity(1).overflow(Overflow::DropOldest);
    let front = move |ctx: Context<Front>| async move { Ok(Front { worker: ctx.lookup("worker")?, by_cast }) };
    Supervisor::one_for_one("app").child(worker).child(Child::service("front", front))
}

// Found by the case letter_holds_call: the letter held the reply, and its caller waited also after the end of the tree.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_handed_on_ends_when_its_message_is_shed_also_while_letters_are_kept() {
    let tree = desk(false).start().await.unwrap();
    let letters = tree.dead_letters();
    let front = tree.lookup::<Reply<u64>>("app/front").unwrap();
    let calls: Vec<_> = (0..4).map(|_| front.call(|reply| reply)).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(soon("an answer, while the tree lives", call).await);
    }
    let unanswered = answers.iter().filter(|answer| matches!(answer, Err(CallError::Unanswered { .. }))).count();
    assert_eq!((unanswered, letters.len()), (answers.iter().filter(|answer| answer.is_err()).count(), unanswered));
    assert!(unanswered > 0 && answers.iter().any(Result::is_ok), "{answers:?}");
    // A reply port inside a letter answers no caller.
    assert!(!letters.try_next().unwrap().into_message::<Reply<u64>>().unwrap().send(2));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_reply_was_cast_into_a_letter_ends_with_the_letter_or_with_the_tree() {
    for is_dropped in [false, true] {
        let tree = desk(true).start().await.unwrap();
        let letters = tree.dead_letters();
        let front = tree.lookup::<Reply<u64>>("app/front").unwrap();
        let calls: Vec<_> = (0..4).map(|_| front.call(|reply| reply)).collect();
        tokio::time::sleep(SEC).await;
        if is_dropped {
            drop(letters.take_all());
        } else {
            tree.shutdown().await;
        }
        for call in calls {
            let _ = soon("an answer", call).await;
        }
        drop(letters);
    }
}
