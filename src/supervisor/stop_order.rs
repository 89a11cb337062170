//! The stop order of a supervisor's children, as its machine knows it.

use crate::log::line;
use crate::supervisor::driver::Driver;
use crate::tree::stop_order::Pair;

/// The stop order that a driver has given to its machine.
#[derive(Debug)]
pub(crate) struct Heeded {
    changes: u64,
    /// `None`: they have to be given anew.
    pairs: Option<Vec<Pair>>,
    circles: Vec<String>,
}

impl Default for Heeded {
    fn default() -> Self {
        Self { changes: 0, pairs: Some(Vec::new()), circles: Vec::new() }
    }
}

impl Driver {
    /// Gives the machine the order in which children stop, if it has changed. Called before the machine learns of
    /// anything for which it might stop children.
    pub(crate) fn heed_stop_order(&mut self) {
        let changes = self.shared.stop_order.changes();
        if changes == self.heeded.changes {
            return;
        }
        self.heeded.changes = changes;
        let pairs = self.shared.stop_order.pairs(&self.plan.path);
        if self.heeded.pairs.as_ref() == Some(&pairs) {
            return;
        }
        let key = |name: &str| self.machine.find(name);
        let known = pairs.iter().filter_map(|(a, b)| Some((key(a)?, key(b)?))).collect();
        let circles = self.machine.set_stop_order(known);
        self.heeded.pairs = Some(pairs);
        let names = |circle: &Vec<_>| {
            let names = circle.iter().chain(circle.first()).filter_map(|key| Some(self.machine.spec(*key)?.id()));
            names.collect::<Vec<_>>().join(" -> ")
        };
        let circles: Vec<_> = circles.iter().map(names).collect();
        for circle in circles.iter().filter(|circle| !self.heeded.circles.contains(circle)) {
            line!(
                WARN,
                { path = %self.plan.path, circle },
                "services below these children depend on each other in a circle: the children are stopped in the reverse \
                 of their start order"
            );
        }
        self.heeded.circles = circles;
    }

    /// Forgets the order that was given, as a name may mean another child than before.
    pub(crate) fn heed_stop_order_anew(&mut self) {
        // Even if no pair is left when it is given.
        if self.heeded.pairs.as_ref().is_some_and(|pairs| !pairs.is_empty()) {
            (self.heeded.changes, self.heeded.pairs) = (0, None);
        }
    }
}
