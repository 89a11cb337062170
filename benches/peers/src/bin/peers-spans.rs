//! Does one job where ractor is built with span propagation, which ractor-supervisor asks for. `peers` builds it and
//! calls it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match (std::env::args().nth(1).as_deref(), std::env::args().nth(2)) {
        (Some("run"), Some(job)) => peers::run::main(&job),
        _ => {
            eprintln!("this is called by `peers`");
            ExitCode::from(2)
        }
    }
}
