//! Known streams and what they bring, from data files: each is run in every split, without comments
//! and with them, and against the reference.

use std::time::Duration;

use serde_json::Value;
use sse_actix_core::{Decoded, Decoder, Message};

use crate::{decode, reference, splits::splits};

#[test]
fn the_examples_of_the_standard() {
    run(include_str!("../vectors/standard.json"), 9);
}

#[test]
fn the_web_platform_tests() {
    run(include_str!("../vectors/web-platform-tests.json"), 27);
}

#[test]
fn the_traps() {
    run(include_str!("../vectors/traps.json"), 60);
}

fn run(file: &str, at_least: usize) {
    let file: Value = serde_json::from_str(file).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= at_least, "{} vectors", vectors.len());
    for vector in vectors {
        let name = text(&vector["name"]);
        assert!(text(&vector["source"]).starts_with("https://"), "{name}");
        for comments in [false, true] {
            check(vector, &name, comments);
        }
    }
}

fn check(vector: &Value, name: &str, comments: bool) {
    let seed = vector["seed"].as_str().unwrap_or_default();
    let id = vector["last_event_id"].as_str().unwrap_or_default();
    let stream = bytes(&vector["stream"]);
    let expected = items(&vector["items"], comments);

    let reference = reference::decode(&stream, seed, usize::MAX, comments);
    assert_eq!(reference.items, expected, "{name}: the reference");
    assert_eq!(reference.last_event_id, id, "{name}: the reference");

    for (how, chunks) in splits(&stream) {
        let decoder = Decoder::with_last_event_id(seed).comments(comments);
        let (mut decoder, outcome) = decode(decoder, chunks);
        assert_eq!(outcome.items, expected, "{name}: {how}");
        assert_eq!(outcome.last_event_id, id, "{name}: {how}");

        if !vector["reconnect"].is_null() {
            decoder.reconnect();
            let again = bytes(&vector["reconnect"]);
            let (_, outcome) = decode(decoder, again.chunks(3));
            assert_eq!(
                outcome.items,
                items(&vector["then"], comments),
                "{name}: {how}, then"
            );
        }
    }
}

fn items(items: &Value, comments: bool) -> Vec<Result<Decoded, sse_actix_core::DecodeError>> {
    let items = items.as_array().unwrap().iter().map(item).map(Ok);
    items
        .filter(|item| comments || !matches!(item, Ok(Decoded::Comment(_))))
        .collect()
}

fn item(item: &Value) -> Decoded {
    if let Some(retry) = item["retry"].as_u64() {
        return Decoded::Retry(Duration::from_millis(retry));
    }
    if !item["comment"].is_null() {
        return Decoded::Comment(text(&item["comment"]).into());
    }
    Decoded::Message(Message {
        event: item["event"].as_str().unwrap_or("message").into(),
        data: text(&item["data"]).into(),
        last_event_id: item["id"].as_str().unwrap_or_default().into(),
    })
}

fn text(pieces: &Value) -> String {
    String::from_utf8(bytes(pieces)).unwrap()
}

fn bytes(pieces: &Value) -> Vec<u8> {
    match pieces {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(pieces) => pieces.iter().flat_map(bytes).collect(),
        piece if piece["hex"].is_string() => piece["hex"]
            .as_str()
            .unwrap()
            .split(' ')
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect(),
        piece => {
            let times = usize::try_from(piece["times"].as_u64().unwrap()).unwrap();
            piece["repeat"].as_str().unwrap().repeat(times).into_bytes()
        }
    }
}
