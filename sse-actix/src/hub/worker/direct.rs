//! What is new in a topic, written to the sockets of its readers: encoded once, and one `send` each.

use sse_actix_core::{Position, Window};

use super::member::{Member, Spot, Told};
use crate::{
    control::{StreamControl, Verdict},
    server::{Sent, Wire, encode_chunk},
};

/// What is written at once. Who is further behind reads by itself.
const MOST: usize = 32 * 1024;

/// [The comment](crate::body::COMMENT), as a chunk.
const COMMENT: &[u8] = b"2\r\n:\n\r\n";

/// What readers at one position of a topic get next: mostly, all of them.
#[derive(Default)]
pub(super) struct Chunk {
    /// In which topic, after which position, up to where, and whether with ids.
    of: Option<(usize, Position, Position, bool)>,
    events: u64,
    /// How many bytes these are, without the chunk's own.
    size: u64,
    bytes: Vec<u8>,
}

/// What a reader was given.
pub(super) enum Given {
    /// All that is new, so many events.
    All(u64),
    /// That too, but its connection has to send a part of it.
    Rests(u64),
    /// It has to be woken.
    Nothing,
}

impl Chunk {
    /// Writes to the wire of a reader that waits what the window has for it.
    pub(super) fn give(
        &mut self,
        topic: usize,
        window: &Window,
        member: &Member,
        spot: &Spot,
        wire: &Wire,
        now: u64,
    ) -> Given {
        let (Some(from), Some(head)) = (spot.position.get(), window.head()) else {
            return Given::Nothing;
        };
        let of = (topic, from, head, !spot.silent.get());
        if self.of != Some(of) && !self.encode(of, window) {
            return Given::Nothing;
        }
        let sent = wire.send_chunk(&self.bytes);
        if sent == Sent::Nothing {
            return Given::Nothing;
        }
        spot.position.set(Some(head));
        if !spot.silent.get() {
            member.told.set(Told::All);
        }
        let (events, bytes) = member.written.get();
        member.written.set((events + self.events, bytes + self.size));
        member.wrote.set(now);
        match sent {
            Sent::Whole => Given::All(self.events),
            _ => Given::Rests(self.events),
        }
    }

    fn encode(&mut self, of: (usize, Position, Position, bool), window: &Window) -> bool {
        let (_, from, _, tells) = of;
        self.of = None;
        self.bytes.clear();
        let Some(entries) = window.after(from) else {
            return false;
        };
        let frames = entries.map(|entry| if tells { &**entry.frame() } else { entry.body() });
        let size = frames.clone().map(<[u8]>::len).sum::<usize>();
        if !(1..=MOST).contains(&size) {
            return false;
        }
        self.events = frames.clone().count() as u64;
        self.size = size as u64;
        encode_chunk(frames, &mut self.bytes);
        self.of = Some(of);
        true
    }
}

/// Sends the usual keep-alive. If not, the reader has to be woken.
pub(super) fn keep_alive(member: &Member) -> bool {
    let Some(wire) = wire_of(member) else {
        return false;
    };
    let sent = wire.send_chunk(COMMENT);
    if sent != Sent::Nothing {
        let (events, bytes) = member.written.get();
        member
            .written
            .set((events, bytes + crate::body::COMMENT.len() as u64));
    }
    sent == Sent::Whole
}

/// Where to write what a reader that waits gets next.
pub(super) fn wire_of(member: &Member) -> Option<&Wire> {
    let wire = member.wire.get().filter(|wire| wire.is_clear())?;
    let goes_on = |control: &StreamControl| control.verdict() == Verdict::GoOn;
    member.control.as_ref().is_none_or(goes_on).then_some(wire)
}
