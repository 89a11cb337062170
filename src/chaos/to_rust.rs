//! A failure as a Rust test that can be pasted.

use std::time::Duration;

use crate::chaos::explore::FailingSeed;
use crate::chaos::fault::{Fault, Times};
use crate::chaos::scope::Scope;
use crate::chaos::script::{ScriptStep, ScriptTime};

impl FailingSeed {
    /// Returns a Rust test that plays this failure. It calls a function `simulation` that sets the scene.
    pub fn to_rust_test(&self) -> String {
        let lines: String = self.script.lines.iter().map(|line| format!("        {},\n", line.to_rust())).collect();
        let mut names = vec!["Fault", "Script", "ScriptStep"];
        names.extend(["Scope", "Times", "Trigger"].into_iter().filter(|name| lines.contains(&format!("{name}::"))));
        names.sort_unstable();
        // The texts stand in a comment of one line.
        let plain = |text: &str| text.replace(char::is_control, " ");
        format!(
            "/// {what}: {evidence}\n#[test]\nfn seed_{seed}_holds() {{\n    use regrow::chaos::{{{names}}};\n    \
             use std::time::Duration;\n\n    let script = Script {{ lines: vec![\n{lines}    ] }};\n    \
             let report = simulation().replay({seed}, script).unwrap();\n    assert!(report.passed(), \"{{report}}\");\n}}\n",
            names = names.join(", "),
            what = plain(&self.what),
            evidence = plain(&self.evidence),
            seed = self.seed,
        )
    }
}

impl ScriptStep {
    fn to_rust(&self) -> String {
        let victims: Vec<_> = self.victims.iter().map(|path| format!("{path:?}")).collect();
        let fault = self.fault.to_rust();
        let mut text = match &self.at {
            ScriptTime::Time(at) => format!("ScriptStep::new({}, {fault}, &[{}])", duration(*at), victims.join(", ")),
            ScriptTime::Event { event, of, delay } => format!(
                "ScriptStep::after(Trigger::{event:?}, {}, {}, {fault}, &[{}])",
                of.to_rust(),
                duration(*delay),
                victims.join(", ")
            ),
        };
        if let Some(lasts) = self.lasts {
            text += &format!(".lasting({})", duration(lasts));
        }
        if self.seed != 0 {
            text += &format!(".seed({})", self.seed);
        }
        text
    }
}

fn duration(time: Duration) -> String {
    if time.subsec_nanos().is_multiple_of(1_000_000) {
        format!("Duration::from_millis({})", time.as_millis())
    } else {
        format!("Duration::from_nanos({})", time.as_nanos())
    }
}

impl Fault {
    fn to_rust(&self) -> String {
        let name: String = self.name().split('_').map(capitalised).collect();
        let times = |times: &Times| match times {
            Times::Count(count) => format!("Times::Count({count})"),
            Times::Always => "Times::Always".to_owned(),
        };
        let inner = match self {
            Self::KillTogether(count) => count.to_string(),
            Self::StartPanic(count)
            | Self::StartError(count)
            | Self::SaveFail(count)
            | Self::SaveTear(count)
            | Self::SaveLose(count) => times(count),
            Self::SlowStart(time)
            | Self::Flap(time)
            | Self::Slow(time)
            | Self::Block(time)
            | Self::Delay(time)
            | Self::SaveDelay(time)
            | Self::ClockJump(time) => duration(*time),
            Self::Drop(share) | Self::Duplicate(share) | Self::Reorder(share) => format!("{share:?}"),
            Self::Kill | Self::Panic | Self::Error | Self::Hang | Self::Hold | Self::RefuseStop | Self::MailboxFull => {
                return format!("Fault::{name}");
            }
        };
        format!("Fault::{name}({inner})")
    }
}

impl Scope {
    fn to_rust(&self) -> String {
        let Self { path, kind, depth } = self;
        let mut text = path.as_ref().map_or("Scope::default()".to_owned(), |path| format!("Scope::path({path:?})"));
        text += &kind.map_or(String::new(), |kind| format!(".kind(regrow::ChildKind::{kind:?})"));
        text + &depth.map_or(String::new(), |depth| format!(".depth({depth})"))
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
