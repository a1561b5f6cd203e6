//! Finds the argument that a misspelled name probably means.

/// The candidate with the fewest edits from `name`, if it is near enough.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, from) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (above, to) in row.iter_mut().skip(1).zip(to.chars()) {
            let cost = (diagonal + usize::from(from != to)).min(*above + 1).min(left + 1);
            diagonal = std::mem::replace(above, cost);
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (from, to, edits) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("retry", "retry", 0),
            ("rety", "retry", 1),
        ] {
            assert_eq!(distance(from, to), edits, "{from} {to}");
            assert_eq!(distance(to, from), edits, "{to} {from}");
        }
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = ["keep_alive", "retry", "finite"];
        assert_eq!(nearest("keepalive", known), Some("keep_alive"));
        assert_eq!(nearest("Retry", known), Some("retry"));
        assert_eq!(nearest("finit", known), Some("finite"));
        assert_eq!(nearest("path", known), None);
    }
}
