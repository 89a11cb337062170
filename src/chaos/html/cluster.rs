//! Neighbours that are too narrow to be told apart are drawn as one, so that no run is too large for a page.

/// Widths that are tried one after the other, in the units of the pictures.
const NARROW: [f64; 6] = [1.5, 3.0, 6.0, 12.0, 24.0, 48.0];

/// Splits sorted items into runs that are each drawn as one. The items of a run are together narrower than `narrow`. An
/// item that is wider forms a run alone.
pub(super) fn clusters<T>(items: &[T], narrow: f64, span: impl Fn(&T) -> (f64, f64)) -> Vec<&[T]> {
    let mut clusters = Vec::new();
    let mut rest = items;
    while let Some(first) = rest.first() {
        let (start, _) = span(first);
        let more = rest[1..].iter().take_while(|item| span(item).1 - start < narrow).count();
        let is_wide = span(first).1 - start >= narrow;
        let (cluster, others) = rest.split_at(if is_wide { 1 } else { 1 + more });
        clusters.push(cluster);
        rest = others;
    }
    clusters
}

/// Returns the first width for which at most `most` items are drawn, or the last width.
pub(super) fn narrow_for(most: usize, drawn: impl Fn(f64) -> usize) -> f64 {
    let [.., last] = NARROW;
    NARROW.into_iter().find(|narrow| drawn(*narrow) <= most).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_narrow_is_taken_together() {
        let spans = [(0.0, 0.5), (0.6, 1.0), (1.1, 9.0), (9.0, 9.1), (20.0, 30.0), (30.0, 40.0)];
        let lengths: Vec<_> = clusters(&spans, 1.5, |span| *span).into_iter().map(<[_]>::len).collect();
        assert_eq!(lengths, [2, 1, 1, 1, 1]);
    }
}
