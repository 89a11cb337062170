//! The counters of running trees as metrics: for the [`metrics`] facade, so that the program chooses the
//! exporter, and as text for Prometheus.
//!
//! A [`Metrics`] reads the counters that the services keep anyway, when it is asked. No task runs, and nothing is sampled.
//!
//! ```
//! # use regrow::{Supervisor, testing::{Journal, ProbeMsg}};
//! use regrow::metrics::{Metrics, metrics_router};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
//! let tree = Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await?;
//! tree.lookup::<ProbeMsg>("shop/db")?.cast(ProbeMsg::Note(1))?;
//!
//! let metrics = Metrics::new().tree(&tree);
//! let text = metrics.render();
//! assert!(text.contains(r#"regrow_messages_accepted_total{tree="shop",service="shop/db"} 1"#));
//!
//! // To be served at `/metrics`, alone or in the program's own router:
//! let router: axum::Router = metrics_router(metrics);
//! # drop(router); tree.shutdown().await; Ok(()) }
//! ```
//!
//! # Metrics
//!
//! Each name begins with `regrow_`. The labels are `tree`, the name of the root; `service`, a template; and at most one word
//! from a fixed list. The template of a path has `*` for each name that a dynamic or partitioned supervisor gave, such as
//! `shop/sessions/*`. Counters of services that have ended stay in the sums of their template, so no counter ever falls.
//!
//! | name | labels beside `tree` | meaning |
//! |---|---|---|
//! | `service_starts_total` | `service`, `outcome`: `up`, `failed`, `ignored` | attempts to start, by outcome |
//! | `service_exits_total` | `service`, `cause`: `normal`, `shutdown`, `killed`, `failed`, `panicked`, `hung` | ends of incarnations |
//! | `service_restarts_total` | `service`, `scope`: `own`, `taken_along` | restarts: see [`Restarts`](crate::Restarts) |
//! | `service_restarts_last_minute`, `service_restarts_last_hour` | `service` | restarts of late, only for services that have restarted |
//! | `supervisor_gave_up_total` | `service` | give-ups of a supervisor |
//! | `budget_left` | `service` | restarts that a supervisor still forgives, after its first failure that comes after the first collector; `NaN` when it is gone |
//! | `messages_accepted_total`, `messages_handled_total` | `service` | messages that entered the mailbox, and those handled to the end |
//! | `messages_refused_total` | `service`, `reason` | messages that came back: [`Refusal::kind`](crate::Refusal::kind) |
//! | `messages_refused_by_gone_total` | | messages that came back from services that are gone |
//! | `dead_letters_total` | `service`, `reason` | messages that were shed: [`DeadReason::kind`](crate::DeadReason::kind) |
//! | `redeliveries_total`, `quarantined_total` | `service` | messages put back; messages found to be poison |
//! | `services` | `service`, `state` | services in each state |
//! | `mailbox_messages`, `mailbox_fullest_ratio` | `service` | messages that wait; the part of the capacity in use, of the fullest mailbox |
//! | `accounting_difference` | `service` | messages that the counters do not account for; anything but 0 is a bug in regrow |
//! | `mailbox_oldest_seconds`, `handler_running_seconds` | `service` | age of the oldest message, longest time in hand: only [measured](crate::ServiceChild::measured) services |
//! | `message_wait_seconds`, `message_handling_seconds`, `restart_seconds` | `service` | histograms: time in the mailbox, in the handler, and from an end until ready; only measured services |
//! | `tree_ready` | | 1 if the tree is [ready](crate::Directory::is_ready), else 0 |
//! | `policy_reloads_total` | `outcome`: `applied`, `refused` | policies given to the running tree |
//! | `events_missed_total` | | events that slow subscribers lost |
//! | `admin_acts_total` | `act`, `outcome`: `done`, `refused` | acts of operators |
//! | `templates_in_other` | | templates that are counted as `other`: see [`Metrics::templates_max`] |

mod collect;
mod label;
mod names;
mod prometheus;
mod router;

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::tree::{Directory, Tree};
use collect::Published;
use label::Templates;
use prometheus::Renderer;

pub use router::metrics_router;

/// Templates with labels of their own by default.
pub const DEFAULT_TEMPLATES_MAX: usize = 500;

/// Collector of the metrics of one tree or several: see the [page](self). Clones share everything.
///
/// It does not keep a tree alive. The last figures of a tree that is over stay, and so does the memory of its directory,
/// until the last clone is dropped.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    trees: Mutex<Vec<Source>>,
    templates: Mutex<Templates>,
    /// Values that the recorder of the program has been given.
    published: Mutex<Published>,
    renderer: Renderer,
}

/// Tree that is read.
#[derive(Clone)]
struct Source {
    name: Arc<str>,
    directory: Directory,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Makes a collector without trees.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                trees: Mutex::default(),
                templates: Mutex::new(Templates::new(DEFAULT_TEMPLATES_MAX)),
                published: Mutex::default(),
                renderer: Renderer::new(),
            }),
        }
    }

    /// Adds a tree. The figures of trees with the same name are added up.
    #[must_use = "it is the collector"]
    pub fn tree(self, tree: &Tree) -> Self {
        self.add(tree);
        self
    }

    /// Adds a tree to a collector that is in use.
    pub fn add(&self, tree: &Tree) {
        tree.shared.counts.read_budgets();
        lock(&self.shared.trees).push(Source { name: tree.path().into(), directory: tree.directory() });
    }

    /// Sets how many templates of each tree have labels of their own. Default: [`DEFAULT_TEMPLATES_MAX`]. All further ones
    /// are counted together as `other`, and `regrow_templates_in_other` says how many they are.
    ///
    /// A template that has a label keeps it, so no counter falls. Call this before the first collection: it has no effect
    /// on labels that were given.
    #[must_use = "it is the collector"]
    pub fn templates_max(self, templates: usize) -> Self {
        lock(&self.shared.templates).set_max(templates);
        self
    }

    /// Gives the present figures to the recorder of the `metrics` facade that is in force: the local one of this thread,
    /// or the one of the process. Without one it does nothing. Call it before each export.
    ///
    /// It reads the slot of each service: a tree of 100,000 services takes tens of milliseconds. Call it from a thread that
    /// may block, such as that of `tokio::task::spawn_blocking`. The directory's lock is held for a small part of that time.
    ///
    /// Histograms are given as the times since the last collection, each as the mean of its bucket.
    pub fn collect(&self) {
        self.publish(&mut lock(&self.shared.published));
    }

    /// Tells the recorder that is in force the help texts and units. Call it once, when the recorder is installed.
    pub fn describe(&self) {
        names::describe();
    }

    /// Returns the present figures as Prometheus text. It works without a recorder of the process, and takes the time that
    /// [`collect`](Self::collect) takes.
    pub fn render(&self) -> String {
        self.shared.renderer.render(|published| self.publish(published))
    }

    fn publish(&self, published: &mut Published) {
        let trees = lock(&self.shared.trees).clone();
        let gathered = collect::gather(&trees, &mut lock(&self.shared.templates));
        collect::publish(&gathered, published);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trees: Vec<_> = lock(&self.shared.trees).iter().map(|source| source.name.clone()).collect();
        f.debug_struct("Metrics").field("trees", &trees).finish_non_exhaustive()
    }
}
