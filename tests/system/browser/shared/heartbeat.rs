//! Silence that is a lost connection.

use sse_tests::{browser::Engine, patience::until};

use super::{Scene, WAYS};

in_each_browser! {
    that_stops_is_a_lost_connection,
    is_announced_by_the_server,
    may_be_any_byte,
    is_not_expected_where_none_is_announced,
    is_not_expected_while_the_machine_sleeps,
    is_expected_after_a_sleep,
    that_does_not_begin_is_a_lost_connection,
}

/// Lets a test turn the page's clock, and see how often a timer has run. The hub has to be in the page.
const CLOCK: &str = "
    window.slept = 0;
    window.timers = 0;
    const [now, set] = [performance.now.bind(performance), setTimeout];
    performance.now = () => now() + slept;
    window.setTimeout = (call, wait) => set(() => { timers += 1; call(); }, wait);
";

const IN_PAGE: &str = "/?without=SharedWorker";

async fn that_stops_is_a_lost_connection(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.by_hand.begin_with("event: a\nid: 1\ndata: 1\n\n");
        scene.listen_to("/by-hand", "{ heartbeatTimeout: 400 }").await;
        // It says nothing more, and the connection is there all the time.
        scene
            .browser
            .wait_until("return told.join().startsWith('open,error,open')")
            .await;
        assert_eq!(scene.by_hand.last_ids()[1], Some("1".to_owned()), "{way}");
    }
}

async fn is_announced_by_the_server(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        // Three of these are less than what is waited for at least.
        scene.by_hand.announce_keep_alive("100");
        scene.listen_to("/by-hand", "{}").await;
        scene.listening().await;
        scene.browser.wait_until("return told.includes('error')").await;
        scene.listening().await;
    }
}

async fn may_be_any_byte(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen_to("/by-hand", "{ heartbeatTimeout: 3_000 }").await;
        scene.listening().await;
        // Pieces of one comment, for longer than silence may last.
        let end = "window.ended = false; setTimeout(() => window.ended = true, 4_500)";
        scene.browser.run::<()>(end).await;
        scene.by_hand.send(":");
        until("time to pass", async || {
            scene.by_hand.send(" ");
            scene.browser.run("return ended").await
        })
        .await;
        scene.by_hand.send("\nevent: a\ndata: 1\n\n");
        scene.sees(&[("a", "1")]).await;
        let told: Vec<String> = scene.browser.run("return told").await;
        assert_eq!(told, ["open"], "{way}");
    }
}

async fn is_not_expected_where_none_is_announced(engine: Engine) {
    for way in WAYS {
        let Some(scene) = Scene::open(engine, way).await else {
            return;
        };
        scene.listen_to("/by-hand", "{}").await;
        scene.listening().await;
        let others = "
            window.off = new shared.SharedEventSource('/by-hand', { heartbeatTimeout: 0 });
            window.expecting = new shared.SharedEventSource('/by-hand', { heartbeatTimeout: 300 });
            window.errors = { off: 0, expecting: 0 };
            off.onerror = () => errors.off += 1;
            expecting.onerror = () => errors.expecting += 1;
        ";
        scene.browser.run::<()>(others).await;
        scene.browser.wait_until("return errors.expecting >= 6").await;
        let told: Vec<String> = scene.browser.run("return told").await;
        assert_eq!(told, ["open"], "{way}");
        assert_eq!(scene.browser.run::<usize>("return errors.off").await, 0, "{way}");
    }
}

async fn is_not_expected_while_the_machine_sleeps(engine: Engine) {
    let Some(scene) = Scene::open(engine, IN_PAGE).await else {
        return;
    };
    scene.browser.run::<()>(CLOCK).await;
    scene.listen_to("/by-hand", "{ heartbeatTimeout: 15_000 }").await;
    scene.listening().await;
    scene
        .browser
        .run::<()>("window.before = timers; slept += 600_000")
        .await;
    // The timer runs before the socket has had a chance.
    scene.browser.wait_until("return timers > before").await;
    scene.by_hand.send("event: a\nid: 1\ndata: 1\n\n");
    scene.sees(&[("a", "1")]).await;
    let told: Vec<String> = scene.browser.run("return told").await;
    assert_eq!(told, ["open"]);
}

async fn is_expected_after_a_sleep(engine: Engine) {
    let Some(scene) = Scene::open(engine, IN_PAGE).await else {
        return;
    };
    scene.browser.run::<()>(CLOCK).await;
    scene.listen_to("/by-hand", "{ heartbeatTimeout: 3_000 }").await;
    scene.listening().await;
    scene.browser.run::<()>("slept += 600_000").await;
    scene.browser.wait_until("return told.includes('error')").await;
}

/// A request that is never answered: nothing but the limit ends that.
async fn that_does_not_begin_is_a_lost_connection(engine: Engine) {
    let Some(scene) = Scene::open(engine, IN_PAGE).await else {
        return;
    };
    // A page whose clock runs a hundred times as fast.
    let fast = "
        const [now, set] = [performance.now.bind(performance), setTimeout];
        performance.now = () => now() * 100;
        window.setTimeout = (call, wait) => set(call, wait / 100);
    ";
    scene.browser.run::<()>(fast).await;
    scene.by_hand.leave_next_unanswered();
    scene.listen_to("/by-hand", "{ heartbeatTimeout: 40_000 }").await;
    scene.browser.wait_until("return told.length >= 2").await;
    let told: Vec<String> = scene.browser.run("return told").await;
    assert_eq!(told[..2], ["error", "open"]);
}
