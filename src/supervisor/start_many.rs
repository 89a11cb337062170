//! The start of many children at once. Each has an order, orders are handed over in batches, and a batch wakes the
//! supervisor once.
//!
//! Every order has its own place in the supervisor's queue of facts, so exits and orders keep their one order (OTP rule
//! 72). The orders of a batch share the wake-up and the wait for their answers.

use std::sync::{Arc, Mutex};

use regrow_supervisors::{Intensity, Order};
use tokio::sync::Notify;

use crate::base::background::yield_once;
use crate::base::sync::lock;
use crate::child::Child;
use crate::error::orders::StartChildError;
use crate::slot::fact::Fact;
use crate::supervisor::give_order::{Finish, Ordered};
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::StartOutcome;
use crate::supervisor::plan::{Known, Planned};
use crate::tree::overrides::Defaults;
use crate::tree::paths::name_of;

/// Number of orders that are handed over at a time.
const BATCH: usize = 128;

/// Most orders that are under way at a time. A start that hangs takes one of these places, and delays no other child.
const UNDER_WAY_MAX: usize = 2 * BATCH;

/// A child, or the reason why there is none.
type Made = Result<Child, StartChildError>;

/// The outcome of a child.
type Started = Result<StartOutcome, StartChildError>;

impl SupervisorHandle {
    /// Starts the children in their order. Returns an outcome for each, in that order.
    ///
    /// If the future is dropped, starts under way are carried out, and the iterator is not asked for more.
    pub(crate) async fn start_children(&self, mut children: impl Iterator<Item = Made>) -> Vec<Started> {
        let answers = Arc::new(Answers::default());
        loop {
            let batch: Vec<_> = children.by_ref().take(BATCH).collect();
            let is_last = batch.len() < BATCH;
            self.hand_over(batch, &answers).await;
            if is_last {
                answers.until_under_way(0).await;
                return self.taken(&answers);
            }
            // If all children of a batch are refused, the wait below ends at once. Other tasks have their turn here.
            yield_once().await;
            answers.until_under_way(UNDER_WAY_MAX - BATCH).await;
        }
    }

    async fn hand_over(&self, batch: Vec<Made>, answers: &Arc<Answers>) {
        let (may_wait, mut budget) = (self.refuse_own_boot().map_err(StartChildError::of), None);
        let mut orders = Vec::with_capacity(batch.len());
        for made in batch {
            match self.planned(made, &may_wait, &mut budget).await {
                Ok(planned) => orders.push(self.order_of(planned, answers)),
                Err(error) => answers.refused(error),
            }
        }
        // If the supervisor is over, the orders are dropped, and each drop counts as an answer.
        if let Ok(inbox) = self.inbox()
            && !orders.is_empty()
        {
            inbox.push_all(orders);
        }
    }

    async fn planned(
        &self,
        made: Made,
        may_wait: &Result<(), StartChildError>,
        budget: &mut Option<(Defaults, Intensity)>,
    ) -> Result<Planned, StartChildError> {
        may_wait.clone()?;
        let planned = Planned::new(made?, &self.path, &Known::new())?;
        self.check_new(&planned, budget).await?;
        Ok(planned)
    }

    fn order_of(&self, planned: Planned, answers: &Arc<Answers>) -> Fact {
        let (order, path) = (Order::StartChild(planned.spec.clone()), planned.path.clone());
        let (supervisor, place) = (self.clone(), Answers::place(answers));
        let finish: Finish = Box::new(move |driver, result, _| {
            place.answer(match result {
                Ok(answer) => Ok(driver.outcome(answer)),
                Err(error) => Err(StartChildError::of(supervisor.error(error, name_of(&path)))),
            });
        });
        Fact::Order(Box::new(Ordered { order, meant: None, planned: vec![planned], finish }))
    }

    /// The outcomes of the children. Orders without an answer were dropped with the supervisor.
    fn taken(&self, answers: &Answers) -> Vec<Started> {
        let outcomes = std::mem::take(&mut lock(&answers.asked).outcomes);
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(|| Err(StartChildError::NotRunning { path: self.path.clone() })))
            .collect()
    }
}

/// The answers to the orders, in the order of the children.
#[derive(Default)]
struct Answers {
    asked: Mutex<Asked>,
    /// Notified when the number of orders under way falls to one that a wait may be for.
    fewer: Notify,
}

#[derive(Default)]
struct Asked {
    outcomes: Vec<Option<Started>>,
    under_way: usize,
}

impl Answers {
    /// Returns the place of the next child. Its order is under way from now on.
    fn place(answers: &Arc<Self>) -> Place {
        let mut asked = lock(&answers.asked);
        asked.outcomes.push(None);
        asked.under_way += 1;
        Place { answers: answers.clone(), at: asked.outcomes.len() - 1 }
    }

    /// Notes that the next child is refused, and that no order is given for it.
    fn refused(&self, error: StartChildError) {
        lock(&self.asked).outcomes.push(Some(Err(error)));
    }

    /// Waits until at most `max` orders are under way.
    async fn until_under_way(&self, max: usize) {
        while lock(&self.asked).under_way > max {
            self.fewer.notified().await;
        }
    }
}

/// The place for the answer to one order. Dropping it ends the order, with or without an answer.
struct Place {
    answers: Arc<Answers>,
    at: usize,
}

impl Place {
    fn answer(self, outcome: Started) {
        lock(&self.answers.asked).outcomes[self.at] = Some(outcome);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let under_way = {
            let mut asked = lock(&self.answers.asked);
            asked.under_way -= 1;
            asked.under_way
        };
        // These are the two numbers that a wait may be for. `Notify` keeps the permit if the wait has not begun.
        if under_way == UNDER_WAY_MAX - BATCH || under_way == 0 {
            self.answers.fewer.notify_one();
        }
    }
}
