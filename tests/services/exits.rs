//! `Context::exit`: an incarnation ends as it says, and its supervisor decides by that (OTP rules 14 to 16).

use std::sync::{Arc, Mutex};

use crate::common::mail::{run, tree_of, worker};
use crate::common::tree::{Inert, heard, hears, hears_of, in_hand, soon, stands, up};
use regrow::testing::Journal;
use regrow::{
    Child, Context, Events, Exit, Handle, Intensity, Panic, Restart, Service, ServiceChild, ServiceState, Supervisor,
    Tree,
};

/// Ends as it is told, and has a stop hook that may say otherwise.
struct Leaver {
    hook: Hook,
    journal: Journal,
}

type Hook = Arc<Mutex<Option<Box<dyn FnOnce(&Context<Leaver>) -> anyhow::Result<()> + Send>>>>;
type Order = Box<dyn FnOnce(&Context<Leaver>) -> anyhow::Result<()> + Send>;

impl Service for Leaver {
    type Msg = Order;

    async fn handle(&mut self, order: Order, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        order(ctx)
    }

    async fn stopped(&mut self, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.journal.write("hook");
        match self.hook.lock().unwrap().take() {
            Some(hook) => hook(ctx),
            None => Ok(()),
        }
    }
}

struct Stage {
    tree: Tree,
    leaver: Handle<Order>,
    events: Events,
    journal: Journal,
    hook: Hook,
}

impl Stage {
    async fn new(restart: Restart) -> Self {
        Self::of(|child| child.restart(restart)).await
    }

    async fn of(set: impl FnOnce(ServiceChild<Order>) -> ServiceChild<Order>) -> Self {
        let (journal, hook) = (Journal::new(), Hook::default());
        let child = Child::service_with("leaver", (hook.clone(), journal.clone()), |(hook, journal), _| async move {
            Ok(Leaver { hook, journal })
        });
        let tree =
            Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(set(child)).child(journal.probe("b"));
        let tree = tree.start().await.unwrap();
        let (leaver, events) = (tree.lookup("app/leaver").unwrap(), tree.events());
        Self { tree, leaver, events, journal, hook }
    }

    fn tell(&self, order: impl FnOnce(&Context<Leaver>) -> anyhow::Result<()> + Send + 'static) {
        self.leaver.cast(Box::new(order)).unwrap();
    }

    fn in_the_hook(&self, hook: impl FnOnce(&Context<Leaver>) -> anyhow::Result<()> + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    async fn exited(&mut self, exit: &str) {
        hears(&mut self.events, &format!("app/leaver#1 exited: {exit}")).await;
    }

    fn ran_the_hook(&self) -> bool {
        self.journal.lines().contains(&"hook".into())
    }
}

fn leave(ctx: &Context<Leaver>, exit: Exit) -> anyhow::Result<()> {
    ctx.exit(exit);
    Ok(())
}

fn every_exit() -> [Exit; 6] {
    [
        Exit::Normal,
        Exit::Shutdown,
        Exit::ShutdownWith("upgrade".into()),
        Exit::failed("no paper"),
        Exit::Killed,
        Exit::Panicked(Panic::new("boom")),
    ]
}

#[tokio::test]
async fn a_permanent_service_comes_back_whatever_it_says() {
    for exit in every_exit() {
        let mut stage = Stage::new(Restart::Permanent).await;
        let text = exit.to_string();
        stage.tell(move |ctx| leave(ctx, exit));
        stage.exited(&text).await;
        up(&stage.tree, "app/leaver", 2).await;
        assert_eq!(stage.tree.directory().status("app/b").unwrap().generation, 1);
        stage.tree.shutdown().await;
    }
}

#[tokio::test]
async fn a_transient_service_comes_back_when_it_says_that_something_is_wrong() {
    for exit in every_exit() {
        let mut stage = Stage::new(Restart::Transient).await;
        let (text, is_abnormal) = (exit.to_string(), exit.is_abnormal());
        stage.tell(move |ctx| leave(ctx, exit));
        stage.exited(&text).await;
        match is_abnormal {
            true => up(&stage.tree, "app/leaver", 2).await,
            false => stands(&stage.tree, "app/leaver", ServiceState::Down).await,
        }
        stage.tree.shutdown().await;
    }
}

#[tokio::test]
async fn a_temporary_service_never_comes_back() {
    for exit in every_exit() {
        let mut stage = Stage::new(Restart::Temporary).await;
        let text = exit.to_string();
        stage.tell(move |ctx| leave(ctx, exit));
        stage.exited(&text).await;
        hears(&mut stage.events, "app/leaver#1 is gone").await;
        assert_eq!(stage.leaver.status().state, ServiceState::Gone);
        stage.tree.shutdown().await;
    }
}

#[tokio::test]
async fn it_ends_after_the_message_in_hand_which_counts_as_handled_and_before_the_next() {
    let mut stage = Stage::new(Restart::Transient).await;
    let journal = stage.journal.clone();
    stage.tell(move |ctx| {
        ctx.exit(Exit::failed("no paper"));
        journal.write("still here");
        Ok(())
    });
    let journal = stage.journal.clone();
    stage.tell(move |ctx| {
        journal.write(format!("next in {}", ctx.generation()));
        Ok(())
    });
    stage.exited("failed: no paper").await;
    up(&stage.tree, "app/leaver", 2).await;
    while stage.leaver.accounting().handled < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.journal.lines()[1..], ["still here", "hook", "next in 2"]);
    let books = stage.leaver.accounting();
    assert_eq!((books.crashed, books.is_balanced()), (0, true), "{books}");
    stage.tree.shutdown().await;
}

#[tokio::test]
async fn the_first_of_several_counts() {
    let mut stage = Stage::new(Restart::Permanent).await;
    stage.tell(|ctx| {
        ctx.exit(Exit::ShutdownWith("first".into()));
        ctx.exit(Exit::failed("second"));
        ctx.stop();
        Ok(())
    });
    stage.in_the_hook(|ctx| leave(ctx, Exit::failed("third")));
    stage.exited("shutdown (first)").await;

    let mut stage = Stage::new(Restart::Permanent).await;
    stage.tell(|ctx| {
        ctx.stop();
        leave(ctx, Exit::failed("second"))
    });
    stage.exited("normal").await;
}

#[tokio::test]
async fn a_crash_of_the_same_message_is_worse_and_counts() {
    let mut stage = Stage::new(Restart::Permanent).await;
    stage.tell(|ctx| {
        ctx.exit(Exit::Normal);
        anyhow::bail!("after all")
    });
    stage.exited("failed: after all").await;

    let mut stage = Stage::new(Restart::Permanent).await;
    stage.tell(|ctx| {
        ctx.exit(Exit::Normal);
        panic!("after all")
    });
    let event = hears_of(&mut stage.events, "app/leaver#1 exited: panicked: after all").await;
    assert_eq!(event.generation, 1);
    assert!(!stage.ran_the_hook());
}

#[tokio::test]
async fn the_stop_hook_runs_unless_it_says_killed_or_panicked() {
    for exit in every_exit() {
        let mut stage = Stage::new(Restart::Permanent).await;
        let (text, hooked) = (exit.to_string(), !matches!(exit, Exit::Killed | Exit::Panicked(_)));
        stage.tell(move |ctx| leave(ctx, exit));
        stage.exited(&text).await;
        assert_eq!(stage.ran_the_hook(), hooked, "{text}");
    }
}

#[tokio::test]
async fn in_the_stop_hook_it_replaces_the_clean_exit_of_an_ordered_stop() {
    let mut stage = Stage::new(Restart::Permanent).await;
    stage.in_the_hook(|ctx| leave(ctx, Exit::failed("could not flush")));
    stage.tree.supervisor("app").unwrap().terminate_child("leaver").await.unwrap();
    let lines = heard(&mut stage.events);
    assert!(lines.contains(&"app/leaver#1 exited: failed: could not flush".into()), "{lines:#?}");
    assert!(lines.contains(&"app/leaver#1 did not stop as asked: failed: could not flush".into()), "{lines:#?}");
    assert_eq!(stage.leaver.status().state, ServiceState::Down, "it was told to stop, and is not restarted");
    stage.tree.shutdown().await;
}

#[tokio::test]
async fn in_the_stop_hook_it_does_not_make_an_error_better() {
    let mut stage = Stage::new(Restart::Transient).await;
    stage.in_the_hook(|ctx| leave(ctx, Exit::Normal));
    stage.tell(|_| anyhow::bail!("out of paper"));
    stage.exited("failed: out of paper").await;
    up(&stage.tree, "app/leaver", 2).await;

    let mut stage = Stage::new(Restart::Transient).await;
    stage.in_the_hook(|_| anyhow::bail!("could not flush"));
    stage.tell(|ctx| leave(ctx, Exit::Shutdown));
    stage.exited("failed: could not flush").await;
}

#[tokio::test]
async fn a_linked_task_or_a_clone_kept_elsewhere_can_say_it_of_its_own_incarnation_only() {
    let mut stage = Stage::new(Restart::Permanent).await;
    let (told, tell) = tokio::sync::oneshot::channel();
    stage.tell(move |ctx| {
        let _ = told.send(ctx.clone());
        let task = ctx.clone();
        ctx.spawn(async move { task.exit(Exit::ShutdownWith("by a task".into())) });
        Ok(())
    });
    stage.exited("shutdown (by a task)").await;
    up(&stage.tree, "app/leaver", 2).await;
    soon("a context", tell).await.unwrap().exit(Exit::Normal);
    let (told, tell) = tokio::sync::oneshot::channel();
    stage.tell(move |ctx| told.send(ctx.generation()).map_err(|_| anyhow::anyhow!("nobody listens")));
    assert_eq!(soon("an answer", tell).await.unwrap(), 2);
    assert_eq!(stage.leaver.generation(), 2);
    stage.tree.shutdown().await;
}

#[tokio::test]
async fn in_a_factory_it_ends_the_incarnation_as_soon_as_it_is_up() {
    let child = Child::service("early", |ctx: Context<Inert>| async move {
        ctx.exit(Exit::ShutdownWith("too early".into()));
        Ok(Inert)
    });
    let tree = Supervisor::one_for_one("app").child(child.restart(Restart::Transient)).start().await.unwrap();
    stands(&tree, "app/early", ServiceState::Down).await;
    assert_eq!(tree.directory().status("app/early").unwrap().generation, 1);
    tree.shutdown().await;
}

// Under OTP the reason that `terminate` was reached with is the one that is seen.
#[tokio::test]

async fn an_exit_that_is_chosen_while_a_stop_is_under_way_is_told() {
    let (tree, worker) = tree_of(worker("worker")).await;
    let mut events = tree.events();
    worker
        .cast(run(async |ctx| {
            while !ctx.is_stopping() {
                tokio::task::yield_now().await;
            }
            ctx.exit(Exit::failed("could not flush"));
            Ok(())
        }))
        .unwrap();
    in_hand(&worker).await;
    soon("the stop", tree.supervisor("app").unwrap().terminate_child("worker")).await.unwrap();
    let lines = heard(&mut events);
    assert!(lines.contains(&"app/worker#1 exited: failed: could not flush".into()), "{lines:#?}");
    tree.shutdown().await;
}
