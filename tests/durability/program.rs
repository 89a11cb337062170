//! The calls of this program.

use std::env;

use crate::{full, kills, processes, saver, stores, torn};

pub(crate) fn run() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["save", store, place, saves, size] => saver::run(store, place.as_ref(), number(saves), number(size)),
        ["claim", store, place, claims] => saver::claims(store, place.as_ref(), number(claims)),
        ["kills", store, kills, seed] => kills::run(store, number(kills), number(seed)),
        ["torn", store, seeds] => torn::run(store, number(seeds), None),
        ["torn", store, seeds, skip] => torn::run(store, number(seeds), Some(skip)),
        ["full", store] => full::run(store),
        ["processes", store] => processes::run(store),
        // What `cargo test` asks of every test program: flags, and filters that are about other ones.
        ref filters if filters.iter().any(|word| !word.starts_with('-')) => {}
        _ => {
            for store in stores::ALL {
                kills::at_random_times(store, 10, 1);
                processes::run(store);
            }
        }
    }
}

fn number(word: &str) -> usize {
    word.parse().unwrap_or_else(|_| panic!("`{word}` is no number"))
}
