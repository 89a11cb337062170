//! Texts that a program gives, moments that a person writes, and tokens.

use regrow::admin::Token;
use regrow::operate::doors;
use regrow::operate::text::{self, length, safe};

use crate::targets::{halves, is_shown_safely};

/// A text, shown to a person, given to a shell, and taken as a token.
pub(super) fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let shown = safe(&text);
    is_shown_safely(&shown);
    assert!(!shown.contains('\n'), "more than one line: {shown:?}");
    assert_eq!(safe(&shown), shown, "what is safe is changed again");
    let word = doors::shell_word(&text);
    is_shown_safely(&word);
    // A shell cannot be given a zero at all.
    if !text.contains('\0') {
        assert_eq!(spoken(&word).as_deref(), Some(text.as_bytes()), "a shell would read something else: {word}");
    }
    match Token::new(&text) {
        Ok(token) => assert!(!format!("{token:?}").contains(&*text), "a token is shown"),
        Err(error) => assert!(text.len() < 20 || !error.to_string().contains(&*text), "a token is shown"),
    }
}

/// A word as a shell reads it: plain, in single quotes, or as `$'...'`. Nothing if it would be more than a word.
fn spoken(word: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(quoted) = word.strip_prefix("$'") {
        let mut rest = quoted.strip_suffix('\'')?.chars();
        while let Some(letter) = rest.next() {
            let mut put = |letter: char| bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes());
            match letter {
                '\'' => return None,
                '\\' => match rest.next()? {
                    'x' => {
                        let digits: String = rest.by_ref().take(2).collect();
                        bytes.push(u8::from_str_radix(&digits, 16).ok()?);
                    }
                    letter @ ('\\' | '\'') => put(letter),
                    _ => return None,
                },
                letter => put(letter),
            }
        }
        return Some(bytes);
    }
    let mut is_quoted = false;
    let mut rest = word.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            letter if is_quoted => bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
            '\\' => bytes.extend(rest.next()?.encode_utf8(&mut [0; 4]).bytes()),
            letter if letter.is_ascii_alphanumeric() || "_-./:@%+=,".contains(letter) => bytes.push(letter as u8),
            _ => return None,
        }
    }
    (!is_quoted).then_some(bytes)
}

/// The present in milliseconds, a line end, and a moment as a person writes it.
pub(super) fn moment(data: &[u8]) {
    let (now, written) = halves(data, b"\n");
    let (Ok(now), Ok(written)) = (std::str::from_utf8(now), std::str::from_utf8(written)) else { return };
    let Ok(now_ms) = now.parse::<u64>() else { return };
    match text::moment(written, now_ms) {
        Ok(at) => {
            if written.starts_with('-') {
                assert!(at <= now_ms, "`{written}` is in the future");
            }
            if written.starts_with(|letter: char| letter.is_ascii_digit()) && !written.contains('-') {
                assert!(at <= now_ms || now_ms < 86_400_000, "`{written}` is in the future");
                assert!(now_ms.saturating_sub(at) <= 86_400_000, "`{written}` is longer than a day ago");
            }
            let spoken = length(now_ms.saturating_sub(at));
            assert!(spoken.is_ascii() && !spoken.is_empty());
        }
        Err(told) => {
            is_shown_safely(&told);
            assert!(told.contains("is not a moment") && !told.contains('\n'), "{told}");
        }
    }
}
