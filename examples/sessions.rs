//! A dynamic supervisor: children made from a template while the program runs, found by name, each with its own budget.
//!
//! `cargo run --example sessions` prints the outcome of four starts, the life of one session that gets bad requests, and
//! the list of sessions without it.

use std::time::Duration;

use regrow::{Child, Context, DynamicSupervisor, Intensity, Reply, Restart, Service, Supervisor};

struct Session {
    user: String,
}

struct Request {
    divisor: i32,
    reply: Reply<String>,
}

impl Service for Session {
    type Msg = Request;

    async fn handle(&mut self, Request { divisor, reply }: Request, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        let share = 100_i32.checked_div(divisor).ok_or_else(|| anyhow::anyhow!("a bad request"))?;
        reply.send(format!("{}, life {}: {share}", self.user, ctx.generation()));
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
    let each = Intensity::new(1, Duration::from_secs(60)); // a session that crashes twice is ended, and no other
    let sessions = DynamicSupervisor::new("sessions").max_children(3).budget_each(each).template(session);
    let tree = Supervisor::one_for_one("app").child(sessions).start().await?;

    let sessions = tree.dynamic("app/sessions")?.template::<String>()?;
    for started in sessions.start_children(["ada", "bob", "eve", "dan"].map(String::from)).await {
        println!("{}", started.map_or_else(|error| error.to_string(), |_| "started".to_owned()));
    }

    let ada = tree.lookup::<Request>("app/sessions/ada")?;
    let ask = |divisor| ada.call(move |reply| Request { divisor, reply });
    println!("{}", ask(5).await?);
    assert!(ask(0).await.is_err());
    println!("{}", ask(5).await?); // the same handle reaches the next life
    assert!(ask(0).await.is_err());
    println!("{}", ada.wait_ready().await.unwrap_err());

    sessions.start_child("dan".into()).await?; // there is room again
    let children = sessions.supervisor().which_children().await?;
    println!("{:?}", children.iter().map(|child| &*child.name).collect::<Vec<_>>());
    tree.shutdown().await;
    Ok(())
}
