use std::{borrow::Borrow, error::Error, fmt, str::FromStr};

use compact_str::CompactString;

/// The name of a topic. What is published under it reaches its subscribers.
///
/// Checked when it is made: not empty, at most [`TopicName::MAX_LEN`] bytes, no control character.
/// [`TopicName::from_static`] checks a literal (at compile time in a `const`), and `TryFrom` checks a string made at
/// run time and returns an error.
///
/// ```
/// use sse_actix_core::TopicName;
///
/// const PRICES: TopicName = TopicName::from_static("prices");
/// let room = TopicName::try_from(format!("room:{}", 7))?;
///
/// assert_eq!((PRICES.as_str(), room.as_str()), ("prices", "room:7"));
/// assert_eq!(
///     TopicName::try_from("a\nb").unwrap_err().to_string(),
///     "topic name holds a control character (U+000A) at byte 1; leave it out",
/// );
/// # Ok::<(), sse_actix_core::TopicNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(CompactString);

impl TopicName {
    /// The most bytes a name may have: 256.
    pub const MAX_LEN: usize = 256;

    /// A name from a literal. In a `const` the check happens at compile time.
    ///
    /// # Panics
    ///
    /// If the literal is not a valid topic name. For a string made at run time use `TopicName::try_from(text)`, which
    /// returns an error instead.
    #[track_caller]
    #[allow(clippy::panic, reason = "a literal constructor; the fallible twin is TryFrom")]
    pub const fn from_static(name: &'static str) -> Self {
        match fault(name.as_bytes()) {
            None => Self(CompactString::const_new(name)),
            Some(Fault::Empty) => panic!("a topic name must not be empty"),
            Some(Fault::TooLong) => panic!("a topic name must not be longer than 256 bytes"),
            Some(Fault::Control(..)) => panic!("a topic name must hold no control character"),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Empty,
    TooLong,
    Control(u8, usize),
}

const fn fault(name: &[u8]) -> Option<Fault> {
    if name.is_empty() {
        return Some(Fault::Empty);
    }
    if name.len() > TopicName::MAX_LEN {
        return Some(Fault::TooLong);
    }
    let mut offset = 0;
    let mut rest = name;
    while let [byte, tail @ ..] = rest {
        if byte.is_ascii_control() {
            return Some(Fault::Control(*byte, offset));
        }
        rest = tail;
        offset += 1;
    }
    None
}

fn check(name: &str) -> Result<(), TopicNameError> {
    fault(name.as_bytes()).map_or(Ok(()), |fault| Err(TopicNameError(fault)))
}

/// Why a string cannot be a [`TopicName`]. See [`TopicName`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNameError(Fault);

impl fmt::Display for TopicNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fault::Empty => f.write_str("topic name is empty; give it at least one character"),
            Fault::TooLong => write!(
                f,
                "topic name is longer than {} bytes; shorten it, or use a digest of it",
                TopicName::MAX_LEN
            ),
            Fault::Control(byte, offset) => write!(
                f,
                "topic name holds a control character (U+{byte:04X}) at byte {offset}; leave it out"
            ),
        }
    }
}

impl Error for TopicNameError {}

impl TryFrom<&str> for TopicName {
    type Error = TopicNameError;

    fn try_from(name: &str) -> Result<Self, TopicNameError> {
        check(name)?;
        Ok(Self(CompactString::new(name)))
    }
}

impl TryFrom<String> for TopicName {
    type Error = TopicNameError;

    fn try_from(name: String) -> Result<Self, TopicNameError> {
        check(&name)?;
        Ok(Self(CompactString::from(name)))
    }
}

impl FromStr for TopicName {
    type Err = TopicNameError;

    fn from_str(name: &str) -> Result<Self, TopicNameError> {
        Self::try_from(name)
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The types that are accepted as a topic's name: a [`TopicName`], or a literal.
///
/// Implemented only for these. A literal that is not a valid topic name panics when the line runs. For strings made at
/// run time use `TopicName::try_from`.
///
/// ```
/// use sse_actix_core::{IntoTopicName, TopicName};
///
/// fn topics<T: IntoTopicName>(names: [T; 2]) -> [TopicName; 2] {
///     names.map(T::into_topic_name)
/// }
/// assert_eq!(topics(["a", "b"]), topics([TopicName::from_static("a"), TopicName::from_static("b")]));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not proven to be a topic name",
    note = "for a string made at run time write `TopicName::try_from(text)?`"
)]
pub trait IntoTopicName: sealed::Sealed {
    #[doc(hidden)]
    fn into_topic_name(self) -> TopicName;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::TopicName {}
    impl Sealed for &super::TopicName {}
    impl Sealed for &'static str {}
}

impl IntoTopicName for TopicName {
    fn into_topic_name(self) -> TopicName {
        self
    }
}

impl IntoTopicName for &TopicName {
    fn into_topic_name(self) -> TopicName {
        self.clone()
    }
}

impl IntoTopicName for &'static str {
    #[track_caller]
    fn into_topic_name(self) -> TopicName {
        TopicName::from_static(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        let long = "x".repeat(TopicName::MAX_LEN + 1);
        for (name, part) in [
            ("", "empty"),
            ("a\0", "(U+0000) at byte 1"),
            (&long, "longer than 256"),
        ] {
            let error = TopicName::try_from(name).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(name.parse::<TopicName>(), Err(error));
        }
        for name in ["a", "räume/7 ", &"x".repeat(TopicName::MAX_LEN)] {
            assert_eq!(TopicName::try_from(name.to_owned()).unwrap().as_str(), name);
        }
    }
}
