//! Services that keep values and save their state, in several checkpoints, one after the other.

use std::sync::LazyLock;

use regrow::checkpoint::{Checkpoints, GroupCommit, Json, MemoryStore};
use regrow::{Child, Context, Reply, Service, ServiceChild};

use crate::lives::lives_one_more;

/// A store keeps an epoch for each key for ever, so the keys are few.
static STORE: LazyLock<Checkpoints> = LazyLock::new(|| Checkpoints::new(MemoryStore::new()));

type Pages = GroupCommit<Json<Vec<u64>>>;

pub(crate) struct Saver {
    pages: Pages,
    key: String,
}

pub(crate) enum Save {
    /// Saves a page, and answers when it is durable.
    Page(Reply<usize>),
    /// Claims the checkpoint again, and saves from then on under the new claim.
    Turn(Reply<()>),
    Fail,
    Discard(Reply<()>),
}

async fn open(ctx: &Context<Saver>, key: &str) -> anyhow::Result<Pages> {
    Ok(ctx.checkpoint_at(&STORE, key).await?.group_commit(Default::default))
}

impl Service for Saver {
    type Msg = Save;

    async fn handle(&mut self, msg: Save, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Save::Page(reply) => {
                ctx.keep_sized(vec![0u64; 1_000], 8_000);
                let pages = self.pages.change(|pages| {
                    pages.push(1);
                    pages.len()
                });
                self.pages.reply(reply, pages);
            }
            Save::Turn(reply) => {
                self.pages.saved().await?;
                self.pages = open(ctx, &self.key).await?;
                reply.send(());
            }
            Save::Fail => {
                ctx.keep(vec![0u64; 1_000]);
                anyhow::bail!("as told")
            }
            Save::Discard(reply) => {
                let next = open(ctx, &self.key).await?;
                std::mem::replace(&mut self.pages, next).saved().await?;
                let spare: Pages = open(ctx, &self.key).await?;
                spare.discard().await?;
                reply.send(());
            }
        }
        Ok(())
    }
}

/// A service that saves under the key with this number.
pub(crate) fn saver(name: &str, key: u64) -> ServiceChild<Save> {
    Child::service(name, move |ctx: Context<Saver>| async move {
        lives_one_more();
        ctx.kept::<Vec<u64>>()?;
        let key = format!("key-{key}");
        Ok(Saver { pages: open(&ctx, &key).await?, key })
    })
}
