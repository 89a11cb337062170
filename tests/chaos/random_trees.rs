//! Trees drawn at random: strategies, stop orders, dependencies, policies, children that end by themselves, and orders that
//! come in between. Nothing is wrong with them, so that whatever the judge finds is a false alarm of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use regrow::chaos::{Experiment, Fault, Scope, SimulatedTree, Simulation, Times, When};
use regrow::{
    AutoShutdown, Backoff, BudgetClock, Child, ChildKind, Context, Dependency, DependencyGone, DynamicSupervisor,
    ExitKind, ExitRule, FailureRate, GiveUp, Intensity, Jitter, NotReady, Partitioned, Policy, Readiness, Restart,
    RuleAction, Service, ServiceChild, Shutdown, Strategy, Supervisor, SupervisorHandle, Tree, ignore,
};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// What a worker does in its life.
#[derive(Debug, Clone, Copy)]
struct Habits {
    starts_in: Duration,
    is_ignored: bool,
    /// It says that it is ready, this long after its start.
    ready_in: Option<Duration>,
    /// It ends unasked, normally or not.
    ends_in: Option<(Duration, bool)>,
    stops_in: Duration,
}

struct Worker(Habits);

#[derive(Clone)]
enum Do {
    Say,
    End,
    Fail,
}

impl Service for Worker {
    type Msg = Do;

    async fn handle(&mut self, what: Do, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match what {
            Do::Say => ctx.ready(),
            Do::End => ctx.stop(),
            Do::Fail => anyhow::bail!("it has had enough"),
        }
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        tokio::time::sleep(self.0.stops_in).await;
        Ok(())
    }
}

fn worker(name: impl Into<Arc<str>>, habits: Habits) -> ServiceChild<Do> {
    Child::service(name, move |ctx: Context<Worker>| async move {
        tokio::time::sleep(habits.starts_in).await;
        if habits.is_ignored {
            return ignore();
        }
        if let Some(ready_in) = habits.ready_in {
            ctx.send_after(ready_in, Do::Say);
        }
        if let Some((ends_in, is_normal)) = habits.ends_in {
            ctx.send_after(ends_in, if is_normal { Do::End } else { Do::Fail });
        }
        Ok(Worker(habits))
    })
}

struct Draw {
    random: Rng,
    /// Services that were described already: what comes later may depend on them.
    known: Vec<String>,
    supervisors: Vec<String>,
}

impl Draw {
    fn one_in(&mut self, chances: u32) -> bool {
        self.random.u32(0..chances) == 0
    }

    fn ms(&mut self, most: u32) -> Duration {
        self.random.u32(0..=most) * MS
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.usize(..of.len())].clone()
    }

    fn backoff(&mut self) -> Backoff {
        let first = self.ms(300);
        let backoff = Backoff::new(first).max_delay(first.max(self.ms(1500)));
        let jitter = self.one_of(&[Jitter::None, Jitter::Full, Jitter::Decorrelated]);
        backoff.jitter(jitter)
    }

    fn intensity(&mut self) -> Intensity {
        Intensity::new(self.random.u32(0..4), self.random.u32(1..5) * SEC)
    }

    fn policy(&mut self, says: bool) -> Policy {
        let mut policy = Policy::default();
        if self.one_in(2) {
            policy = policy.backoff(self.backoff());
        }
        if self.one_in(3) {
            policy = policy.budget(self.intensity());
        }
        if self.one_in(3) {
            policy = policy.on_give_up(match self.random.u32(0..8) {
                0 => GiveUp::EndTree,
                1..4 => GiveUp::Stop,
                _ => GiveUp::Park(self.backoff()),
            });
        }
        if self.one_in(4) {
            policy = policy.reset_after(self.ms(800) + MS);
        }
        if self.one_in(6) {
            policy = policy.retry_start();
        }
        if self.one_in(8) {
            policy = policy.reset_on_ready();
        }
        if self.one_in(6) {
            policy = policy.not_ready(NotReady::default().budget(self.intensity()).backoff(self.backoff()));
        }
        if says {
            policy = policy.readiness(Readiness::WhenSaid).start_timeout(self.ms(400) + 50 * MS);
        }
        for _ in 0..self.random.u32(0..3).saturating_sub(1) {
            let then = self.one_of(&[
                RuleAction::Restart,
                RuleAction::RestartGroup,
                RuleAction::Park,
                RuleAction::Stop,
                RuleAction::Escalate,
            ]);
            let on = self.one_of(&[
                ExitKind::Killed,
                ExitKind::Failed,
                ExitKind::Normal,
                ExitKind::StartFailed,
                ExitKind::NotReady,
            ]);
            let rule = ExitRule::new(then).on(on);
            policy = policy.rule(if self.one_in(2) { rule.free() } else { rule });
        }
        policy
    }

    fn service(&mut self, above: &str, name: &str) -> ServiceChild<Do> {
        let says = self.one_in(5);
        let habits = Habits {
            starts_in: if self.one_in(2) { self.ms(60) } else { Duration::ZERO },
            is_ignored: self.one_in(25),
            ready_in: says.then(|| self.ms(100)),
            ends_in: self.one_in(5).then(|| (self.ms(2500), self.one_in(2))),
            stops_in: if self.one_in(3) { self.ms(150) } else { Duration::ZERO },
        };
        let mut policy = self.policy(says);
        if self.one_in(6) {
            policy = policy.failure_rate(FailureRate::new(40, 2, 2 * SEC));
        }
        if self.one_in(3) && !self.known.is_empty() {
            for _ in 0..self.random.u32(1..3) {
                let on = self.one_of(&self.known.clone());
                let on = match on.strip_prefix(&format!("{above}/")) {
                    Some(sibling) if !sibling.contains('/') => sibling.to_owned(),
                    Some(_) | None => format!("/{on}"),
                };
                let on = match self.random.u32(0..4) {
                    0 => Dependency::completed(on),
                    1 => Dependency::ready(on).restart(),
                    _ => Dependency::ready(on),
                };
                policy = policy.depends_on([on]);
            }
            policy = policy.on_dependency_gone(self.one_of(&[
                DependencyGone::Park,
                DependencyGone::Fail,
                DependencyGone::GoOn,
            ]));
        }
        let shutdown = self.one_of(&[Shutdown::Kill, Shutdown::After(40 * MS), Shutdown::After(SEC), Shutdown::Wait]);
        let restart = self.one_of(&[Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary]);
        self.known.push(format!("{above}/{name}"));
        let service = worker(name, habits).policy(policy).shutdown(shutdown).restart(restart);
        if self.one_in(6) { service.drain() } else { service }
    }

    fn supervisor(&mut self, above: &str, name: &str, depth: u32) -> Supervisor {
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
        self.supervisors.push(path.clone());
        let strategy = self.one_of(&[Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne]);
        let mut supervisor = Supervisor::new(name, strategy);
        supervisor = match self.random.u32(0..3) {
            0 => supervisor.budget(self.intensity()),
            1 => supervisor.budget(Intensity::new(20, 5 * SEC)),
            _ => supervisor.budget(Intensity::unlimited()),
        };
        if depth == 0 {
            supervisor = supervisor.budget(Intensity::unlimited());
        } else if self.one_in(3) {
            supervisor = supervisor.policy(self.policy(false));
        }
        if self.one_in(3) {
            supervisor = supervisor.budget_clock(BudgetClock::WithoutStops);
        }
        if self.one_in(3) {
            supervisor = supervisor.stop_together();
        }
        if self.one_in(4) {
            supervisor = supervisor.defaults(self.policy(false));
        }
        let has_significant = self.one_in(5) && depth > 0;
        if has_significant {
            supervisor =
                supervisor.auto_shutdown(self.one_of(&[AutoShutdown::AnySignificant, AutoShutdown::AllSignificant]));
        }
        // What comes first in the drawing may come last in the start order: dependencies point both ways.
        let mut children: Vec<(u32, Child)> = Vec::new();
        for number in 0..self.random.u32(1..5) {
            let name = format!("{}{number}", ["s", "t", "u"][depth.min(2) as usize]);
            let at = if self.one_in(2) { number } else { self.random.u32(0..10) };
            let child = match self.random.u32(0..8) {
                0..2 if depth < 2 => self.supervisor(&path, &name, depth + 1).into(),
                2 if depth < 2 => self.pool(&path, &name),
                3 if depth < 2 => self.partitions(&path, &name),
                _ => {
                    let service = self.service(&path, &name);
                    if has_significant && self.one_in(2) {
                        service.restart(Restart::Transient).significant().into()
                    } else {
                        service.into()
                    }
                }
            };
            children.push((at, child));
        }
        children.sort_by_key(|(at, _)| *at);
        supervisor.children(children.into_iter().map(|(_, child)| child))
    }

    fn pool(&mut self, above: &str, name: &str) -> Child {
        self.supervisors.push(format!("{above}/{name}"));
        DynamicSupervisor::new(name).budget(self.intensity()).defaults(self.policy(false)).into()
    }

    fn partitions(&mut self, above: &str, name: &str) -> Child {
        self.supervisors.push(format!("{above}/{name}"));
        let habits =
            Habits { starts_in: self.ms(20), is_ignored: false, ready_in: None, ends_in: None, stops_in: self.ms(100) };
        let policy = self.policy(false);
        let budget = self.intensity();
        Partitioned::new(name, 3, move |_| worker("part", habits).policy(policy.clone())).budget(budget).into()
    }
}

/// One tree, and what is done to it.
/// `look` sees the tree when it is up.
pub(crate) fn trees(look: impl Fn(&Tree) + Clone + Send + Sync + 'static) -> Simulation {
    Simulation::new(move |seed| one_tree(seed, look.clone()))
}

async fn one_tree(seed: u64, look: impl Fn(&Tree)) -> anyhow::Result<SimulatedTree> {
    let mut draw = Draw { random: Rng::with_seed(seed), known: Vec::new(), supervisors: Vec::new() };
    let described = draw.supervisor("", "wild", 0);
    let tree = described.seed(seed).start().await?;
    look(&tree);
    let pools: Vec<_> = draw.supervisors.iter().filter(|path| tree.dynamic(path).is_ok()).cloned().collect();
    for path in &pools {
        for number in 0..draw.random.u32(1..4) {
            let child = draw.service(path, &format!("d{number}"));
            let _ = tokio::time::timeout(SEC, tree.dynamic(path)?.start_child(child)).await;
        }
    }
    let share = |draw: &mut Draw, most: f64| draw.random.f64() * most;
    let mut experiment = Experiment::new("wild")
        .duration(8 * SEC)
        .look_every(500 * MS)
        .stabilise_within(20 * SEC)
        .allow_unavailable()
        .target("wild/**")
        .fault(Fault::Kill, Scope::path("wild/**").kind(ChildKind::Service), When::Rate(0.5 + share(&mut draw, 3.0)));
    if draw.one_in(2) {
        experiment = experiment.fault(
            Fault::StartError(Times::Count(2)),
            Scope::path("wild/**").kind(ChildKind::Service),
            When::Rate(share(&mut draw, 1.0)),
        );
    }
    if draw.one_in(3) {
        experiment = experiment.fault(Fault::RefuseStop, "wild/**", When::Rate(share(&mut draw, 0.5)));
    }
    if draw.one_in(3) {
        experiment = experiment.fault(
            Fault::KillTogether(3),
            Scope::path("wild/**").kind(ChildKind::Service),
            When::Rate(share(&mut draw, 1.0)),
        );
    }
    if draw.one_in(2) {
        experiment = experiment.fault(
            Fault::Kill,
            Scope::path("wild/**").kind(ChildKind::Supervisor),
            When::Rate(share(&mut draw, 0.5)),
        );
    }
    let orders = draw.random.u32(0..3);
    let handles = draw.supervisors.iter().filter_map(|path| Some((path.clone(), tree.supervisor(path).ok()?)));
    let handles = handles.collect();
    if orders > 0 {
        tokio::spawn(give_orders(handles, draw, orders == 1));
    }
    Ok(SimulatedTree::new(tree, experiment))
}

/// Stops and starts whole subtrees, or gives orders of every kind.
async fn give_orders(handles: BTreeMap<String, SupervisorHandle>, mut draw: Draw, only_subtrees: bool) {
    let paths: Vec<_> = handles.keys().cloned().collect();
    for number in 0.. {
        tokio::time::sleep(draw.ms(900) + 50 * MS).await;
        let path = draw.one_of(&paths);
        if only_subtrees {
            let Some((above, name)) = path.rsplit_once('/') else { continue };
            let Some(above) = handles.get(above) else { continue };
            let _ = tokio::time::timeout(SEC, above.terminate_child(name)).await;
            let _ = tokio::time::timeout(SEC, above.restart_child(name)).await;
            continue;
        }
        let supervisor = &handles[&path];
        let Ok(children) = supervisor.which_children().await else { continue };
        if children.is_empty() {
            continue;
        }
        let name = children[draw.random.usize(..children.len())].name.clone();
        let order = async {
            match draw.random.u32(0..7) {
                0 => drop(supervisor.terminate_child(&name).await),
                1 => drop(supervisor.restart_child(&name).await),
                2 => drop(supervisor.delete_child(&name).await),
                3 => drop(supervisor.revive(&name).await),
                4 | 5 => drop(supervisor.park(&name, "drawn").await),
                _ => {
                    let child = draw.service(&path, &format!("o{number}"));
                    drop(supervisor.start_child(child).await);
                }
            }
        };
        let _ = tokio::time::timeout(SEC, order).await;
    }
}
