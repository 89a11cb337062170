use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use regrow::{
    Child, Context, DynamicSupervisor, Handle, Intensity, Policy, Readiness, Restart, RunError, Service, ServiceChild,
    Supervisor, TaskContext, Template,
};
use tokio::sync::mpsc;

/// A message to the session of a user.
pub enum Msg {
    /// A window is open, and wants to be told.
    Hello(mpsc::Sender<String>),
    /// A window has sent this.
    Said(String),
}

struct Session {
    user: String,
    windows: Vec<mpsc::Sender<String>>,
}

impl Service for Session {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Hello(window) => {
                // A hello that an earlier life did not get to is handled by this one, and the window says another.
                self.windows.retain(|known| !known.same_channel(&window));
                self.windows.push(window);
            }
            Msg::Said(text) => {
                anyhow::ensure!(text != "crash", "{} asked for it", self.user);
                // To all windows of the user. One that is gone, or far behind, is forgotten.
                self.windows.retain(|window| window.try_send(format!("{}: {text}", self.user)).is_ok());
            }
        }
        Ok(())
    }
}

fn session(user: String) -> ServiceChild<Msg> {
    Child::service_with(user.clone(), user, |user, _ctx| async { Ok(Session { user, windows: Vec::new() }) })
        .restart(Restart::Transient)
        .idle_after(Duration::from_secs(600))
}

/// The web server, as in the recipe for axum.
async fn serve(listen: SocketAddr, ctx: TaskContext) -> anyhow::Result<()> {
    let sessions = ctx.dynamic("sessions")?.template::<String>()?;
    let routes = Router::new().route("/ws/{user}", get(connect)).with_state(sessions);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    ctx.ready();
    // Open windows would hold up a graceful end. They end with the process, and the browsers connect again.
    tokio::select! {
        ended = axum::serve(listener, routes) => Ok(ended?),
        () = ctx.stopping() => Ok(()),
    }
}

pub fn chat(listen: SocketAddr) -> Supervisor {
    let each = Intensity::new(5, Duration::from_secs(60));
    let web = Child::task("web", move |ctx| serve(listen, ctx)).restart(Restart::Permanent);
    Supervisor::one_for_one("chat")
        .child(DynamicSupervisor::new("sessions").budget_each(each).template(session))
        .child(web.policy(Policy::default().readiness(Readiness::WhenSaid)))
}

#[tokio::main]
pub async fn main() -> Result<(), RunError> {
    chat(SocketAddr::from(([127, 0, 0, 1], 8080))).run_until_signal().within(Duration::from_secs(25)).await?;
    Ok(())
}

async fn connect(State(sessions): State<Template<String>>, Path(user): Path<String>, ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(async move |socket| {
        // The session is gone for good if it crashes too often, or if the program ends. The browser connects again.
        if let Ok(session) = sessions.get_or_start::<Msg>(user).await {
            talk(socket, session).await;
        }
    })
}

/// Connects one window with the session, in both directions.
async fn talk(mut socket: WebSocket, session: Handle<Msg>) {
    let (to_window, mut from_session) = mpsc::channel(32);
    let mut status = session.watch();
    let mut life = 0;
    loop {
        // The next life of the session knows no windows. This one says hello to it.
        if std::mem::replace(&mut life, session.generation()) != life
            && session.send(Msg::Hello(to_window.clone())).await.is_err()
        {
            return;
        }
        tokio::select! {
            text = from_session.recv() => {
                let text = text.unwrap_or_default();
                if socket.send(Message::text(text)).await.is_err() { return }
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => {
                    if session.send(Msg::Said(text.to_string())).await.is_err() { return }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            changed = status.changed() => if changed.is_err() { return },
        }
    }
}
