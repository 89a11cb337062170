use std::time::Duration;

use regrow::{Child, Context, FailureRate, GiveUp, Policy, Reply, Service, ServiceChild};

const SEC: Duration = Duration::from_secs(1);

pub enum Msg {
    /// Asks for the rate of a currency.
    Rate { currency: String, reply: Reply<Result<String, String>> },
    /// A request has ended.
    Done { error: Option<String> },
}

struct Rates {
    client: reqwest::Client,
    server: String,
}

impl Service for Rates {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Rate { currency, reply } => {
                let request = self.client.get(format!("{}/rates/{currency}", self.server));
                let rates = ctx.handle();
                ctx.spawn(async move {
                    let answer = fetch(request).await.map_err(|error| error.to_string());
                    let error = answer.as_ref().err().cloned();
                    reply.send(answer);
                    rates.cast(Msg::Done { error }).ok();
                });
            }
            Msg::Done { error: Some(error) } => ctx.failure(anyhow::anyhow!(error)),
            Msg::Done { error: None } => {}
        }
        Ok(())
    }
}

async fn fetch(request: reqwest::RequestBuilder) -> reqwest::Result<String> {
    request.send().await?.error_for_status()?.text().await
}

pub fn rates(server: String) -> anyhow::Result<ServiceChild<Msg>> {
    let client = reqwest::Client::builder().timeout(2 * SEC).build()?;
    // Half of the messages are questions, and half are ends. So 40 % means: four of five requests fail.
    let breaker = Policy::default().failure_rate(FailureRate::new(40, 20, 10 * SEC)).on_give_up(GiveUp::park(5 * SEC));
    Ok(Child::service_with("rates", (client, server), |(client, server), _ctx| async { Ok(Rates { client, server }) })
        .capacity(64)
        .policy(breaker))
}
