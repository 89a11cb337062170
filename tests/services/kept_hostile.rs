//! Values that are kept in odd places and at odd times: by code that fails, hangs, outlives its incarnation, or is dropped.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use regrow::{Child, Context, Handle, KeptRule, Policy, Service, Supervisor};

use crate::common::book::{Diary, Page, add, book, forgiving, tell, total, tree_of};
use crate::common::tree::{SEC, soon, turns, up};

async fn kept_one(book: &Handle<Page>) {
    tell(book, |book, ctx| {
        add(book, ctx);
        Ok(())
    });
    assert_eq!(total(book).await, 1);
}

struct Nothing;

impl Service for Nothing {
    type Msg = ();
    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn starts_that_hang_with_the_value_count() {
    let lives = Arc::new(AtomicUsize::new(0));
    let seen = lives.clone();
    let child = Child::service_with("it", seen, |seen, ctx: Context<Nothing>| async move {
        if ctx.kept::<u64>()?.is_some() {
            seen.fetch_add(1, SeqCst);
            std::future::pending::<()>().await;
        }
        ctx.keep(1u64);
        Ok(Nothing)
    });
    let child = child.policy(Policy::default().start_timeout(SEC).kept(KeptRule::new(3)));
    let tree = soon("the start", forgiving().child(child).start()).await.unwrap();
    let it = tree.lookup::<()>("app/it").unwrap();
    it.kill().unwrap();
    up(&tree, "app/it", 2).await;
    assert_eq!(lives.load(SeqCst), 3);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_context_that_outlives_its_incarnation_neither_keeps_nor_begins_with_anything() {
    let diary = Diary::default();
    let (tree, book) = tree_of(book(&diary)).await;
    kept_one(&book).await;
    let (tell_ctx, ctx) = tokio::sync::oneshot::channel();
    let tell_ctx = Mutex::new(Some(tell_ctx));
    tell(&book, move |_, ctx| {
        tell_ctx.lock().unwrap().take().unwrap().send(ctx.clone()).ok().unwrap();
        anyhow::bail!("boom")
    });
    let old = soon("a context", ctx).await.unwrap();
    up(&tree, "app/book", 2).await;
    old.keep(70u64);
    old.forget_kept();
    assert_eq!(old.keep_now(71u64).unwrap_err().into_inner(), 71);
    assert_eq!(old.kept::<u64>().unwrap().as_deref(), Some(&1));
    turns(20).await;
    let info = book.kept().unwrap();
    assert_eq!((info.generation, info.lives, info.failed), (1, 1, 0));
    tree.shutdown().await;
    // The tree is over, and so is what it kept.
    old.keep(72u64);
    assert!(old.kept::<u64>().unwrap().is_none() && book.kept().is_none());
}

/// Keeps the next one when it is dropped.
struct Chain(Context<Nothing>, u64, Arc<AtomicUsize>);

impl Drop for Chain {
    fn drop(&mut self) {
        self.2.fetch_add(1, SeqCst);
        if self.1 > 0 {
            let next = Chain(self.0.clone(), self.1 - 1, self.2.clone());
            match self.1 % 3 {
                0 => self.0.keep(next),
                1 => drop(self.0.keep_now(next)),
                _ => {
                    self.0.forget_kept();
                    self.0.keep(next);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_destructor_may_keep_the_next_value_whatever_drops_it() {
    for how in 0..4 {
        let dropped = Arc::new(AtomicUsize::new(0));
        let child = Child::service_with("it", dropped.clone(), |dropped, ctx: Context<Nothing>| async move {
            if ctx.generation() == 1 {
                ctx.keep(Chain(ctx.clone(), 9, dropped));
            }
            Ok(Nothing)
        });
        let tree = soon("the start", forgiving().child(child).start()).await.unwrap();
        let it = tree.lookup::<()>("app/it").unwrap();
        match how {
            0 => {}
            1 => {
                it.kill().unwrap();
                up(&tree, "app/it", 2).await;
            }
            2 => drop(soon("the order", it.restart("why not")).await.unwrap()),
            _ => {
                for _ in 0..3 {
                    it.cast(()).unwrap();
                }
            }
        }
        soon("the end", tree.shutdown()).await;
        assert!(it.kept().is_none());
        let all = async {
            while dropped.load(SeqCst) < 10 {
                tokio::task::yield_now().await;
            }
        };
        soon("the destructors", all).await;
    }
}

#[tokio::test]
async fn what_a_start_keeps_is_dropped_if_the_start_fails_or_is_not_wanted() {
    let tree = Supervisor::one_for_one("app").start().await.unwrap();
    let sup = tree.supervisor("app").unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    for fails in [true, false] {
        let child = Child::service_with("it", dropped.clone(), move |dropped, ctx: Context<Nothing>| async move {
            ctx.keep(Chain(ctx.clone(), 0, dropped));
            if fails { anyhow::bail!("no") } else { regrow::ignore() }
        });
        let _ = soon("the start", sup.start_child(child)).await;
    }
    let all = async {
        while dropped.load(SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    soon("the destructors", all).await;
    tree.shutdown().await;
}
