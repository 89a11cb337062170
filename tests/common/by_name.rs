//! The runner of test programs that are more than tests: their `main` is also the program that is tested.
//!
//! A name on the command line picks the tests that contain it.

/// The tests with their names.
macro_rules! all {
    ($($test:ident),* $(,)?) => { [$((stringify!($test), $test as fn())),*] };
}
pub(crate) use all;

/// Runs the tests that the command line asks for.
pub(crate) fn run(tests: &[(&str, fn())]) {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // Nothing here is ignored, and nothing is listed.
    if arguments.iter().any(|argument| argument == "--ignored" || argument == "--list") {
        return;
    }
    let wanted: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in tests {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            println!("test {name} ...");
            test();
            println!("test {name} ... ok");
        }
    }
}
