use std::{borrow::Borrow, error::Error, fmt, str::FromStr, sync::Arc};

/// Distinguishes an event that is published again from a new one: a log appends a key once within its
/// [window](crate::OnceWindow). A publisher chooses one for each event, such as an order's number or a random UUID.
///
/// Do not confuse it with the key of [`Record::key`](crate::Record::key), which names the thing whose newest state the
/// event is.
///
/// Checked when it is made: not empty, at most [`IdempotencyKey::MAX_LEN`] bytes, no control character. Cloning it
/// copies no text.
///
/// ```
/// use sse_actix_core::IdempotencyKey;
///
/// let key = IdempotencyKey::try_from(format!("order {}", 7))?;
/// assert_eq!(key.as_str(), "order 7");
/// assert_eq!(
///     IdempotencyKey::try_from("a\nb").unwrap_err().to_string(),
///     "idempotency key holds a control character (U+000A) at byte 1; leave it out",
/// );
/// # Ok::<(), sse_actix_core::IdempotencyKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// The most bytes a key may have: 200.
    pub const MAX_LEN: usize = 200;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Empty,
    TooLong(usize),
    Control(char, usize),
}

fn check(key: &str) -> Result<(), IdempotencyKeyError> {
    let fault = if key.is_empty() {
        Some(Fault::Empty)
    } else if key.len() > IdempotencyKey::MAX_LEN {
        Some(Fault::TooLong(key.len()))
    } else {
        let control = key.char_indices().find(|(_, char)| char.is_control());
        control.map(|(offset, char)| Fault::Control(char, offset))
    };
    fault.map_or(Ok(()), |fault| Err(IdempotencyKeyError(fault)))
}

/// Why a string cannot be an [`IdempotencyKey`]. See [`IdempotencyKey`]'s example.
///
/// If a handler returns this error, the answer is 400, because a client has sent the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKeyError(Fault);

impl fmt::Display for IdempotencyKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fault::Empty => f.write_str("idempotency key is empty; give each event its own key"),
            Fault::TooLong(bytes) => write!(
                f,
                "idempotency key has {bytes} bytes, and may have {}; shorten it, or use a digest of it",
                IdempotencyKey::MAX_LEN
            ),
            Fault::Control(char, offset) => write!(
                f,
                "idempotency key holds a control character (U+{:04X}) at byte {offset}; leave it out",
                u32::from(char)
            ),
        }
    }
}

impl Error for IdempotencyKeyError {}

impl TryFrom<&str> for IdempotencyKey {
    type Error = IdempotencyKeyError;

    fn try_from(key: &str) -> Result<Self, IdempotencyKeyError> {
        check(key)?;
        Ok(Self(key.into()))
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = IdempotencyKeyError;

    fn try_from(key: String) -> Result<Self, IdempotencyKeyError> {
        check(&key)?;
        Ok(Self(key.into()))
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(key: &str) -> Result<Self, IdempotencyKeyError> {
        Self::try_from(key)
    }
}

impl AsRef<str> for IdempotencyKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for IdempotencyKey {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        let long = "x".repeat(IdempotencyKey::MAX_LEN + 1);
        for (key, part) in [
            ("", "is empty"),
            ("a\0", "(U+0000) at byte 1"),
            ("ä\u{85}", "(U+0085) at byte 2"),
            ("\u{7f}", "(U+007F) at byte 0"),
            (&long, "has 201 bytes, and may have 200"),
        ] {
            let error = IdempotencyKey::try_from(key).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(key.parse::<IdempotencyKey>(), Err(error.clone()));
            assert_eq!(IdempotencyKey::try_from(key.to_owned()), Err(error));
        }
        for key in [" ", "a", "Bestellung/7 ä", &"x".repeat(IdempotencyKey::MAX_LEN)] {
            assert_eq!(IdempotencyKey::try_from(key).unwrap().as_str(), key);
        }
    }
}
