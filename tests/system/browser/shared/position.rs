//! Events that only carry a position.

use sse_tests::{browser::Engine, patience::until};

use super::{Scene, WAYS};

in_each_browser! {
    is_the_last_id_of_every_tab_and_not_an_event,
    may_have_another_name,
}

const POSITION: &str = "event: sse-position\nid: p-7\ndata: {}\n\n";

async fn is_the_last_id_of_every_tab_and_not_an_event(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let first = scene.tab().await;
        scene.listen_to("/by-hand", "{}").await;
        scene.listening().await;
        let second = scene.tab().await;
        scene.listen_to("/by-hand", "{}").await;
        scene.listening().await;
        scene.by_hand.send(POSITION);
        // So that the position is known to have arrived.
        scene.by_hand.send("event: a\ndata: 1\n\n");
        for tab in [&second, &first] {
            scene.browser.switch_to(tab).await;
            scene.sees(&[("a", "1")]).await;
        }
        let ids: Vec<String> = scene.browser.run("return seen.map(([, , id]) => id)").await;
        assert_eq!(ids, ["p-7"], "{way}");

        // Whether or not another tab has to take over, the stream goes on from there.
        scene.browser.close_tab(first).await;
        scene.browser.switch_to(&second).await;
        scene.by_hand.end();
        until("a reconnect", async || scene.by_hand.streams() > 1).await;
        let last_ids = scene.by_hand.last_ids();
        assert_eq!(last_ids[0], None, "{way}");
        assert!(
            last_ids[1..].iter().all(|id| id.as_deref() == Some("p-7")),
            "{last_ids:?}"
        );

        // It is retained for none.
        scene.tab().await;
        scene.listen_to("/by-hand", "{}").await;
        scene.sees(&[("a", "1")]).await;
    }
}

async fn may_have_another_name(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen_to("/by-hand", "{ positionEvent: 'a' }").await;
        scene.listening().await;
        scene.by_hand.send("event: a\nid: 7\ndata: {}\n\n");
        scene.by_hand.send(POSITION);
        scene.sees(&[("sse-position", "{}")]).await;
        scene
            .by_hand
            .send("event: a\nid: 8\ndata: {}\n\nevent: b\ndata: 1\n\n");
        scene.sees(&[("sse-position", "{}"), ("b", "1")]).await;
        scene.by_hand.end();
        until("a reconnect", async || scene.by_hand.streams() > 1).await;
        assert_eq!(scene.by_hand.last_ids(), [None, Some("8".to_owned())], "{way}");
    }
}
