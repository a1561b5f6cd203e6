//! The standard's algorithms as they are written there, over the whole stream at once: slow, simple
//! and without anything of the decoder's.

use std::time::Duration;

use sse_actix_core::{DecodeError, Decoded, Message};

use crate::Outcome;

/// A character and how many bytes of the stream it stands for.
type Char = (char, usize);

/// `limit` and `comments` are not the standard's, but documented with the decoder.
pub(crate) fn decode(stream: &[u8], seed: &str, limit: usize, comments: bool) -> Outcome {
    let (lines, pending) = lines(&utf8_decode(stream));

    let mut items = Vec::new();
    let mut retry = None;
    let mut last_event_id = seed.to_owned();
    let (mut data, mut event_type) = (String::new(), String::new());
    // Every browser starts with the id it reconnected with, where the standard says the empty string.
    let mut id_buffer = last_event_id.clone();
    let mut size = 0usize;
    let mut discarding = false;

    for line in &lines {
        if line.is_empty() {
            if !discarding {
                last_event_id.clone_from(&id_buffer);
                if !data.is_empty() {
                    assert_eq!(data.pop(), Some('\n'));
                    let event = if event_type.is_empty() {
                        "message"
                    } else {
                        &event_type
                    };
                    items.push(Ok(Decoded::Message(Message {
                        event: event.into(),
                        data: data.as_str().into(),
                        last_event_id: last_event_id.as_str().into(),
                    })));
                }
            }
            (data, event_type, size, discarding) = (String::new(), String::new(), 0, false);
            continue;
        }
        if discarding {
            continue;
        }
        let bytes: usize = line.iter().map(|(_, bytes)| bytes).sum::<usize>() + 1;
        let (field, value) = split(line);
        if field.is_empty() {
            if comments {
                items.push(if bytes > limit {
                    Err(DecodeError::CommentTooLarge { limit })
                } else {
                    Ok(Decoded::Comment(value.into()))
                });
            }
            continue;
        }
        if !matches!(&*field, "event" | "data" | "id" | "retry") {
            continue;
        }
        size += bytes;
        if size > limit {
            items.push(Err(DecodeError::EventTooLarge { limit }));
            discarding = true;
            id_buffer.clone_from(&last_event_id);
            continue;
        }
        match &*field {
            "event" => event_type = value,
            "data" => {
                data.push_str(&value);
                data.push('\n');
            }
            "id" if !value.contains('\0') => id_buffer = value,
            "retry" if !value.is_empty() && value.chars().all(|digit| digit.is_ascii_digit()) => {
                // It fails only where the number is too large for 64 bits.
                let time = Duration::from_millis(value.parse().unwrap_or(u64::MAX));
                retry = Some(time);
                items.push(Ok(Decoded::Retry(time)));
            }
            _ => {}
        }
    }

    // The limit goes for a line that has not ended too, from the sixth byte on, when its field must be
    // known. Everything else about it is discarded.
    let bytes: usize = pending.iter().map(|(_, bytes)| bytes).sum();
    let has_colon = pending.iter().any(|(char, _)| *char == ':');
    if !discarding && !pending.is_empty() {
        match &*split(&pending).0 {
            "" if comments && bytes > limit => items.push(Err(DecodeError::CommentTooLarge { limit })),
            "event" | "data" | "id" | "retry" if has_colon && bytes > 5 && size + bytes > limit => {
                items.push(Err(DecodeError::EventTooLarge { limit }));
            }
            _ => {}
        }
    }
    Outcome {
        items,
        last_event_id,
        retry,
    }
}

/// Field name and value; the name of a comment is empty.
fn split(line: &[Char]) -> (String, String) {
    let line: String = line.iter().map(|(char, _)| char).collect();
    match line.split_once(':') {
        Some((field, value)) => {
            let value = value.strip_prefix(' ').unwrap_or(value);
            (field.to_owned(), value.to_owned())
        }
        None => (line, String::new()),
    }
}

/// The lines that ended, and the one that did not.
fn lines(text: &[Char]) -> (Vec<Vec<Char>>, Vec<Char>) {
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    let mut chars = text.iter().peekable();
    while let Some(&(char, bytes)) = chars.next() {
        match char {
            '\r' => {
                let _ = chars.next_if(|(next, _)| *next == '\n');
                lines.push(std::mem::take(&mut line));
            }
            '\n' => lines.push(std::mem::take(&mut line)),
            _ => line.push((char, bytes)),
        }
    }
    (lines, line)
}

/// [UTF-8 decode](https://encoding.spec.whatwg.org/#utf-8-decode): without one leading byte order mark,
/// then the steps of the [UTF-8 decoder](https://encoding.spec.whatwg.org/#utf-8-decoder).
fn utf8_decode(stream: &[u8]) -> Vec<Char> {
    const REPLACEMENT: char = '\u{FFFD}';
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);

    let mut output = Vec::new();
    let (mut code_point, mut bytes_seen, mut bytes_needed) = (0u32, 0, 0);
    let (mut lower, mut upper) = (0x80, 0xBF);
    let mut input = stream.iter().copied().peekable();
    while let Some(byte) = input.next_if(|byte| bytes_needed == 0 || (lower..=upper).contains(byte)) {
        if bytes_needed == 0 {
            match byte {
                0x00..=0x7F => output.push((char::from(byte), 1)),
                0xC2..=0xDF => (bytes_needed, code_point) = (1, u32::from(byte & 0x1F)),
                0xE0..=0xEF => {
                    if byte == 0xE0 {
                        lower = 0xA0;
                    }
                    if byte == 0xED {
                        upper = 0x9F;
                    }
                    (bytes_needed, code_point) = (2, u32::from(byte & 0xF));
                }
                0xF0..=0xF4 => {
                    if byte == 0xF0 {
                        lower = 0x90;
                    }
                    if byte == 0xF4 {
                        upper = 0x8F;
                    }
                    (bytes_needed, code_point) = (3, u32::from(byte & 0x7));
                }
                _ => output.push((REPLACEMENT, 1)),
            }
        } else {
            (lower, upper) = (0x80, 0xBF);
            code_point = (code_point << 6) | u32::from(byte & 0x3F);
            bytes_seen += 1;
            if bytes_seen == bytes_needed {
                output.push((char::from_u32(code_point).unwrap(), bytes_needed + 1));
                (code_point, bytes_seen, bytes_needed) = (0, 0, 0);
            }
        }
        // A byte that does not continue the character ends it, and is then looked at for itself.
        let cut_off = input
            .peek()
            .is_none_or(|next| bytes_needed > 0 && !(lower..=upper).contains(next));
        if bytes_needed > 0 && cut_off {
            output.push((REPLACEMENT, bytes_seen + 1));
            (code_point, bytes_seen, bytes_needed) = (0, 0, 0);
            (lower, upper) = (0x80, 0xBF);
        }
    }
    output
}
