//! Monitors: the end of each incarnation of a peer, as a message of the service that watches, or as a stream.
//!
//! Invariants:
//! 1. A monitor has at most one report queued. A later end is merged into it. The message is made again, when its turn
//!    comes, if that has happened.
//! 2. No code of the user runs, and no value of the user is dropped, under a lock of a monitor.
//! 3. A report is wanted only by the incarnation that made the monitor.

mod stream;

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, Weak};

use regrow_supervisors::Exit;

use crate::base::panics::Orphan;
use crate::base::sweep;
use crate::base::sync::lock;
use crate::call::fate::{Fate, Instead};
use crate::context::{Context, Inner};
use crate::handle::Handle;
use crate::slot::Slot;
use crate::slot::current;
use crate::slot::monitors::Watches;
use crate::slot::own_monitors::Owned;
use crate::slot::signals::Signals;

pub use stream::PeerDowns;

/// Report of a monitor: incarnations of a peer have ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerDown {
    /// Path of the peer.
    pub path: Arc<str>,
    /// Generation of the incarnation that ended; of the latest one, if more than one ended.
    pub generation: u64,
    /// Exit of that incarnation: [`Shutdown`](Exit::Shutdown) for a stop or a [restart](Handle::restart) by order, whose
    /// reason is in [`Handle::why`]. `None` if none has ended: the peer was parked, down or gone when the monitor began.
    pub exit: Option<Exit>,
    /// Number of incarnations that ended since the last report. 0 if the peer did not run when the monitor began.
    pub ends: u64,
}

impl PeerDown {
    fn not_running<M: Send + 'static>(peer: &Handle<M>) -> Self {
        Self { path: peer.path(), generation: peer.generation(), exit: None, ends: 0 }
    }

    fn ended(path: &Arc<str>, generation: u64, exit: &Exit) -> Self {
        Self { path: path.clone(), generation, exit: Some(exit.clone()), ends: 1 }
    }

    /// Merges a later report into this one. Returns what is left of this one, to be dropped without a lock.
    fn merge(&mut self, mut later: Self) -> Self {
        later.ends = later.ends.saturating_add(self.ends);
        mem::replace(self, later)
    }
}

impl fmt::Display for PeerDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, generation, exit, ends } = self;
        match exit {
            None => write!(f, "`{path}` is not running"),
            Some(exit) if *ends > 1 => write!(f, "{path}#{generation} ended, the last of {ends}: {exit}"),
            Some(exit) => write!(f, "{path}#{generation} ended: {exit}"),
        }
    }
}

/// Monitor of a peer, made by [`Context::monitor`]. Dropping this value does not end the monitor.
#[derive(Clone)]
pub struct Monitor {
    signals: Weak<Signals>,
    /// Number in the list of its incarnation; `None` if that was over when it was made.
    number: Option<u64>,
}

impl Monitor {
    /// Ends the monitor. No report of it is handled after this returns: one that is queued is counted as dead-lettered
    /// ([`MonitorOver`](crate::DeadReason::MonitorOver)) and not kept, as Erlang's `demonitor` with `flush` does it.
    pub fn demonitor(&self) {
        let owner = self.signals.upgrade();
        let monitor = self.number.and_then(|number| owner.as_ref()?.leave_monitor(number));
        if let Some(monitor) = &monitor {
            monitor.end();
        }
        // It owns the closure of the user.
        drop(monitor);
    }

    /// Whether the monitor is over, by [`demonitor`](Self::demonitor) or with its incarnation.
    pub fn is_over(&self) -> bool {
        let owner = self.signals.upgrade();
        !self.number.is_some_and(|number| owner.is_some_and(|owner| owner.has_monitor(number)))
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("is_over", &self.is_over()).finish()
    }
}

/// Monitor with messages of type `M`.
struct Cell<M> {
    to: Weak<Slot<M>>,
    signals: Weak<Signals>,
    make: Box<dyn Fn(PeerDown) -> M + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Latest report. While its message is queued, later ends are merged into it.
    report: Option<Box<PeerDown>>,
    /// Report that was taken, and from which the message is about to be made again.
    taken: Option<Box<PeerDown>>,
    /// Number of ends in the message that is queued.
    ends_queued: u64,
    is_queued: bool,
    was_told: bool,
    is_over: bool,
}

impl<M: Send + 'static> Cell<M> {
    fn tell(self: Arc<Self>, report: PeerDown) {
        let Some(signals) = self.signals.upgrade().filter(|signals| !signals.is_over() && !signals.is_fenced()) else {
            return;
        };
        let (unused, is_first) = {
            let mut state = lock(&self.state);
            state.was_told = true;
            if state.is_over {
                return;
            }
            if let State { is_queued: true, report: Some(queued), .. } = &mut *state {
                (Some(Box::new(queued.merge(report.clone()))), false)
            } else {
                (state.is_queued, state.ends_queued) = (true, report.ends);
                (state.report.replace(Box::new(report.clone())), true)
            }
        };
        drop(unused);
        if is_first {
            self.send(report, &signals);
        }
    }

    fn send(self: Arc<Self>, report: PeerDown, signals: &Arc<Signals>) {
        let Some(slot) = self.to.upgrade() else { return };
        let refused = match current::run_linked(&mut Some(signals.clone()), || (self.make)(report)) {
            Ok(message) => slot.push_report(message, self.clone()).err(),
            Err(panic) => {
                lock(&self.state).is_queued = false;
                signals.break_with(Exit::Panicked(panic));
                return;
            }
        };
        if let Some(message) = refused {
            lock(&self.state).is_queued = false;
            sweep::drop_quietly(message, &slot.path(), "a message");
        }
    }
}

impl<M: Send + 'static> Watches for Cell<M> {
    fn ended(self: Arc<Self>, path: &Arc<str>, generation: u64, exit: &Exit) {
        self.tell(PeerDown::ended(path, generation, exit));
    }

    fn gone(&self) {}
}

impl<M: Send + 'static> Owned for Cell<M> {
    fn end(&self) {
        lock(&self.state).is_over = true;
    }
}

impl<M: Send + 'static> Orphan for Cell<M> {
    fn orphaned(&self, _: Option<&Exit>) {}
}

impl<M: Send + 'static> Fate for Cell<M> {
    fn taken(&self, by: &Signals) -> Option<Instead> {
        let mut state = lock(&self.state);
        state.is_queued = false;
        // Invariant 3.
        if state.is_over || !std::ptr::eq(self.signals.as_ptr(), by) {
            return Some(Instead::MonitorOver);
        }
        let ends = state.report.as_ref().map_or(0, |report| report.ends);
        if ends == state.ends_queued {
            return None;
        }
        // `taken` is empty: only the pump that took the message before has used it, and has emptied it.
        state.taken = state.report.take();
        Some(Instead::Renewed)
    }

    fn renew(&self) -> Option<Box<dyn Any + Send>> {
        let report = lock(&self.state).taken.take()?;
        Some(Box::new((self.make)(*report)))
    }

    /// The message is shed, and the next end is told again. Noted in the hold of the locks in which the message leaves the
    /// mailbox: an end that came between that and a later note would be merged into a report that is not there any more.
    fn reserve_return(&self) -> bool {
        lock(&self.state).is_queued = false;
        false
    }

    fn call(self: Arc<Self>) -> Arc<dyn Fate> {
        self
    }
}

impl<M: Send + 'static> Inner<M> {
    pub(crate) fn monitor<N: Send + 'static>(
        &self,
        peer: &Handle<N>,
        message: impl Fn(PeerDown) -> M + Send + Sync + 'static,
    ) -> Monitor {
        let cell = Arc::new(Cell {
            to: Arc::downgrade(&self.slot),
            signals: Arc::downgrade(&self.signals),
            make: Box::new(message),
            state: Mutex::default(),
        });
        let number = self.signals.enter_monitor(cell.clone());
        if number.is_some() {
            let watcher: Arc<dyn Watches> = cell.clone();
            peer.slot().watch_ends(&watcher);
            // Read after it was added: an end in between is told by the peer.
            let is_running = peer.status().state.refusal().is_none();
            if !is_running && !lock(&cell.state).was_told {
                cell.tell(PeerDown::not_running(peer));
            }
        }
        Monitor { signals: Arc::downgrade(&self.signals), number }
    }
}

impl<S: crate::Service> Context<S> {
    /// Sends this service a message whenever an incarnation of `peer` ends, with the exit and the generation. `message`
    /// makes it. The peer may live in any tree of the process.
    ///
    /// The monitor follows the peer through restarts. It ends with this incarnation, so a service makes its monitors in
    /// its factory, or when it first needs a peer. It also ends by [`demonitor`](Monitor::demonitor).
    ///
    /// * **Bound.** A monitor has at most one report queued. Ends that come meanwhile are merged into it:
    ///   [`ends`](PeerDown::ends) counts them, and the rest is about the last one. A report is accepted even if the
    ///   mailbox is full, so a mailbox may hold one message more than its capacity for each monitor.
    /// * **Order.** A report comes after each message that the ended incarnation had put into this mailbox, and before
    ///   each one of the next incarnation. There are two exceptions. An end that is merged is reported in the place of
    ///   the first one. An incarnation that was [abandoned](crate::Abandon) may still run.
    /// * **Loss.** A report counts like any message ([`Accounting`](crate::Accounting)). It can be shed by
    ///   [`DropOldest`](crate::Overflow::DropOldest), and the next end is reported again then. One that is queued when
    ///   this incarnation ends does not reach the next one. It is dead-lettered
    ///   ([`MonitorOver`](crate::DeadReason::MonitorOver)) and not kept.
    /// * **A peer that does not run.** If `peer` is parked, down or gone, that is reported at once, without an exit, as
    ///   Erlang's `noproc`. A peer that has not started yet is not reported. Starts that fail are no incarnations.
    /// * **Itself.** A monitor of the service itself reports nothing, because it ends before the incarnation does.
    /// * **Cost.** A monitor takes about 200 bytes, and what `message` captures. The end of a peer takes time in
    ///   proportion to its monitors, before the peer starts again. A service without monitors pays nothing.
    ///
    /// `message` runs in the task in which the peer ends, and again when its message is handled if ends were merged. It
    /// should do no more than make the message. If it panics, this incarnation ends, as by a panic in a
    /// [linked task](Self::spawn).
    ///
    /// ```
    /// use regrow::{Child, Context, Handle, PeerDown, Reply, Service, Supervisor};
    ///
    /// # struct Stock; enum StockMsg { Reserve(u32), Break }
    /// # impl Service for Stock {
    /// #     type Msg = StockMsg;
    /// #     async fn handle(&mut self, msg: StockMsg, _: &mut Context<Self>) -> anyhow::Result<()> {
    /// #         anyhow::ensure!(matches!(msg, StockMsg::Reserve(_)), "out of paper");
    /// #         Ok(())
    /// #     }
    /// # }
    /// struct Orders { stock: Handle<StockMsg>, reserved: Vec<u32> }
    /// enum OrderMsg { Reserve(u32), StockDown(PeerDown), Reserved(Reply<usize>) }
    ///
    /// impl Service for Orders {
    ///     type Msg = OrderMsg;
    ///     async fn handle(&mut self, msg: OrderMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         match msg {
    ///             OrderMsg::Reserve(item) => { self.stock.cast(StockMsg::Reserve(item))?; self.reserved.push(item); }
    ///             OrderMsg::StockDown(_down) => self.reserved.clear(), // its next life knows nothing of them
    ///             OrderMsg::Reserved(reply) => { reply.send(self.reserved.len()); }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let orders = Child::service("orders", |ctx: Context<Orders>| async move {
    ///     let stock = ctx.lookup("stock")?;
    ///     ctx.monitor(&stock, OrderMsg::StockDown);
    ///     Ok(Orders { stock, reserved: Vec::new() })
    /// });
    /// let stock = Child::service("stock", |_| async { Ok(Stock) });
    /// let tree = Supervisor::one_for_one("shop").child(stock).child(orders).start().await?;
    /// let orders = tree.lookup::<OrderMsg>("shop/orders")?;
    /// orders.cast(OrderMsg::Reserve(7))?;
    /// assert_eq!(orders.call(OrderMsg::Reserved).await?, 1);
    ///
    /// let stock = tree.lookup::<StockMsg>("shop/stock")?;
    /// let mut ends = stock.monitor();
    /// stock.cast(StockMsg::Break)?;
    /// assert!(ends.recv().await.is_some_and(|down| down.generation == 1));
    /// assert_eq!(orders.call(OrderMsg::Reserved).await?, 0);
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn monitor<M: Send + 'static>(
        &self,
        peer: &Handle<M>,
        message: impl Fn(PeerDown) -> S::Msg + Send + Sync + 'static,
    ) -> Monitor {
        self.inner().monitor(peer, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::settings::Settings;
    use crate::slot::tests::signals;

    // The window is a few instructions wide: between the hold in which `DropOldest` sheds a report, and its settlement.
    #[test]
    fn an_end_that_comes_while_an_earlier_report_is_being_shed_is_told() {
        let slot = Slot::<u64>::new(Settings::default());
        let signals = signals(&slot);
        let cell = Arc::new(Cell {
            to: Arc::downgrade(&slot),
            signals: Arc::downgrade(&signals),
            make: Box::new(|down: PeerDown| down.generation),
            state: Mutex::default(),
        });
        let handle = Handle::new(slot.clone());
        let ended = |generation| cell.clone().ended(&"app/peer".into(), generation, &Exit::Killed);
        ended(1);
        ended(2);
        assert_eq!(handle.accounting().accepted, 1, "the second is merged");
        // As `Back::shed` does it under the locks, and `Shed::settle` without them.
        assert!(!cell.reserve_return());
        ended(3);
        assert_eq!(handle.accounting().accepted, 2);
        cell.given_up();
        ended(4);
        assert_eq!(handle.accounting().accepted, 2, "one report is queued, and the fourth end is merged into it");
    }

    #[test]
    fn a_monitor_is_as_small_as_its_page_says() {
        // Counters of the block, the entry in the list of its incarnation, and the one in the list of its peer.
        let beside = 2 * size_of::<usize>()
            + 2 * (size_of::<u64>() + size_of::<Arc<dyn Owned>>())
            + 2 * size_of::<Weak<dyn Watches>>();
        let bytes = size_of::<Cell<[u8; 64]>>() + beside;
        assert!(bytes <= 200, "{bytes}");
    }
}
