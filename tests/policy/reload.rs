//! Policies for a tree that runs: what changes is told, what makes no sense changes nothing, and a file can be followed.

use std::time::Duration;

use crate::common::log::Log;
use crate::common::tree::{MS, SEC, hears_of, in_hand, parked, probe, soon, stands, up};
use regrow::policy::Policies;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{DynamicSupervisor, Intensity, Refusal, Restart, ServiceState, Supervisor, Tree};
use tokio::time::Instant;

async fn shop() -> Tree {
    let journal = Journal::new();
    let workers = DynamicSupervisor::new("workers").budget(Intensity::unlimited());
    let tree = Supervisor::one_for_one("shop")
        .budget(Intensity::unlimited())
        .child(journal.probe("db"))
        .child(journal.probe("web"))
        .child(workers.template(move |name: String| journal.probe(&name)))
        .start()
        .await
        .unwrap();
    add(&tree, "w-1").await;
    tree
}

async fn add(tree: &Tree, name: &str) {
    tree.dynamic("shop/workers").unwrap().template::<String>().unwrap().start_child(name.into()).await.unwrap();
}

fn parse(text: &str) -> Policies {
    Policies::parse(text, "shop.toml").unwrap()
}

async fn down_for(tree: &Tree, path: &str) -> Duration {
    let handle = probe(tree, path);
    let (generation, begun) = (handle.generation(), Instant::now());
    handle.kill().unwrap();
    up(tree, path, generation + 1).await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn policies_are_applied_live_and_the_answer_says_what_and_when() {
    let tree = shop().await;
    assert_eq!(down_for(&tree, "shop/db").await, Duration::ZERO);
    let file = parse(
        r#"
        [defaults]
        delay = "1s"
        [path."shop/web"]
        delay = "3s"
        start_timeout = "9s"
        mailbox = { capacity = 2 }
        [supervisor."shop"]
        max_restarts = 50
        within = "1m"
        [path."shop/nobody"]
        delay = "1s"
    "#,
    );
    let applied = tree.apply(&file).await.unwrap();
    let text = applied.to_string();
    for line in
        ["`shop/db` delay: not set -> ", "`shop/web` mailbox: ", "`shop/workers/w-1` delay: ", "`shop` max_restarts: "]
    {
        assert!(applied.live.iter().any(|change| change.to_string().starts_with(line)), "{line} is not in\n{text}");
    }
    assert_eq!(
        applied.at_next_start.iter().map(|change| (&*change.path, change.field)).collect::<Vec<_>>(),
        [("shop/web", "start_timeout")]
    );
    assert!(applied.warnings.len() == 1 && applied.warnings[0].contains("] matches nothing in the tree"), "{text}");

    assert_eq!([down_for(&tree, "shop/db").await, down_for(&tree, "shop/web").await], [SEC, 3 * SEC]);
    assert_eq!(down_for(&tree, "shop/workers/w-1").await, SEC);
    // They hold for a child that is started later too, and for a supervisor that is started again.
    add(&tree, "w-2").await;
    assert_eq!(down_for(&tree, "shop/workers/w-2").await, SEC);
    let web = probe(&tree, "shop/web");
    web.cast(ProbeMsg::Hang).unwrap();
    in_hand(&web).await;
    assert!(web.cast(ProbeMsg::Note(1)).is_ok() && web.cast(ProbeMsg::Note(2)).is_ok());
    assert_eq!(web.cast(ProbeMsg::Note(3)).unwrap_err().refusal(), Refusal::Full);

    // What is said of every service is not said of a supervisor.
    assert!(!applied.live.iter().any(|change| &*change.path == "shop/workers"), "{text}");
    // The same again is nothing new; nothing at all gives the code its word back.
    assert!(tree.apply(&file).await.unwrap().is_empty());
    let back = tree.apply(&parse("")).await.unwrap();
    assert!(back.live.iter().any(|change| change.to_string().starts_with("`shop/db` delay: ")), "{back}");
    assert_eq!(down_for(&tree, "shop/db").await, Duration::ZERO);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_for_this_tree_changes_nothing() {
    let tree = shop().await;
    tree.apply(&parse("[defaults]\nfactor = 1.0\ndelay = \"1s\"")).await.unwrap();
    for (text, said) in [
        ("[path.\"shop/web\"]\ndepends_on = [\"nobody\"]", "`shop/web` depends on `nobody`, which is not in the tree"),
        (
            "[path.\"shop/w*\"]\ndepends_on = [\"db\"]\n[path.\"shop/d*\"]\ndepends_on = [\"web\"]",
            "depend on each other in a circle: shop/db -> shop/web -> shop/db",
        ),
    ] {
        let error = tree.apply(&parse(&format!("[defaults]\ndelay = \"9s\"\n{text}"))).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(down_for(&tree, "shop/db").await, SEC, "as before");
    }
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn budgets_keep_their_history_through_a_change() {
    let tree = shop().await;
    let own = |restarts| {
        parse(&format!("[path.\"shop/db\"]\nmax_restarts = {restarts}\nwithin = \"1m\"\non_give_up = \"park\""))
    };
    tree.apply(&own(5)).await.unwrap();
    for _ in 0..3 {
        down_for(&tree, "shop/db").await;
    }
    tree.apply(&own(3)).await.unwrap();
    assert!(tree.why("shop/db").await.unwrap().to_string().contains("Of its own budget, 0 of 3 restarts"));
    tree.kill("shop/db").unwrap();
    parked(&probe(&tree, "shop/db")).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_tree_can_begin_under_policies_and_refuses_bad_ones() {
    let journal = Journal::new();
    let start = |text: &str| Supervisor::one_for_one("app").policies(&parse(text)).child(journal.probe("a")).start();
    let tree = start("[defaults]\ndelay = \"2s\"\nmax_restarts = 9").await.unwrap();
    assert_eq!(down_for(&tree, "app/a").await, 2 * SEC);
    tree.shutdown().await;
    let error = start("[path.\"app/a\"]\ndepends_on = [\"b\"]").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`app/a` depends on `b`, which is not in the tree: name a sibling, or a full path that begins with a slash"
    );
}

#[tokio::test(start_paused = true)]
async fn reloads_and_crashes_at_the_same_time_are_safe() {
    let tree = shop().await;
    let directory = tree.directory();
    let killer = tokio::spawn(async move {
        for number in 0..400_u32 {
            let path = ["shop/db", "shop/web", "shop/workers", "shop/workers/w-1"][number as usize % 4];
            let _ = directory.kill(path);
            tokio::time::sleep(MS).await;
        }
    });
    let delays = ["1ms", "3ms", "2ms", "7ms"];
    for number in 0..100 {
        let text = format!("[defaults]\ndelay = \"{}\"\nmax_restarts = \"unlimited\"", delays[number % 4]);
        soon("an answer", tree.apply(&parse(&text))).await.unwrap();
        tokio::time::sleep(3 * MS).await;
    }
    killer.await.unwrap();
    tokio::time::sleep(SEC).await;
    let last =
        tree.apply(&parse("[defaults]\nfactor = 1.0\ndelay = \"5s\"\nmax_restarts = \"unlimited\"")).await.unwrap();
    assert!(last.not_running.is_empty(), "{last}");
    assert_eq!([down_for(&tree, "shop/db").await, down_for(&tree, "shop/web").await], [5 * SEC; 2]);
    assert!(tree.directory().entries().iter().all(|entry| entry.accounting.is_balanced()));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_file_is_followed_through_good_and_bad_and_half_written_ones() {
    let tree = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, "[defaults]\ndelay = \"1ms\"").unwrap();
    let mut followed = tree.follow_policies(&path, 2 * MS);
    let applied = soon("the first", followed.next()).await.unwrap().unwrap();
    assert!(!applied.is_empty());

    std::fs::write(&path, "[defaults]\ndely = \"2ms\"").unwrap();
    let error = soon("the bad one", followed.next()).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("did you mean `delay`"), "{error}");

    // One that is replaced while it is read, as editors and deployments do.
    for number in 0..50 {
        let next = folder.path().join("next.toml");
        std::fs::write(&next, format!("[defaults]\ndelay = \"{}ms\"\n# {}", number + 3, "x".repeat(5000))).unwrap();
        std::fs::rename(&next, &path).unwrap();
    }
    let in_force = async {
        loop {
            let applied = followed.next().await.unwrap().unwrap();
            if applied.live.iter().any(|change| change.after.contains("52ms")) {
                return;
            }
        }
    };
    soon("the last of many", in_force).await;

    std::fs::remove_file(&path).unwrap();
    let error = soon("the lost one", followed.next()).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("policy.toml"), "{error}");
    followed.reload();
    assert!(soon("what was asked for", followed.next()).await.unwrap().is_err());
    let mut events = tree.events();
    tree.kill("shop/db").unwrap();
    hears_of(&mut events, "shop/db#1 is started again in 5").await;
    tree.shutdown().await;
    assert!(soon("the end", followed.next()).await.is_none());
}

// Code that follows a file with an interval of an hour is told at once that the tree is over.
#[tokio::test(start_paused = true)]
async fn following_ends_with_the_tree() {
    let tree = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, "").unwrap();
    let mut followed = tree.follow_policies(&path, 3600 * SEC);
    soon("the first", followed.next()).await.unwrap().unwrap();
    tree.shutdown().await;
    assert!(soon("the end", followed.next()).await.is_none());
}

// A change whose future was dropped is not left half made.
#[tokio::test(start_paused = true)]
async fn a_change_that_has_begun_is_made_whole() {
    let tree = shop().await;
    for seconds in 1..20 {
        let delay = parse(&format!("[defaults]\ndelay = \"{seconds}s\""));
        let dropped = tokio::time::timeout(Duration::ZERO, tree.apply(&delay)).await;
        assert!(dropped.is_err(), "it was made in one turn, and this test tests nothing");
        let again = tree.apply(&delay).await.unwrap();
        assert!(again.is_empty(), "it was half made: {again}");
    }
    tree.shutdown().await;
}

// Found by a test backend: the log had the number of changes; a misspelt path was in an answer that nothing read.
#[tokio::test(start_paused = true)]
async fn the_log_tells_what_a_followed_file_changed_what_it_warned_of_and_why_it_was_refused() {
    let (log, _listening) = Log::listen();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.toml");
    let tree = shop().await;
    std::fs::write(&path, "[path.\"shop/wbe\"]\ndelay = \"1s\"\n\n[path.\"shop/web\"]\nwatchdog = \"9s\"\n").unwrap();
    log.take();
    let mut followed = tree.follow_policies(&path, SEC);
    soon("the first answer", followed.next()).await.unwrap().unwrap();
    let file = path.display();
    let lines = [
        "INFO policy changed path=shop/web field=watchdog from=not set to=9s in_force=now".to_owned(),
        format!(
            "WARN policy file warns file={file} line=1 column=7 text=[path.\"shop/wbe\"] matches nothing in the tree \
             advice=did you mean \"shop/web\"?"
        ),
        format!("INFO policy file applied file={file} live=1 at_next_start=0 warnings=1"),
    ];
    assert_eq!(log.take(), lines);

    std::fs::write(&path, "[path.\"shop/web\"]\nwatchdogs = \"9s\"\n").unwrap();
    soon("the second answer", followed.next()).await.unwrap().unwrap_err();
    let lines = log.take();
    let refused = format!("ERROR policy file refused: nothing has changed file={file} line=2 column=1 text=");
    assert!(lines.len() == 1 && lines[0].starts_with(&refused), "{lines:#?}");

    // It fits no tree of this kind: what is wrong is found when it is applied.
    std::fs::write(&path, "[path.\"shop/web\"]\ndepends_on = [\"web\"]\n").unwrap();
    soon("the third answer", followed.next()).await.unwrap().unwrap_err();
    let lines = log.take();
    assert!(lines.len() == 1 && lines[0].starts_with("ERROR policy file refused: nothing has changed"), "{lines:#?}");
    tokio::time::sleep(60 * SEC).await;
    assert!(log.take().is_empty(), "each text is told once");
    tree.shutdown().await;
}

#[tokio::test]
async fn a_tree_that_starts_under_policies_tells_in_the_log_what_is_said_in_vain() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let file = parse("[path.\"shop/pool/w-*\"]\ndelay = \"1s\"\n\n[path.\"shop/wbe\"]\ndelay = \"1s\"\n");
    let pool = DynamicSupervisor::new("pool").template({
        let journal = journal.clone();
        move |name: String| journal.probe(&name)
    });
    let tree = Supervisor::one_for_one("shop").child(journal.probe("web")).child(pool).policies(&file);
    let tree = tree.start().await.unwrap();
    let warnings = |log: &Log| log.take().into_iter().filter(|line| line.contains("policy file")).collect::<Vec<_>>();
    let line = |line, pattern| {
        format!(
            "WARN policy file warns file=shop.toml line={line} column=7 text=[path.\"{pattern}\"] matches nothing in the tree"
        )
    };
    // What the pool will have is not known yet.
    assert_eq!(warnings(&log), [line(4, "shop/wbe") + " advice=did you mean \"shop/web\"?"]);

    tree.dynamic("shop/pool").unwrap().template::<String>().unwrap().start_child("x-1".into()).await.unwrap();
    tree.apply(&file).await.unwrap();
    let told = warnings(&log);
    assert!(told.len() == 2 && told.iter().any(|told| told.starts_with(&line(1, "shop/pool/w-*"))), "{told:#?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_sleeps_learns_of_its_idle_time_and_of_its_end() {
    let service = |name: &str| Journal::new().probe(name).restart(Restart::Transient);
    let tree = Supervisor::one_for_one("shop").child(service("till")).child(service("other")).start().await.unwrap();
    let file = parse("[path.\"shop/till\"]\nmailbox = { idle_after = \"10s\" }\n");
    tokio::time::sleep(3600 * SEC).await;
    assert_eq!(probe(&tree, "shop/till").status().state, ServiceState::Up);
    let applied = tree.apply(&file).await.unwrap();
    assert!(applied.to_string().contains("idle_after 10s"), "{applied}");
    let begun = Instant::now();
    stands(&tree, "shop/till", ServiceState::Down).await;
    assert!(begun.elapsed() >= 9 * SEC, "{:?}", begun.elapsed());
    assert_eq!(probe(&tree, "shop/other").status().state, ServiceState::Up);
    tree.shutdown().await;
}
