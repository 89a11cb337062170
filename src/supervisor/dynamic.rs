//! The dynamic supervisor. Its children come and go at run time, by spec or from a template.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use regrow_supervisors::{GiveUp, Intensity, Policy};

use crate::base::sweep::Kept;
use crate::child::Child;
use crate::error::start::StartError;
use crate::supervisor::description::{Base, Description, Shape};
use crate::tree::Tree;

/// A supervisor with children that are added at run time, being described. OTP calls it `simple_one_for_one` (OTP rules
/// 79 to 91), Elixir `DynamicSupervisor`. [`Supervisor`](crate::Supervisor#which-supervisor-do-i-want) compares the
/// kinds of supervisor.
///
/// Each child is restarted alone. A child that has finished leaves nothing behind; one that is restarted keeps its path
/// and its handles. When the supervisor itself is restarted, it begins without children (OTP rule 100).
///
/// One restart budget is shared by all children, as in OTP. A child that crashes in a loop uses it up, and then the
/// supervisor ends with all its children. For children that have nothing to do with each other, such as sessions of
/// users, give each its own: [`budget_each`](Self::budget_each).
///
/// When the supervisor stops, it asks all children to stop at once, and each has its own time for that. A child that
/// others [depend on](crate::Policy::depends_on) is asked when they are gone.
///
/// Children have the names that they bring along, or numbers: see [`numbered`](Self::numbered).
///
/// ```
/// use regrow::testing::{Journal, ProbeMsg};
/// use regrow::{DynamicSupervisor, Intensity, Restart, Supervisor};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let journal = Journal::new();
/// let sessions = DynamicSupervisor::new("sessions")
///     .max_children(10_000)
///     .budget_each(Intensity::new(3, Duration::from_secs(60)))
///     .template(move |user: String| journal.probe(&user).restart(Restart::Transient));
/// let tree = Supervisor::one_for_one("app").child(sessions).start().await?;
///
/// let sessions = tree.dynamic("app/sessions")?.template::<String>()?;
/// sessions.start_child("ada".into()).await?;
/// tree.lookup::<ProbeMsg>("app/sessions/ada")?.cast(ProbeMsg::Note(1))?;
/// # tree.shutdown().await; Ok(()) }
/// ```
#[must_use = "a supervisor does nothing until it is started, or has been given to another one"]
pub struct DynamicSupervisor {
    pub(super) base: Base,
    pub(super) children_max: Option<usize>,
    pub(super) state: DynamicState,
}

/// The limits and the template of a dynamic supervisor. They last through its restarts.
#[derive(Default)]
pub(crate) struct DynamicState {
    configuration: RwLock<Configuration>,
    is_numbered: AtomicBool,
    /// The last number that was given.
    number: AtomicU64,
}

#[derive(Clone, Default)]
pub(super) struct Configuration {
    pub(super) limits: Limits,
    pub(super) template: Option<Made>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) intensity: Intensity,
    pub(crate) children_max: Option<usize>,
}

/// A `Make<A>`, and the name of `A`.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) make: Arc<dyn Any + Send + Sync>,
    pub(super) arguments: &'static str,
}

pub(super) type Make<A> = Box<dyn Fn(A) -> Child + Send + Sync>;

impl DynamicState {
    pub(super) fn configuration(&self) -> Configuration {
        self.configuration.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn configure(&self, change: impl FnOnce(&mut Configuration)) {
        let mut configuration = self.configuration();
        change(&mut configuration);
        let mut present = self.configuration.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *present, configuration);
        drop(present);
        drop(before);
    }

    pub(super) fn template(&self) -> Option<Made> {
        self.configuration().template
    }

    pub(crate) fn limits(&self) -> Limits {
        self.configuration().limits
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.is_numbered.load(Ordering::Relaxed)
    }

    /// Returns the child as it will be listed: with a number for a name, if the supervisor is numbered.
    pub(super) fn admit(&self, child: Child) -> Child {
        if self.is_numbered.load(Ordering::Relaxed) { child.named(self.next_number().to_string()) } else { child }
    }

    /// Returns a task as it will be listed: with a number in its name, or for a name.
    pub(super) fn admit_task(&self, child: Child) -> Child {
        if self.is_numbered.load(Ordering::Relaxed) {
            self.admit(child)
        } else {
            child.named(format!("task-{}", self.next_number()))
        }
    }

    fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes the limits and the template of a new description. Handles and numbers that were given stay.
    pub(crate) fn follow(&self, new: &Self) {
        let new_one = new.configuration();
        self.configure(|configuration| *configuration = new_one);
        self.is_numbered.store(new.is_numbered.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl DynamicSupervisor {
    /// A dynamic supervisor with OTP's budget of one restart in five seconds, for any number of children.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { base: Base::new(name), children_max: None, state: DynamicState::default() }
    }

    /// Limits the number of children. Children that are being started or retried count. Zero is refused when the tree
    /// starts.
    pub fn max_children(mut self, children: usize) -> Self {
        self.children_max = Some(children);
        self
    }

    /// Gives each child a restart budget of its own, so that the crash loop of one child never touches its siblings or
    /// this supervisor. When the budget of a child is used up, that child alone ends for good, as with
    /// [`GiveUp::Stop`]: it is forgotten, its handles say [`Gone`](crate::Refusal::Gone), and
    /// [`EventKind::GivenUp`](crate::EventKind::GivenUp) tells the reason. Messages that wait in its mailbox become dead
    /// letters.
    ///
    /// It is a default for direct children: a [budget](field@crate::Policy::budget) or a
    /// [reaction](field@crate::Policy::on_give_up) in the policy of a child, or in the
    /// [`defaults`](Self::defaults) of this supervisor, wins. A policy file says the same with
    /// `[supervisor."PATH".defaults]`, `max_restarts`, `within` and `on_give_up = "stop"`.
    ///
    /// A period of zero, or of more than a year, is refused when the tree starts.
    ///
    /// ```
    /// use regrow::testing::{Journal, ProbeMsg, until};
    /// use regrow::{DynamicSupervisor, Intensity, ServiceState};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let sessions = DynamicSupervisor::new("sessions").budget_each(Intensity::new(0, Duration::from_secs(60)));
    /// let tree = sessions.start().await?;
    /// let sessions = tree.dynamic("sessions")?;
    /// for user in ["ada", "bob"] {
    ///     sessions.start_child(Journal::new().probe(user)).await?;
    /// }
    /// let ada = tree.lookup::<ProbeMsg>("sessions/ada")?;
    /// ada.cast(ProbeMsg::Fail("a bad request"))?;
    /// until(ada.watch(), |status| status.state == ServiceState::Gone).await;
    /// assert_eq!(tree.lookup::<ProbeMsg>("sessions/bob")?.generation(), 1);
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn budget_each(mut self, budget: Intensity) -> Self {
        let each = Policy::default().budget(budget).on_give_up(GiveUp::Stop);
        self.base.terms.each = Some(Arc::new(each));
        self
    }

    /// Makes children from values of type `A`: see [`Template`](crate::Template). `make` runs once for each child. At a
    /// restart, the child's own factory runs again with the same values, as OTP keeps the arguments (OTP rule 80).
    pub fn template<A, C>(self, make: impl Fn(A) -> C + Send + Sync + 'static) -> Self
    where
        A: 'static,
        C: Into<Child>,
    {
        let make = Kept::new(make);
        let make: Make<A> = Box::new(move |arguments| make.get()(arguments).into());
        let made = Made { make: Arc::new(make), arguments: std::any::type_name::<A>() };
        self.state.configure(|configuration| configuration.template = Some(made));
        self
    }

    /// Names the children 1, 2, 3 and so on, in the order in which they are started, such as `pool/42`. Their own names
    /// do not matter. A number is given once, even if the start of its child was refused or failed.
    pub fn numbered(self) -> Self {
        self.state.is_numbered.store(true, Ordering::Relaxed);
        self
    }

    /// Starts a tree that consists of this supervisor.
    ///
    /// # Errors
    ///
    /// Those of [`Supervisor::start`](crate::Supervisor::start).
    pub async fn start(self) -> Result<Tree, StartError> {
        Tree::start(self.into()).await
    }
}

impl From<DynamicSupervisor> for Description {
    fn from(supervisor: DynamicSupervisor) -> Self {
        let DynamicSupervisor { base: Base { spec, intensity, init, watch, terms }, children_max, state } = supervisor;
        state.configure(|configuration| configuration.limits = Limits { intensity, children_max });
        Self { spec, shape: Shape::Dynamic(Arc::new(state)), children: Vec::new(), init, watch, terms }
    }
}

impl fmt::Debug for DynamicSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let template = self.state.template().map(|made| made.arguments);
        f.debug_struct("DynamicSupervisor")
            .field("spec", &self.base.spec)
            .field("max_children", &self.children_max)
            .field("template", &template)
            .finish_non_exhaustive()
    }
}
