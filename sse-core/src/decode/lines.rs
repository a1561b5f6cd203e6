//! Cutting chunks into lines, as in
//! [parsing an event stream](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).

use std::collections::VecDeque;

use bytes::Bytes;

use super::{data::KEPT_CAPACITY, text::Text};
use crate::line::{find_break, split_line};

/// The length of the longest field names, `event` and `retry`. One more byte shows which field a line has.
pub(super) const LONGEST_NAME: usize = 5;

const BOM: &[u8] = b"\xEF\xBB\xBF";
/// In a larger chunk, searching for the end of a line twice would cost more than it saves.
const SMALL_CHUNK: usize = 4 * 1024;

/// The most bytes that one item with several events may have.
const MAX_UNCHANGED_BYTES: usize = 4 * 1024;

/// The received bytes that have not become lines yet.
pub(super) struct Lines {
    chunk: Bytes,
    /// Where in `chunk` the next line starts.
    at: usize,
    /// Chunks that were fed before `chunk` was used up.
    queue: VecDeque<Bytes>,
    /// The start of a line whose end is in a later chunk. It holds no line break, and is not searched again.
    held: Vec<u8>,
    /// How long such lines get, up to [`KEPT_CAPACITY`].
    usual: usize,
    state: LineState,
}

/// The state before the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineState {
    /// At the start of the stream, after this many bytes of a byte order mark.
    Stream(usize),
    /// In a line whose start is in `held`.
    Line,
    /// After a CR at the end of a line. An LF belongs to the same line break.
    AfterCr,
    /// In a line that is skipped.
    Skipped,
}

/// A line without its line break.
pub(super) enum Line<'a> {
    /// One that lies in one chunk.
    Whole {
        chunk: &'a Bytes,
        line: &'a [u8],
        /// True if the empty line after it was taken, too. Only checked if the line begins like `data`.
        ends_event: bool,
    },
    /// A line put together of several chunks. Taking it empties the buffer.
    Held(&'a mut Vec<u8>),
}

impl Line<'_> {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole { line, .. } => line,
            Self::Held(held) => held,
        }
    }

    /// A part of this line as text.
    #[inline]
    pub(super) fn text(&self, part: &[u8]) -> Text {
        match self {
            Self::Whole { chunk, .. } => Text::shared(chunk, part),
            Self::Held(_) => Text::copied(part),
        }
    }
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            chunk: Bytes::new(),
            at: 0,
            queue: VecDeque::new(),
            held: Vec::new(),
            usual: 0,
            state: LineState::Stream(0),
        }
    }

    /// Takes a chunk. Two kinds of chunks are handled here, immediately; that takes half the time of the general path.
    /// Most chunks of many streams are of these kinds: a chunk with only complete comments and empty lines, while
    /// `idle`; and a small chunk that continues a held line, which may become `room` bytes long.
    #[inline]
    pub(super) fn feed(&mut self, chunk: Bytes, idle: bool, room: usize) {
        if !self.chunk.is_empty() {
            if !chunk.is_empty() {
                self.queue.push_back(chunk);
            }
            return;
        }
        if self.state == LineState::Line {
            let held = self.held.len();
            let (small, fits) = (chunk.len() <= SMALL_CHUNK, held + chunk.len() <= room);
            if held > LONGEST_NAME && small && fits && find_break(&chunk).is_none() {
                self.held.extend_from_slice(&chunk);
                return;
            }
            if idle && held == 0 && after_comments(&chunk).is_empty() {
                return;
            }
        }
        self.chunk = chunk;
    }

    /// True if all chunks that were fed are used up.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.chunk.is_empty()
    }

    /// The next line that ends in this chunk.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Line<'_>> {
        if self.state != LineState::Line {
            self.skip_to_line_start();
        }
        let (line, at, state) = cut(&self.chunk, self.at)?;
        self.at = at;
        self.state = state;
        Some(if self.held.is_empty() {
            let empty = match self.chunk.get(at..) {
                Some([b'\n', ..]) if line.first() == Some(&b'd') => 1,
                Some([b'\r', b'\n', ..]) if line.first() == Some(&b'd') => 2,
                _ => 0,
            };
            self.at += empty;
            Line::Whole {
                chunk: &self.chunk,
                line,
                ends_event: empty > 0,
            }
        } else {
            self.held.extend_from_slice(line);
            self.usual = self.usual.max(self.held.len().min(KEPT_CAPACITY));
            Line::Held(&mut self.held)
        })
    }

    /// The bytes of the next pairs of lines, and the number of pairs. The first line of a pair begins with `prefix`, is
    /// valid UTF-8 and shorter than `room`. The second line is empty. Both end in LF. Stops before the first pair that
    /// is different.
    #[inline]
    pub(super) fn next_events_of_one_line(&mut self, prefix: &[u8], room: usize) -> Option<(Bytes, u64)> {
        if self.state != LineState::Line {
            self.skip_to_line_start();
        }
        if self.state != LineState::Line || !self.held.is_empty() {
            return None;
        }
        let start = self.at;
        let mut events = 0;
        while self.at - start < MAX_UNCHANGED_BYTES
            && let Some(line) = line_before_empty_one(self.chunk.get(self.at..).unwrap_or_default())
            && line.starts_with(prefix)
            && line.len() < room
            && str::from_utf8(line).is_ok()
        {
            let after = self.at + line.len() + 2;
            // The first pair may have any size.
            if events > 0 && after - start > MAX_UNCHANGED_BYTES {
                break;
            }
            self.at = after;
            events += 1;
        }
        (events > 0).then(|| (self.chunk.slice(start..self.at), events))
    }

    /// Skips empty lines and comments. Reading them one by one would have the same result if there is no unfinished
    /// event and comments are not wanted, but would take twice the time.
    #[inline]
    pub(super) fn pass_over_comments(&mut self) {
        if self.state == LineState::Line && self.held.is_empty() {
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            self.at = self.chunk.len() - after_comments(rest).len();
        }
    }

    /// The line that does not end in this chunk, after [`next`](Self::next) has returned `None`. It is in two pieces:
    /// the part that is held from earlier chunks, and the new part. `None` if there is no new part.
    #[inline]
    pub(super) fn tail(&self) -> Option<(&[u8], &[u8])> {
        let rest = self.chunk.get(self.at..)?;
        (!rest.is_empty()).then_some((&self.held, rest))
    }

    /// Keeps the [`tail`](Self::tail) until its line ends.
    #[inline]
    pub(super) fn hold(&mut self) {
        if self.held.capacity() == 0 {
            self.held.reserve(self.usual);
        }
        self.held
            .extend_from_slice(self.chunk.get(self.at..).unwrap_or_default());
        self.at = self.chunk.len();
    }

    /// Drops the [`tail`](Self::tail) and the rest of its line.
    pub(super) fn skip(&mut self) {
        self.held = Vec::new();
        self.at = self.chunk.len();
        self.state = LineState::Skipped;
    }

    /// Releases the chunk, which is used up, and continues with the next one. `false` if there is none.
    #[inline]
    pub(super) fn next_chunk(&mut self) -> bool {
        self.at = 0;
        self.chunk = self.queue.pop_front().unwrap_or_default();
        !self.chunk.is_empty()
    }

    /// Whether a line has begun and not ended.
    pub(super) fn is_inside_line(&self) -> bool {
        let begun = matches!(self.state, LineState::Skipped | LineState::Stream(1 | 2));
        begun || !self.held.is_empty() || self.unread() > 0
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn unread(&self) -> usize {
        self.queue.iter().map(Bytes::len).sum::<usize>() + self.chunk.len() - self.at
    }

    /// Moves to where a line starts or continues, if the chunk reaches that far.
    fn skip_to_line_start(&mut self) {
        while let Some(first) = self.chunk.get(self.at) {
            match self.state {
                LineState::Line => return,
                LineState::AfterCr => {
                    self.at += usize::from(*first == b'\n');
                    self.state = LineState::Line;
                }
                LineState::Stream(seen) => match BOM.get(seen) {
                    Some(expected) if expected == first => {
                        self.at += 1;
                        self.state = LineState::Stream(seen + 1);
                    }
                    // Only a part of a byte order mark. So it begins a line, whose field name is unknown.
                    Some(_) if seen > 0 => self.state = LineState::Skipped,
                    _ => self.state = LineState::Line,
                },
                LineState::Skipped => match cut(&self.chunk, self.at) {
                    Some((_, at, state)) => (self.at, self.state) = (at, state),
                    None => self.at = self.chunk.len(),
                },
            }
        }
    }
}

/// The line that `bytes` start with, if an empty one follows it and both end in LF.
#[inline]
fn line_before_empty_one(bytes: &[u8]) -> Option<&[u8]> {
    let (line, after) = bytes.split_at_checked(find_break(bytes)?)?;
    after.starts_with(b"\n\n").then_some(line)
}

/// The line that starts at `at`, the start of the next line, and the state there.
#[inline]
fn cut(chunk: &[u8], at: usize) -> Option<(&[u8], usize, LineState)> {
    let (line, after) = split_line(chunk.get(at..)?)?;
    let state = match (after, chunk) {
        ([], [.., b'\r']) => LineState::AfterCr,
        _ => LineState::Line,
    };
    Some((line, chunk.len() - after.len(), state))
}

/// The rest of `bytes` after its leading empty lines and complete comments.
#[inline]
fn after_comments(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [b'\n', after @ ..] | [b':', b'\n', after @ ..] => after,
            // If the last line ended in a CR whose LF is in the next chunk, the LF looks like an empty line, which has
            // the same effect.
            [b':', ..] => match split_line(bytes) {
                Some((_, after)) => after,
                None => return bytes,
            },
            _ => return bytes,
        };
    }
}
