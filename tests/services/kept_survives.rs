//! A kept value survives every kind of restart.

use anyhow::bail;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Exit, GiveUp, Handle, Intensity, KeptRule, OnRestart, Partitioned, Policy, Restart, ServiceChild, ServiceState,
    Supervisor, Tree,
};

use crate::common::book::{Diary, Page, add, book, forgiving, tell, total};
use crate::common::tree::{SEC, parked, probe, soon, stands, up};
use crate::common::worker::{Job, run, worker};

/// Waits until the book has a new life, and asserts that it begins with what was kept.
async fn lives_on(tree: &Tree, diary: &Diary, path: &str, generation: u64) {
    up(tree, path, generation + 1).await;
    assert_eq!(diary.latest().kept, Some(1));
}

async fn kept_one(tree: &Tree, path: &str) -> Handle<Page> {
    let book = tree.lookup::<Page>(path).unwrap();
    tell(&book, |book, ctx| {
        add(book, ctx);
        Ok(())
    });
    assert_eq!(total(&book).await, 1);
    book
}

type End = fn(&Handle<Page>);

/// Ends that a service makes, or that are made for it, from which it is restarted.
const ENDS: [(&str, End); 8] = [
    ("error", |book| tell(book, |_, _| bail!("boom"))),
    ("panic", |book| tell(book, |_, _| panic!("boom"))),
    ("kill", |book| book.kill().unwrap()),
    ("stop", |book| {
        tell(book, |_, ctx| {
            ctx.stop();
            Ok(())
        })
    }),
    ("exit", |book| {
        tell(book, |_, ctx| {
            ctx.exit(Exit::failed("enough"));
            Ok(())
        })
    }),
    ("linked task", |book| {
        tell(book, |_, ctx| {
            ctx.spawn(async { panic!("boom") });
            Ok(())
        })
    }),
    ("kill from within", |book| tell(book, |_, ctx| Ok(ctx.handle().kill()?))),
    ("failed message", |book| {
        tell(book, |_, ctx| {
            ctx.keep(77u64);
            bail!("boom")
        })
    }),
];

#[tokio::test]
async fn it_survives_every_end_of_a_life() {
    let kinds: [fn(&Diary) -> ServiceChild<Page>; 4] = [
        |diary| book(diary),
        |diary| book(diary).as_actor(),
        |diary| book(diary).redeliver(0),
        |diary| book(diary).on_restart(OnRestart::Drop),
    ];
    for kind in kinds {
        let diary = Diary::default();
        // Many of these ends are faults.
        let never = Policy::default().kept(KeptRule::new(u32::MAX));
        let tree = forgiving().child(kind(&diary).policy(never)).start().await.unwrap();
        let book = kept_one(&tree, "app/book").await;
        for (what, end) in ENDS {
            let generation = book.generation();
            end(&book);
            lives_on(&tree, &diary, "app/book", generation).await;
            assert_eq!(total(&book).await, 1, "{what}");
        }
        let generation = book.generation();
        soon("the order", book.restart("why not")).await.unwrap();
        lives_on(&tree, &diary, "app/book", generation).await;
        assert_eq!(diary.begun().len(), ENDS.len() + 2);
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_survives_a_hang() {
    let child = worker("book").policy(Policy::default().watchdog(SEC));
    let tree = forgiving().child(child).start().await.unwrap();
    let book = tree.lookup::<Job>("app/book").unwrap();
    book.cast(run(async |ctx| {
        ctx.keep(1u64);
        Ok(())
    }))
    .unwrap();
    book.cast(run(async |ctx| {
        ctx.keep(2u64);
        std::future::pending().await
    }))
    .unwrap();
    up(&tree, "app/book", 2).await;
    assert_eq!(book.why().await.exit.unwrap().kind(), "hung");
    let kept = book.call(|reply| {
        run(async move |ctx| {
            reply.send(ctx.kept::<u64>()?.map(|kept| *kept));
            Ok(())
        })
    });
    assert_eq!(soon("an answer", kept).await.unwrap(), Some(1));
}

#[tokio::test]
async fn it_survives_the_restart_of_its_group_and_of_its_supervisor() {
    let (diary, journal) = (Diary::default(), Journal::new());
    let inner = Supervisor::one_for_all("inner").intensity(1, 60 * SEC);
    let inner = inner.child(journal.probe("sibling")).child(book(&diary));
    let tree = forgiving().child(inner).start().await.unwrap();
    let book = kept_one(&tree, "app/inner/book").await;
    for generation in 1..=6 {
        // Each second crash uses up the budget of the inner supervisor, which is restarted then.
        probe(&tree, "app/inner/sibling").cast(ProbeMsg::Fail("boom")).unwrap();
        lives_on(&tree, &diary, "app/inner/book", generation).await;
        up(&tree, "app/inner/sibling", generation + 1).await;
    }
    assert!(tree.lookup::<Page>("app/inner/book").unwrap() == book);
    tree.directory().kill("app/inner").unwrap();
    lives_on(&tree, &diary, "app/inner/book", 7).await;
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("inner").await.unwrap();
    app.restart_child("inner").await.unwrap();
    lives_on(&tree, &diary, "app/inner/book", 8).await;
}

#[tokio::test]
async fn it_survives_a_stop_by_order_and_a_normal_end_until_the_next_start() {
    let diary = Diary::default();
    let tree = forgiving().child(book(&diary).restart(Restart::Transient)).start().await.unwrap();
    let (book, app) = (kept_one(&tree, "app/book").await, tree.supervisor("app").unwrap());
    app.terminate_child("book").await.unwrap();
    assert_eq!(book.kept().unwrap().generation, 1);
    app.restart_child("book").await.unwrap();
    lives_on(&tree, &diary, "app/book", 1).await;
    tell(&book, |_, ctx| {
        ctx.stop();
        Ok(())
    });
    stands(&tree, "app/book", ServiceState::Down).await;
    app.restart_child("book").await.unwrap();
    lives_on(&tree, &diary, "app/book", 2).await;
}

#[tokio::test(start_paused = true)]
async fn it_survives_a_park() {
    let diary = Diary::default();
    let policy = Policy::default().budget(Intensity::new(0, 60 * SEC)).on_give_up(GiveUp::park(5 * SEC));
    let tree = forgiving().child(book(&diary).policy(policy)).start().await.unwrap();
    let book = kept_one(&tree, "app/book").await;
    book.kill().unwrap();
    parked(&book).await;
    lives_on(&tree, &diary, "app/book", 1).await;
    book.kill().unwrap();
    parked(&book).await;
    tree.supervisor("app").unwrap().revive("book").await.unwrap();
    lives_on(&tree, &diary, "app/book", 2).await;
}

#[tokio::test]
async fn it_survives_in_each_partition_and_is_gone_with_the_partition() {
    let diary = Diary::default();
    let template = diary.clone();
    let books = Partitioned::new("books", 2, move |_| book(&template)).budget(Intensity::unlimited());
    let tree = forgiving().child(books).start().await.unwrap();
    let books = tree.partitions::<Page>("app/books").unwrap();
    let last = books.handle(1).unwrap();
    tell(&last, |book, ctx| {
        add(book, ctx);
        Ok(())
    });
    assert_eq!(total(&last).await, 1);
    last.kill().unwrap();
    assert_eq!((total(&last).await, total(&books.handle(0).unwrap()).await), (1, 0));
    soon("fewer", books.resize(1)).await.unwrap();
    assert_eq!(last.kept(), None);
    soon("more", books.resize(2)).await.unwrap();
    assert_eq!(total(&books.handle(1).unwrap()).await, 0, "it is another service");
}
