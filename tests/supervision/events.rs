//! What a tree tells: its events, what a panic said and where, and the log.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::common::log::Log;
use crate::common::tree::{SEC, Starter, Starts, heard, heard_to_the_end, hears, hears_of, probe, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, Context, EventKind, Exit, Intensity, Lagged, Panic, Restart, Service, ServiceChild, Supervisor};

/// Ends as it is told to.
struct Ender;

enum End {
    Panic,
    PanicWith(Payload),
    Fail,
}

enum Payload {
    Number,
    Bomb,
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload went off");
    }
}

const PANIC_LINE: u32 = line!() + 7;

impl Service for Ender {
    type Msg = End;

    async fn handle(&mut self, end: End, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match end {
            End::Panic => panic!("the {} is full", "disk"),
            End::PanicWith(Payload::Number) => std::panic::panic_any(5),
            End::PanicWith(Payload::Bomb) => std::panic::panic_any(Bomb),
            End::Fail => Err(std::io::Error::other("disk full").into()),
        }
    }
}

fn ender() -> ServiceChild<End> {
    Child::service("ender", |ctx: Context<Ender>| async move {
        ctx.info(format!("life {}", ctx.generation()));
        Ok(Ender)
    })
}

#[tokio::test]
async fn a_death_and_its_consequences_are_told_in_order() {
    let (journal, starts) = (Journal::new(), Starts::failing([2]));
    let tree = Supervisor::one_for_all("app")
        .intensity(2, SEC)
        .child(ender())
        .child(Starter::child("fails", &journal, &starts))
        .child(journal.probe("job").restart(Restart::Temporary))
        .child(journal.probe("rests").restart(Restart::Transient))
        .start()
        .await
        .unwrap();
    let mut events = tree.events();
    probe(&tree, "app/rests").cast(ProbeMsg::Stop).unwrap();
    hears(&mut events, "app/rests#1 is down").await;
    tree.kill("app/ender").unwrap();
    up(&tree, "app/rests", 2).await;
    tree.shutdown().await;
    let story = [
        "app/ender#1 exited: killed",
        "app/job#1 exited: shutdown",
        "app/job#1 is gone",
        "app/fails#1 exited: shutdown",
        "app/ender#2 started (life 2)",
        "app/fails#1 failed to start: failed: attempt 2 fails",
        "app/ender#2 exited: shutdown",
        "app/ender#3 started (life 3)",
        "app/fails#2 started",
        "app/rests#2 started",
        "app/rests#2 exited: shutdown",
        "app/fails#2 exited: shutdown",
        "app/ender#3 exited: shutdown",
    ];
    assert_eq!(heard_to_the_end(&mut events).await, story);
}

async fn exit_of(end: End) -> Exit {
    let tree = Supervisor::one_for_one("app").child(ender()).start().await.unwrap();
    let mut events = tree.events();
    tree.lookup("app/ender").unwrap().cast(end).unwrap();
    let event = hears_of(&mut events, "app/ender#1 exited").await;
    up(&tree, "app/ender", 2).await;
    tree.shutdown().await;
    match event.kind {
        EventKind::Exited { exit } => exit,
        other => panic!("{other}"),
    }
}

async fn panic_of(end: End) -> Panic {
    match exit_of(end).await {
        Exit::Panicked(panic) => panic,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_panic_tells_what_it_said_and_where() {
    let panic = panic_of(End::Panic).await;
    assert_eq!(&*panic.message, "the disk is full");
    let place = panic.location.unwrap();
    assert!(place.starts_with(&format!("tests/supervision/events.rs:{PANIC_LINE}:")), "{place}");
}

#[tokio::test]
async fn a_panic_with_anything_else_than_text_tells_at_least_where() {
    for payload in [Payload::Number, Payload::Bomb] {
        let panic = panic_of(End::PanicWith(payload)).await;
        assert_eq!(&*panic.message, "a panic whose payload is no text");
        assert!(panic.location.unwrap().starts_with("tests/supervision/events.rs:"));
    }
}

#[tokio::test]
async fn an_error_tells_its_text_and_can_be_had_itself() {
    let Exit::Failed(failure) = exit_of(End::Fail).await else { panic!("it returned an error") };
    assert_eq!(failure.message(), "disk full");
    let error = failure.cause::<anyhow::Error>().unwrap();
    assert!(error.is::<std::io::Error>());
}

#[tokio::test]
async fn a_slow_subscriber_is_told_how_much_it_missed_and_goes_on_behind_the_gap() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(journal.probe("a"));
    let tree = tree.start().await.unwrap();
    let (a, mut slow, mut quick) = (probe(&tree, "app/a"), tree.events(), tree.events());
    const LIVES: u64 = 2500;
    let mut quickly = 0;
    for generation in 2..LIVES + 2 {
        a.kill().unwrap();
        assert_eq!(a.call(ProbeMsg::Generation).await.unwrap(), generation);
        quickly += heard(&mut quick).len() as u64;
    }
    tree.shutdown().await;
    quickly += heard(&mut quick).len() as u64;
    assert_eq!(quickly, 2 * LIVES + 1, "an exit and a start for each, and the last exit");

    let first = slow.next().await.unwrap();
    let Err(Lagged(missed)) = first else { panic!("nothing was missed: {first:?}") };
    let rest = heard_to_the_end(&mut slow).await;
    assert_eq!(missed + rest.len() as u64, quickly);
    assert_eq!(rest.last().unwrap(), &format!("app/a#{} exited: shutdown", LIVES + 1));
}

#[tokio::test]
async fn every_subscriber_hears_all_from_when_it_came_until_the_tree_ends() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(journal.probe("a"));
    let tree = tree.start().await.unwrap();
    let mut early = tree.events();
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    let (mut late, dropped) = (tree.events(), tree.events());
    drop(dropped);
    tree.shutdown().await;
    let story = ["app/a#1 exited: killed", "app/a#2 started", "app/a#2 exited: shutdown"];
    assert_eq!(heard_to_the_end(&mut early).await, story);
    assert_eq!(heard_to_the_end(&mut late).await, story[2..]);
    assert!(late.next().await.is_none() && late.try_next().is_none());
}

/// Runs one test of this file again, in a process of its own, and returns what it printed.
fn again(test: &str, backtrace: &str) -> Option<String> {
    if std::env::var_os("REGROW_AGAIN").is_some() {
        return None;
    }
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
        .env("REGROW_AGAIN", "1")
        .env("RUST_BACKTRACE", backtrace);
    let output = command.env_remove("RUST_LIB_BACKTRACE").output().unwrap();
    let printed = [output.stdout, output.stderr].map(|printed| String::from_utf8_lossy(&printed).into_owned()).concat();
    assert!(output.status.success(), "{printed}");
    Some(printed)
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

// The hook belongs to the process, so this test runs in a process of its own.
#[test]
fn a_users_panic_hook_is_still_called_and_hears_every_panic() {
    if let Some(printed) = again("a_users_panic_hook_is_still_called_and_hears_every_panic", "0") {
        assert!(printed.contains("the hook heard 3"), "{printed}");
        return;
    }
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    std::panic::set_hook(Box::new(|_| {
        HEARD.fetch_add(1, SeqCst);
    }));
    let panic = block_on(panic_of(End::Panic));
    assert!(panic.location.is_some() && panic.backtrace.is_none(), "nobody asked for a backtrace");
    // Panics that are none of ours are not recorded, and not mistaken for a service's.
    std::panic::catch_unwind(|| panic!("somebody else's")).unwrap_err();
    assert_eq!(&*block_on(panic_of(End::Panic)).message, "the disk is full");
    println!("the hook heard {}", HEARD.load(SeqCst));
}

#[test]
fn a_panic_tells_its_backtrace_when_the_environment_asks_for_one() {
    if let Some(printed) = again("a_panic_tells_its_backtrace_when_the_environment_asks_for_one", "1") {
        assert!(printed.contains("events::Ender as regrow::service::Service>::handle"), "{printed}");
        return;
    }
    let (log, _listening) = Log::listen();
    let panic = block_on(panic_of(End::Panic));
    let backtrace = panic.backtrace.as_deref().expect("the environment asks for one");
    let lines = log.take();
    assert!(lines.iter().any(|line| line.starts_with("WARN child exited") && line.contains(backtrace)), "{lines:#?}");
    println!("{backtrace}");
}

/// So many services panic at the same place, one after the other.
async fn panic_in_a_loop(times: u64) {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(ender()).start().await.unwrap();
    for generation in 2..times + 2 {
        tree.lookup("app/ender").unwrap().cast(End::Panic).unwrap();
        up(&tree, "app/ender", generation).await;
    }
    tree.shutdown().await;
}

fn panics_printed(printed: &str) -> usize {
    printed.matches(&format!("panicked at tests/supervision/events.rs:{PANIC_LINE}:")).count()
}

// Found by a test backend: each crash of a loop wrote 28 kB to stderr, and the same 28 kB to the log.
#[test]
fn a_loop_of_panics_has_its_backtrace_in_the_log_once_and_nowhere_else() {
    if let Some(printed) = again("a_loop_of_panics_has_its_backtrace_in_the_log_once_and_nowhere_else", "1") {
        assert!(!printed.contains("stack backtrace:") && panics_printed(&printed) >= 1, "{printed}");
        return;
    }
    let (log, _listening) = Log::listen();
    block_on(panic_in_a_loop(4));
    let lines: Vec<_> = log.take().into_iter().filter(|line| line.contains("exit.kind=panicked")).collect();
    let has_backtrace: Vec<_> = lines.iter().map(|line| line.contains(" backtrace=")).collect();
    assert_eq!(has_backtrace, [true, false, false, false], "{lines:#?}");
    assert!(
        lines[3].contains(&format!("the disk is full at tests/supervision/events.rs:{PANIC_LINE}:")),
        "{}",
        lines[3]
    );
}

#[test]
fn without_a_log_a_loop_of_panics_prints_its_backtrace_once_and_each_panic() {
    if let Some(printed) = again("without_a_log_a_loop_of_panics_prints_its_backtrace_once_and_each_panic", "1") {
        assert_eq!((printed.matches("stack backtrace:").count(), panics_printed(&printed)), (1, 4), "{printed}");
        return;
    }
    block_on(panic_in_a_loop(4));
}
