//! The figures as Prometheus text. The format is that of the crate `metrics-exporter-prometheus`, in a recorder that only
//! this collector uses.

use std::sync::Mutex;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use crate::base::sync::lock;
use crate::metrics::collect::Published;
use crate::metrics::names;
use crate::slot::histogram::Histogram;

/// Content type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) struct Renderer(Mutex<State>);

struct State {
    recorder: PrometheusRecorder,
    published: Published,
}

impl Renderer {
    pub(super) fn new() -> Self {
        let builder = names::TIMES.into_iter().fold(PrometheusBuilder::new(), |builder, name| {
            match builder.set_buckets_for_metric(Matcher::Full(name.into()), &Histogram::bounds()) {
                Ok(builder) => builder,
                Err(error) => unreachable!("there are bounds: {error}"),
            }
        });
        let recorder = builder.build_recorder();
        metrics::with_local_recorder(&recorder, names::describe);
        Self(Mutex::new(State { recorder, published: Published::default() }))
    }

    /// Lets `publish` give the present figures, and returns the text. One caller at a time.
    pub(super) fn render(&self, publish: impl FnOnce(&mut Published)) -> String {
        let State { recorder, published } = &mut *lock(&self.0);
        metrics::with_local_recorder(&*recorder, || publish(published));
        let handle = recorder.handle();
        let text = handle.render();
        // The times that were rendered are kept as counts from now on.
        handle.run_upkeep();
        text
    }
}
