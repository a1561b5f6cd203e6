//! Ways to cut a stream.

/// A name for messages, and the chunks.
pub(crate) type Split<'a> = (String, Vec<&'a [u8]>);

/// Streams up to this long are also cut at every pair of places.
const PAIRS_UP_TO: usize = 160;

/// Whole, byte by byte, at every place, with empty chunks in between; short streams at every pair of
/// places, long ones also in pieces of a few sizes.
pub(crate) fn splits(stream: &[u8]) -> Vec<Split<'_>> {
    let mut splits = vec![
        ("whole".to_owned(), vec![stream]),
        ("in pieces of 1".to_owned(), stream.chunks(1).collect()),
        (
            "in pieces of 1 with empty ones around".to_owned(),
            stream.chunks(1).flat_map(|byte| [&[][..], byte, &[]]).collect(),
        ),
    ];
    for size in [2, 3, 7, 10, 16, 64, 1_000] {
        splits.push((format!("in pieces of {size}"), stream.chunks(size).collect()));
    }
    for at in 0..=stream.len() {
        let (start, end) = stream.split_at(at);
        splits.push((format!("at {at}"), vec![start, end]));
        splits.push((
            format!("at {at} with an empty one"),
            vec![&[], start, &[], end, &[]],
        ));
    }
    if stream.len() <= PAIRS_UP_TO {
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let (start, end) = stream.split_at(second);
                let (start, middle) = start.split_at(first);
                splits.push((format!("at {first} and {second}"), vec![start, middle, end]));
            }
        }
    }
    splits
}
