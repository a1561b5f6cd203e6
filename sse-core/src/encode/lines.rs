//! The writers of lines: fields, text and JSON.

use std::io;

use bytes::BytesMut;
use memchr::memchr2;
use serde::Serialize;

use super::JsonError;
use crate::{EventName, Retry, line::split_line};

/// Appends one event with this name and `value` as its data. On failure `out` is unchanged.
pub(crate) fn push_json_event<T: Serialize + ?Sized>(
    name: Option<&EventName>,
    value: &T,
    out: &mut BytesMut,
) -> Result<(), JsonError> {
    let start = out.len();
    push_name(name, out);
    if let Err(error) = push_json_lines(value, out) {
        out.truncate(start);
        return Err(error);
    }
    out.extend_from_slice(b"\n");
    Ok(())
}

/// A buffer to which lines are appended: a stream's buffer, or an event's lines.
pub(crate) trait LineBuffer {
    fn push(&mut self, bytes: &[u8]);
    fn len(&self) -> usize;
    fn truncate(&mut self, len: usize);
    fn bytes_from(&self, from: usize) -> &[u8];
}

impl LineBuffer for Vec<u8> {
    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn truncate(&mut self, len: usize) {
        Vec::truncate(self, len);
    }
    fn bytes_from(&self, from: usize) -> &[u8] {
        self.get(from..).unwrap_or_default()
    }
}

impl LineBuffer for BytesMut {
    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn len(&self) -> usize {
        BytesMut::len(self)
    }
    fn truncate(&mut self, len: usize) {
        BytesMut::truncate(self, len);
    }
    fn bytes_from(&self, from: usize) -> &[u8] {
        self.get(from..).unwrap_or_default()
    }
}

struct Writer<'a, O>(&'a mut O);

impl<O: LineBuffer> io::Write for Writer<'_, O> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.push(bytes);
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends `value` as `data` lines. On failure `out` is unchanged.
pub(crate) fn push_json_lines<T: Serialize + ?Sized>(
    value: &T,
    out: &mut impl LineBuffer,
) -> Result<(), JsonError> {
    let start = out.len();
    out.push(b"data: ");
    let text = out.len();
    if let Err(error) = serde_json::to_writer(Writer(out), value) {
        out.truncate(start);
        return Err(JsonError(error));
    }
    // serde_json writes no line break, but a `RawValue` may contain some.
    if memchr2(b'\n', b'\r', out.bytes_from(text)).is_some() {
        let raw = out.bytes_from(text).to_vec();
        out.truncate(start);
        push_text_lines(b"data: ", &raw, out);
        return Ok(());
    }
    out.push(b"\n");
    Ok(())
}

/// Appends `text` as lines that each start with `prefix`, which ends in a colon and a space. An empty line has
/// no space.
#[inline]
pub(crate) fn push_text_lines<const N: usize>(prefix: &[u8; N], mut text: &[u8], out: &mut impl LineBuffer) {
    loop {
        let (line, rest) = match split_line(text) {
            Some((line, rest)) => (line, Some(rest)),
            None => (text, None),
        };
        if line.is_empty() {
            out.push(prefix.trim_ascii_end());
        } else {
            out.push(prefix);
            out.push(line);
        }
        out.push(b"\n");
        match rest {
            Some(rest) => text = rest,
            None => return,
        }
    }
}

#[inline]
pub(crate) fn push_name(name: Option<&EventName>, out: &mut BytesMut) {
    if let Some(name) = name {
        push_field(b"event: ", name.as_str().as_bytes(), out);
    }
}

/// A `retry` line, if there is one to write.
#[inline]
pub(crate) fn push_retry(retry: Option<Retry>, out: &mut BytesMut) {
    if let Some(retry) = retry {
        push_field(
            b"retry: ",
            itoa::Buffer::new().format(retry.as_millis()).as_bytes(),
            out,
        );
    }
}

#[inline]
pub(crate) fn push_field<const N: usize>(prefix: &[u8; N], value: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\n");
}
