//! Trims only the white space of HTTP headers. Rust's `trim` also removes Unicode white space, with which a client
//! could make one name look like another.

/// Removes SP and TAB at both ends ([RFC 9110, 5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
pub(crate) fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The parts before and after the first `=`, trimmed; `None` if there is no `=`.
pub(crate) fn split_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = pair.split_at(at);
    Some((trim_blanks(name), trim_blanks(value.get(1..)?)))
}
