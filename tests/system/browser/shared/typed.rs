//! A source with a schema: parsed and checked data, callbacks, the state of the connection, a loop.

use serde_json::{Value, json};
use sse_tests::browser::Engine;

use super::{Scene, WAYS};

in_each_browser! {
    data_is_checked_and_a_loop_ends_with_the_stream,
}

/// Two sources of one tab, which share the stream: one listens, the other loops.
const LISTEN: &str = r"
    window.seen = [];
    window.looped = [];
    window.states = [];
    const isPrice = (data) => typeof data === 'object' && data !== null && typeof data.price === 'number';
    const events = { names: ['price', 'closed'], checks: { price: isPrice, closed: (data) => data === null } };
    window.source = new shared.SharedEventSource('/by-hand', {
        events,
        onInvalid: ({ event, data }) => seen.push(['invalid', event, data]),
        onGap: ({ missed }) => seen.push(['gap', missed]),
        onPosition: ({ lastEventId }) => seen.push(['position', lastEventId]),
        onEnd: ({ reason }) => seen.push(['end', reason]),
    });
    for (const name of events.names) source.addEventListener(name, ({ type, data }) => seen.push([type, data]));
    source.connection.subscribe(({ status, reason }) => states.push(reason ?? status));
    (async () => {
        for await (const { event, data } of new shared.SharedEventSource('/by-hand', { events, onInvalid() {} })) {
            looped.push([event, data]);
        }
        looped.push('end');
    })();
";

const STREAM: &str = "event: price\ndata: {\"price\":1}\n\n\
    event: price\ndata: {\"price\":\"1\"}\n\n\
    event: __proto__\ndata: 1\n\n\
    event: price\ndata: {\n\n\
    event: sse-gap\ndata: {\"missed\":2}\n\n\
    event: sse-position\nid: 7\ndata: {}\n\n\
    event: closed\ndata: null\n\n\
    event: sse-end\nid: sse-end\ndata: {\"reason\":\"finished\"}\n\n";

async fn data_is_checked_and_a_loop_ends_with_the_stream(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.browser.run::<()>(LISTEN).await;
        scene.listening().await;
        scene.by_hand.send(STREAM);
        scene
            .browser
            .wait_until("return looped.at(-1) === 'end' && source.readyState === source.CLOSED")
            .await;
        let [seen, looped, states]: [Value; 3] = scene.browser.run("return [seen, looped, states]").await;
        assert_eq!(
            seen,
            json!([
                ["price", { "price": 1 }],
                ["invalid", "price", "{\"price\":\"1\"}"],
                ["invalid", "__proto__", "1"],
                ["invalid", "price", "{"],
                ["gap", 2],
                ["position", "7"],
                ["closed", null],
                ["end", "finished"],
            ]),
            "{way}"
        );
        assert_eq!(
            looped,
            json!([["price", { "price": 1 }], ["closed", null], "end"]),
            "{way}"
        );
        assert_eq!(states, json!(["open", "finished"]), "{way}");
    }
}
