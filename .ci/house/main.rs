//! Reads the sources of the packages and says how they stand: `house figures` prints the figures, `house walls` checks what
//! must hold and prints each line that offends, and `house sample SEED` draws comments, pages and error texts at random.
//! `.ci/run` builds it with rustc alone; the first argument is the root folder.
//!
//! A file imports another one if a path in its code, outside of comments, strings and its own tests, leads to a name of that
//! file. Re-exports are followed to the file that defines the name.

mod figures;
mod loops;
mod paths;
mod prose;
mod sample;
mod sources;
mod walls;

use std::path::Path;
use std::{env, process};

use figures::figures;
use loops::{edges, graph};
use sample::sample;
use sources::Package;
use walls::walls;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [root, command, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: house FOLDER figures|walls|graph|edges|sample SEED");
        process::exit(2);
    };
    let root = Path::new(root);
    let runtime = Package::read(&root.join("src"));
    let machine = Package::read(&root.join("supervisors/src"));
    let macros = Package::read(&root.join("macros/src"));
    match command.as_str() {
        "figures" => figures(root, &runtime, &machine),
        "graph" => graph(&runtime),
        "edges" => edges(&runtime),
        "walls" => walls(&runtime, &machine, &macros),
        "sample" => sample(&runtime, &machine, rest.first().and_then(|seed| seed.parse().ok()).unwrap_or(1)),
        other => {
            eprintln!("house: no command `{other}`");
            process::exit(2);
        }
    }
}
