use sse_tests::browser::Engine;

use super::{Scene, WAYS};

in_each_browser! {
    ten_have_one_connection_and_lose_nothing_when_its_owner_goes,
    one_that_joins_later_is_told_the_latest_of_each_name,
    one_that_joins_later_is_not_told_more_than_is_kept,
    after_a_reset_nothing_is_left_of_the_user_before,
    with_other_keys_or_credentials_share_nothing,
    a_reset_reaches_tabs_that_are_younger_than_a_sleep,
}

const TABS: usize = 10;

async fn ten_have_one_connection_and_lose_nothing_when_its_owner_goes(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let mut tabs = Vec::new();
        for _ in 0..TABS {
            tabs.push(scene.tab().await);
            scene.listen("{ key: 'ada' }").await;
            scene.listening().await;
        }
        scene.feed.publish_numbers(1..=20);
        for tab in &tabs {
            scene.browser.switch_to(tab).await;
            scene.sees_numbers(1..=20).await;
        }
        assert_eq!(scene.feed.requests(), [None], "{way}");
        scene.until_open_streams(1).await;

        // The first is the one that was elected.
        scene.browser.close_tab(tabs.remove(0)).await;
        scene.feed.publish_numbers(21..=40);
        for tab in &tabs {
            scene.browser.switch_to(tab).await;
            scene.sees_numbers(1..=40).await;
        }
        scene.until_open_streams(1).await;

        // Without a word, or by `close`.
        scene.browser.switch_to(&tabs[0]).await;
        scene.browser.run::<()>("source.close()").await;
        for tab in tabs.drain(1..) {
            scene.browser.close_tab(tab).await;
        }
        scene.until_open_streams(0).await;
    }
}

async fn one_that_joins_later_is_told_the_latest_of_each_name(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen("{}").await;
        for (name, data) in [("a", "1"), ("b", "1"), ("a", "2")] {
            scene.feed.publish(name, data);
        }
        scene.sees(&[("a", "1"), ("b", "1"), ("a", "2")]).await;
        scene.tab().await;
        scene.listen("{}").await;
        scene.sees(&[("b", "1"), ("a", "2")]).await;
        scene.feed.publish("b", "2");
        scene.sees(&[("b", "1"), ("a", "2"), ("b", "2")]).await;
        let ids: Vec<String> = scene.browser.run("return seen.map(([, , id]) => id)").await;
        assert_eq!(ids, ["2", "3", "4"]);
        assert_eq!(scene.feed.requests(), [None]);
    }
}

async fn one_that_joins_later_is_not_told_more_than_is_kept(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen("{}").await;
        let long = "x".repeat(300_000);
        for (name, data) in [("a", &*long), ("b", "1")] {
            scene.feed.publish(name, data);
        }
        scene.sees(&[("a", &long), ("b", "1")]).await;
        scene.tab().await;
        scene.listen("{}").await;
        scene.sees(&[("b", "1")]).await;
        scene.feed.publish("a", "2");
        scene.sees(&[("b", "1"), ("a", "2")]).await;
    }
}

async fn after_a_reset_nothing_is_left_of_the_user_before(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let mut tabs = Vec::new();
        for _ in 0..2 {
            tabs.push(scene.tab().await);
            // Without a key: only the reset keeps them apart.
            scene.listen("{}").await;
            scene.listening().await;
        }
        scene.feed.publish("a", "of ada");
        for tab in &tabs {
            scene.browser.switch_to(tab).await;
            scene.sees(&[("a", "of ada")]).await;
        }

        let reset = "window.isReset = false; shared.SharedEventSource.reset().then(() => isReset = true)";
        scene.browser.run::<()>(reset).await;
        scene.browser.wait_until("return isReset").await;
        scene.until_open_streams(0).await;
        for tab in &tabs {
            scene.browser.switch_to(tab).await;
            scene
                .browser
                .wait_until("return told.includes('reset undefined')")
                .await;
            assert!(
                scene
                    .browser
                    .run::<bool>("return source.readyState === source.CLOSED")
                    .await
            );
        }

        scene.feed.events.send_modify(Vec::clear);
        for tab in &tabs {
            scene.browser.switch_to(tab).await;
            scene.listen("{}").await;
            scene.listening().await;
        }
        scene.feed.publish("a", "of bob");
        for tab in &tabs {
            scene.browser.switch_to(tab).await;
            scene.sees(&[("a", "of bob")]).await;
        }
        // One connection for each user, and no id of the first in the second's.
        assert_eq!(scene.feed.requests(), [None, None], "{way}");
    }
}

async fn with_other_keys_or_credentials_share_nothing(engine: Engine) {
    let Some(scene) = Scene::open(engine, "/").await else {
        return;
    };
    scene.listen("{ key: 'ada' }").await;
    scene.listening().await;
    scene.tab().await;
    scene.listen("{ key: 'bob' }").await;
    scene.listening().await;
    scene.tab().await;
    scene.listen("{ key: 'bob', withCredentials: true }").await;
    scene.listening().await;
    scene.until_open_streams(3).await;
}

/// A monotonic clock stands still while a laptop sleeps: a tab from before is hours behind one from after.
async fn a_reset_reaches_tabs_that_are_younger_than_a_sleep(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        // The tab from before, from which the user logs out.
        let old = scene.tab().await;
        let behind = "const before = performance.timeOrigin - 8 * 3_600_000;
             Object.defineProperty(performance, 'timeOrigin', { value: before })";
        scene.browser.run::<()>(behind).await;
        let young = scene.tab().await;
        scene.listen("{}").await;
        scene.listening().await;

        scene.browser.switch_to(&old).await;
        let reset = "window.isReset = false; shared.SharedEventSource.reset().then(() => isReset = true)";
        scene.browser.run::<()>(reset).await;
        scene.browser.wait_until("return isReset").await;
        scene.browser.switch_to(&young).await;
        scene
            .browser
            .wait_until("return told.includes('reset undefined')")
            .await;
        scene.until_open_streams(0).await;
    }
}
