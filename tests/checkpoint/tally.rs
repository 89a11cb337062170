//! A service that counts, and saves its count: with a save per message (`Plain`), or by group commit (`Grouped`).

use regrow::checkpoint::{Checkpoint, CheckpointError, Checkpoints, GroupCommit, Json};
use regrow::{Child, Context, Handle, Intensity, Reply, Service, ServiceChild, Supervisor, Tree};

pub(crate) type Count = Json<u64>;

pub(crate) enum Msg {
    /// Adds, and answers with the count when it is saved.
    Add(u64, Reply<u64>),
    /// Adds, without a reply.
    Note(u64),
    Count(Reply<u64>),
    Panic,
    /// Adds and saves, and panics before it answers.
    AddAndPanic(u64, Reply<u64>),
    Fail,
    Stop,
}

pub(crate) struct Plain {
    count: Count,
    checkpoint: Checkpoint<Count>,
}

impl Plain {
    pub(crate) async fn open(ctx: Context<Self>, store: Checkpoints) -> anyhow::Result<Self> {
        let mut checkpoint = ctx.checkpoint(&store).await?;
        Ok(Self { count: checkpoint.take().unwrap_or_default(), checkpoint })
    }

    async fn add(&mut self, number: u64) -> Result<u64, CheckpointError> {
        *self.count += number;
        self.checkpoint.save(&self.count).await?;
        Ok(*self.count)
    }
}

impl Service for Plain {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Add(number, reply) => {
                let count = self.add(number).await?;
                reply.send(count);
            }
            Msg::Note(number) => drop(self.add(number).await?),
            Msg::Count(reply) => drop(reply.send(*self.count)),
            Msg::Panic => panic!("as asked"),
            Msg::AddAndPanic(number, _reply) => {
                self.add(number).await?;
                panic!("as asked")
            }
            Msg::Fail => anyhow::bail!("as asked"),
            Msg::Stop => ctx.stop(),
        }
        Ok(())
    }
}

pub(crate) struct Grouped {
    count: GroupCommit<Count>,
    /// Number that the stop hook adds.
    at_stop: u64,
}

impl Service for Grouped {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        let mut add = |number: u64| {
            self.count.change(|count| {
                count.0 += number;
                count.0
            })
        };
        match msg {
            Msg::Add(number, reply) => {
                let count = add(number);
                self.count.reply(reply, count);
            }
            Msg::Note(number) => drop(add(number)),
            Msg::Count(reply) => drop(reply.send(**self.count)),
            Msg::Panic => panic!("as asked"),
            Msg::AddAndPanic(number, reply) => {
                let count = add(number);
                self.count.reply(reply, count);
                panic!("as asked")
            }
            Msg::Fail => anyhow::bail!("as asked"),
            Msg::Stop => ctx.stop(),
        }
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if self.at_stop > 0 {
            let at_stop = self.at_stop;
            self.count.change(|count| count.0 += at_stop);
        }
        Ok(())
    }
}

pub(crate) fn plain(name: &str, store: Checkpoints) -> ServiceChild<Msg> {
    Child::service_with(name, store, |store, ctx| Plain::open(ctx, store))
}

pub(crate) fn grouped(name: &str, store: Checkpoints) -> ServiceChild<Msg> {
    adding_at_stop(name, store, 0)
}

/// A service whose stop hook adds `at_stop`.
pub(crate) fn adding_at_stop(name: &str, store: Checkpoints, at_stop: u64) -> ServiceChild<Msg> {
    Child::service_with(name, store, move |store, ctx: Context<Grouped>| async move {
        let checkpoint = ctx.checkpoint(&store).await?;
        Ok(Grouped { count: checkpoint.group_commit(Default::default), at_stop })
    })
}

/// A tree `app` with these children, and no limit of restarts.
pub(crate) async fn tree(children: impl IntoIterator<Item = ServiceChild<Msg>>) -> Tree {
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    children.into_iter().fold(app, Supervisor::child).start().await.unwrap()
}

pub(crate) fn find(tree: &Tree, name: &str) -> Handle<Msg> {
    tree.lookup(&format!("app/{name}")).unwrap()
}

/// The count, as the service knows it.
pub(crate) async fn count(tally: &Handle<Msg>) -> u64 {
    tally.call(Msg::Count).await.unwrap()
}

pub(crate) async fn add(tally: &Handle<Msg>, number: u64) -> u64 {
    tally.call(|reply| Msg::Add(number, reply)).await.unwrap()
}

/// The error of a claim or save in a failure of a service.
pub(crate) fn error_in(exit: &regrow::Exit) -> &CheckpointError {
    let regrow::Exit::Failed(failure) = exit else { panic!("it did not fail: {exit}") };
    failure.cause::<anyhow::Error>().unwrap().downcast_ref().unwrap_or_else(|| panic!("another error: {exit}"))
}
