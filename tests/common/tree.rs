//! Helpers of the tests of supervision: they wait for events instead of sleeping, and count live services.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{Child, Context, Event, Events, Handle, Service, ServiceChild, ServiceState, Tree};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SEC: Duration = Duration::from_secs(1);

/// Awaits a future that must complete. The limit turns a hang into a failed test.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(20 * SEC, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: still waiting after 20 seconds"),
    }
}

/// Lets other tasks run this number of times.
pub(crate) async fn turns(number: usize) {
    for _ in 0..number {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn probe(tree: &Tree, path: &str) -> Handle<ProbeMsg> {
    tree.lookup(path).unwrap()
}

/// Waits until the child with this path is up for at least the `generation`th time.
pub(crate) async fn up(tree: &Tree, path: &str, generation: u64) {
    let watch = tree.directory().watch(path).unwrap();
    soon(path, until(watch, |status| status.state == ServiceState::Up && status.generation >= generation)).await;
}

/// Waits until the child with this path is in this state.
pub(crate) async fn stands(tree: &Tree, path: &str, state: ServiceState) {
    let watch = tree.directory().watch(path).unwrap();
    soon(path, until(watch, |status| status.state == state)).await;
}

/// Waits until there is a child with this path, and it is starting.
pub(crate) async fn starting(tree: &Tree, path: &str) {
    let starts = async {
        while tree.directory().status(path).is_none_or(|status| status.state != ServiceState::Starting) {
            tokio::task::yield_now().await;
        }
    };
    soon(path, starts).await;
}

/// Waits until the service is parked.
pub(crate) async fn parked<M: Send + 'static>(handle: &Handle<M>) {
    soon("parked", until(handle.watch(), |status| matches!(status.state, ServiceState::Parked { .. }))).await;
}

/// Waits until the service has a message in hand.
pub(crate) async fn in_hand<M: Send + 'static>(handle: &Handle<M>) {
    let busy = async {
        while handle.accounting().in_hand == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("a message in hand", busy).await;
}

/// Waits until the service has no message, neither queued nor in hand.
pub(crate) async fn worked_off<M: Send + 'static>(handle: &Handle<M>) {
    let works = async {
        while handle.accounting().queued + handle.accounting().in_hand > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the queue", works).await;
}

/// Waits for an event with this text.
pub(crate) async fn hears(events: &mut Events, line: &str) -> Event {
    hears_any(events, |said| said == line, line).await
}

/// Waits for an event with a text that begins like this.
pub(crate) async fn hears_of(events: &mut Events, start: &str) -> Event {
    hears_any(events, |said| said.starts_with(start), start).await
}

async fn hears_any(events: &mut Events, test: impl Fn(&str) -> bool, wanted: &str) -> Event {
    let mut heard = Vec::new();
    loop {
        match tokio::time::timeout(20 * SEC, events.next()).await {
            Ok(Some(Ok(event))) if test(&event.to_string()) => return event,
            Ok(Some(Ok(event))) => heard.push(event.to_string()),
            end => panic!("never heard `{wanted}` but {heard:#?}, then {end:?}"),
        }
    }
}

/// Takes all events that have arrived, as lines.
pub(crate) fn heard(events: &mut Events) -> Vec<String> {
    std::iter::from_fn(|| events.try_next()).map(|event| event.unwrap().to_string()).collect()
}

/// Takes all events until the tree ends, as lines.
pub(crate) async fn heard_to_the_end(events: &mut Events) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(event) = soon("the end of the events", events.next()).await {
        lines.push(event.unwrap().to_string());
    }
    lines
}

/// Counter of things that live at the same time.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<Counts>);

#[derive(Default)]
struct Counts {
    alive: AtomicUsize,
    alive_max: AtomicUsize,
    ever: AtomicUsize,
}

/// Guard that is counted as alive until it is dropped.
pub(crate) struct Resident(Census);

impl Census {
    pub(crate) fn enter(&self) -> Resident {
        let alive = self.0.alive.fetch_add(1, SeqCst) + 1;
        self.0.alive_max.fetch_max(alive, SeqCst);
        self.0.ever.fetch_add(1, SeqCst);
        Resident(self.clone())
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.alive.load(SeqCst)
    }

    pub(crate) fn alive_max(&self) -> usize {
        self.0.alive_max.load(SeqCst)
    }

    pub(crate) fn ever(&self) -> usize {
        self.0.ever.load(SeqCst)
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.0.0.alive.fetch_sub(1, SeqCst);
    }
}

/// A service with a slow stop. It writes `start`, `stop` and `end` to the journal, as a probe does.
pub(crate) struct Slow {
    label: String,
    journal: Journal,
    stops_in: Duration,
    _resident: Resident,
}

impl Slow {
    pub(crate) fn child(name: &str, journal: &Journal, stops_in: Duration) -> ServiceChild<()> {
        Self::counted(name, journal, stops_in, &Census::default())
    }

    pub(crate) fn counted(name: &str, journal: &Journal, stops_in: Duration, census: &Census) -> ServiceChild<()> {
        let (journal, census, name) = (journal.clone(), census.clone(), name.to_owned());
        Child::service(name.clone(), move |ctx: Context<Slow>| {
            let (label, journal) = (format!("{name}#{}", ctx.generation()), journal.clone());
            let resident = census.enter();
            async move {
                journal.write(format!("start {label}"));
                Ok(Slow { label, journal, stops_in, _resident: resident })
            }
        })
    }
}

impl Service for Slow {
    type Msg = ();

    async fn handle(&mut self, (): (), _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.journal.write(format!("stop {}", self.label));
        tokio::time::sleep(self.stops_in).await;
        Ok(())
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.journal.write(format!("end {}", self.label));
    }
}

/// A service that ignores its messages.
pub(crate) struct Inert;

impl Service for Inert {
    type Msg = ();

    async fn handle(&mut self, (): (), _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Script of the starts of a service: each attempt succeeds or fails.
#[derive(Clone, Default)]
pub(crate) struct Starts(Arc<Mutex<Attempts>>);

#[derive(Default)]
struct Attempts {
    made: usize,
    failing: Vec<usize>,
}

impl Starts {
    /// A script in which the attempts with these numbers, counted from 1, fail.
    pub(crate) fn failing(attempts: impl IntoIterator<Item = usize>) -> Self {
        Self(Arc::new(Mutex::new(Attempts { made: 0, failing: attempts.into_iter().collect() })))
    }

    pub(crate) fn attempt(&self) -> anyhow::Result<usize> {
        let mut attempts = self.0.lock().unwrap();
        attempts.made += 1;
        let number = attempts.made;
        anyhow::ensure!(!attempts.failing.contains(&number), "attempt {number} fails");
        Ok(number)
    }

    pub(crate) fn made(&self) -> usize {
        self.0.lock().unwrap().made
    }
}

/// A service that starts or fails by its [`Starts`], and writes `start`, `fail` and `end` to the journal.
pub(crate) struct Starter {
    label: String,
    journal: Journal,
}

impl Starter {
    pub(crate) fn child(name: &str, journal: &Journal, starts: &Starts) -> ServiceChild<Starting> {
        let (journal, starts, name) = (journal.clone(), starts.clone(), name.to_owned());
        Child::service(name.clone(), move |ctx: Context<Starter>| {
            let (label, journal, starts) = (format!("{name}#{}", ctx.generation()), journal.clone(), starts.clone());
            async move {
                if let Err(error) = starts.attempt() {
                    journal.write(format!("fail {label}"));
                    return Err(error);
                }
                journal.write(format!("start {label}"));
                Ok(Starter { label, journal })
            }
        })
    }
}

/// Message of a [`Starter`], which ignores it.
#[derive(Debug)]
pub(crate) struct Starting;

impl Service for Starter {
    type Msg = Starting;

    async fn handle(&mut self, _: Starting, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        self.journal.write(format!("end {}", self.label));
    }
}

/// Gate that blocks each thread that passes, until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<Passage>, Condvar)>);

#[derive(Default)]
struct Passage {
    is_open: bool,
    reached: bool,
}

impl Gate {
    pub(crate) fn pass(&self) {
        let (passage, opened) = &*self.0;
        let timed_out = {
            let mut passage = passage.lock().unwrap();
            passage.reached = true;
            opened.wait_timeout_while(passage, 60 * SEC, |passage| !passage.is_open).unwrap().1.timed_out()
        };
        assert!(!timed_out, "the gate was never opened");
    }

    /// Blocks the thread until the gate is opened, at most for this time.
    pub(crate) fn pass_within(&self, limit: Duration) {
        let (passage, opened) = &*self.0;
        let passage = passage.lock().unwrap();
        drop(opened.wait_timeout_while(passage, limit, |passage| !passage.is_open).unwrap());
    }

    /// Waits until a thread is blocked at the gate.
    pub(crate) async fn reached(&self) {
        let reached = async {
            while !self.0.0.lock().unwrap().reached {
                tokio::task::yield_now().await;
            }
        };
        soon("a thread at the gate", reached).await;
    }

    /// Whether a thread is blocked at the gate. A task polls this if it must not wait in the queue of the blocked
    /// worker thread.
    pub(crate) fn is_reached(&self) -> bool {
        self.0.0.lock().unwrap().reached
    }

    pub(crate) fn open(&self) {
        let (passage, opened) = &*self.0;
        passage.lock().unwrap().is_open = true;
        opened.notify_all();
    }

    /// Guard that opens the gate when it is dropped, since a runtime does not end before its blocked threads.
    pub(crate) fn opener(&self) -> impl Drop + use<> {
        struct Opener(Gate);
        impl Drop for Opener {
            fn drop(&mut self) {
                self.0.open();
            }
        }
        Opener(self.clone())
    }
}
