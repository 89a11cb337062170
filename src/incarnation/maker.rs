//! The maker of a child's lives: everything that its description has captured, in one block that the lives share.

use std::sync::Arc;

use crate::base::sweep::Kept;
use crate::incarnation::redelivery::Redelivery;
use crate::incarnation::{Life, SpawnArgs};

/// Maker of the lives of a child, one after the other.
pub(crate) trait Spawns: Send + Sync {
    fn spawn(self: Arc<Self>, args: SpawnArgs) -> Life;
}

/// Maker while the child is being described, when its type of message is known.
pub(crate) trait Describes<M>: Spawns {
    fn redeliver(&mut self, redelivery: Redelivery<M>);
}

/// Code `F` of the user for a child that takes messages of type `M`.
pub(crate) struct Maker<F: Send + 'static, M> {
    code: Kept<F>,
    redelivery: Option<Redelivery<M>>,
    live: Live<F, M>,
}

/// Function that starts a life of this kind of child.
type Live<F, M> = fn(Arc<Maker<F, M>>, SpawnArgs) -> Life;

impl<F: Send + 'static, M> Maker<F, M> {
    pub(crate) fn new(code: F, live: Live<F, M>) -> Self {
        Self { code: Kept::new(code), redelivery: None, live }
    }

    pub(crate) fn code(&self) -> &F {
        self.code.get()
    }

    pub(crate) fn redelivery(&self) -> Option<Redelivery<M>> {
        self.redelivery
    }
}

impl<F: Send + Sync + 'static, M> Spawns for Maker<F, M> {
    fn spawn(self: Arc<Self>, args: SpawnArgs) -> Life {
        (self.live)(self, args)
    }
}

impl<F: Send + Sync + 'static, M> Describes<M> for Maker<F, M> {
    fn redeliver(&mut self, redelivery: Redelivery<M>) {
        self.redelivery = Some(redelivery);
    }
}
