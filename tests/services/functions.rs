//! Plain `async fn`s and captured values as children: which forms compile, and that each life begins with a fresh value.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use regrow::{Child, Context, Exit, Handle, Inbox, Service, TaskChild, TaskContext};

use crate::common::mail::{self, forgiving, soon};
use regrow::Strategy::OneForOne;

struct Echo(u32);

impl Service for Echo {
    type Msg = regrow::Reply<u32>;

    async fn handle(&mut self, reply: regrow::Reply<u32>, _: &mut Context<Self>) -> anyhow::Result<()> {
        reply.send(self.0);
        Ok(())
    }
}

#[derive(Debug)]
enum OurError {
    Disk(io::Error),
}

impl std::fmt::Display for OurError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Disk(error) = self;
        write!(f, "the disk: {error}")
    }
}

impl std::error::Error for OurError {}

fn no_disk() -> io::Error {
    io::Error::other("no disk")
}

async fn io_task(_: TaskContext) -> io::Result<()> {
    Err(no_disk())
}

async fn own_task() -> Result<(), OurError> {
    Err(OurError::Disk(no_disk()))
}

async fn boxed_task(_: TaskContext) -> Result<(), anyhow::Error> {
    Err(no_disk().into())
}

async fn endless_task() -> Result<(), Infallible> {
    std::future::pending().await
}

async fn silent_task(_: TaskContext) {}

async fn bare_task() {}

async fn io_factory() -> io::Result<Echo> {
    Ok(Echo(1))
}

async fn own_factory(ctx: Context<Echo>) -> Result<Echo, OurError> {
    if ctx.generation() == 1 && ctx.last_exit().is_none() { Err(OurError::Disk(no_disk())) } else { Ok(Echo(2)) }
}

async fn sure_factory(_: Context<Echo>) -> Result<Echo, Infallible> {
    Ok(Echo(3))
}

/// How the only life of a task ended.
async fn end_of(task: TaskChild) -> Exit {
    let tree = soon(forgiving(OneForOne).start()).await.unwrap();
    let mut events = tree.events();
    let task = task.restart(regrow::Restart::Temporary);
    soon(tree.supervisor("app").unwrap().start_child(task)).await.unwrap();
    let exit = mail::exit_of_the_next(&mut events).await;
    soon(tree.shutdown()).await;
    exit
}

#[tokio::test]
async fn a_plain_function_is_a_task_with_or_without_a_context_whatever_its_error() {
    for (task, end) in [
        (Child::task_fn("t", io_task), "failed: no disk"),
        (Child::task_fn("t", own_task), "failed: the disk: no disk"),
        (Child::task_fn("t", boxed_task), "failed: no disk"),
        (Child::task_fn("t", silent_task), "normal"),
        (Child::task_fn("t", bare_task), "normal"),
        (Child::task_fn("t", async || io::Result::Ok(())), "normal"),
        (
            Child::task_fn("t", |_: TaskContext| async { Err::<(), _>(OurError::Disk(no_disk())) }),
            "failed: the disk: no disk",
        ),
    ] {
        assert_eq!(end_of(task).await.to_string(), end);
    }
    let _ = Child::task_fn("t", endless_task);
}

// Closures need no annotation where they did not before.
#[tokio::test]
async fn a_closure_that_says_nothing_of_its_error_is_a_task() {
    for (task, end) in [
        (Child::task("t", |_| async { Ok(()) }), "normal"),
        (Child::task("t", |ctx| async { Ok(io_task(ctx).await?) }), "failed: no disk"),
        (Child::task("t", async |_| anyhow::bail!("no")), "failed: no"),
        (Child::task_with("t", 7, |seven, _| async move { anyhow::bail!("{seven}") }), "failed: 7"),
    ] {
        assert_eq!(end_of(task).await.to_string(), end);
    }
}

#[tokio::test]
async fn a_plain_function_is_a_factory_whatever_its_error() {
    let tree = forgiving(OneForOne)
        .child(Child::service_fn("io", io_factory))
        .child(Child::service_fn("sure", sure_factory))
        .child(Child::service_fn("closure", async || anyhow::Ok(Echo(4))))
        .child(Child::service("own", |ctx| async { own_factory(ctx).await.or_else(|_| Ok(Echo(5))) }))
        .start();
    let tree = soon(tree).await.unwrap();
    for (name, number) in [("io", 1), ("sure", 3), ("closure", 4), ("own", 5)] {
        let echo: Handle<regrow::Reply<u32>> = tree.lookup(&format!("app/{name}")).unwrap();
        assert_eq!(soon(echo.call(|reply| reply)).await.unwrap(), number);
    }
    soon(tree.shutdown()).await;
    let refused = soon(forgiving(OneForOne).child(Child::service_fn("own", own_factory)).start()).await;
    assert!(refused.unwrap_err().to_string().contains("the disk: no disk"));
}

#[tokio::test]
async fn each_life_of_a_task_and_of_a_thread_is_given_a_clone() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let task = Child::task_with("task", (seen.clone(), vec![1]), |(seen, mut mine), ctx: TaskContext| async move {
        mine.push(ctx.generation());
        seen.lock().unwrap().push(mine);
        match ctx.generation() {
            1 => anyhow::bail!("once more"),
            _ => Ok(()),
        }
    });
    let thread = Child::thread_with("thread", (seen.clone(), vec![7]), |(seen, mut mine), mut inbox: Inbox<()>| {
        if inbox.next().is_none() {
            return Ok(());
        }
        mine.push(7);
        seen.lock().unwrap().push(mine);
        anyhow::bail!("once more")
    });
    let tree = soon(forgiving(OneForOne).child(task).start()).await.unwrap();
    let states = tree.directory().watch("app/task").unwrap();
    soon(regrow::testing::until(states, |status| status.state == regrow::ServiceState::Down)).await;
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), [vec![1, 1], vec![1, 2]]);
    soon(tree.shutdown()).await;

    let tree = soon(forgiving(OneForOne).child(thread).start()).await.unwrap();
    let handle: Handle<()> = tree.lookup("app/thread").unwrap();
    for generation in [2, 3] {
        handle.cast(()).unwrap();
        let is_next = |status: &regrow::ServiceStatus| status.generation == generation;
        soon(regrow::testing::until(handle.watch(), is_next)).await;
    }
    assert_eq!(*seen.lock().unwrap(), [vec![7, 7], vec![7, 7]]);
    soon(tree.shutdown()).await;
}
