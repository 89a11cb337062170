//! Cases that users reported as missing or surprising, each played with the calls that there are for it now.

use std::sync::{Arc, Mutex};

use regrow::testing::until_event;
use regrow::{
    Backoff, Child, Context, DeadReason, Event, EventKind, Events, Exit, ExitKind, ExitRule, Handle, Intensity,
    PeerDown, Policy, Recipient, Reply, RuleAction, Service, ServiceChild, Strategy, Supervisor, Tree,
};

use crate::common::mail::*;
use crate::common::story::Story;
use crate::common::tree::{MS, SEC};

/// A tree that forgives no restart: one that is charged ends it.
async fn without_a_budget(child: impl Into<Child>) -> Tree {
    soon(Supervisor::one_for_one("app").budget(Intensity::new(0, SEC)).child(child).start()).await.unwrap()
}

/// A tree that forgives every restart.
async fn forgiving_tree(child: impl Into<Child>) -> Tree {
    soon(forgiving(Strategy::OneForOne).child(child).start()).await.unwrap()
}

// ---- Overload.

/// A desk that needs 10 ms for a call, and may ask first whether it is wanted.
#[derive(Clone)]
struct Desk {
    asks_first: bool,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    begun: usize,
    skipped: usize,
}

impl Service for Desk {
    type Msg = Reply<()>;
    async fn handle(&mut self, reply: Reply<()>, _: &mut Context<Self>) -> anyhow::Result<()> {
        if self.asks_first && !reply.is_wanted() {
            self.counts.lock().unwrap().skipped += 1;
            return Ok(());
        }
        self.counts.lock().unwrap().begun += 1;
        tokio::time::sleep(10 * MS).await;
        reply.send(());
        Ok(())
    }
}

impl Desk {
    fn new(asks_first: bool) -> Self {
        Self { asks_first, counts: Arc::default() }
    }

    fn child(&self) -> ServiceChild<Reply<()>> {
        Child::service_with("desk", self.clone(), |desk, _| async { Ok(desk) })
    }
}

/// Makes 200 calls at once, each with a limit of 50 ms, and waits until the mailbox is worked off. Returns the number of
/// calls that were answered, and of those that were left out by the mailbox.
async fn overload(child: ServiceChild<Reply<()>>) -> (usize, u64) {
    let tree = forgiving_tree(child).await;
    let desk = tree.lookup::<Reply<()>>("app/desk").unwrap();
    let calls: Vec<_> = (0..200).map(|_| tokio::spawn(desk.call(|reply| reply).within(50 * MS))).collect();
    let mut answered = 0;
    for call in calls {
        answered += usize::from(call.await.unwrap().is_ok());
    }
    desk.call(|reply| reply).await.unwrap();
    let left_out = desk.accounting().dead_lettered;
    soon(tree.shutdown()).await;
    (answered, left_out)
}

#[tokio::test(start_paused = true)]
async fn calls_whose_callers_have_given_up_are_not_carried_out_if_the_service_skips_them() {
    let desk = Desk::new(false);
    let (answered, left_out) = overload(desk.child().skip_abandoned_calls()).await;
    // The last of the 201 is the one without a limit.
    let begun = desk.counts.lock().unwrap().begun - 1;
    assert!((4..=5).contains(&answered), "{answered}");
    assert!(begun <= answered + 1, "{answered} calls were answered in time, and {begun} were carried out");
    assert_eq!(left_out, 200 - begun as u64);
}

#[tokio::test(start_paused = true)]
async fn a_service_skips_calls_by_hand_if_it_asks_whether_their_replies_are_wanted() {
    let desk = Desk::new(true);
    let (answered, left_out) = overload(desk.child()).await;
    let Counts { begun, skipped } = *desk.counts.lock().unwrap();
    assert!(begun - 1 <= answered + 1, "{answered} calls were answered in time, and {begun} were carried out");
    assert_eq!((begun + skipped, left_out), (201, 0));
}

// ---- Restarts on purpose.

/// A worker that writes a line in its stop hook.
fn closes(lines: &Story) -> ServiceChild<Job> {
    let lines = lines.clone();
    hooked("worker", move |ctx| {
        let line = format!("hook of {}", ctx.generation());
        lines.tell(line);
        async { Ok(()) }
    })
}

fn line(lines: &Story, text: impl Into<String>) -> Job {
    let (lines, text) = (lines.clone(), text.into());
    run(async move |ctx| {
        lines.tell(format!("{text} in {}", ctx.generation()));
        Ok(())
    })
}

/// Waits until the supervisor has begun to carry out an order to restart.
async fn ordered(events: &mut Events) {
    let is_order = |event: &Event| matches!(event.kind, EventKind::RestartOrdered { .. });
    soon(until_event(events, is_order)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_restart_by_order_finishes_the_message_in_hand_and_keeps_the_queue() {
    let lines = Story::default();
    let tree = without_a_budget(closes(&lines)).await;
    let (worker, mut events) = (tree.lookup::<Job>("app/worker").unwrap(), tree.events());
    for round in 1..=3 {
        let held = busy(&worker).await;
        for number in 0..3 {
            worker.cast(line(&lines, number.to_string())).unwrap();
        }
        let mut restart = Box::pin(worker.restart("new settings"));
        assert!(is_waiting(&mut restart).await, "the message in hand is not finished");
        ordered(&mut events).await;
        worker.cast(line(&lines, "between")).unwrap();
        held.then(line(&lines, "in hand"));
        let restarted = soon(restart).await.unwrap().up().unwrap();
        assert_eq!(restarted.generation, round + 1);
        assert_eq!(soon(worker.call(generation)).await.unwrap(), round + 1);

        let (old, new) = (round, round + 1);
        let queued = ["0", "1", "2", "between"].map(|text| format!("{text} in {new}"));
        let expected: Vec<_> =
            [format!("in hand in {old}"), format!("hook of {old}")].into_iter().chain(queued).collect();
        assert_eq!(lines.take(), expected);
    }
    assert_eq!((worker.accounting().crashed, worker.accounting().dead_lettered), (0, 0));
    assert!(soon(tree.shutdown()).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn an_operator_restarts_a_child_by_its_path() {
    let lines = Story::default();
    let tree = without_a_budget(closes(&lines)).await;
    let (worker, mut events) = (tree.lookup::<Job>("app/worker").unwrap(), tree.events());
    let held = busy(&worker).await;
    for number in 0..100 {
        worker.cast(line(&lines, number.to_string())).unwrap();
    }
    let mut restart = Box::pin(tree.restart("app/worker", "an operator"));
    assert!(is_waiting(&mut restart).await);
    ordered(&mut events).await;
    held.release();
    soon(restart).await.unwrap();
    soon(worker.call(generation)).await.unwrap();
    let lines = lines.take();
    assert_eq!((lines.len(), &*lines[0], &*lines[100]), (101, "hook of 1", "99 in 2"));
    assert!(soon(worker.why()).await.to_string().contains("an operator"));
    assert!(soon(tree.shutdown()).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_service_restarts_itself_for_free_by_a_rule_for_its_normal_ends() {
    let lines = Story::default();
    let free = ExitRule::new(RuleAction::Restart).on(ExitKind::Normal).free();
    let tree = without_a_budget(closes(&lines).policy(Policy::default().rule(free))).await;
    let worker = tree.lookup::<Job>("app/worker").unwrap();
    for number in 0..5 {
        worker.cast(leaves()).unwrap();
        worker.cast(line(&lines, number.to_string())).unwrap();
    }
    assert_eq!(soon(worker.call(generation)).await.unwrap(), 6);
    let expected: Vec<_> = (0..5).flat_map(|n| [format!("hook of {}", n + 1), format!("{n} in {}", n + 2)]).collect();
    assert_eq!(lines.take(), expected);
    assert_eq!(worker.accounting().crashed, 0);
    assert!(soon(tree.shutdown()).await.is_clean());
}

// ---- Timers.

/// A service with a tick every 10 ms. Each tick knows the incarnation that it is for.
struct Ticker(Story);

enum Tick {
    Of(u64),
    /// Takes 100 ms, and panics.
    Crash,
    Enough(Reply<()>),
}

impl Service for Ticker {
    type Msg = Tick;
    async fn handle(&mut self, msg: Tick, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Tick::Of(generation) => self.0.tell(format!("tick of {generation} in {}", ctx.generation())),
            Tick::Crash => {
                tokio::time::sleep(100 * MS).await;
                panic!("as ordered");
            }
            Tick::Enough(reply) => drop(reply.send(())),
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn ticks_of_an_incarnation_that_crashed_do_not_reach_the_next_one() {
    let lines = Story::default();
    let ticker = Child::service_with("ticker", lines.clone(), |lines, ctx: Context<Ticker>| async move {
        let generation = ctx.generation();
        ctx.interval(10 * MS, move || Tick::Of(generation));
        Ok(Ticker(lines))
    });
    let tree = forgiving_tree(ticker).await;
    let ticker = tree.lookup::<Tick>("app/ticker").unwrap();
    ticker.cast(Tick::Crash).unwrap();
    tokio::time::sleep(155 * MS).await;
    soon(ticker.call(Tick::Enough)).await.unwrap();
    assert_eq!(ticker.generation(), 2);
    let seen = lines.take();
    assert!(seen.len() >= 4 && seen.iter().all(|line| line == "tick of 2 in 2"), "{seen:?}");
    assert!(ticker.accounting().dead_lettered >= 9, "{}", ticker.accounting());
    soon(tree.shutdown()).await;
}

// ---- First starts.

#[tokio::test(start_paused = true)]
async fn a_first_start_that_fails_is_tried_again_after_the_delays_if_a_rule_says_so() {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let begun = tokio::time::Instant::now();
    let failing = Child::service_with("worker", attempts.clone(), move |attempts, _| async move {
        let number = {
            let mut attempts = attempts.lock().unwrap();
            attempts.push(begun.elapsed());
            attempts.len()
        };
        anyhow::ensure!(number > 3, "attempt {number}");
        Ok(Worker::default())
    });
    let policy = Policy::default()
        .backoff(Backoff::new(SEC).factor(2.0))
        .budget(Intensity::unlimited())
        .rule(ExitRule::new(RuleAction::Restart).on(ExitKind::StartFailed));
    let tree = without_a_budget(failing.policy(policy)).await;
    let worker = tree.lookup::<Job>("app/worker").unwrap();
    assert_eq!(soon(worker.call(generation)).await.unwrap(), 1);
    let attempts: Vec<_> = attempts.lock().unwrap().iter().map(|at| at.as_secs()).collect();
    assert_eq!(attempts, [0, 1, 3, 7]);
    assert!(soon(tree.shutdown()).await.is_clean());
}

// ---- Monitors.

/// A service that is told of the ends of `worker`.
struct Watcher(Vec<PeerDown>);

enum Watch {
    Down(PeerDown),
    Seen(Reply<Vec<PeerDown>>),
}

impl Service for Watcher {
    type Msg = Watch;
    async fn handle(&mut self, msg: Watch, _: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Watch::Down(down) => self.0.push(down),
            Watch::Seen(reply) => drop(reply.send(self.0.clone())),
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_monitor_tells_of_each_end_with_its_exit_and_misses_none() {
    let watcher = Child::service("watcher", |ctx: Context<Watcher>| async move {
        ctx.monitor(&ctx.lookup::<Job>("worker")?, Watch::Down);
        Ok(Watcher(Vec::new()))
    });
    let tree = soon(forgiving(Strategy::OneForOne).child(worker("worker")).child(watcher).start()).await.unwrap();
    let (worker, watcher) = (tree.lookup::<Job>("app/worker").unwrap(), tree.lookup::<Watch>("app/watcher").unwrap());
    let mut stream = worker.monitor();
    for (job, generation) in [(panics(), 1), (fails(), 2)] {
        worker.cast(job).unwrap();
        let down = soon(stream.recv()).await.unwrap();
        assert_eq!((down.generation, down.ends), (generation, 1));
        until_generation(&worker, generation + 1).await;
    }
    let seen = soon(watcher.call(Watch::Seen)).await.unwrap();
    assert_eq!(seen.iter().map(|down| down.ends).sum::<u64>(), 2);
    assert!(matches!(&seen.last().unwrap().exit, Some(Exit::Failed(failure)) if failure.to_string() == "out of paper"));
    soon(tree.shutdown()).await;
    assert_eq!(soon(stream.recv()).await.map(|down| down.generation), Some(3));
    assert!(soon(stream.recv()).await.is_none(), "the worker is gone");
}

// ---- Redelivery.

#[derive(Clone)]
struct Poison;

/// A service that writes down which try of a message it sees, and fails.
struct Eater(Story);

impl Service for Eater {
    type Msg = Poison;
    async fn handle(&mut self, _: Poison, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.0.tell(format!("try {} in {}", ctx.delivery(), ctx.generation()));
        panic!("poison");
    }
}

#[tokio::test]
async fn a_handler_sees_which_try_of_a_redelivered_message_it_runs() {
    let lines = Story::default();
    let eater = Child::service_with("eater", lines.clone(), |lines, _| async { Ok(Eater(lines)) }).redeliver(2);
    let tree = forgiving_tree(eater).await;
    let (eater, letters) = (tree.lookup::<Poison>("app/eater").unwrap(), tree.dead_letters());
    for _ in 0..2 {
        eater.cast(Poison).unwrap();
        let letter = soon(letters.next()).await.unwrap();
        assert_eq!(letter.attempt, 3);
        assert!(matches!(letter.reason, DeadReason::Poison { .. }), "{:?}", letter.reason);
    }
    let expected = ["try 1 in 1", "try 2 in 2", "try 3 in 3", "try 1 in 4", "try 2 in 5", "try 3 in 6"];
    assert_eq!(lines.take(), expected);
    soon(tree.shutdown()).await;
}

// ---- A part of a protocol.

struct LogLine(&'static str);

enum Screen {
    Line(LogLine),
    Seen(Reply<Vec<&'static str>>),
}

impl From<LogLine> for Screen {
    fn from(line: LogLine) -> Self {
        Self::Line(line)
    }
}

struct Terminal(Vec<&'static str>);

impl Service for Terminal {
    type Msg = Screen;
    async fn handle(&mut self, msg: Screen, _: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Screen::Line(LogLine(text)) => self.0.push(text),
            Screen::Seen(reply) => drop(reply.send(self.0.clone())),
        }
        Ok(())
    }
}

impl From<LogLine> for Job {
    fn from(LogLine(text): LogLine) -> Self {
        assert_eq!(text, "hello");
        idle()
    }
}

#[tokio::test]
async fn services_of_different_types_are_in_one_list_of_recipients() {
    let terminal = Child::service("terminal", |_| async { Ok(Terminal(Vec::new())) });
    let tree = soon(Supervisor::one_for_one("app").child(terminal).child(worker("worker")).start()).await.unwrap();
    let terminal: Handle<Screen> = tree.lookup("app/terminal").unwrap();
    let worker: Handle<Job> = tree.lookup("app/worker").unwrap();
    let list: Vec<Recipient<LogLine>> = vec![terminal.narrow(), worker.narrow()];
    for to in &list {
        to.cast(LogLine("hello")).unwrap();
    }
    assert_eq!(soon(terminal.call(Screen::Seen)).await.unwrap(), ["hello"]);
    assert_eq!(worker.accounting().accepted, 1);
    assert_eq!(soon(worker.call(generation)).await.unwrap(), 1, "it has not failed");
    soon(tree.shutdown()).await;
    let refused: Vec<_> = list.iter().map(|to| to.cast(LogLine("hello")).unwrap_err().to_string()).collect();
    assert!(refused[0].starts_with("`app/terminal` refused the message `"), "{}", refused[0]);
}
