use serde_json::{Value, json};
use sse_tests::browser::Engine;

use super::Scene;

in_each_browser! {
    reads_what_the_decoder_reads,
}

const VECTORS: [&str; 3] = [
    include_str!("../../../../sse-core/tests/vectors/standard.json"),
    include_str!("../../../../sse-core/tests/vectors/traps.json"),
    include_str!("../../../../sse-core/tests/vectors/web-platform-tests.json"),
];

/// Feeds each vector whole, byte by byte and cut in two at every place, and returns what is wrong.
const RUN: &str = r"
    const bytes = (pieces) => {
        const parts = (pieces ?? []).map((piece) => {
            if (typeof piece === 'string') return [...new TextEncoder().encode(piece)];
            if (piece.hex !== undefined) return (piece.hex.match(/[0-9a-f]{2}/gi) ?? []).map((byte) => parseInt(byte, 16));
            return [...new TextEncoder().encode(piece.repeat.repeat(piece.times))];
        });
        return Uint8Array.from(parts.flat());
    };
    const cuts = (all) => {
        const ways = [[all], Array.from(all, (byte) => Uint8Array.of(byte))];
        if (all.length < 2000) for (let at = 0; at <= all.length; at++) ways.push([all.slice(0, at), all.slice(at)]);
        return ways;
    };
    const expected = (items) => (items ?? [])
        .filter((item) => item.data !== undefined)
        .map(({ event = 'message', data, id = '' }) => [event, data, id]);
    const wrong = [];
    let runs = 0;
    for (const { vectors } of FILES) {
        for (const vector of vectors) {
            if (vector.items.some((item) => JSON.stringify(item).includes('repeat'))) continue;
            for (const way of cuts(bytes(vector.stream))) {
                runs += 1;
                const parser = new shared.EventStreamParser(vector.seed ?? '');
                const told = (events) => events.map(({ name, data, id }) => [name, data, id]);
                const seen = told(way.flatMap((piece) => parser.feed(piece)));
                let then = [];
                let last = parser.lastEventId;
                if (vector.reconnect) {
                    const next = new shared.EventStreamParser(parser.lastEventId);
                    then = told(next.feed(bytes(vector.reconnect)));
                    last = next.lastEventId;
                }
                const got = JSON.stringify([seen, then, last]);
                const want = JSON.stringify([expected(vector.items), expected(vector.then), vector.last_event_id ?? '']);
                if (got !== want) { wrong.push([vector.name, got, want]); break; }
            }
        }
    }
    return [runs, wrong];
";

async fn reads_what_the_decoder_reads(engine: Engine) {
    let Some(scene) = Scene::open(engine, "/").await else {
        return;
    };
    let files: Vec<Value> = VECTORS
        .iter()
        .map(|file| serde_json::from_str(file).unwrap())
        .collect();
    let script = RUN.replace("FILES", &json!(files).to_string());
    let (runs, wrong): (usize, Vec<Value>) = scene.browser.run(&script).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(runs > 1_000, "{runs} runs");
}
