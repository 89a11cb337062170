//! A dynamic supervisor: children made from a template while the program runs, and found by name.
//!
//! `cargo run --example sessions` prints the outcome of four starts, an answer after a kill, and the list of sessions.

use regrow::{Child, Context, DynamicSupervisor, Reply, Restart, Service, Supervisor};

struct Session {
    user: String,
}

impl Service for Session {
    type Msg = Reply<String>;

    async fn handle(&mut self, reply: Reply<String>, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        reply.send(format!("{}, life {}", self.user, ctx.generation()));
        Ok(())
    }
}

fn session(user: String) -> Child {
    // Transient: a session that crashes is restarted, one that ends normally is forgotten.
    let session = Child::service_with(user.clone(), user, |user, _ctx| async { Ok(Session { user }) });
    session.restart(Restart::Transient).into()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let sessions = DynamicSupervisor::new("sessions").max_children(3).template(session);
    let tree = Supervisor::one_for_one("app").child(sessions).start().await?;

    let sessions = tree.dynamic("app/sessions")?.template::<String>()?;
    for started in sessions.start_children(["ada", "bob", "eve", "dan"].map(String::from)).await {
        println!("{}", started.map_or_else(|error| error.to_string(), |_| "started".to_owned()));
    }

    let ada = tree.lookup::<Reply<String>>("app/sessions/ada")?;
    ada.kill()?;
    println!("{}", ada.call(|reply| reply).await?); // the same handle reaches the next life

    sessions.supervisor().terminate_child("bob").await?;
    sessions.start_child("dan".into()).await?; // there is room again
    let children = sessions.supervisor().which_children().await?;
    println!("{:?}", children.iter().map(|child| &*child.name).collect::<Vec<_>>());
    tree.shutdown().await;
    Ok(())
}
