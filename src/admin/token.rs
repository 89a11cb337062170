//! The token that a client on TCP has to send.

use std::fmt;
use std::hint::black_box;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Shortest token, in characters: 32 random bytes in base64 without padding.
const LENGTH_MIN: usize = 43;
/// Longest token, in characters: it has to fit into a header.
const LENGTH_MAX: usize = 1024;
/// Fewest different characters. 32 random bytes have more of them in any encoding.
const DIFFERENT_MIN: usize = 10;

/// Secret of at least 32 random bytes, in hex or base64, that a client on TCP sends as `Authorization: Bearer TOKEN`.
///
/// `openssl rand -hex 32` makes one. The label names it in logs, events and the record; the token itself is never shown.
#[derive(Clone)]
pub struct Token {
    label: Arc<str>,
    text: Arc<str>,
}

impl Token {
    /// Reads the token from a file. White space at its end is left out.
    ///
    /// # Errors
    ///
    /// * The file cannot be read, or is no regular file.
    /// * The file belongs to another user than this process or root, or its group or others may access it. Set its mode to
    ///   0600.
    /// * The token is too short, too long, or not random.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenError> {
        let path = path.as_ref();
        let unreadable = |error: io::Error| TokenError::Unreadable { path: path.into(), error: error.to_string() };
        // A pipe would keep the program waiting for its other end.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(TokenError::NotAFile { path: path.into() });
        }
        let file = std::fs::File::open(path).map_err(unreadable)?;
        // The open file is checked, and not the path: the path may lead to another file a moment later.
        private(path, &file.metadata().map_err(unreadable)?)?;
        let mut text = String::new();
        file.take(LENGTH_MAX as u64 + 16).read_to_string(&mut text).map_err(unreadable)?;
        Self::new(text.trim_end())
    }

    /// Reads the token from an environment variable.
    ///
    /// # Errors
    ///
    /// The variable is not set, or the token is too short, too long, or not random.
    pub fn from_variable(name: &str) -> Result<Self, TokenError> {
        let text = std::env::var(name).map_err(|_| TokenError::NotSet { variable: name.into() })?;
        Self::new(text.trim_end())
    }

    /// Takes a token that the program has from elsewhere.
    ///
    /// # Errors
    ///
    /// The token is too short, too long, or not random.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let length = text.chars().count();
        if length < LENGTH_MIN {
            return Err(TokenError::TooShort { characters: length });
        }
        if text.len() > LENGTH_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::NotAHeader);
        }
        let mut different: Vec<_> = text.bytes().collect();
        different.sort_unstable();
        different.dedup();
        if different.len() < DIFFERENT_MIN {
            return Err(TokenError::NotRandom { different: different.len() });
        }
        Ok(Self { label: "admin".into(), text: text.into() })
    }

    /// Names the token: acts that come with it are by `token LABEL`. Without this the label is `admin`.
    #[must_use]
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn operator(&self) -> String {
        format!("token {}", self.label)
    }

    /// Whether the client has sent this token. The time it takes depends on the length of what was sent, and not on how much
    /// of it is right.
    pub(crate) fn is(&self, sent: &[u8]) -> bool {
        let mine = self.text.as_bytes();
        let mut difference = mine.len() ^ sent.len();
        for (byte, mine) in sent.iter().zip(mine.iter().cycle()) {
            difference |= usize::from(black_box(byte ^ mine));
        }
        black_box(difference) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("label", &self.label).finish_non_exhaustive()
    }
}

#[cfg(unix)]
fn private(path: &Path, found: &std::fs::Metadata) -> Result<(), TokenError> {
    use std::os::unix::fs::MetadataExt;
    if !found.is_file() {
        return Err(TokenError::NotAFile { path: path.into() });
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Open { path: path.into(), mode });
    }
    match found.uid() {
        uid if uid == 0 || uid == rustix::process::geteuid().as_raw() => Ok(()),
        uid => Err(TokenError::OfAnother { path: path.into(), uid }),
    }
}

#[cfg(not(unix))]
fn private(path: &Path, found: &std::fs::Metadata) -> Result<(), TokenError> {
    if found.is_file() { Ok(()) } else { Err(TokenError::NotAFile { path: path.into() }) }
}

/// Reason for which a token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: String,
    },
    /// The path leads to something that is no regular file.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Other users may read or write the file.
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file belongs to another user.
    OfAnother {
        /// The file.
        path: PathBuf,
        /// That user.
        uid: u32,
    },
    /// The environment variable is not set, or is not text.
    NotSet {
        /// Its name.
        variable: String,
    },
    /// The token is too short to be 32 random bytes.
    TooShort {
        /// Its length in characters.
        characters: usize,
    },
    /// The token is longer than 1,024 characters, or has a character that a header cannot have.
    NotAHeader,
    /// The token has too few different characters to be random.
    NotRandom {
        /// Number of different characters.
        different: usize,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                write!(f, "the token file `{}` cannot be read: {error}", path.display())
            }
            Self::NotAFile { path } => write!(f, "the token file `{}` is no regular file", path.display()),
            Self::Open { path, mode } => {
                let path = path.display();
                write!(f, "the token file `{path}` has mode {mode:04o}, so other users can read it: `chmod 600 {path}`")
            }
            Self::OfAnother { path, uid } => {
                write!(f, "the token file `{}` belongs to uid {uid}, who could change it", path.display())
            }
            Self::NotSet { variable } => {
                write!(f, "the variable `{variable}` has no token: set it to the output of `openssl rand -hex 32`")
            }
            Self::TooShort { characters } => write!(
                f,
                "the token has {characters} characters, and at least {LENGTH_MIN} are needed: `openssl rand -hex 32` makes one"
            ),
            Self::NotAHeader => write!(
                f,
                "the token is longer than {LENGTH_MAX} characters, or has a space or a letter that a header cannot have"
            ),
            Self::NotRandom { different } => {
                write!(
                    f,
                    "the token has only {different} different characters: `openssl rand -hex 32` makes a random one"
                )
            }
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_whole_token_is_right() {
        let token = Token::new(GOOD).unwrap();
        assert!(token.is(GOOD.as_bytes()));
        for wrong in ["", "0", &GOOD[1..], &format!("{GOOD}0"), &GOOD.replace('f', "e"), &format!("{GOOD}{GOOD}")] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        assert_eq!(Token::new("").unwrap_err(), TokenError::TooShort { characters: 0 });
        assert_eq!(Token::new(&GOOD[..42]).unwrap_err(), TokenError::TooShort { characters: 42 });
        assert_eq!(Token::new(&"ab".repeat(40)).unwrap_err(), TokenError::NotRandom { different: 2 });
        assert_eq!(Token::new(&format!("{GOOD} {GOOD}")).unwrap_err(), TokenError::NotAHeader);
        assert!(!format!("{:?}", Token::new(GOOD).unwrap()).contains("0123"));
    }
}
