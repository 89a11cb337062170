//! Two services that know each other, by path or by handle. One of them is killed, and the other does not notice.
//!
//! `cargo run --example cyclic` prints how ping and pong count each other up, before and after a kill.

use regrow::{Child, Context, Handle, Reply, Service, Supervisor, mailbox};

/// A player counts each hit and plays the ball on, until there are enough hits.
struct Player {
    peer: Handle<Ball>,
}

/// The hits so far, the wanted number of hits, and the reply to the caller, which travels with the ball.
struct Ball(u32, u32, Reply<u32>);

impl Service for Player {
    type Msg = Ball;

    async fn handle(&mut self, Ball(hits, wanted, reply): Ball, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if hits == wanted {
            reply.send(hits);
        } else {
            // A player that cannot pass the ball on ends by `?`, and the caller gets an error.
            self.peer.cast(Ball(hits + 1, wanted, reply))?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // By path: every mailbox is in the directory before the first service starts.
    let by_path = Supervisor::one_for_one("paths")
        .child(Child::service("ping", |ctx| async move { Ok(Player { peer: ctx.lookup("pong")? }) }))
        .child(Child::service("pong", |ctx| async move { Ok(Player { peer: ctx.lookup("ping")? }) }))
        .start()
        .await?;
    play("by path", &by_path.lookup("paths/ping")?).await?;

    // By handle: mailboxes first, then the services that need them, without a name.
    let ((ping_mailbox, ping), (pong_mailbox, pong)) = (mailbox(), mailbox());
    let by_handle = Supervisor::one_for_one("handles")
        .child(Child::service_with("ping", pong, |peer, _| async { Ok(Player { peer }) }).mailbox(ping_mailbox))
        .child(Child::service_with("pong", ping.clone(), |peer, _| async { Ok(Player { peer }) }).mailbox(pong_mailbox))
        .start()
        .await?;
    play("by handle", &ping).await?;

    println!("{}\n{}", by_path.shutdown().await, by_handle.shutdown().await);
    Ok(())
}

async fn play(how: &str, ping: &Handle<Ball>) -> anyhow::Result<()> {
    println!("{how}: {} hits", ping.call(|reply| Ball(0, 100, reply)).await?);
    ping.kill()?;
    println!("{how}: {} hits by generation {}", ping.call(|reply| Ball(0, 100, reply)).await?, ping.generation());
    Ok(())
}
