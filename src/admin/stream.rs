//! A body that is made batch by batch: the next batch is begun when the socket has room for it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use futures_core::Stream;

/// Source of batches.
pub(crate) trait Batches: Send + Sized + 'static {
    /// Waits for the next batch. `None` is the end.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// Stream of the batches of a source. It has no buffer of its own.
pub(crate) struct Stepwise<B> {
    idle: Option<B>,
    work: Option<Work<B>>,
}

type Work<B> = Pin<Box<dyn Future<Output = (Option<Bytes>, B)> + Send>>;

impl<B: Batches> Stepwise<B> {
    pub(crate) fn new(source: B) -> Self {
        Self { idle: Some(source), work: None }
    }
}

impl<B: Batches + Unpin> Stream for Stepwise<B> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(mut source) = self.idle.take() {
            self.work = Some(Box::pin(async move { (source.next().await, source) }));
        }
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let (batch, source) = ready!(work.as_mut().poll(cx));
        self.work = None;
        if batch.is_some() {
            self.idle = Some(source);
        }
        Poll::Ready(batch.map(Ok))
    }
}
