//! The settings that every builder of a supervisor has.

/// Gives the builder of each kind of supervisor these methods.
macro_rules! every_builder {
    ($($methods:tt)*) => {
        impl crate::Supervisor {
            $($methods)*
        }

        impl crate::DynamicSupervisor {
            $($methods)*
        }

        impl<M: Send + 'static> crate::Partitioned<M> {
            $($methods)*
        }

        impl crate::PartitionedSupervisors {
            $($methods)*
        }
    };
}
pub(crate) use every_builder;

self::every_builder! {
    /// Forgives `restarts_max` restarts in any `period`. With one more the supervisor gives up (OTP rules 20 to
    /// 28). A zero `period` is refused when the tree starts.
    pub fn intensity(self, restarts_max: u32, period: std::time::Duration) -> Self {
        self.budget(regrow_supervisors::Intensity::new(restarts_max, period))
    }

    /// Sets the restart budget from a value, such as [`Intensity::unlimited`](crate::Intensity::unlimited). See
    /// [`intensity`](Self::intensity).
    pub fn budget(mut self, intensity: regrow_supervisors::Intensity) -> Self {
        self.base.intensity = intensity;
        self
    }

    /// Sets the exits of this supervisor that call for a restart by the supervisor above. Refused for a root.
    /// Default: permanent.
    ///
    /// Giving up is a clean exit, so a transient supervisor that gave up stays down (OTP rule 99).
    pub fn restart(mut self, restart: regrow_supervisors::Restart) -> Self {
        self.base.spec = self.base.spec.restart(restart);
        self.base.terms.named.restart = true;
        self
    }

    /// Sets the way in which the supervisor above stops this one. Refused for a root. Default: asked to stop,
    /// and waited for without limit, since its children have limits of their own. When a limit passes, its
    /// subtree is killed, youngest first.
    pub fn shutdown(mut self, shutdown: regrow_supervisors::Shutdown) -> Self {
        self.base.spec = self.base.spec.shutdown(shutdown);
        self.base.terms.named.shutdown = true;
        self
    }

    /// Sets the answer of the supervisor above to exits of this one, beyond the restart type. Refused for a
    /// root. See [`ServiceChild::policy`](crate::ServiceChild::policy).
    pub fn policy(mut self, policy: regrow_supervisors::Policy) -> Self {
        self.base.spec = self.base.spec.policy(policy);
        self
    }

    /// Sets the policy of its direct children, for all that they leave open. A root's defaults are for every
    /// service of the tree, at any depth, and for the supervisors directly below the root.
    ///
    /// The settings of a child win over those of the supervisor above it, and these over the root's. A policy
    /// file has the same three classes. Its `[defaults]` win over the root's, and give way to the defaults of a
    /// nested supervisor and to the settings of one child.
    pub fn defaults(mut self, policy: regrow_supervisors::Policy) -> Self {
        self.base.terms.defaults =
            (policy != regrow_supervisors::Policy::default()).then(|| std::sync::Arc::new(policy));
        self
    }

    /// Sets the clock that measures the window of its restart budget. Default: all the time that passes, as in
    /// OTP.
    pub fn budget_clock(mut self, clock: regrow_supervisors::BudgetClock) -> Self {
        self.base.terms.budget_clock = clock;
        self
    }

    /// Limits how many of the services below it, at any depth, are starting at the same time. The others wait
    /// in line, and none is skipped. The time in line is no part of their [start
    /// timeout](crate::Policy::start_timeout). Zero counts as one.
    pub fn max_starting(mut self, starts: usize) -> Self {
        self.base.terms.starts_max = Some(starts);
        self
    }

    /// Gives a type of error a name by which [rules](crate::ExitRule::error) of the whole tree know it. An
    /// error is of that type if it is one or was caused by one. Only a tree that is yet to be started takes
    /// such names: a subtree that is added later with one is refused.
    pub fn error_type<E>(mut self, name: impl Into<std::sync::Arc<str>>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        self.base.terms.error_types.push(crate::tree::options::ErrorType::of::<E>(name));
        self
    }

    /// Sets the seed of the random delays in the tree, so that a run can be repeated. For a root only; refused
    /// elsewhere. Each child has its own source, made from the seed and its path. Default: a random seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.base.terms.seed = Some(seed);
        self
    }

    /// Lets the end of this supervisor also end the supervisor above, as the
    /// [`AutoShutdown`](crate::AutoShutdown) of that one says. Refused for a root.
    pub fn significant(mut self) -> Self {
        self.base.spec = self.base.spec.significant(true);
        self
    }

    /// Runs `init` at each start of the supervisor, before its children: OTP's `init` callback. It must be
    /// quick, for the supervisor above waits for it.
    ///
    /// An error fails the start. [`ignore()`](crate::ignore) says that the subtree is not wanted now (OTP rule
    /// 10). If the choice of children itself changes from start to start, see
    /// [`Child::supervisor`](crate::Child::supervisor).
    pub fn init(mut self, init: impl Fn() -> anyhow::Result<()> + Send + Sync + 'static) -> Self {
        let init = crate::base::sweep::Kept::new(init);
        self.base.init = Some(std::sync::Arc::new(move || init.get()()));
        self
    }

    /// The settings beyond OTP's flags.
    #[cfg(any(feature = "policy", feature = "admin"))]
    pub(crate) fn options_mut(&mut self) -> &mut crate::tree::options::Options {
        &mut self.base.terms
    }

    #[cfg(feature = "otp")]
    #[allow(dead_code, reason = "not every kind is watched")]
    pub(crate) fn watched_by(mut self, watch: std::sync::Arc<dyn crate::supervisor::observer::Watch>) -> Self {
        self.base.watch = Some(watch);
        self
    }
}
