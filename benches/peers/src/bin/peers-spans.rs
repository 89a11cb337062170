//! Does one job where ractor is built with span propagation, which ractor-supervisor asks for. `peers` builds it and
//! calls it.

use std::process::ExitCode;

fn main() -> ExitCode {
    peers::run::called_by_peers()
}
