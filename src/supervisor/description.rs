//! The description of a supervisor of any kind, as its builder leaves it.

use std::sync::Arc;

use regrow_supervisors::{
    ChildSpec, DynamicMachine, Flags, Intensity, Machine, SpecError, StaticMachine, StopOrder, Strategy,
};

use crate::child::Child;
use crate::supervisor::dynamic::{DynamicState, Limits};
use crate::supervisor::observer::Watch;
use crate::supervisor::partitioned::AnyPartitionTable;
use crate::tree::directory::{ChildKind, Facet};
use crate::tree::options::Options;

/// Function that runs at each start, before the children.
pub(crate) type Init = Arc<dyn Fn() -> anyhow::Result<()> + Send + Sync>;

pub(crate) struct Description {
    /// The spec of the supervisor as a child of another one.
    pub(crate) spec: ChildSpec,
    pub(crate) shape: Shape,
    pub(crate) children: Vec<Child>,
    pub(crate) init: Option<Init>,
    pub(crate) watch: Option<Arc<dyn Watch>>,
    pub(crate) terms: Options,
}

impl Description {
    pub(crate) fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.spec = self.spec.named(name);
        self
    }
}

/// The machine that decides, and what the directory needs beside it.
#[derive(Clone)]
pub(crate) enum Shape {
    Static(Flags),
    Dynamic(Arc<DynamicState>),
    Partitioned { flags: Flags, table: Arc<dyn AnyPartitionTable> },
}

/// The part of a supervisor's handle that the slot does not have.
pub(crate) enum PathKind {
    Dynamic(Arc<DynamicState>),
    Partitioned(Arc<dyn AnyPartitionTable>),
}

impl PathKind {
    /// The facet of a listed supervisor, if it has one.
    pub(crate) fn of(facet: Option<&Facet>) -> Option<&Self> {
        facet?.downcast_ref()
    }
}

impl Shape {
    pub(crate) fn check<'a>(&self, specs: impl IntoIterator<Item = &'a ChildSpec>) -> Result<(), SpecError> {
        match self {
            Self::Static(flags) | Self::Partitioned { flags, .. } => flags.check(specs),
            Self::Dynamic(state) => {
                let Limits { intensity, children_max } = state.limits();
                DynamicMachine::check(intensity, children_max)
            }
        }
    }

    pub(crate) fn machine(&self, specs: Vec<ChildSpec>) -> Result<Box<dyn Machine + Send>, SpecError> {
        Ok(match self {
            Self::Static(flags) | Self::Partitioned { flags, .. } => Box::new(StaticMachine::new(*flags, specs)?),
            Self::Dynamic(state) => {
                let Limits { intensity, children_max } = state.limits();
                Box::new(DynamicMachine::new(intensity, children_max)?)
            }
        })
    }

    /// Returns the shape to go on with if `before` was listed at this path. Handles of the earlier one stay valid.
    pub(crate) fn following(self, before: Option<&PathKind>) -> Self {
        match (self, before) {
            (Self::Dynamic(state), Some(PathKind::Dynamic(before))) => {
                before.follow(&state);
                Self::Dynamic(before.clone())
            }
            (Self::Partitioned { flags, table }, Some(PathKind::Partitioned(before))) => {
                Self::Partitioned { flags, table: before.clone().followed_by(table) }
            }
            (shape, _) => shape,
        }
    }

    /// The strategy. A dynamic supervisor restarts each child alone.
    pub(crate) fn strategy(&self) -> Strategy {
        match self {
            Self::Static(flags) | Self::Partitioned { flags, .. } => flags.strategy,
            Self::Dynamic(_) => Strategy::OneForOne,
        }
    }

    /// The restart budget that the code gives it.
    pub(crate) fn intensity(&self) -> Intensity {
        match self {
            Self::Static(flags) | Self::Partitioned { flags, .. } => flags.intensity,
            Self::Dynamic(state) => state.limits().intensity,
        }
    }

    pub(crate) fn kind(&self) -> ChildKind {
        match self {
            Self::Static(_) => ChildKind::Supervisor,
            Self::Dynamic(_) => ChildKind::Dynamic,
            Self::Partitioned { .. } => ChildKind::Partitioned,
        }
    }

    pub(crate) fn facet(&self) -> Option<Facet> {
        match self {
            Self::Static(_) => None,
            Self::Dynamic(state) => Some(Arc::new(PathKind::Dynamic(state.clone()))),
            Self::Partitioned { table, .. } => Some(Arc::new(PathKind::Partitioned(table.clone()))),
        }
    }
}

/// The settings that every builder of a supervisor has.
pub(crate) struct Base {
    /// The spec of the supervisor as a child of another one.
    pub(crate) spec: ChildSpec,
    pub(crate) intensity: Intensity,
    pub(crate) init: Option<Init>,
    pub(crate) watch: Option<Arc<dyn Watch>>,
    pub(crate) terms: Options,
}

impl Base {
    pub(crate) fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            spec: ChildSpec::supervisor(name),
            intensity: Intensity::default(),
            init: None,
            watch: None,
            terms: Options::default(),
        }
    }

    /// The description of a supervisor with the children of this table, made again for each of its lives.
    pub(crate) fn partitioned(
        self,
        table: Arc<dyn AnyPartitionTable>,
    ) -> impl Fn() -> Description + Send + Sync + 'static {
        let Self { spec, intensity, init, watch, terms } = self;
        let stop_order = StopOrder::TogetherAtEnd;
        let flags = Flags { strategy: Strategy::OneForOne, intensity, stop_order, ..Flags::default() };
        move || Description {
            spec: spec.clone(),
            shape: Shape::Partitioned { flags, table: table.clone() },
            children: Vec::new(),
            init: init.clone(),
            watch: watch.clone(),
            terms: terms.clone(),
        }
    }
}
