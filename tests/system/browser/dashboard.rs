//! The wall: a page of one site, streams of another, a third that gets nothing.

use sse_tests::{
    browser::{Browser, Settings},
    process::Example,
};

const PANELS: usize = 10;

/// How many events each panel has had, by the table that the page shows.
const EVENTS: &str = "return [...document.querySelectorAll('[data-panel=streams] tbody tr')]
    .map((row) => Number(row.cells[2].textContent))";

async fn open() -> Option<(Browser, Example)> {
    // Where cookies of other sites are blocked: the session's is partitioned.
    let settings = Settings {
        any_certificate: true,
        no_third_party_cookies: true,
        ..Settings::default()
    };
    let browser = Browser::start_with(settings).await?;
    let example = Example::start("dashboard", 0, &[]);
    browser
        .open(&format!("https://wall.localhost:{}/", example.port()))
        .await;
    Some((browser, example))
}

async fn log_in(browser: &Browser, password: &str) {
    browser
        .wait_until("return document.body.dataset.state === 'login'")
        .await;
    let fill = format!(
        "document.querySelector('[name=user]').value = 'demo';
         document.querySelector('[name=password]').value = '{password}';
         document.querySelector('#login').requestSubmit();"
    );
    browser.run::<()>(&fill).await;
}

/// Every panel has had this many events or more.
async fn moving(browser: &Browser, events: usize) -> Vec<usize> {
    browser
        .wait(EVENTS, |each: &Vec<usize>| {
            each.len() == PANELS && each.iter().all(|count| *count >= events)
        })
        .await
}

#[actix_web::test]
async fn who_logs_in_sees_every_panel_move_and_who_logs_out_ends_every_stream() {
    let Some((browser, example)) = open().await else {
        return;
    };
    log_in(&browser, "a guess").await;
    let note = "return document.querySelector('#login-note').textContent";
    browser
        .wait(note, |note: &String| note.starts_with("That is not the user"))
        .await;
    let password = example.printed("password").await;
    log_in(&browser, &password).await;

    let before = moving(&browser, 2).await;
    moving(&browser, before.into_iter().max().unwrap() + 1).await;
    let facts = "return document.querySelector('#link-facts').textContent";
    browser
        .wait(facts, |facts: &String| {
            facts == "10 streams, 1 connection, HTTP/2.0"
        })
        .await;
    let charts: usize = browser
        .run("return document.querySelectorAll('[data-panel] canvas').length")
        .await;
    assert!(charts >= 7, "{charts} charts");

    // The frame of another origin has tried what this page does; the server tells of it.
    let refused = "return document.querySelector('[data-panel=refused]').textContent";
    browser
        .wait(refused, |text: &String| {
            text.contains("Origin: https://elsewhere.localhost:") && text.contains("may not read this")
        })
        .await;

    // The session outlives the page.
    browser.run::<()>("location.reload()").await;
    moving(&browser, 1).await;

    // One stream that the page knows nothing of, so that only the server can end it.
    let streams = example.printed("streams").await;
    let open = format!(
        "window.told = 0;
         window.own = new EventSource('{streams}/figures/cpu', {{ withCredentials: true }});
         own.addEventListener('sse-end', () => {{ told += 1; }});"
    );
    browser.run::<()>(&open).await;
    browser
        .wait_until("return own.readyState === EventSource.OPEN")
        .await;

    browser.click("#logout").await;
    browser
        .wait_until("return told === 1 && own.readyState === EventSource.CLOSED")
        .await;
    browser
        .wait_until("return document.body.dataset.state === 'login'")
        .await;
    let note: String = browser.run(note).await;
    let ended = note.strip_prefix("Logged out: the server ended ").unwrap();
    let ended: usize = ended.strip_suffix(" streams.").unwrap().parse().unwrap();
    // Besides this page's, those of the page before it that have not been written to since.
    assert!((PANELS + 1..=2 * PANELS + 1).contains(&ended), "{ended}");
    browser.run::<()>("location.reload()").await;
    browser
        .wait_until("return document.body.dataset.state === 'login'")
        .await;
}

#[actix_web::test]
async fn what_was_missed_while_the_streams_were_cut_comes_after_all() {
    let Some((browser, example)) = open().await else {
        return;
    };
    log_in(&browser, &example.printed("password").await).await;
    moving(&browser, 2).await;
    browser.click("#interrupt").await;
    let resumed = "return [...document.querySelectorAll('[data-panel=streams] tbody tr')]
        .every((row) => row.cells[4].textContent.startsWith('1×') && row.cells[1].textContent === 'open')";
    browser.wait_until(resumed).await;
    let before = moving(&browser, 2).await;
    moving(&browser, before.into_iter().max().unwrap() + 1).await;
}

#[actix_web::test]
async fn a_page_of_another_site_gets_no_event_no_answer_and_no_log_out() {
    let Some((browser, example)) = open().await else {
        return;
    };
    log_in(&browser, &example.printed("password").await).await;
    moving(&browser, 1).await;
    let got = "return [...(document.querySelector('#tries')?.querySelectorAll('li span') ?? [])]
        .map((got) => got.textContent)";

    let wall = browser
        .open_tab(&format!("https://wall.localhost:{}/", example.port()))
        .await;
    browser.open_tab(&example.printed("elsewhere").await).await;
    let got = browser
        .wait(got, |got: &Vec<String>| {
            got.len() == 3 && got.iter().all(|text| !text.is_empty())
        })
        .await;
    assert_eq!(
        got,
        [
            "CLOSED, 0 events",
            "TypeError: Failed to fetch",
            "opaque, status 0"
        ]
    );

    // The page in the second wall's frame has tried to log out too, and its requests carry the cookie.
    browser.switch_to(&wall).await;
    let before = moving(&browser, 1).await;
    moving(&browser, before.into_iter().max().unwrap() + 3).await;
    let state: String = browser.run("return document.body.dataset.state").await;
    assert_eq!(state, "wall");
}
