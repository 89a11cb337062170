//! The subcommands, and the call by which a program gets them.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::admin::wire::act::ActKind;
use crate::operate::code::{Code, EXIT_CODES};
use crate::operate::options::Target;
use crate::operate::papers::{Completions, Manual};
use crate::operate::run::act::{OnChild, Reload};
use crate::operate::run::events::Events;
use crate::operate::run::experiment::Experiment;
use crate::operate::run::history::Past;
use crate::operate::run::letters::DeadLetters;
use crate::operate::run::one::{One, Status};
use crate::operate::run::output::Output;
use crate::operate::run::services::{Ps, Tree};
use crate::operate::trouble::Trouble;

/// Subcommands of an operator. A program with a command line of its own, made with clap, takes them in with
/// `#[command(flatten)]`.
///
/// ```
/// use clap::{CommandFactory, Parser};
/// use regrow::operate::Operate;
///
/// #[derive(Debug, Parser)]
/// enum Program {
///     /// Serves.
///     Serve,
///     #[command(flatten)]
///     Operate(Operate),
/// }
///
/// fn run(program: Program) -> std::process::ExitCode {
///     match program {
///         Program::Serve => std::process::ExitCode::SUCCESS,
///         Program::Operate(operate) => operate.run(Program::command()),
///     }
/// }
/// # assert!(Program::try_parse_from(["bank", "status", "bank/tellers"]).is_ok());
/// ```
#[derive(Debug)]
pub struct Operate(Box<Chosen>);

// clap would take a doc comment here for the description of the program that the commands are part of.
#[derive(Debug, Subcommand)]
enum Chosen {
    /// Lists children: what is not well first, with its cause and the command that acts now.
    Ps(Ps),
    /// Draws the tree. Large supervisors are folded; what is not well stays visible.
    Tree(Tree),
    /// Shows one child on one screen. The exit code is 1 if it is not well.
    Status(Status),
    /// Says why a child is in its state.
    Why(One),
    /// Prints events, a line each.
    Events(Events),
    /// Prints the record, and the tree as it was at a moment.
    History(Past),
    /// Lists, shows and replays the messages that were not handled.
    DeadLetters(DeadLetters),
    /// Kills the incarnation: an unexpected exit, which its budget counts.
    Kill(OnChild),
    /// Restarts a child in order: the message in hand is finished, and no budget is charged.
    Restart(OnChild),
    /// Stops a child and leaves it down.
    Terminate(OnChild),
    /// Starts a child that is down.
    Start(OnChild),
    /// Stops a child and sets it aside until it is revived.
    Park(OnChild),
    /// Starts a child that is parked, or that waits for its next try, now.
    Revive(OnChild),
    /// Runs, lists and stops experiments with faults in a running program.
    #[command(subcommand)]
    Experiment(Experiment),
    /// Prints a script that completes the commands in a shell.
    Completions(Completions),
    /// Writes pages of the manual.
    Man(Manual),
}

/// Acts on the policies of a running program: subcommands of `policy`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum PolicyAct {
    /// Makes a running program read its policy files again.
    Reload(Reload),
}

#[derive(Debug, Parser)]
#[command(version, about = "Looks at the supervision trees of a running program, and acts on them.", after_help = EXIT_CODES)]
enum Program {
    #[command(flatten)]
    Operate(Operate),
    /// Acts on the policies of a running program.
    #[command(subcommand)]
    Policy(PolicyAct),
}

/// Runs the commands with these arguments, the first of which is the name of the program. The exit code is a [`Code`].
///
/// This is the whole of a `regrow` of your own: a binary that calls it has all the commands. It blocks, and may be called
/// inside and outside of a tokio runtime. Errors of the command line, and the help, are printed.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     regrow::operate::main(std::env::args_os())
/// }
/// ```
pub fn main(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    match Program::try_parse_from(arguments) {
        Ok(Program::Operate(operate)) => operate.run(Program::command()),
        Ok(Program::Policy(act)) => act.run(&Program::command()),
        Err(error) => {
            // The reader of the output may have closed it.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { Code::Usage } else { Code::Done })
        }
    }
}

impl Operate {
    /// Runs the command. `whole` is the command line that it is part of: its name begins the commands that are offered, and
    /// completions and the manual are made of it.
    pub fn run(self, whole: Command) -> ExitCode {
        let program = whole.get_name().to_owned();
        on_a_thread(move || self.0.run(whole, &program))
    }
}

impl FromArgMatches for Operate {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Chosen::from_arg_matches(matches).map(|chosen| Self(Box::new(chosen)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl Subcommand for Operate {
    fn augment_subcommands(command: Command) -> Command {
        Chosen::augment_subcommands(command)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Chosen::augment_subcommands_for_update(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Chosen::has_subcommand(name)
    }
}

impl Chosen {
    fn run(self, whole: Command, program: &str) -> Result<Code, Trouble> {
        let nowhere = Target::default();
        let output = Output::new(program, self.target().unwrap_or(&nowhere));
        match &self {
            Self::Ps(ps) => ps.run(&output),
            Self::Tree(tree) => tree.run(&output),
            Self::Status(status) => status.run(&output),
            Self::Why(one) => one.why(&output),
            Self::Events(events) => events.run(&output),
            Self::History(past) => past.run(&output),
            Self::DeadLetters(letters) => letters.run(&output),
            Self::Kill(child) => child.run(ActKind::Kill, &output),
            Self::Restart(child) => child.run(ActKind::Restart, &output),
            Self::Terminate(child) => child.run(ActKind::Terminate, &output),
            Self::Start(child) => child.run(ActKind::Start, &output),
            Self::Park(child) => child.run(ActKind::Park, &output),
            Self::Revive(child) => child.run(ActKind::Revive, &output),
            Self::Experiment(experiment) => experiment.run(&output),
            Self::Completions(completions) => completions.run(whole, &output),
            Self::Man(manual) => manual.run(whole),
        }
    }

    fn target(&self) -> Option<&Target> {
        match self {
            Self::Ps(ps) => Some(&ps.target),
            Self::Tree(tree) => Some(&tree.target),
            Self::Status(status) => Some(&status.one.target),
            Self::Why(one) => Some(&one.target),
            Self::Events(events) => Some(&events.target),
            Self::History(past) => Some(&past.target),
            Self::DeadLetters(letters) => Some(letters.target()),
            Self::Kill(child)
            | Self::Restart(child)
            | Self::Terminate(child)
            | Self::Start(child)
            | Self::Park(child)
            | Self::Revive(child) => Some(&child.target),
            Self::Experiment(experiment) => Some(experiment.target()),
            Self::Completions(_) | Self::Man(_) => None,
        }
    }
}

impl PolicyAct {
    /// Runs the command. The name of `whole` begins the commands that are offered.
    pub fn run(self, whole: &Command) -> ExitCode {
        let program = whole.get_name().to_owned();
        on_a_thread(move || match &self {
            Self::Reload(reload) => reload.run(&Output::new(&program, &reload.target)),
        })
    }
}

/// Runs the command on a thread of its own: the caller may be inside of a runtime, where another one cannot be entered.
fn on_a_thread(command: impl FnOnce() -> Result<Code, Trouble> + Send) -> ExitCode {
    let ended = std::thread::scope(|scope| scope.spawn(command).join());
    match ended {
        Ok(Ok(code)) => code.into(),
        Ok(Err(trouble)) => {
            let text = trouble.to_string();
            if !text.is_empty() {
                // Standard error may be closed, too.
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            trouble.code().into()
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
