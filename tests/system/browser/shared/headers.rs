//! Headers of the page's own, asked for at every connect.

use sse_tests::{browser::Engine, patience::until};

use super::{Scene, WAYS};

in_each_browser! {
    are_asked_for_at_every_connect,
    may_come_later,
    are_refreshed_once_after_a_401,
    that_are_not_given_close_at_a_401,
    that_fail_are_asked_for_again,
    cannot_replace_those_of_the_module,
    come_from_another_tab_when_one_has_gone,
    come_from_another_tab_when_one_is_frozen,
    come_from_another_tab_when_one_does_not_react,
    come_from_a_tab_that_takes_its_time,
}

/// A token, counted.
const COUNTED: &str =
    "{ headers: () => ({ Authorization: `token ${window.count = (window.count ?? 0) + 1}` }) }";

fn tokens(numbers: impl IntoIterator<Item = usize>) -> Vec<Option<String>> {
    numbers
        .into_iter()
        .map(|number| Some(format!("token {number}")))
        .collect()
}

impl Scene {
    /// Opens a source in a new tab whose token is this name.
    async fn tab_with_token(&self, token: &str) -> sse_tests::browser::Tab {
        let tab = self.tab().await;
        self.browser.run::<()>("window.calls = 0").await;
        let options = format!("{{ headers: () => (calls += 1, {{ Authorization: '{token}' }}) }}");
        self.listen_to("/by-hand", &options).await;
        self.listening().await;
        tab
    }

    async fn until_asked(&self, times: usize) {
        until("requests", async || self.by_hand.asked().len() >= times).await;
    }

    async fn told(&self) -> Vec<String> {
        self.browser.run("return told").await
    }
}

async fn are_asked_for_at_every_connect(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen_to("/by-hand", COUNTED).await;
        for times in 1..=3 {
            scene.until_asked(times).await;
            scene.listening().await;
            scene
                .by_hand
                .send(&format!("event: a\nid: {times}\ndata: {times}\n\n"));
            let last = format!("return seen.at(-1)?.[1] === '{times}'");
            scene.browser.wait_until(&last).await;
            scene.by_hand.end();
        }
        scene.until_asked(4).await;
        assert_eq!(scene.by_hand.authorizations()[..4], tokens(1..=4), "{way}");
        let last_ids: Vec<_> = [None, Some("1"), Some("2"), Some("3")]
            .map(|id| id.map(str::to_owned))
            .into();
        assert_eq!(scene.by_hand.last_ids()[..4], last_ids, "{way}");
    }
}

async fn may_come_later(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let options = "{ headers: async () => {
            await new Promise((resolve) => setTimeout(resolve, 50));
            return [['authorization', 'token 1']];
        } }";
        scene.listen_to("/by-hand", options).await;
        scene.listening().await;
        assert_eq!(scene.by_hand.authorizations(), tokens([1]), "{way}");
    }
}

async fn are_refreshed_once_after_a_401(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        // The one try is granted again after a 200, and not before.
        scene.by_hand.answer_first(&[401]);
        scene.listen_to("/by-hand", COUNTED).await;
        scene.listening().await;
        assert_eq!(scene.told().await, ["open"], "{way}");
        scene.by_hand.answer_first(&[401]);
        scene.by_hand.end();
        scene.browser.wait_until("return told.length >= 3").await;
        assert_eq!(scene.told().await, ["open", "error", "open"], "{way}");
        scene.by_hand.answer_first(&[401, 503, 401]);
        scene.by_hand.end();
        scene
            .browser
            .wait_until("return told.includes('failed 401')")
            .await;
        assert_eq!(
            scene.told().await[3..],
            ["error", "error", "error", "failed 401"],
            "{way}"
        );
        assert_eq!(scene.by_hand.authorizations(), tokens(1..=7), "{way}");
    }
}

async fn that_are_not_given_close_at_a_401(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.by_hand.answer_first(&[401]);
        scene.listen_to("/by-hand", "{}").await;
        scene
            .browser
            .wait_until("return told.includes('failed 401')")
            .await;
        assert_eq!(scene.by_hand.asked().len(), 1, "{way}");
    }
}

async fn that_fail_are_asked_for_again(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        // Thrown, rejected, none, no headers, no header's name; then right.
        let options = "{ headers: () => {
            const attempt = window.attempt = (window.attempt ?? 0) + 1;
            if (attempt === 1) throw new Error('no token yet');
            if (attempt === 2) return Promise.reject(new Error('no token yet'));
            if (attempt === 3) return null;
            if (attempt === 4) return 42;
            if (attempt === 5) return { 'not a name': 'x' };
            return { Authorization: `token ${attempt}` };
        } }";
        // So that it need not wait for the standard's three seconds each time.
        let soon =
            "const set = setTimeout; window.setTimeout = (call, wait) => set(call, Math.min(wait, 100))";
        scene.browser.run::<()>(soon).await;
        scene.listen_to("/by-hand", options).await;
        scene.listening().await;
        let errors = ["error"; 5];
        assert_eq!(scene.told().await, [&errors[..], &["open"]].concat(), "{way}");
        assert_eq!(scene.by_hand.authorizations(), tokens([6]), "{way}");
    }
}

async fn cannot_replace_those_of_the_module(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let options = "{ headers: () => ({ 'last-event-id': 'mine', accept: 'text/plain', authorization: 'token 1' }) }";
        scene.listen_to("/by-hand", options).await;
        scene.listening().await;
        scene.by_hand.send("event: a\nid: 7\ndata: 1\n\n");
        scene.sees(&[("a", "1")]).await;
        scene.by_hand.end();
        scene.until_asked(2).await;
        assert_eq!(scene.by_hand.last_ids(), [None, Some("7".to_owned())], "{way}");
        assert_eq!(
            scene.by_hand.authorizations(),
            [&tokens([1])[..]; 2].concat(),
            "{way}"
        );
        let accepted = scene.by_hand.asked().into_iter().map(|asked| asked.accept);
        assert!(
            accepted.eq(vec![Some("text/event-stream".to_owned()); 2]),
            "{way}"
        );
    }
}

async fn come_from_another_tab_when_one_has_gone(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let first = scene.tab_with_token("first").await;
        let second = scene.tab_with_token("second").await;
        assert_eq!(
            scene.by_hand.authorizations(),
            [Some("first".to_owned())],
            "{way}"
        );
        scene.browser.close_tab(first).await;
        scene.browser.switch_to(&second).await;
        scene.by_hand.end();
        scene.until_asked(2).await;
        assert_eq!(
            scene.by_hand.authorizations()[1],
            Some("second".to_owned()),
            "{way}"
        );
    }
}

async fn come_from_another_tab_when_one_is_frozen(engine: Engine) {
    if super::rejoin::cannot_freeze(engine) {
        return;
    }
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        let first = scene.tab_with_token("first").await;
        let second = scene.tab_with_token("second").await;
        scene.browser.switch_to(&first).await;
        scene.browser.freeze().await;
        scene.browser.switch_to(&second).await;
        scene.by_hand.end();
        scene.until_asked(2).await;
        assert_eq!(
            scene.by_hand.authorizations()[1],
            Some("second".to_owned()),
            "{way}"
        );
    }
}

/// As if it were frozen without a word.
async fn come_from_another_tab_when_one_does_not_react(engine: Engine) {
    let Some(scene) = Scene::open(engine, "/").await else {
        return;
    };
    let first = scene.tab_with_token("first").await;
    let second = scene.tab_with_token("second").await;
    scene.browser.switch_to(&first).await;
    scene
        .browser
        .run::<()>("MessagePort.prototype.postMessage = () => {}")
        .await;
    scene.browser.switch_to(&second).await;
    scene.by_hand.end();
    scene.until_asked(2).await;
    assert_eq!(scene.by_hand.authorizations()[1], Some("second".to_owned()));
    // The next time it is not asked first.
    scene.browser.wait_until("return told.length === 3").await;
    scene.by_hand.end();
    scene.until_asked(3).await;
    assert_eq!(scene.by_hand.authorizations()[2], Some("second".to_owned()));
    scene.browser.switch_to(&first).await;
    assert_eq!(scene.browser.run::<usize>("return calls").await, 2);
}

/// It has reacted, and so is not taken for frozen.
async fn come_from_a_tab_that_takes_its_time(engine: Engine) {
    let Some(scene) = Scene::open(engine, "/").await else {
        return;
    };
    let first = scene.tab().await;
    let slow =
        "{ headers: () => new Promise((resolve) => window.give = () => resolve({ Authorization: 'slow' })) }";
    scene.listen_to("/by-hand", slow).await;
    scene.browser.wait_until("return window.give !== undefined").await;
    scene.tab().await;
    let quick = "{ headers: () => ({ Authorization: 'quick' }) }";
    scene.listen_to("/by-hand", quick).await;
    // For longer than a frozen tab would be waited for.
    let waited = "window.waited = false; setTimeout(() => window.waited = true, 6_000)";
    scene.browser.run::<()>(waited).await;
    scene.browser.wait_until("return waited").await;
    assert_eq!(scene.by_hand.asked(), []);
    scene.browser.switch_to(&first).await;
    scene.browser.run::<()>("give()").await;
    scene.listening().await;
    assert_eq!(scene.by_hand.authorizations(), [Some("slow".to_owned())]);
}
