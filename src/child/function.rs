//! Plain `async fn`s as tasks and factories: with or without a context, and with an error type of their own.

use crate::context::{Context, TaskContext};
use crate::service::Service;

/// An `async fn` that can be a task: see [`Child::task_fn`](crate::Child::task_fn).
///
/// `Args` is what the function takes: nothing, or a [`TaskContext`]. It returns nothing, or a [`Result`] with an error
/// that converts into `anyhow::Error`.
pub trait TaskFn<Args>: sealed::Task<Args> {}

/// An `async fn` that can be the factory of a service: see [`Child::service_fn`](crate::Child::service_fn).
///
/// `Args` is what the function takes: nothing, or a [`Context`]. It returns a [`Result`] with an error that converts
/// into `anyhow::Error`.
pub trait ServiceFn<S: Service, Args>: sealed::Factory<S, Args> {}

pub(crate) mod sealed {
    use super::{Context, Service, TaskContext};

    pub trait Task<Args>: Send + Sync + 'static {
        fn run(&self, ctx: TaskContext) -> impl Future<Output = anyhow::Result<()>> + Send + 'static + use<Self, Args>;
    }

    impl<F, Fut> Task<()> for F
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Output> + Send + 'static,
    {
        fn run(&self, _: TaskContext) -> impl Future<Output = anyhow::Result<()>> + Send + 'static + use<F, Fut> {
            let work = self();
            async { work.await.into_result() }
        }
    }

    impl<F, Fut> Task<(TaskContext,)> for F
    where
        F: Fn(TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Output> + Send + 'static,
    {
        fn run(&self, ctx: TaskContext) -> impl Future<Output = anyhow::Result<()>> + Send + 'static + use<F, Fut> {
            let work = self(ctx);
            async { work.await.into_result() }
        }
    }

    pub trait Output {
        fn into_result(self) -> anyhow::Result<()>;
    }

    impl Output for () {
        fn into_result(self) -> anyhow::Result<()> {
            Ok(())
        }
    }

    impl<E: Into<anyhow::Error>> Output for Result<(), E> {
        fn into_result(self) -> anyhow::Result<()> {
            self.map_err(Into::into)
        }
    }

    pub trait Factory<S: Service, Args>: Send + Sync + 'static {
        fn build(
            &self,
            ctx: Context<S>,
        ) -> impl Future<Output = anyhow::Result<S>> + Send + 'static + use<Self, S, Args>;
    }

    impl<S, F, Fut, E> Factory<S, ()> for F
    where
        S: Service,
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        fn build(&self, _: Context<S>) -> impl Future<Output = anyhow::Result<S>> + Send + 'static + use<S, F, Fut, E> {
            let state = self();
            async { state.await.map_err(Into::into) }
        }
    }

    impl<S, F, Fut, E> Factory<S, (Context<S>,)> for F
    where
        S: Service,
        F: Fn(Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        fn build(
            &self,
            ctx: Context<S>,
        ) -> impl Future<Output = anyhow::Result<S>> + Send + 'static + use<S, F, Fut, E> {
            let state = self(ctx);
            async { state.await.map_err(Into::into) }
        }
    }
}

impl<Args, F: sealed::Task<Args>> TaskFn<Args> for F {}
impl<S: Service, Args, F: sealed::Factory<S, Args>> ServiceFn<S, Args> for F {}
