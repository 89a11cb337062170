//! A value that an incarnation keeps for the next: when it takes effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use anyhow::{bail, ensure};
use regrow::{Abandon, Child, Context, Inbox, KeptError, NotKept, Reply, Shutdown, TaskContext};

use crate::common::book::{Begun, Book, Diary, add, book, forgiving, tell, total, tree_of};
use crate::common::tree::{Gate, MS, hears, soon, up};

fn crash(_: &mut Book, _: &mut Context<Book>) -> anyhow::Result<()> {
    bail!("boom")
}

// WyattTechnology/WAkka#19: after several crashes the actor always got the state of the first one.
#[tokio::test]
async fn each_life_begins_with_the_last_committed_value_over_five_crashes() {
    let diary = Diary::default();
    let (tree, book) = tree_of(book(&diary)).await;
    for life in 1..=5 {
        for _ in 0..3 {
            tell(&book, |book, ctx| {
                add(book, ctx);
                Ok(())
            });
        }
        tell(&book, crash);
        up(&tree, "app/book", life + 1).await;
    }
    assert_eq!(diary.begun(), [None, Some(3), Some(6), Some(9), Some(12), Some(15)]);
    assert_eq!(diary.latest(), Begun { kept: Some(15), after: Some("failed") });
    assert_eq!(total(&book).await, 15);
    assert!(!book.kept().unwrap().is_set_aside, "the state grew in each life");
}

#[tokio::test]
async fn a_crash_after_keep_and_before_the_end_of_the_handler_keeps_the_old_value() {
    let (tree, book) = tree_of(book(&Diary::default())).await;
    for way in 0..3 {
        tell(&book, move |book, ctx| {
            add(book, ctx);
            match way {
                0 => bail!("boom"),
                1 => panic!("boom"),
                _ => ctx.handle().kill()?,
            }
            Ok(())
        });
        up(&tree, "app/book", way + 2).await;
    }
    // A kill from within takes effect when the message has been handled.
    assert_eq!(total(&book).await, 1);
}

#[tokio::test]
async fn a_redelivered_message_never_meets_a_state_that_has_it_already() {
    let diary = Diary::default();
    let (tree, book) = tree_of(book(&diary).redeliver(3)).await;
    let often = Arc::new(AtomicU64::new(0));
    tell(&book, move |book, ctx| {
        add(book, ctx);
        ensure!(often.fetch_add(1, SeqCst) == 3, "boom");
        Ok(())
    });
    up(&tree, "app/book", 4).await;
    assert_eq!(total(&book).await, 1, "it was handled once");
    assert_eq!(diary.begun(), [None; 4]);
}

#[tokio::test]
async fn with_keep_now_a_redelivered_message_is_repeated_on_top_of_itself() {
    let (tree, book) = tree_of(book(&Diary::default()).redeliver(3)).await;
    let often = Arc::new(AtomicU64::new(0));
    tell(&book, move |book, ctx| {
        book.total += 1;
        ctx.keep_now(book.total)?;
        ensure!(often.fetch_add(1, SeqCst) == 3, "boom");
        Ok(())
    });
    up(&tree, "app/book", 4).await;
    assert_eq!(total(&book).await, 4, "as its docs say");
}

#[tokio::test]
async fn the_last_value_of_a_message_counts() {
    let (tree, book) = tree_of(book(&Diary::default())).await;
    type Round = fn(&Context<Book>) -> anyhow::Result<()>;
    let rounds: [Round; 5] = [
        |ctx| {
            ctx.keep(1u64);
            ctx.keep(2u64);
            Ok(())
        },
        |ctx| {
            ctx.keep(1u64);
            Ok(ctx.keep_now(3u64)?)
        },
        |ctx| {
            ctx.keep_now(1u64)?;
            ctx.keep(4u64);
            Ok(())
        },
        |ctx| {
            ctx.forget_kept();
            ctx.keep(5u64);
            Ok(())
        },
        |ctx| {
            ctx.keep(1u64);
            ctx.forget_kept();
            Ok(())
        },
    ];
    for (round, expected) in rounds.into_iter().zip([2, 3, 4, 5, 0]) {
        let generation = book.generation();
        tell(&book, move |_, ctx| round(ctx));
        tell(&book, crash);
        up(&tree, "app/book", generation + 1).await;
        assert_eq!(total(&book).await, expected);
    }
    assert_eq!(book.kept(), None);
}

#[tokio::test]
async fn a_value_that_the_factory_keeps_counts_when_the_incarnation_is_up() {
    let starts = Arc::new(AtomicU64::new(0));
    let child = Child::service_with("book", starts, |starts, ctx: Context<Asked>| async move {
        let start = starts.fetch_add(1, SeqCst);
        let kept = ctx.kept::<u64>()?;
        ctx.keep(start);
        ensure!(start % 2 == 0, "attempt {start} fails");
        anyhow::Ok(Asked(kept.map(|kept| *kept), ctx.kept::<u64>()?.map(|kept| *kept)))
    });
    let tree = forgiving().child(child).start().await.unwrap();
    let asked = tree.lookup::<Reply<(Option<u64>, Option<u64>)>>("app/book").unwrap();
    for (generation, before) in [(1, None), (2, Some(0)), (3, Some(2))] {
        up(&tree, "app/book", generation).await;
        // In the factory, the value from before is still there.
        assert_eq!(asked.call(|reply| reply).await.unwrap(), (before, before));
        asked.kill().unwrap();
    }
}

/// What was kept when it began.
struct Asked(Option<u64>, Option<u64>);

impl regrow::Service for Asked {
    type Msg = Reply<(Option<u64>, Option<u64>)>;
    async fn handle(&mut self, reply: Self::Msg, _: &mut Context<Self>) -> anyhow::Result<()> {
        reply.send((self.0, self.1));
        Ok(())
    }
}

#[tokio::test]
async fn a_value_that_the_stop_hook_keeps_counts_if_the_hook_has_no_error() {
    for (fails, kept) in [(false, 8), (true, 1)] {
        let diary = Diary::hooked(move |_, ctx| {
            ctx.keep(7u64);
            ctx.keep(8u64);
            ensure!(!fails, "the hook fails");
            Ok(())
        });
        let (tree, book) = tree_of(book(&diary)).await;
        tell(&book, |book, ctx| {
            add(book, ctx);
            Ok(())
        });
        book.restart("why not").await.unwrap();
        assert_eq!(diary.latest().kept, Some(kept));
        // A message that chooses the end is handled too.
        tell(&book, |_, ctx| {
            ctx.keep(1u64);
            ctx.stop();
            Ok(())
        });
        up(&tree, "app/book", 3).await;
        assert_eq!(diary.latest().kept, Some(kept));
        // After a failed handler the message is in hand in the hook, and never handled.
        tell(&book, crash);
        up(&tree, "app/book", 4).await;
        assert_eq!(diary.latest().kept, Some(kept));
        tree.shutdown().await;
    }
}

#[tokio::test]
async fn a_linked_task_keeps_with_the_message_in_hand_or_at_once() {
    let (tree, book) = tree_of(book(&Diary::default())).await;
    let (reached, mut waits) = tokio::sync::mpsc::unbounded_channel();
    tell(&book, move |_, ctx| {
        let (task, reached) = (ctx.clone(), reached.clone());
        ctx.spawn(async move {
            task.keep(7u64);
            let _ = reached.send(());
        });
        Ok(())
    });
    soon("the task", waits.recv()).await;
    assert_eq!(book.kept().unwrap().generation, 1, "no message is in hand");
    tell(&book, crash);
    up(&tree, "app/book", 2).await;
    assert_eq!(total(&book).await, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_incarnation_that_was_abandoned_keeps_nothing() {
    let (gate, (tell_end, ended)) = (Gate::default(), std::sync::mpsc::channel());
    let _open = gate.opener();
    let child = book(&Diary::default()).shutdown(Shutdown::After(20 * MS)).abandon(Abandon::After(30 * MS));
    let (tree, book) = tree_of(child).await;
    let (mut events, passed) = (tree.events(), gate.clone());
    tell(&book, |book, ctx| {
        add(book, ctx);
        Ok(())
    });
    tell(&book, move |_, ctx| {
        ctx.keep(70u64);
        passed.pass();
        ctx.keep(71u64);
        ctx.forget_kept();
        let refused = ctx.keep_now(String::from("mine")).unwrap_err();
        assert_eq!(refused.path(), "app/book");
        assert!(refused.to_string().contains("only its successor"), "{refused}");
        tell_end.send(NotKept::into_inner(refused)).unwrap();
        Ok(())
    });
    gate.reached().await;
    book.kill().unwrap();
    hears(&mut events, "app/book#1 was abandoned").await;
    assert_eq!(total(&book).await, 1);
    gate.open();
    assert_eq!(ended.recv().unwrap(), "mine");
    book.kill().unwrap();
    up(&tree, "app/book", 3).await;
    assert_eq!(total(&book).await, 1);
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_that_names_both_and_stays() {
    let (tree, book) = tree_of(book(&Diary::default())).await;
    tell(&book, |book, ctx| {
        add(book, ctx);
        Ok(())
    });
    let (answer, mut answers) = tokio::sync::mpsc::unbounded_channel();
    tell(&book, move |_, ctx| {
        let _ = answer.send((ctx.kept::<String>(), ctx.kept::<u64>(), ctx.kept_aside::<u64>()));
        Ok(())
    });
    let (wrong, right, aside) = soon("an answer", answers.recv()).await.unwrap();
    let wrong: KeptError = wrong.unwrap_err();
    assert_eq!((&*wrong.path, wrong.found, wrong.wanted), ("app/book", "u64", "alloc::string::String"));
    assert!(wrong.to_string().starts_with("`app/book` keeps a `u64`, and not a `String`"), "{wrong}");
    assert_eq!((right.unwrap().as_deref(), aside.unwrap()), (Some(&1), None));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_thread_keeps_with_the_message_that_it_took_last_and_at_its_end() {
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let child = Child::thread("book", move |mut inbox: Inbox<bool>| {
        let mut total = inbox.kept::<u64>()?.map_or(0, |kept| *kept);
        begun.send(total)?;
        while let Some(fails) = inbox.next() {
            total += 1;
            inbox.keep_sized(total, 8);
            ensure!(!fails, "boom");
        }
        inbox.keep(total + 100);
        Ok(())
    });
    let tree = forgiving().child(child).start().await.unwrap();
    let book = tree.lookup::<bool>("app/book").unwrap();
    for fails in [false, false, true, false, true] {
        book.cast(fails).unwrap();
    }
    for expected in [0, 2, 3] {
        assert_eq!(soon("a life", begins.recv()).await, Some(expected));
    }
    assert_eq!(book.kept().unwrap().bytes, Some(8));
    book.restart("why not").await.unwrap();
    assert_eq!(soon("a life", begins.recv()).await, Some(103));
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn a_task_keeps_at_once() {
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let child = Child::task("copy", move |ctx: TaskContext| {
        let begun = begun.clone();
        async move {
            let done = ctx.kept::<u64>()?.map_or(0, |done| *done);
            begun.send((done, ctx.kept_aside::<u64>()?.is_some()))?;
            ctx.keep_now(done + 1)?;
            ensure!(done == 3, "boom");
            ctx.forget_kept();
            std::future::pending().await
        }
    });
    let tree = forgiving().child(child).start().await.unwrap();
    for expected in 0..=3 {
        assert_eq!(soon("a life", begins.recv()).await, Some((expected, false)));
    }
    assert!(tree.shutdown().await.is_clean());
}

// tokio keeps the task that a worker woke last for that worker. Found because a test hung now and then: it was the
// supervisor, told of the first value that a life has kept, or of the one that its factory has taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_blocks_when_it_has_kept_or_taken_a_value_does_not_hold_up_its_supervisor() {
    let gates: Vec<_> = (0..12).map(|_| Gate::default()).collect();
    let _open: Vec<_> = gates.iter().map(Gate::opener).collect();
    let child = book(&Diary::default()).abandon(Abandon::After(MS));
    let (tree, book) = tree_of(child).await;
    for (gate, generation) in gates.iter().zip(2..) {
        let passed = gate.clone();
        tell(&book, |book, ctx| {
            add(book, ctx);
            Ok(())
        });
        tell(&book, move |_, _| {
            passed.pass();
            Ok(())
        });
        gate.reached().await;
        book.kill().unwrap();
        up(&tree, "app/book", generation).await;
        // The worker is missed.
        gate.open();
    }
    assert_eq!(total(&book).await, 12);
    tree.shutdown().await;
}
