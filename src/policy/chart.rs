//! Chart of a simulation: a bar of text.

use std::time::Duration;

use crate::base::time::part;
use crate::policy::simulate::moment;

/// State of the child during a segment of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segment {
    Starting,
    Up,
    Waiting,
    Parked,
    Down,
}

const ALL: [Segment; 5] = [Segment::Starting, Segment::Up, Segment::Waiting, Segment::Parked, Segment::Down];
const WIDTH: u32 = 72;

impl Segment {
    fn sign(self) -> char {
        match self {
            Self::Starting => '+',
            Self::Up => '#',
            Self::Waiting => '.',
            Self::Parked => 'z',
            Self::Down => ' ',
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Down => "down",
        }
    }
}

/// Draws segments, each of which lasts until the next one begins. Each column shows the state that the child had for
/// most of the column's time.
pub(crate) fn draw(segments: &[(Duration, Segment)], end: Duration) -> String {
    // The last state lasts for good: some columns after the end show it.
    let whole = if end.is_zero() { Duration::from_secs(1) } else { end.saturating_add(part(end, 8)) };
    let column = part(whole, WIDTH);
    let mut bar = String::new();
    let mut next = 0;
    for number in 0..WIDTH {
        let (from, to) = (column.saturating_mul(number), column.saturating_mul(number + 1));
        while next + 1 < segments.len() && segments[next + 1].0 <= from {
            next += 1;
        }
        let mut shares = [Duration::ZERO; ALL.len()];
        for (at, (begin, segment)) in segments.iter().enumerate().skip(next).take_while(|(_, (begin, _))| *begin < to) {
            let until = segments.get(at + 1).map_or(to, |(begin, _)| (*begin).min(to));
            let place = ALL.iter().position(|known| known == segment).unwrap_or_default();
            shares[place] = shares[place].saturating_add(until.saturating_sub((*begin).max(from)));
        }
        let most = shares.iter().zip(ALL).max_by_key(|(share, _)| **share);
        bar.push(most.map_or(' ', |(_, segment)| segment.sign()));
    }
    let marks: String = (0..WIDTH)
        .map(|number| mark(segments, column.saturating_mul(number), column.saturating_mul(number + 1)))
        .collect();
    let legend: Vec<_> = ALL.iter().map(|segment| format!("{} {}", segment.sign(), segment.name())).collect();
    let scale = format!("0{:>width$}", moment(whole), width = WIDTH as usize - 1);
    format!(
        "|{bar}|\n {}\n {scale}\n {}   x an end, or several in this time",
        marks.trim_end(),
        legend[..4].join("   ")
    )
}

/// The mark under a column: blank, `x` for the end of one life or attempt, else the number of ends.
fn mark(segments: &[(Duration, Segment)], from: Duration, to: Duration) -> char {
    let first = segments.partition_point(|(at, _)| *at < from).max(1);
    let lives = segments.iter().enumerate().skip(first).take_while(|(_, (at, _))| *at < to);
    let is_end = |at: usize| matches!(segments[at - 1].1, Segment::Up | Segment::Starting);
    let is_start = |segment: Segment| matches!(segment, Segment::Up | Segment::Starting);
    match lives.filter(|(at, (_, segment))| is_end(*at) && !is_start(*segment)).count() {
        0 => ' ',
        1 => 'x',
        more => char::from_digit(u32::try_from(more).unwrap_or(u32::MAX), 10).unwrap_or('*'),
    }
}
