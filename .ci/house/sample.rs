//! Comments, public pages and error texts that a seed draws.

use crate::prose::comment;
use crate::sources::Package;

/// Prints twenty comments, twenty public pages and ten error texts that the seed draws.
pub(crate) fn sample(runtime: &Package, machine: &Package, seed: u64) {
    let (mut comments, mut pages, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (folder, package) in [("src", runtime), ("supervisors/src", machine)] {
        for file in &package.files {
            let mut at = 0;
            while at < file.lines.len() {
                let begun = at;
                while file.lines.get(at).is_some_and(|line| comment(line).is_some()) {
                    at += 1;
                }
                if at > begun {
                    let text = file.lines[begun..at].join("\n");
                    let item = file.lines[at..].iter().map(|line| line.trim()).find(|line| !line.starts_with("#["));
                    let is_public = item.is_some_and(|item| item.starts_with("pub "))
                        && !file.lines[begun].trim_start().starts_with("// ");
                    let place = format!("{folder}/{}:{}", file.name, begun + 1);
                    if is_public { pages.push((place, text)) } else { comments.push((place, text)) }
                }
                at += 1;
            }
            let mut is_error = false;
            for (at, line) in file.lines.iter().enumerate() {
                if line.starts_with("impl") {
                    is_error = line.contains("Display for") && line.contains("Error");
                }
                let text = line.split('"').nth(1).filter(|text| text.contains(' '));
                errors.extend(
                    text.filter(|_| is_error)
                        .map(|text| (format!("{folder}/{}:{}", file.name, at + 1), text.to_owned())),
                );
            }
        }
    }
    println!("seed {seed}");
    let mut state = seed;
    for (name, count, mut all) in [("comments", 20, comments), ("public pages", 20, pages), ("error texts", 10, errors)]
    {
        println!("\n== {count} of {} {name}", all.len());
        for _ in 0..count.min(all.len()) {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let (place, text) = all.swap_remove(((mixed ^ (mixed >> 31)) % all.len() as u64) as usize);
            println!("-- {place}\n{text}");
        }
    }
}
