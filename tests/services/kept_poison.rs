//! A kept value with which life after life fails: it is set aside, that is told, and the service begins without it.

use anyhow::ensure;
use regrow::policy::Policies;
use regrow::testing::until_event;
use regrow::{
    Abandon, Backoff, Child, Context, Event, EventKind, Handle, KeptRule, KeptThen, Policy, Refusal, Service,
    ServiceChild, Shutdown, StartError, Supervisor, Tree,
};

use crate::common::book::{Diary, Page, add, book, forgiving, tell, total};
use crate::common::tree::{Gate, MS, SEC, hears, parked, soon, up};

fn fail(book: &Handle<Page>) {
    tell(book, |_, _| anyhow::bail!("boom"));
}

async fn kept_one(tree: &Tree) -> Handle<Page> {
    let book = tree.lookup::<Page>("app/book").unwrap();
    tell(&book, |book, ctx| {
        add(book, ctx);
        Ok(())
    });
    assert_eq!(total(&book).await, 1);
    book
}

async fn set_aside(events: &mut regrow::Events) -> Event {
    let is_it = |event: &Event| matches!(event.kind, EventKind::KeptSetAside { .. });
    soon("the event", until_event(events, is_it)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn after_three_lives_in_a_row_that_failed_with_it_the_next_begins_empty_and_that_is_told() {
    let (log, _listening) = crate::common::log::Log::listen();
    let diary = Diary::default();
    let tree = forgiving().child(book(&diary)).start().await.unwrap();
    let (book, mut events) = (kept_one(&tree).await, tree.events());
    // The life that kept it does not count against it.
    for life in 1..=4 {
        fail(&book);
        up(&tree, "app/book", life + 1).await;
    }
    assert_eq!(diary.begun(), [None, Some(1), Some(1), Some(1), None]);
    let event = set_aside(&mut events).await;
    let text = "app/book#4 begins without a `u64`, kept 0.0ns ago in generation 1: 3 lives in a row that began with \
                it ended, the last one as failed: boom";
    assert_eq!(event.to_string(), text);
    let EventKind::KeptSetAside { kept, exit } = event.kind else { unreachable!("it was looked for") };
    assert_eq!((kept.failed, kept.lives, kept.is_set_aside, exit.kind()), (3, 3, true, "failed"));
    assert_eq!(book.kept().as_ref(), Some(&*kept));
    let why = book.why().await.to_string();
    assert!(why.contains(" It begins without a `u64`, kept "), "{why}");
    let lines = log.take();
    let told: Vec<_> = lines.iter().filter(|line| line.contains("the kept value of the child is set aside")).collect();
    assert_eq!(told.len(), 1, "{lines:#?}");
    for field in ["path=app/book", "generation=4", "exit.kind=failed", "exit.text=failed: boom", "failed=3", "age_ms=0"]
    {
        assert!(told[0].contains(field), "{field} is not in {}", told[0]);
    }

    // It is there until a newer one is kept.
    let (answer, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for keeps in [false, true, false] {
        let answer = answer.clone();
        tell(&book, move |_, ctx| {
            answer.send((ctx.kept::<u64>()?, ctx.kept_aside::<u64>()?))?;
            if keeps {
                ctx.keep(9u64);
            }
            Ok(())
        });
    }
    let mut next = async || {
        let (kept, aside) = soon("an answer", answers.recv()).await.unwrap();
        (kept.map(|kept| *kept), aside.map(|aside| *aside))
    };
    assert_eq!([next().await, next().await, next().await], [(None, Some(1)), (None, Some(1)), (Some(9), None)]);
    tree.shutdown().await;
}

#[tokio::test]
async fn lives_that_keep_a_newer_value_never_count() {
    let diary = Diary::default();
    let tree = forgiving().child(book(&diary)).start().await.unwrap();
    let book = kept_one(&tree).await;
    for life in 1..=9 {
        tell(&book, |book, ctx| {
            add(book, ctx);
            Ok(())
        });
        fail(&book);
        up(&tree, "app/book", life + 1).await;
        assert_eq!(book.kept().unwrap().failed, 0);
    }
    assert_eq!(diary.latest().kept, Some(10));
}

// Found by reading: three redeliveries of one bad message, and a good value was set aside.
#[tokio::test]
async fn a_message_that_runs_again_is_blamed_before_the_value() {
    let diary = Diary::default();
    let tree = forgiving().child(book(&diary).redeliver(5)).start().await.unwrap();
    let book = kept_one(&tree).await;
    fail(&book);
    up(&tree, "app/book", 7).await;
    assert_eq!(book.accounting().redelivered, 5);
    // It was poison in the life that did not put it back, so that life counts.
    let kept = book.kept().unwrap();
    assert!(kept.failed == 1 && !kept.is_set_aside, "{kept:?}");
    assert_eq!(total(&book).await, 1);
    for message in 2..=3 {
        fail(&book);
        up(&tree, "app/book", 6 * message + 1).await;
    }
    assert_eq!((diary.latest().kept, book.kept().unwrap().is_set_aside), (None, true), "whatever the message");
}

#[tokio::test]
async fn kills_stops_and_missing_peers_do_not_count() {
    let diary = Diary::default();
    let tree = forgiving().child(book(&diary)).start().await.unwrap();
    let book = kept_one(&tree).await;
    for generation in 1..=15 {
        match generation % 3 {
            0 => book.kill().unwrap(),
            1 => drop(soon("the order", book.restart("why not")).await.unwrap()),
            _ => tell(&book, |_, _| {
                let (mailbox, peer) = regrow::mailbox::<u8>();
                drop(mailbox);
                Ok(peer.cast(1)?)
            }),
        }
        up(&tree, "app/book", generation + 1).await;
        assert_eq!(book.kept().unwrap().failed, 0);
    }
    assert_eq!((diary.latest().kept, book.kept().unwrap().lives), (Some(1), 15));
}

/// Fails to start with each value but 7.
struct Picky;

impl Service for Picky {
    type Msg = u64;
    async fn handle(&mut self, number: u64, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        ctx.keep(number);
        ctx.stop();
        Ok(())
    }
}

fn picky() -> ServiceChild<u64> {
    Child::service("picky", |ctx: Context<Picky>| async move {
        let kept = ctx.kept::<u64>()?.map_or(7, |kept| *kept);
        ensure!(kept == 7, "{kept} is not good");
        Ok(Picky)
    })
}

#[tokio::test]
async fn starts_that_fail_with_it_count() {
    let tree = forgiving().child(picky()).start().await.unwrap();
    let (picky, mut events) = (tree.lookup::<u64>("app/picky").unwrap(), tree.events());
    picky.cast(13).unwrap();
    let event = set_aside(&mut events).await.to_string();
    assert!(
        event.ends_with(": 3 lives in a row that began with it ended, the last one as failed: 13 is not good"),
        "{event}"
    );
    up(&tree, "app/picky", 2).await;
    assert_eq!(picky.accounting().attempts, 5);
    // A value of another type makes each start fail, and ends like this too.
    let wrong = Child::service("wrong", |ctx: Context<Picky>| async move {
        ctx.kept::<String>()?;
        Ok(Picky)
    });
    tree.supervisor("app").unwrap().start_child(wrong).await.unwrap();
    let wrong = tree.lookup::<u64>("app/wrong").unwrap();
    wrong.cast(13).unwrap();
    let event = set_aside(&mut events).await.to_string();
    assert!(event.contains("`app/wrong` keeps a `u64`, and not a `String`"), "{event}");
    up(&tree, "app/wrong", 2).await;
}

#[tokio::test]
async fn the_number_of_lives_outlives_the_supervisor() {
    let diary = Diary::default();
    // Each second crash ends the inner supervisor.
    let inner = Supervisor::one_for_one("inner").intensity(1, 60 * SEC).child(book(&diary));
    let tree = forgiving().child(inner).start().await.unwrap();
    let book = tree.lookup::<Page>("app/inner/book").unwrap();
    tell(&book, |book, ctx| {
        add(book, ctx);
        Ok(())
    });
    for life in 1..=4 {
        fail(&book);
        up(&tree, "app/inner/book", life + 1).await;
    }
    assert_eq!(diary.begun(), [None, Some(1), Some(1), Some(1), None]);
}

#[tokio::test(start_paused = true)]
async fn by_policy_the_child_is_parked_and_begins_without_it_then() {
    let rule = KeptRule::new(2).then(KeptThen::park(10 * SEC));
    let diary = Diary::default();
    let app = Supervisor::one_for_one("app").intensity(2, 60 * SEC);
    let tree = app.child(book(&diary).policy(Policy::default().kept(rule))).start().await.unwrap();
    let (book, mut events) = (kept_one(&tree).await, tree.events());
    for life in 1..=2 {
        fail(&book);
        up(&tree, "app/book", life + 1).await;
    }
    // The budget would not forgive another restart, and is not asked.
    fail(&book);
    parked(&book).await;
    assert!(matches!(
        book.cast(Page::Do(std::sync::Arc::new(|_, _| Ok(())))).unwrap_err().refusal(),
        Refusal::Parked { .. }
    ));
    set_aside(&mut events).await;
    hears(&mut events, "app/book#3 is parked, and tried again in 10.0s").await;
    // Found by a newcomer: it told of a budget that was used up.
    let why = book.why().await;
    assert!(why.is_parked_for_kept);
    assert!(why.to_string().contains("began with it failed, and its policy parks it for that."), "{why}");
    assert!(!why.to_string().contains("was used up"), "{why}");
    let before = tokio::time::Instant::now();
    up(&tree, "app/book", 4).await;
    assert_eq!(before.elapsed().as_secs(), 10);
    assert_eq!((diary.latest().kept, total(&book).await), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_life_that_was_a_success_begins_the_count_again() {
    let diary = Diary::default();
    let child = book(&diary).policy(Policy::default().reset_after(10 * SEC));
    let tree = forgiving().child(child).start().await.unwrap();
    let book = kept_one(&tree).await;
    for life in 1..=6 {
        fail(&book);
        up(&tree, "app/book", life + 1).await;
        let failed = book.kept().unwrap().failed;
        assert!(failed < 3, "{failed}");
        if life % 3 == 0 {
            tokio::time::advance(10 * SEC).await;
        }
    }
    assert_eq!(diary.latest().kept, Some(1));
}

// A life that is cut off has no end of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lives_that_hang_until_they_are_abandoned_count() {
    let (gate, diary) = (Gate::default(), Diary::default());
    let _open = gate.opener();
    let policy = Policy::default().watchdog(40 * MS).kept(KeptRule::new(1)).reset_after(60 * SEC);
    let child = book(&diary).shutdown(Shutdown::After(20 * MS)).abandon(Abandon::After(30 * MS)).policy(policy);
    let tree = forgiving().child(child).start().await.unwrap();
    let (book, mut events) = (kept_one(&tree).await, tree.events());
    book.kill().unwrap();
    up(&tree, "app/book", 2).await;
    let passed = gate.clone();
    tell(&book, move |_, _| {
        passed.pass();
        Ok(())
    });
    hears(&mut events, "app/book#2 was abandoned").await;
    set_aside(&mut events).await;
    up(&tree, "app/book", 3).await;
    assert_eq!(diary.begun(), [None, Some(1), None]);
    gate.open();
}

#[tokio::test]
async fn a_policy_file_sets_the_rule_and_mistakes_in_it_are_refused() {
    let file = "[path.\"app/book\"]\nkept = { lives = 1, then = { park = { delay = \"7s\" } } }\n";
    let policies = Policies::parse(file, "policy.toml").unwrap();
    let explained = policies.explain("app/book", None);
    let kept = explained.setting("kept").unwrap();
    assert_eq!(kept.value(), "lives 1, then park: delay 7s, factor 2, max_delay 1h, jitter none");
    assert_eq!(Policies::default().explain("x", None).setting("kept").unwrap().value(), "lives 3, then begin_empty");
    let diary = Diary::default();
    let tree = forgiving().policies(&policies).child(book(&diary)).start().await.unwrap();
    let book = kept_one(&tree).await;
    for _ in 0..2 {
        fail(&book);
    }
    parked(&book).await;
    tree.shutdown().await;
    for (wrong, said) in [
        ("{ lives = 0 }", "lives"),
        ("{ then = \"restart\" }", "unknown word \"restart\""),
        ("{ then = { park = { delay = \"0s\" } } }", "the first delay of a parked child is zero"),
        ("{ live = 3 }", "unknown field `live`"),
        ("\"off\"", "a table such as"),
    ] {
        let error = Policies::parse(&format!("[defaults]\nkept = {wrong}\n"), "policy.toml").unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    // In code it is refused at the start.
    let zero = crate::common::book::book(&diary).policy(Policy::default().kept(KeptRule::new(0)));
    let error = forgiving().child(zero).start().await.unwrap_err();
    assert!(error.to_string().contains("the number of lives of kept is zero"), "{error}");
    let none = KeptRule::new(1).then(KeptThen::Park(Backoff::listed([])));
    let error = forgiving().child(crate::common::book::book(&diary).policy(Policy::default().kept(none))).start().await;
    assert!(error.is_err());
    let above = Supervisor::one_for_one("sub").policy(Policy::default().kept(KeptRule::new(1)));
    let error = forgiving().child(above).start().await.unwrap_err();
    assert!(matches!(&error, StartError::NoEffect { setting: "kept", .. }), "{error}");
}
