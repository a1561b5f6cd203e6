//! Where a line ends: the one piece of text handling that the encoder and the decoder share.
//!
//! LF, CR and CRLF are each one line break, in both directions
//! ([parsing](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream)).

use memchr::memchr2;

/// Splits `bytes` at its first line break: the line without it, and what follows it.
///
/// `None` when there is no break. A CR at the very end counts as a line break; code that reads from a network must know
/// whether an LF may still follow.
#[expect(
    clippy::inline_always,
    reason = "measured: a tenth of the time to decode small events"
)]
#[inline(always)]
pub(crate) fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = find_break(bytes)?;
    let (line, rest) = bytes.split_at_checked(at)?;
    let rest = match rest {
        [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
        [] => rest,
    };
    Some((line, rest))
}

/// The place of the first LF or CR.
///
/// Most lines are a name, an id or empty. For these a call to `memchr2` costs several times as much as the search
/// itself, so the first sixteen bytes are searched here.
#[expect(
    clippy::inline_always,
    reason = "measured: a tenth of the time to decode small events"
)]
#[inline(always)]
pub(crate) fn find_break(bytes: &[u8]) -> Option<usize> {
    let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else {
        return bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    };
    if let Some(at) = find_in_word(*first) {
        return Some(at);
    }
    if bytes.len() <= 16 {
        return find_in_word(*last).map(|at| bytes.len() - 8 + at);
    }
    let rest = bytes.get(8..)?;
    match find_in_word(*rest.first_chunk()?) {
        Some(at) => Some(8 + at),
        None => Some(16 + memchr2(b'\n', b'\r', rest.get(8..)?)?),
    }
}

#[inline]
fn find_in_word(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_le_bytes(word);
    // The lowest byte that is zero gets its high bit set. Bytes above it may get theirs set, too, but only the lowest
    // counts.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let found = zeros(word ^ (ONES * u64::from(b'\n'))) | zeros(word ^ (ONES * u64::from(b'\r')));
    (found != 0).then_some(found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::{find_break, split_line};

    #[test]
    fn a_break_is_found_wherever_it_is_and_nothing_else_is_one() {
        let other: Vec<u8> = (0..=255).filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
        for len in 0..=other.len() {
            let mut bytes = other[other.len() - len..].to_vec();
            assert_eq!(find_break(&bytes), None, "{len}");
            for at in 0..len {
                for (one, two) in [(b'\n', b'\r'), (b'\r', b'\n')] {
                    let kept = std::mem::replace(&mut bytes[at], one);
                    let later = len - 1;
                    let last = std::mem::replace(&mut bytes[later], two);
                    assert_eq!(find_break(&bytes), Some(at), "{at} of {len}");
                    bytes[later] = last;
                    bytes[at] = kept;
                }
            }
        }
    }

    #[test]
    fn each_of_lf_cr_and_crlf_is_one_break() {
        for text in ["a\nb", "a\rb", "a\r\nb"] {
            assert_eq!(split_line(text.as_bytes()), Some((&b"a"[..], &b"b"[..])));
        }
        assert_eq!(split_line(b"\n\r"), Some((&b""[..], &b"\r"[..])));
        assert_eq!(split_line(b"\r"), Some((&b""[..], &b""[..])));
        assert_eq!(split_line(b"ab"), None);
    }
}
