//! Dead letters as an operator sees them: in the log, whether or not a program keeps them, and in their list, where they
//! can be looked at without being taken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use regrow::{
    Child, Context, DeadLetter, DeadLetters, Handle, Intensity, Overflow, ReplayFailure, Restart, Service, Supervisor,
    Tree,
};
use tokio::sync::Notify;

use crate::common::log::Log;

/// Reads numbers, and fails at anything else.
struct Parser {
    gate: Arc<Notify>,
}

impl Service for Parser {
    type Msg = String;

    async fn handle(&mut self, line: String, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match &*line {
            "wait" => self.gate.notified().await,
            "leave" => ctx.stop(),
            _ => drop(line.parse::<i64>()?),
        }
        Ok(())
    }

    fn label(line: &String) -> Option<&'static str> {
        assert_ne!(line, "unlabelled", "a label that panics is none");
        Some("line")
    }
}

async fn parser(overflow: Overflow) -> (Tree, Handle<String>) {
    parser_behind(Arc::default(), overflow).await
}

async fn parser_behind(gate: Arc<Notify>, overflow: Overflow) -> (Tree, Handle<String>) {
    let parser = Child::service_with("parser", gate, |gate, _| async { Ok(Parser { gate }) });
    let parser = parser.redeliver(1).capacity(2).overflow(overflow).restart(Restart::Transient);
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(parser).start().await.unwrap();
    let handle = tree.lookup("app/parser").unwrap();
    (tree, handle)
}

/// Until there is a letter, which stays where it is.
async fn a_letter(letters: &DeadLetters) -> DeadLetter {
    while letters.is_empty() {
        tokio::task::yield_now().await;
    }
    letters.list().remove(0)
}

async fn until_it_waits(handle: &Handle<String>) {
    handle.cast("wait".into()).unwrap();
    while handle.accounting().in_hand == 0 {
        tokio::task::yield_now().await;
    }
}

fn told(log: &Log) -> Vec<String> {
    log.take().into_iter().filter(|line| line.contains("dead letter")).collect()
}

const STRING: &str = "alloc::string::String";

// Found by a test backend (`newcomer/r06`): a poison message died without a word.
#[tokio::test(start_paused = true)]
async fn poison_is_logged_each_time_though_nothing_keeps_letters() {
    let (log, _listening) = Log::listen();
    let (tree, handle) = parser(Overflow::Refuse).await;
    for died in 1..=20 {
        handle.cast("four".into()).unwrap();
        while handle.accounting().dead_lettered < died {
            tokio::task::yield_now().await;
        }
    }
    let lines = told(&log);
    let first = format!(
        "WARN message became a dead letter path=app/parser generation=2 reason=poison message_type={STRING} label=line \
         attempt=2 exit.kind=failed exit.text=failed: invalid digit found in string"
    );
    assert_eq!((lines.len(), &lines[0]), (20, &first), "{lines:#?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_mailbox_sheds_is_logged_a_few_times_and_counted() {
    let (log, _listening) = Log::listen();
    let (tree, handle) = parser(Overflow::DropOldest).await;
    until_it_waits(&handle).await;
    (0..102).for_each(|number| handle.cast(number.to_string()).unwrap());
    let line = format!(
        "WARN message became a dead letter path=app/parser generation=1 reason=dropped_oldest message_type={STRING} \
         label=line attempt=0"
    );
    assert_eq!(told(&log), vec![line; 5]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokio::task::yield_now().await;
    let count = "WARN lines about dead letters were held back path=app/parser held_back=95 reason=dropped_oldest";
    assert_eq!(told(&log), [count]);

    // No mailbox outlives its tree.
    tree.shutdown_within(Duration::ZERO).await;
    let lines = told(&log);
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("DEBUG")), "{lines:#?}");
}

#[tokio::test]
async fn what_a_service_leaves_behind_is_logged_without_a_label_that_panics() {
    let (log, _listening) = Log::listen();
    let (tree, handle) = parser(Overflow::Refuse).await;
    handle.cast("leave".into()).unwrap();
    handle.cast("unlabelled".into()).unwrap();
    while handle.accounting().dead_lettered == 0 {
        tokio::task::yield_now().await;
    }
    let line = format!(
        "WARN message became a dead letter path=app/parser generation=1 reason=down message_type={STRING} attempt=0"
    );
    assert_eq!(told(&log), [line]);
    tree.shutdown().await;
}

// Found by a test backend (`newcomer/r06`): an admin page had to take a message out to show it.
#[tokio::test]
async fn a_letter_is_looked_at_and_stays_whole() {
    let (tree, handle) = parser(Overflow::Refuse).await;
    let letters = tree.dead_letters();
    handle.cast("four".into()).unwrap();
    let letter = a_letter(&letters).await;
    assert_eq!(letter.label(), Some("line"));
    assert_eq!(letter.peek(String::clone).as_deref(), Some("four"));
    assert_eq!(letter.peek(|number: &i64| *number), None, "it is of another type");
    catch_unwind(AssertUnwindSafe(|| letter.peek(|_: &String| panic!("the page is broken")))).unwrap_err();
    assert!(letter.is_whole() && letters.len() == 1);

    // No lock of ours is held: the letter can be used meanwhile, and says that it is in use.
    let failure = letter.peek(|line: &String| {
        assert!(letter.is_whole() && letters.list()[0].peek(String::clone).is_none());
        assert!(letter.clone().into_message::<String>().is_err());
        (line.clone(), letter.clone().replay().unwrap_err().failure())
    });
    assert_eq!(failure, Some(("four".into(), ReplayFailure::InUse)));
    assert_eq!(letter.into_message::<String>().unwrap(), "four");
    tree.shutdown().await;
}

#[tokio::test]
async fn a_letter_that_is_replayed_or_opened_leaves_the_list_and_one_that_is_refused_stays() {
    let gate = Arc::new(Notify::new());
    let (tree, handle) = parser_behind(gate.clone(), Overflow::DropNewest).await;
    let letters = tree.dead_letters();
    until_it_waits(&handle).await;
    (0..6).for_each(|number| handle.cast(number.to_string()).unwrap());
    let seen = || letters.list().iter().map(|letter| letter.peek(String::clone).unwrap()).collect::<Vec<_>>();
    assert_eq!(seen(), ["2", "3", "4", "5"]);

    let error = letters.list().remove(1).replay().unwrap_err();
    assert!(matches!(error.failure(), ReplayFailure::Refused(_)), "the mailbox is full");
    assert_eq!(seen(), ["2", "3", "4", "5"]);

    gate.notify_one();
    while handle.accounting().handled < 3 {
        tokio::task::yield_now().await;
    }
    error.into_letter().replay().unwrap();
    letters.list().remove(0).into_message::<String>().unwrap();
    assert_eq!(seen(), ["4", "5"]);
    assert_eq!(letters.len(), 2);
    tree.shutdown().await;
}
