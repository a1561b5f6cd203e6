use serde_json::{Value, json};
use sse_actix::Ending;
use sse_tests::{browser::Engine, wire::Wire};

use super::{Scene, WAYS, serve};

in_each_browser! {
    that_tell_to_come_back_later_are_obeyed_with_the_last_id,
    that_do_not_come_are_waited_for,
    that_are_final_close_with_their_reason,
    of_misuse_are_clear,
}

async fn that_tell_to_come_back_later_are_obeyed_with_the_last_id(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.feed.answer_first(&[502]);
        scene.listen("{}").await;
        scene.feed.publish_numbers(1..=1);
        scene.sees_numbers(1..=1).await;
        scene.feed.answer_first(&[502, 503, 429]);
        let ended = scene.serving.shutdown().end_tagged("feed", Ending::Reconnect);
        assert_eq!(ended, 1);
        scene.browser.wait_until("return told.length >= 3").await;
        scene.feed.publish_numbers(2..=2);
        scene.sees_numbers(1..=2).await;
        let last = || Some("1".to_owned());
        assert_eq!(
            scene.feed.requests(),
            [None, None, last(), last(), last(), last()],
            "{way}"
        );
        let told: Vec<String> = scene.browser.run("return told").await;
        assert_eq!(
            told,
            ["error", "open", "error", "error", "error", "error", "open"],
            "{way}"
        );
    }
}

async fn that_do_not_come_are_waited_for(engine: Engine) {
    let Some(mut scene) = Scene::open(engine, "/").await else {
        return;
    };
    scene.listen("{}").await;
    scene.feed.publish_numbers(1..=1);
    scene.sees_numbers(1..=1).await;
    let port = scene.serving.addr().port();
    // Its streams are told to come back; then there is nobody.
    let other = serve(&scene.feed, 0);
    drop(std::mem::replace(&mut scene.serving, other));
    scene.browser.wait_until("return told.length >= 3").await;
    scene.serving = serve(&scene.feed, port);
    scene.feed.publish_numbers(2..=2);
    scene.sees_numbers(1..=2).await;
}

async fn that_are_final_close_with_their_reason(engine: Engine) {
    let Some(scene) = Scene::open(engine, "/").await else {
        return;
    };
    for (status, told) in [
        (204, "finished 204"),
        (403, "failed 403"),
        (404, "failed 404"),
        (401, "failed 401"),
    ] {
        scene.feed.answer_first(&[status]);
        scene.listen("{}").await;
        let seen: Vec<String> = scene
            .browser
            .wait("return told", |told: &Vec<String>| told.len() >= 2)
            .await;
        assert_eq!(seen, ["error", told]);
        assert!(
            scene
                .browser
                .run::<bool>("return source.readyState === source.CLOSED")
                .await
        );
    }
    assert_eq!(scene.feed.requests().len(), 4);

    scene.listen("{}").await;
    scene.listening().await;
    scene.serving.shutdown().end_tagged("feed", Ending::Final);
    scene
        .browser
        .wait_until("return told.includes('finished 200')")
        .await;
    // It is known to be over without asking once more.
    assert_eq!(scene.feed.requests().len(), 5);
}

async fn of_misuse_are_clear(engine: Engine) {
    let Some(scene) = Scene::open(engine, "/").await else {
        return;
    };
    for (arguments, error, message) in [
        ("", "TypeError", "the first argument"),
        ("'http://'", "SyntaxError", "http://"),
        ("'/feed', 'ada'", "TypeError", "an object of options"),
        ("'/feed', { key: 42 }", "TypeError", "`key` is a string"),
        (
            "'/feed', { headers: { Authorization: 'x' } }",
            "TypeError",
            "headers: async () => (",
        ),
        (
            "'/feed', { headers: null }",
            "TypeError",
            "`headers` is a function",
        ),
        (
            "'/feed', { heartbeatTimeout: -1 }",
            "TypeError",
            "milliseconds; 0 turns it off",
        ),
        (
            "'/feed', { heartbeatTimeout: NaN }",
            "TypeError",
            "`heartbeatTimeout` is a number",
        ),
        (
            "'/feed', { heartbeatTimeout: Infinity }",
            "TypeError",
            "0 turns it off",
        ),
        (
            "'/feed', { heartbeatTimeout: '5000' }",
            "TypeError",
            "`heartbeatTimeout` is a number",
        ),
        ("'/feed', { positionEvent: '' }", "TypeError", "not empty"),
        (
            "'/feed', { positionEvent: 7 }",
            "TypeError",
            "`positionEvent` is the name",
        ),
        ("'/feed', { positionEvent: 'a\\nb' }", "TypeError", "one line"),
        (
            "'/feed', { positionEvent: 'message' }",
            "TypeError",
            "`message` is not to be hidden",
        ),
        (
            "'/feed', { positionEvent: 'sse-end' }",
            "TypeError",
            "`sse-end` is not to be hidden",
        ),
    ] {
        let script = format!(
            "try {{ new shared.SharedEventSource({arguments}) }} catch (error) {{ return [error.name, error.message] }}"
        );
        let (name, text): (String, String) = scene.browser.run(&script).await;
        assert_eq!(name, error, "{arguments}");
        assert!(text.contains(message), "{arguments}: {text}");
    }
    assert_eq!(scene.feed.requests(), []);
    let script = "
        const source = new shared.SharedEventSource('feed', { withCredentials: true });
        const { url, withCredentials, readyState, onopen, CONNECTING, OPEN, CLOSED } = source;
        source.close();
        return [url, withCredentials, readyState, onopen, CONNECTING, OPEN, CLOSED, source.readyState];
    ";
    assert_eq!(
        scene.browser.run::<Value>(script).await,
        json!([scene.serving.url("/feed"), true, 0, null, 0, 1, 2, 2])
    );
}

#[actix_web::test]
async fn for_the_module_itself_can_be_kept_and_asked_after() {
    let feed = super::Feed::new();
    let serving = serve(&feed, 0);
    for (path, content_type) in [
        ("/shared-event-source.js", "text/javascript; charset=utf-8"),
        ("/shared-event-source.d.ts", "text/plain; charset=utf-8"),
    ] {
        let head = Wire::get(serving.addr(), path).await.head().await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(head.values("content-type"), [content_type]);
        assert_eq!(head.values("cache-control"), ["no-cache"]);
        assert_eq!(head.values("x-content-type-options"), ["nosniff"]);
        let tag = head.values("etag")[0].to_owned();
        for (asked, status) in [
            (tag.as_str(), "HTTP/1.1 304 Not Modified"),
            ("\"other\"", "HTTP/1.1 200 OK"),
        ] {
            let asked = format!("If-None-Match: {asked}\r\n");
            let head = Wire::get_with(serving.addr(), path, asked.as_bytes())
                .await
                .head()
                .await;
            assert_eq!(head.status_line(), status);
            assert_eq!(head.values("etag"), [&tag]);
        }
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(format!(
            "HEAD {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        ))
        .await;
        assert_eq!(wire.head().await.values("etag"), [&tag]);
        assert_eq!(wire.rest().await.0, "");
    }
}
