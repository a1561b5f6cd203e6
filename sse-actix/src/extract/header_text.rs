//! What HTTP takes for a blank in a header, and no more. Rust's `trim` also takes Unicode's blanks, by which a client could
//! make one name look like another.

/// Without the blanks around it: SP and TAB
/// ([RFC 9110, 5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
pub(crate) fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// What stands before and after the first `=`, without blanks; `None` if there is no `=`.
pub(crate) fn split_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = pair.split_at(at);
    Some((trim_blanks(name), trim_blanks(value.get(1..)?)))
}
