//! Does one job where regrow is built with its feature `chaos`, and nothing is armed. `peers` builds it and calls it.

use std::process::ExitCode;

fn main() -> ExitCode {
    peers::run::called_by_peers()
}
