//! A table that fits the screen: cells are cut, and the least important columns are left out.

use unicode_width::UnicodeWidthStr;

use crate::operate::text::screen::{Colour, Screen, fit, fit_end};

/// Columns between two columns of the table.
const GAP: usize = 2;

/// Table of text.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
pub(crate) struct Column {
    head: &'static str,
    align: Align,
    /// The column may be cut to this width. Cells of a column without it are never cut.
    least: Option<usize>,
    /// Columns with a greater number are left out first; 0 stays.
    leave_out: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// To the left; cut at the end.
    Left,
    /// To the left; cut at the begin.
    Path,
    /// To the right.
    Right,
}

#[derive(Debug)]
pub(crate) struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Column {
    pub(crate) fn new(head: &'static str, align: Align) -> Self {
        Self { head, align, least: None, leave_out: 0 }
    }

    pub(crate) fn least(mut self, width: usize) -> Self {
        self.least = Some(width);
        self
    }

    pub(crate) fn leave_out(mut self, rank: u8) -> Self {
        self.leave_out = rank;
        self
    }
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: None }
    }

    pub(crate) fn coloured(text: impl Into<String>, colour: Colour) -> Self {
        Self { text: text.into(), colour: Some(colour) }
    }
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row: a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the head and the rows, each on a line. A column that is empty in every row is left out.
    pub(crate) fn write(&self, screen: &Screen, out: &mut String) {
        let shown = self.fitted(screen.width());
        let head = shown.iter().map(|(at, width)| (self.columns[*at].head, Some(Colour::Dim), *at, *width));
        self.line(screen, head, out);
        for row in &self.rows {
            let cells = shown.iter().map(|(at, width)| (row[*at].text.as_str(), row[*at].colour, *at, *width));
            self.line(screen, cells, out);
        }
    }

    fn line<'a>(
        &self,
        screen: &Screen,
        cells: impl Iterator<Item = (&'a str, Option<Colour>, usize, usize)>,
        out: &mut String,
    ) {
        let mut line = String::new();
        for (nth, (text, colour, at, width)) in cells.enumerate() {
            if nth > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let align = self.columns[at].align;
            let text = if align == Align::Path { fit_end(text, width) } else { fit(text, width) };
            let blank = " ".repeat(width.saturating_sub(text.width()));
            let painted = colour.map_or_else(|| text.clone(), |colour| screen.paint(colour, &text));
            match align {
                Align::Right => line.extend([blank, painted]),
                Align::Left | Align::Path => line.extend([painted, blank]),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }

    /// Returns the columns that are shown, with their widths.
    fn fitted(&self, width: usize) -> Vec<(usize, usize)> {
        let natural = |at: usize| {
            let cells = self.rows.iter().map(|row| super::safe(&row[at].text).width());
            cells.max().unwrap_or(0).max(self.columns[at].head.width())
        };
        let is_used = |at: &usize| self.rows.iter().any(|row| !row[*at].text.is_empty());
        let mut shown: Vec<(usize, usize)> =
            (0..self.columns.len()).filter(is_used).map(|at| (at, natural(at))).collect();
        let least = |at: usize, natural: usize| self.columns[at].least.map_or(natural, |least| least.min(natural));
        let total =
            |widths: &mut dyn Iterator<Item = usize>| widths.fold(0_usize, |sum, width| sum + width + GAP) - GAP;
        while shown.len() > 1 && total(&mut shown.iter().map(|(at, natural)| least(*at, *natural))) > width {
            let last = shown.iter().enumerate().max_by_key(|(nth, (at, _))| (self.columns[*at].leave_out, *nth));
            match last {
                Some((nth, (at, _))) if self.columns[*at].leave_out > 0 => drop(shown.remove(nth)),
                Some(_) | None => break,
            }
        }
        // The widest column that may still be cut gives first.
        while total(&mut shown.iter().map(|(_, width)| *width)) > width {
            let cuttable = shown.iter_mut().filter(|(at, width)| *width > least(*at, *width));
            let Some((_, widest)) = cuttable.max_by_key(|(_, width)| *width) else { break };
            *widest -= 1;
        }
        shown
    }
}
