//! A tab that returns: from the back/forward cache, from being frozen, from a network that was gone.

use sse_tests::{
    browser::{Engine, Tab},
    line::Line,
    patience::until,
};

use super::{Scene, WAYS};

in_each_browser! {
    from_the_back_forward_cache_resumes,
    from_the_back_forward_cache_gets_what_other_tabs_have_seen,
    from_the_back_forward_cache_gets_more_than_a_hub_keeps,
    from_the_back_forward_cache_finds_a_younger_hub,
    from_the_back_forward_cache_shares_what_it_had,
    from_the_back_forward_cache_after_a_reset_is_closed,
    from_being_frozen_resumes,
    from_being_frozen_gets_what_other_tabs_have_seen,
    from_a_dead_line_resumes,
}

impl Scene {
    async fn leave_page(&self) {
        self.browser.open(&self.serving.url("/elsewhere")).await;
    }

    /// Goes back to the page that was left, which is the same and not loaded anew.
    async fn return_to_page(&self) {
        self.browser.back().await;
        self.browser
            .wait_until("return location.pathname === '/' && document.readyState === 'complete'")
            .await;
        let reasons: serde_json::Value = self
            .browser
            .run("return performance.getEntriesByType('navigation')[0].notRestoredReasons ?? null")
            .await;
        let returned: usize = self.browser.run("return globalThis.returned").await;
        assert!(returned > 0, "not restored: {reasons}");
    }

    async fn listening_tab(&self) -> Tab {
        let tab = self.tab().await;
        self.listen("{}").await;
        self.listening().await;
        tab
    }

    async fn sees_to(&self, last: usize) {
        self.sees_numbers(1..=last).await;
    }
}

fn ids(ids: &[&str]) -> Vec<Option<String>> {
    ids.iter()
        .map(|id| (!id.is_empty()).then(|| (*id).to_owned()))
        .collect()
}

/// Measured: `has active Web Locks`, says its log of the cache.
fn loads_anew(engine: Engine) -> bool {
    let loads_anew = engine == Engine::Firefox;
    if loads_anew {
        eprintln!(
            "skipped in {engine}: a return from the back/forward cache, because it takes no page with Web Locks"
        );
    }
    loads_anew
}

async fn from_the_back_forward_cache_resumes(engine: Engine) {
    if loads_anew(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen("{}").await;
        scene.feed.publish_numbers(1..=1);
        scene.sees_to(1).await;
        for round in 1..=3 {
            scene.leave_page().await;
            scene.until_open_streams(0).await;
            scene.feed.publish_numbers(2 * round..=2 * round);
            scene.return_to_page().await;
            scene.sees_to(2 * round).await;
            scene.feed.publish_numbers(2 * round + 1..=2 * round + 1);
            scene.sees_to(2 * round + 1).await;
        }
        assert_eq!(scene.feed.requests(), ids(&["", "1", "3", "5"]), "{way}");
        scene.until_open_streams(1).await;
    }
}

async fn from_the_back_forward_cache_gets_what_other_tabs_have_seen(engine: Engine) {
    if loads_anew(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let left = scene.listening_tab().await;
        let stays = scene.listening_tab().await;
        scene.feed.publish_numbers(1..=3);
        scene.sees_to(3).await;
        scene.browser.switch_to(&left).await;
        scene.sees_to(3).await;
        scene.leave_page().await;
        scene.feed.publish_numbers(4..=8);
        scene.browser.switch_to(&stays).await;
        scene.sees_to(8).await;
        let requests = scene.feed.requests();

        scene.browser.switch_to(&left).await;
        scene.return_to_page().await;
        scene.sees_to(8).await;
        scene.feed.publish_numbers(9..=9);
        for tab in [&left, &stays] {
            scene.browser.switch_to(tab).await;
            scene.sees_to(9).await;
        }
        assert_eq!(scene.feed.requests(), requests, "{way}: nobody asks the server");
    }
}

async fn from_the_back_forward_cache_gets_more_than_a_hub_keeps(engine: Engine) {
    if loads_anew(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let left = scene.listening_tab().await;
        let stays = scene.listening_tab().await;
        scene.feed.publish_numbers(1..=3);
        scene.sees_to(3).await;
        scene.browser.switch_to(&left).await;
        scene.sees_to(3).await;
        scene.leave_page().await;
        scene.feed.publish_numbers(4..=1_500);
        scene.browser.switch_to(&stays).await;
        scene.sees_to(1_500).await;

        scene.browser.switch_to(&left).await;
        scene.return_to_page().await;
        scene.sees_to(1_500).await;
        scene.feed.publish_numbers(1_501..=1_503);
        for tab in [&left, &stays] {
            scene.browser.switch_to(tab).await;
            scene.sees_to(1_503).await;
        }
        // The connection by which it has caught up is closed.
        scene.until_open_streams(1).await;
        assert_eq!(scene.feed.requests().last(), ids(&["3"]).last(), "{way}");
    }
}

/// Every tab had left. Another has come since, without a past.
async fn from_the_back_forward_cache_finds_a_younger_hub(engine: Engine) {
    if loads_anew(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let left = scene.listening_tab().await;
        scene.feed.publish_numbers(1..=3);
        scene.sees_to(3).await;
        scene.leave_page().await;
        scene.until_open_streams(0).await;
        scene.feed.publish_numbers(4..=5);
        let young = scene.tab().await;
        scene.listen("{}").await;
        scene.sees_to(5).await;

        scene.browser.switch_to(&left).await;
        scene.return_to_page().await;
        scene.sees_to(5).await;
        scene.feed.publish_numbers(6..=6);
        for tab in [&left, &young] {
            scene.browser.switch_to(tab).await;
            scene.sees_to(6).await;
        }
        scene.until_open_streams(1).await;
        assert_eq!(scene.feed.requests(), ids(&["", ""]), "{way}");
    }
}

/// The server resumes, and so sends nothing of what was before; a tab that is new needs it all the same.
async fn from_the_back_forward_cache_shares_what_it_had(engine: Engine) {
    if loads_anew(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen("{}").await;
        scene.feed.publish("a", "1");
        scene.feed.publish("b", "1");
        scene.sees(&[("a", "1"), ("b", "1")]).await;
        scene.leave_page().await;
        scene.until_open_streams(0).await;
        scene.feed.publish("b", "2");
        scene.return_to_page().await;
        scene.sees(&[("a", "1"), ("b", "1"), ("b", "2")]).await;
        scene.tab().await;
        scene.listen("{}").await;
        scene.sees(&[("a", "1"), ("b", "2")]).await;
    }
}

async fn from_the_back_forward_cache_after_a_reset_is_closed(engine: Engine) {
    if loads_anew(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let left = scene.listening_tab().await;
        scene.feed.publish("a", "of ada");
        scene.sees(&[("a", "of ada")]).await;
        scene.leave_page().await;
        scene.tab().await;
        let reset = "window.isReset = false; shared.SharedEventSource.reset().then(() => isReset = true)";
        scene.browser.run::<()>(reset).await;
        scene.browser.wait_until("return isReset").await;
        scene.browser.switch_to(&left).await;
        scene.return_to_page().await;
        scene
            .browser
            .wait_until("return told.includes('reset undefined')")
            .await;
        assert_eq!(scene.feed.requests(), ids(&[""]), "{way}");
    }
}

pub(super) fn cannot_freeze(engine: Engine) -> bool {
    if !engine.can_freeze() {
        eprintln!("skipped in {engine}: a tab is frozen, because there is no command for it");
    }
    !engine.can_freeze()
}

async fn from_being_frozen_resumes(engine: Engine) {
    if cannot_freeze(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen("{}").await;
        scene.feed.publish_numbers(1..=1);
        scene.sees_to(1).await;
        scene.browser.freeze().await;
        scene.until_open_streams(0).await;
        scene.feed.publish_numbers(2..=2);
        scene.browser.resume().await;
        scene.sees_to(2).await;
        scene.feed.publish_numbers(3..=3);
        scene.sees_to(3).await;
        assert_eq!(scene.feed.requests(), ids(&["", "1"]), "{way}");
    }
}

/// The frozen one is the one that was elected.
async fn from_being_frozen_gets_what_other_tabs_have_seen(engine: Engine) {
    if cannot_freeze(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let frozen = scene.listening_tab().await;
        let stays = scene.listening_tab().await;
        scene.feed.publish_numbers(1..=1);
        scene.sees_to(1).await;
        scene.browser.switch_to(&frozen).await;
        scene.sees_to(1).await;
        scene.browser.freeze().await;
        scene.feed.publish_numbers(2..=4);
        scene.browser.switch_to(&stays).await;
        scene.sees_to(4).await;
        scene.browser.switch_to(&frozen).await;
        scene.browser.resume().await;
        scene.sees_to(4).await;
        scene.feed.publish_numbers(5..=5);
        for tab in [&stays, &frozen] {
            scene.browser.switch_to(tab).await;
            scene.sees_to(5).await;
        }
        scene.until_open_streams(1).await;
    }
}

async fn from_a_dead_line_resumes(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let line = Line::to(scene.serving.addr()).await;
        scene.browser.open(&line.url(way)).await;
        scene.loaded().await;
        scene.listen("{ heartbeatTimeout: 600 }").await;
        scene.listening().await;
        scene.feed.publish_numbers(1..=1);
        scene.sees_to(1).await;
        line.die();
        // The server still believes in the connection.
        scene.feed.publish_numbers(2..=2);
        scene.browser.wait_until("return told.includes('error')").await;
        line.revive();
        scene.sees_to(2).await;
        scene.feed.publish_numbers(3..=3);
        scene.sees_to(3).await;
        until("a resumed request", async || {
            scene.feed.requests().contains(&Some("1".to_owned()))
        })
        .await;
    }
}
