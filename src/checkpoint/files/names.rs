//! The folder of a key: no two keys share one, none leaves the root, and case does not matter to it.

use std::path::PathBuf;

/// Longest name of one folder. File systems allow 255 bytes.
const LONGEST: usize = 200;
/// End of a folder's name that goes on in a folder below.
const CONTINUED: &str = "~";

/// Names of the folders of a key, from the root down: one, or several if the key is long.
///
/// `/` becomes `+`. Small letters, digits, `-` and `_` stay, and every other byte is `%` and two digits. Each name
/// begins with `+`, so that none is special to a system (`..`, `nul`).
pub(super) fn folders(key: &str) -> Vec<PathBuf> {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'/' => encoded.push('+'),
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02x}")),
        }
    }
    let mut names = Vec::new();
    let mut rest = encoded.as_str();
    // All is ASCII, so that each place is the border of a character.
    while let Some((name, more)) = rest.split_at_checked(LONGEST).filter(|(_, more)| !more.is_empty()) {
        names.push(format!("+{name}{CONTINUED}").into());
        rest = more;
    }
    names.push(format!("+{rest}").into());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> String {
        folders(key).iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join("/")
    }

    #[test]
    fn a_folder_shows_the_path_of_its_service() {
        assert_eq!(name("bank/ledger-2"), "+bank+ledger-2");
    }

    #[test]
    fn no_key_leaves_the_root_or_meets_another_one() {
        let long = "x".repeat(1000);
        let keys =
            ["", "/", "..", "../..", ".", "a", "A", "a/b", "a+b", "a%2bb", "ä", "a\0b", "nul", "~", &long, &long[1..]];
        let mut names: Vec<String> = keys.into_iter().map(name).collect();
        for name in &names {
            for folder in name.split('/') {
                assert!(folder.starts_with('+') && folder.len() < 255, "{folder}");
                assert!(folder.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.'), "{folder}");
                assert_eq!(folder, folder.to_lowercase());
            }
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), keys.len());
    }
}
