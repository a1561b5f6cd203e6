//! The decoder, from outside: vectors, properties against a reference, limits and costs.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod limits;
mod properties;
mod reference;
mod sharing;
mod splits;
mod timing;
mod unchanged;
mod unfinished;
mod vectors;

use sse_actix_core::{DecodeError, Decoded, Decoder};

/// All that a decoder can show.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    items: Vec<Result<Decoded, DecodeError>>,
    last_event_id: String,
    retry: Option<std::time::Duration>,
}

/// Feeds the chunks one by one, taking what each brings.
fn decode<'a>(mut decoder: Decoder, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Decoder, Outcome) {
    let mut items = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk.to_vec());
        items.extend(&mut decoder);
        assert_eq!(decoder.next(), None);
    }
    let outcome = Outcome {
        items,
        last_event_id: decoder.last_event_id().to_owned(),
        retry: decoder.retry(),
    };
    (decoder, outcome)
}
