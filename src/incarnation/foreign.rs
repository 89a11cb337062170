//! The life of a `ractor::Actor` that knows nothing of regrow. It is spawned below a listener, and the slot's messages
//! are handed over to its mailbox.
//!
//! The promises about accounting, capacity and *never ran* end at that hand-over: the actor has a mailbox of its own,
//! which dies with it.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use regrow_supervisors::Exit;
use tokio::sync::oneshot;

use crate::base::sync::lock;
use crate::base::wake::Wake;
use crate::context::Inner;
use crate::incarnation::maker::Maker;
use crate::incarnation::service::{caught, until_stopped};
use crate::incarnation::{End, failure};
use crate::slot::consumer::{Next, SignalMask};

/// Listener for the end of the actor. ractor reports an end only to a supervisor.
struct ExitListener;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for ExitListener {
    type Msg = Wake;
    type State = Option<oneshot::Sender<Exit>>;
    type Arguments = oneshot::Sender<Exit>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Wake>,
        ended: oneshot::Sender<Exit>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(Some(ended))
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Wake>,
        event: SupervisionEvent,
        ended: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(exit) = exit_of(event) {
            if let Some(ended) = ended.take() {
                let _ = ended.send(exit);
            }
            myself.stop(None);
        }
        Ok(())
    }
}

/// Turns ractor's report of an end into an exit, at this one place. For ractor a kill is a termination, with `killed`
/// or `actor_task_cancelled` as its reason. Panics and errors are both failures.
fn exit_of(event: SupervisionEvent) -> Option<Exit> {
    match event {
        SupervisionEvent::ActorTerminated(_, state, reason) => {
            // ractor moves the state of a killed actor into the event. It is dropped here, before the end is reported.
            drop(state);
            Some(match reason.as_deref() {
                Some("killed" | "actor_task_cancelled") => Exit::Killed,
                Some(_) | None => Exit::Normal,
            })
        }
        SupervisionEvent::ActorFailed(_, error) => Some(Exit::failed(format!("{error:#}"))),
        _ => None,
    }
}

pub(crate) async fn live<A, F>(inner: Inner<A::Msg>, maker: Arc<Maker<F, A::Msg>>, supervisor: ActorCell) -> End
where
    A: Actor,
    F: Fn() -> (A, A::Arguments) + Send + Sync + 'static,
{
    let (ended, mut end) = oneshot::channel();
    let Ok((warden, gone)) = Actor::spawn_linked(None, ExitListener, ended, supervisor).await else {
        return End::Exit(Exit::Killed);
    };
    // If this body is dropped, the actor is killed with it.
    let _leash = KillOnDrop(warden.get_cell());
    let spawn = async {
        let (actor, arguments) = maker.code()();
        A::spawn_linked(None, actor, arguments, warden.get_cell()).await
    };
    let spawned = until_stopped(&inner, caught(pin!(spawn))).await;
    let (actor, actor_gone) = match spawned {
        None if inner.signals.is_told_to_stop() => return End::Exit(Exit::Shutdown),
        None => return End::Exit(Exit::Killed),
        Some(Ok(Ok(spawned))) => spawned,
        Some(Ok(Err(error))) => return End::Exit(failure(error.into())),
        Some(Err(panic)) => return End::Exit(Exit::Panicked(panic)),
    };
    inner.up();
    let told = Mutex::new(None);
    let mut exit = std::future::poll_fn(|cx| {
        if let Poll::Ready(exit) = std::pin::Pin::new(&mut end).poll(cx) {
            return Poll::Ready(exit.unwrap_or(Exit::Killed));
        }
        hand_on(&inner, &actor, &told);
        Poll::Pending
    })
    .await;
    // ractor reports a panic before it drops the state. So the life ends with the task.
    let mut over = std::pin::pin!(async {
        let _ = actor_gone.await;
        let _ = gone.await;
    });
    std::future::poll_fn(|cx| {
        let is_over = over.as_mut().poll(cx);
        if is_over.is_pending() {
            inner.signals.tell_remains(&exit);
        }
        is_over
    })
    .await;
    if let (Exit::Normal, Some(Told::ToStop)) = (&exit, *lock(&told)) {
        exit = Exit::Shutdown;
    }
    End::Exit(exit)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    ToStop,
    ToDie,
    /// Nothing more: the actor is ending and refused a message, which is lost with it like a message in hand.
    Nothing,
}

/// Hands over every waiting message, and passes on stop and kill.
fn hand_on<M: ractor::Message>(inner: &Inner<M>, actor: &ActorRef<M>, told: &Mutex<Option<Told>>) {
    while *lock(told) != Some(Told::Nothing) {
        match inner.slot.poll_next(&inner.signals, SignalMask::Everything, true, &mut inner.slot.freed()) {
            Poll::Pending => return,
            Poll::Ready(Next::Unwanted) => {}
            Poll::Ready(Next::Message(message)) => {
                if actor.send_message(message).is_err() {
                    *lock(told) = Some(Told::Nothing);
                }
            }
            Poll::Ready(Next::Signal) => {
                let mut told = lock(told);
                if inner.signals.is_killed() && *told != Some(Told::ToDie) {
                    *told = Some(Told::ToDie);
                    actor.kill();
                } else if told.is_none() {
                    *told = Some(Told::ToStop);
                    actor.stop(None);
                }
                return;
            }
        }
    }
}

struct KillOnDrop(ActorCell);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}
