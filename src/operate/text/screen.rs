//! The screen that a text is made for.

use std::env;
use std::io::IsTerminal;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::admin::wire::services::State;
use crate::operate::text::safe::{safe, shell_word};

/// Columns of a text that goes to a file or another program.
const WIDTH_ELSEWHERE: usize = 120;
/// Fewer columns than these are treated as these.
const WIDTH_MIN: usize = 24;

/// Screen that a text is made for: its width, whether it shows colours, and how a command for this program begins.
///
/// ```
/// use regrow::operate::text::Screen;
///
/// let screen = Screen::plain(80).command("regrow", ["--of", "bank"]);
/// assert_eq!(screen.width(), 80);
/// ```
#[derive(Debug, Clone)]
pub struct Screen {
    width: usize,
    is_coloured: bool,
    /// Whether a command that disturbs is asked about before it is carried out, which needs a terminal.
    asks: bool,
    program: String,
    target: Vec<String>,
}

/// Colour of a part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Yellow,
    Green,
    Dim,
    Bold,
}

impl Screen {
    /// Returns a screen of this width, in columns, without colours. Fewer than 24 columns are taken as 24.
    pub fn plain(width: usize) -> Self {
        Self {
            width: width.max(WIDTH_MIN),
            is_coloured: false,
            asks: true,
            program: "regrow".to_owned(),
            target: Vec::new(),
        }
    }

    /// Returns the screen of standard output: the terminal's width, or 120 columns if it is no terminal.
    ///
    /// Colours are used on a terminal only, and not if `NO_COLOR` is set and not empty, or `TERM` is `dumb`.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let width = if is_terminal { terminal_size::terminal_size() } else { None };
        let width = width.map_or(WIDTH_ELSEWHERE, |(width, _)| usize::from(width.0));
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_coloured = is_terminal && !is_set("NO_COLOR") && !is_dumb;
        Self::plain(width).coloured(is_coloured).asking(std::io::stdin().is_terminal())
    }

    /// Turns colours on or off.
    #[must_use]
    pub fn coloured(mut self, is_coloured: bool) -> Self {
        self.is_coloured = is_coloured;
        self
    }

    /// Names the program and the options that find the running one, for the commands that a text offers.
    #[must_use]
    pub fn command(mut self, program: impl Into<String>, target: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.program = program.into();
        self.target = target.into_iter().map(Into::into).collect();
        self
    }

    /// Says whether there is a terminal on which a command can ask. Without one, commands that disturb are offered with
    /// `--yes`, without which they would be refused.
    #[must_use]
    pub fn asking(mut self, asks: bool) -> Self {
        self.asks = asks;
        self
    }

    /// Whether a command can ask.
    pub(crate) fn asks(&self) -> bool {
        self.asks
    }

    /// Returns the width in columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the text in this colour, if the screen shows colours. The text has to be safe already.
    pub(crate) fn paint(&self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Red => "31",
            Colour::Yellow => "33",
            Colour::Green => "32",
            Colour::Dim => "2",
            Colour::Bold => "1",
        };
        if self.is_coloured && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Returns a command that can be pasted: `regrow VERB --of NAME OPTIONS PATH`.
    pub(crate) fn paste(&self, verb: &str, options: &[&str], path: Option<&str>) -> String {
        let mut words = vec![self.program.clone(), verb.to_owned()];
        words.extend(self.target.iter().map(|word| shell_word(word)));
        words.extend(options.iter().map(|word| shell_word(word)));
        if let Some(path) = path {
            // Without it, a path that begins with a hyphen is an option.
            words.extend(path.starts_with('-').then(|| "--".to_owned()));
            words.push(shell_word(path));
        }
        words.join(" ")
    }
}

/// Returns the colour of a state.
pub(crate) fn colour(state: State) -> Colour {
    match state {
        State::Parked => Colour::Red,
        State::Restarting | State::Starting | State::Waiting => Colour::Yellow,
        State::Up => Colour::Green,
        State::Down | State::Gone => Colour::Dim,
    }
}

/// Returns the word for a state, as it is in JSON.
pub(crate) fn word(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Starting => "starting",
        State::Up => "up",
        State::Restarting => "restarting",
        State::Parked => "parked",
        State::Down => "down",
        State::Gone => "gone",
    }
}

/// Returns the text made safe and cut at its end to this many columns.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let text = safe(text);
    if text.width() <= width {
        return text.into_owned();
    }
    let mut cut = String::new();
    let mut used = 0_usize;
    for letter in text.chars() {
        used = used.saturating_add(letter.width().unwrap_or(0));
        if used >= width {
            break;
        }
        cut.push(letter);
    }
    cut.push('…');
    cut
}

/// Returns the text made safe and cut at its begin to this many columns: the end of a path says most.
pub(crate) fn fit_end(text: &str, width: usize) -> String {
    let text = safe(text);
    if text.width() <= width {
        return text.into_owned();
    }
    let mut begin = text.len();
    let mut used = 0_usize;
    for (at, letter) in text.char_indices().rev() {
        used = used.saturating_add(letter.width().unwrap_or(0));
        if used >= width {
            break;
        }
        begin = at;
    }
    format!("…{}", &text[begin..])
}

/// Returns the lines of a safe text, broken between words at this many columns.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wider = line.width().saturating_add(word.width()).saturating_add(1);
        if !line.is_empty() && wider > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
