//! Values as text. A value shares the memory of its chunk if it is valid UTF-8. Otherwise, or if it must outlive the
//! chunk, it is copied.

use std::mem;

use bytes::Bytes;
use bytestring::ByteString;
use compact_str::CompactString;

/// A text that may be a part of a received chunk.
#[derive(Default)]
pub(super) struct Text {
    text: ByteString,
    shared: bool,
}

impl Text {
    /// A part of `chunk`, sharing its memory.
    #[inline]
    pub(super) fn shared(chunk: &Bytes, part: &[u8]) -> Self {
        match ByteString::try_from(chunk.slice_ref(part)) {
            Ok(text) => Self { text, shared: true },
            Err(_) => replace(part).into(),
        }
    }

    pub(super) fn copied(bytes: &[u8]) -> Self {
        match ByteString::try_from(bytes) {
            Ok(text) => text.into(),
            Err(_) => replace(bytes).into(),
        }
    }

    /// All of `bytes`, which are not a received chunk.
    pub(super) fn owned(bytes: &Bytes) -> Self {
        match ByteString::try_from(bytes.clone()) {
            Ok(text) => text.into(),
            Err(_) => replace(bytes).into(),
        }
    }

    /// Copies the text, so that it no longer shares the received chunk.
    #[inline]
    pub(super) fn detach_from_chunk(&mut self) {
        if mem::take(&mut self.shared) {
            self.text = ByteString::from(&*self.text);
        }
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    #[inline]
    pub(super) fn into_text(self) -> ByteString {
        self.text
    }
}

impl From<ByteString> for Text {
    fn from(text: ByteString) -> Self {
        Self { text, shared: false }
    }
}

/// The last event id, which outlives chunks. Most ids are used once. So the first event takes the received text, and a
/// copy stays here. The copy of a short id needs no allocation.
#[derive(Default)]
pub(super) struct LastId {
    id: CompactString,
    /// The same id, shared by events without their own id, from the first of these on.
    shared: Option<ByteString>,
}

impl LastId {
    #[inline]
    pub(super) fn set(&mut self, id: &str) {
        self.id = CompactString::new(id);
        self.shared = None;
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        &self.id
    }

    #[inline]
    pub(super) fn shared(&mut self) -> ByteString {
        if self.id.is_empty() {
            return ByteString::new();
        }
        self.shared
            .get_or_insert_with(|| ByteString::from(&*self.id))
            .clone()
    }
}

/// Event names. A stream has few and repeats them, so the last one is kept, and all events with this name share it.
#[derive(Default)]
pub(super) struct Names {
    last: ByteString,
}

impl Names {
    #[inline]
    pub(super) fn get(&mut self, name: &[u8]) -> ByteString {
        if self.last.as_bytes() != name {
            self.last = Text::copied(name).into_text();
        }
        self.last.clone()
    }
}

/// Malformed UTF-8 as the [UTF-8 decoder](https://encoding.spec.whatwg.org/#utf-8-decoder) repairs it:
/// one U+FFFD for each maximal part of a character. Line breaks are ASCII, so no broken character
/// reaches over the end of a value, and values can be repaired one by one.
#[cold]
fn replace(bytes: &[u8]) -> ByteString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_maximal_part_of_a_character_is_one_replacement() {
        for (bytes, text) in [
            (&b"a\xFFb"[..], "a\u{FFFD}b"),
            (b"\xE2\x82", "\u{FFFD}"),
            (b"\xE2\x82\xE2\x82\xAC", "\u{FFFD}\u{20AC}"),
            (b"\xF0\x9F\x92", "\u{FFFD}"),
            // A surrogate, an overlong form and a number beyond Unicode: none of them is part of a character.
            (b"\xED\xA0\x80", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xC0\xAF", "\u{FFFD}\u{FFFD}"),
            (b"\xF4\x90\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
        ] {
            let chunk = Bytes::copy_from_slice(bytes);
            assert_eq!(Text::shared(&chunk, &chunk).as_str(), text);
            assert_eq!(Text::copied(bytes).as_str(), text);
            assert_eq!(Text::owned(&chunk).as_str(), text);
        }
    }

    #[test]
    fn a_shared_text_is_the_chunks_memory_until_it_is_detached() {
        let chunk = Bytes::from_static(b"data: x");
        let mut text = Text::shared(&chunk, &chunk[6..]);
        assert_eq!(text.as_str().as_ptr(), chunk[6..].as_ptr());
        text.detach_from_chunk();
        assert_eq!(text.as_str(), "x");
        assert_ne!(text.as_str().as_ptr(), chunk[6..].as_ptr());
    }
}
