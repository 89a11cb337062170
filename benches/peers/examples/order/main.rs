//! One service written three ways: with `#[regrow::service]`, with regrow by hand, and with kameo's `#[messages]`.
//!
//! `cargo run --manifest-path benches/peers/Cargo.toml --example order` runs all three, which must tell the same story,
//! and counts their lines. It fails if the first is not the shortest, or if `benches/README.md` says other figures.
//!
//! Each has the same three methods: `get`, which may fail and says so to its caller; `put`, which has no caller and whose
//! failure ends the life; `page`, which has the reply and may answer later. Each starts under a supervisor that forgives
//! three failures in five seconds, and its caller tells four outcomes apart. Formatted by rustfmt alike.

mod by_hand;
mod kameo;
mod order;
mod with_macro;

/// Words in capitals that belong to Rust, or to the orders that all three share.
const COMMON: [&str; 15] = [
    "Self",
    "Result",
    "Ok",
    "Err",
    "Some",
    "None",
    "Option",
    "Vec",
    "String",
    "Default",
    "BTreeMap",
    "Duration",
    "Order",
    "DbError",
    "NoSuchOrder",
];

/// Lines with code.
fn lines(source: &str) -> usize {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// Types, traits and variants that the source names, each once.
fn names(source: &str) -> Vec<&str> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let words = code.flat_map(|line| line.split(|char: char| !char.is_alphanumeric() && char != '_'));
    let mut names: Vec<&str> =
        words.filter(|word| word.starts_with(|char: char| char.is_uppercase()) && !COMMON.contains(word)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let told = [with_macro::run().await?, by_hand::run().await?, kameo::run().await?];
    println!("{}\n", told[0].join("\n"));
    anyhow::ensure!(told[0] == told[1] && told[0] == told[2], "they tell different stories: {told:#?}");

    let sources = [
        ("regrow, with the attribute", include_str!("with_macro.rs")),
        ("regrow, by hand", include_str!("by_hand.rs")),
        ("kameo", include_str!("kameo.rs")),
    ];
    for (name, source) in sources {
        let (lines, names) = (lines(source), names(source));
        println!("{name}: {lines} lines, {} names: {}", names.len(), names.join(" "));
        let row = format!("| {name} | {lines} | {} |", names.len());
        anyhow::ensure!(include_str!("../../../README.md").contains(&row), "benches/README.md does not say `{row}`");
    }
    let [ours, _, kameos] = sources.map(|(_, source)| lines(source));
    anyhow::ensure!(ours < kameos, "{ours} lines are not fewer than kameo's {kameos}");
    Ok(())
}
