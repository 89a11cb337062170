//! Looking on while an experiment is carried out: noting what happens, passing on what faults may follow, looking at claims.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::chaos::book::Book;
use crate::chaos::fault::Trigger;
use crate::chaos::looks::{Claims, look};
use crate::chaos::seam::Told;
use crate::event::Event;
use crate::sync::lock;
use crate::tree::Directory;

/// Something that faults may follow.
pub(super) struct Occurrence {
    pub(super) trigger: Trigger,
    pub(super) path: Arc<str>,
    pub(super) generation: u64,
}

pub(super) async fn keep_looking(
    claims: Arc<Mutex<Claims>>,
    book: Arc<Mutex<Book>>,
    directory: Directory,
    broken: Arc<Notify>,
    every: Duration,
) {
    loop {
        tokio::time::sleep(every).await;
        look(&claims, &book, &directory, false).await;
        if lock(&claims).is_broken() {
            broken.notify_one();
        }
    }
}

/// What is told by those who suffer comes first: it was told before what came of it.
pub(super) async fn observe(
    mut events: crate::Events,
    mut suffered: mpsc::UnboundedReceiver<Told>,
    book: Arc<Mutex<Book>>,
    happened: mpsc::UnboundedSender<Occurrence>,
) {
    // Nobody listens any more when the run is over.
    let pass_on = |occurrence| drop(happened.send(occurrence));
    let hear = |told: Told| {
        lock(&book).hear(&told);
        if let Told::Starting { path } = told {
            pass_on(Occurrence { trigger: Trigger::Starting, path, generation: 0 });
        }
    };
    loop {
        tokio::select! {
            biased;
            Some(told) = suffered.recv() => hear(told),
            event = events.next() => {
                // It may have been told while this looked the other way.
                while let Ok(told) = suffered.try_recv() {
                    hear(told);
                }
                match event {
                    Some(Ok(event)) => {
                        lock(&book).note(&event);
                        let Event { path, generation, kind } = event;
                        if let Some(trigger) = Trigger::of(&kind) {
                            pass_on(Occurrence { trigger, path, generation });
                        }
                    }
                    Some(Err(missed)) => lock(&book).miss(missed.0),
                    None => return,
                }
            }
        }
    }
}
