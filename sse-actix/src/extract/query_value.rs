//! Reads a parameter of a query as bytes. The extractors of actix decode it to text, and replace what is no UTF-8.

/// The first value of the parameter that is not empty, decoded from
/// [`application/x-www-form-urlencoded`](https://url.spec.whatwg.org/#urlencoded-parsing).
pub(crate) fn query_value(query: &str, name: &str) -> Option<Vec<u8>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (decoded(key) == name.as_bytes() && !value.is_empty()).then(|| decoded(value))
    })
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match (first, after) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high * 16 + low
                }
                _ => b'%',
            },
            (b'+', _) => b' ',
            _ => *first,
        });
    }
    bytes
}

fn digit(char: u8) -> Option<u8> {
    let digit = char::from(char).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_as_forms_are() {
        for (query, value) in [
            ("a=1&id=b%2Bc+d", Some(&b"b+c d"[..])),
            ("id=&id=2", Some(b"2")),
            ("%69d=1", Some(b"1")),
            ("id=%fF%00", Some(b"\xff\0")),
            ("id=%&x", Some(b"%")),
            ("id=%4", Some(b"%4")),
            ("id=%4g%é", Some("%4g%é".as_bytes())),
            ("id=a=b", Some(b"a=b")),
            ("id", None),
            ("xid=1", None),
            ("", None),
        ] {
            assert_eq!(query_value(query, "id").as_deref(), value, "{query}");
        }
    }
}
