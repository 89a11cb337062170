//! `Book`: a service that begins with what the one before has kept, and does with it what a message says.

use std::sync::{Arc, Mutex};

use regrow::{Child, Context, Exit, Handle, Intensity, Reply, Service, ServiceChild, Supervisor, Tree};

use super::tree::soon;

pub(crate) struct Book {
    pub(crate) total: u64,
    diary: Diary,
}

type Deed = dyn Fn(&mut Book, &mut Context<Book>) -> anyhow::Result<()> + Send + Sync;

#[derive(Clone)]
pub(crate) enum Page {
    Do(Arc<Deed>),
    Ask(Reply<u64>),
}

/// A life of a book: what it began with, and the exit before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Begun {
    pub(crate) kept: Option<u64>,
    pub(crate) after: Option<&'static str>,
}

/// Lives of a book, and what its stop hook does.
#[derive(Clone, Default)]
pub(crate) struct Diary {
    begun: Arc<Mutex<Vec<Begun>>>,
    hook: Option<Arc<Deed>>,
}

impl Diary {
    pub(crate) fn hooked(
        hook: impl Fn(&mut Book, &mut Context<Book>) -> anyhow::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { hook: Some(Arc::new(hook)), ..Self::default() }
    }

    /// What each life began with so far.
    pub(crate) fn begun(&self) -> Vec<Option<u64>> {
        self.begun.lock().unwrap().iter().map(|begun| begun.kept).collect()
    }

    pub(crate) fn latest(&self) -> Begun {
        self.begun.lock().unwrap().last().cloned().expect("a life")
    }
}

impl Service for Book {
    type Msg = Page;

    async fn handle(&mut self, page: Page, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match page {
            Page::Do(deed) => deed(self, ctx),
            Page::Ask(reply) => {
                reply.send(self.total);
                Ok(())
            }
        }
    }

    async fn stopped(&mut self, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match self.diary.hook.clone() {
            Some(hook) => hook(self, ctx),
            None => Ok(()),
        }
    }
}

pub(crate) fn book(diary: &Diary) -> ServiceChild<Page> {
    Child::service_with("book", diary.clone(), |diary, ctx: Context<Book>| async move {
        let kept = ctx.kept::<u64>()?.map(|kept| *kept);
        let after = ctx.last_exit().map(Exit::kind);
        diary.begun.lock().unwrap().push(Begun { kept, after });
        Ok(Book { total: kept.unwrap_or_default(), diary })
    })
}

pub(crate) async fn tree_of(child: ServiceChild<Page>) -> (Tree, Handle<Page>) {
    let tree = soon("the start", forgiving().child(child).start()).await.unwrap();
    let handle = tree.lookup("app/book").unwrap();
    (tree, handle)
}

pub(crate) fn forgiving() -> Supervisor {
    Supervisor::one_for_one("app").budget(Intensity::unlimited())
}

/// Sends a message that does this.
pub(crate) fn tell(
    book: &Handle<Page>,
    deed: impl Fn(&mut Book, &mut Context<Book>) -> anyhow::Result<()> + Send + Sync + 'static,
) {
    book.cast(Page::Do(Arc::new(deed))).unwrap();
}

/// Adds, and keeps the sum.
pub(crate) fn add(book: &mut Book, ctx: &Context<Book>) {
    book.total += 1;
    ctx.keep(book.total);
}

pub(crate) async fn total(book: &Handle<Page>) -> u64 {
    soon("the total", book.call(Page::Ask)).await.unwrap()
}
