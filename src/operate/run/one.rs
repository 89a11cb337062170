//! `regrow status` and `regrow why`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::admin::wire::query::ServiceQuery;
use crate::admin::wire::service::ServiceInFull;
use crate::admin::wire::services::State;
use crate::operate::ask::answer::Answer;
use crate::operate::ask::source::Source;
use crate::operate::ask::viewer::viewer;
use crate::operate::code::Code;
use crate::operate::options::Target;
use crate::operate::run::output::Output;
use crate::operate::text::{status, why};
use crate::operate::trouble::Trouble;

/// The child of `regrow status` and `regrow why`.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Full path of the child, such as `shop/db`.
    path: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Options of `regrow status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) one: One,
    /// Show every setting of the policy. Otherwise those that were not set are only counted.
    #[arg(long)]
    policy: bool,
}

impl Status {
    pub(crate) fn run(&self, output: &Output) -> Result<Code, Trouble> {
        self.one.status(self.policy, output)
    }
}

impl One {
    /// Shows the child. The code says whether it is well: up and ready, or down as it should be.
    fn status(&self, with_defaults: bool, output: &Output) -> Result<Code, Trouble> {
        let source = Source::find(&self.target)?;
        let now_ms = source.greeting()?.data.now_ms;
        let full = in_full(&source, &self.path)?;
        output.answer(&full, |full, screen| status(full, now_ms, with_defaults, screen))?;
        let service = &full.data.service;
        let is_unready = service.state == State::Up && !service.ready;
        Ok(if service.state.is_unwell() || is_unready { Code::NotWell } else { Code::Done })
    }

    /// Shows the reason for the child's state.
    pub(crate) fn why(&self, output: &Output) -> Result<Code, Trouble> {
        let source = Source::find(&self.target)?;
        output.answer(&in_full(&source, &self.path)?, why)?;
        Ok(Code::Done)
    }
}

/// Asks for the child in full.
pub(crate) fn in_full(source: &Source<'_>, path: &str) -> Result<Answer<ServiceInFull>, Trouble> {
    source.look("/v1/service", &ServiceQuery { path: path.to_owned(), viewer: Some(viewer()) })
}

/// Returns the time of this machine, for looks at a file.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
