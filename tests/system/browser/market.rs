//! The market: a typed page that is built beforehand, and the page of its API.

use serde_json::Value;
use sse_tests::{
    browser::{Browser, Engine},
    patience::until,
    process::Example,
};

in_each_browser! {
    prices_move_and_the_chart_with_them,
    a_share_that_is_halted_stands_still,
    the_page_goes_on_after_a_restart,
    three_tabs_share_one_connection,
    the_page_of_the_api_shows_the_events_and_loads_nothing_from_elsewhere,
}

const IS_LIVE: &str = "return document.getElementById('connection').textContent === 'Live'";
/// Symbols and prices, as the table shows them.
const PRICES: &str = "return [...document.querySelectorAll('#shares tbody tr')]
    .map((row) => [row.dataset.symbol, row.querySelector('.last').textContent])";

async fn open(engine: Engine) -> Option<(Browser, Example)> {
    if matches!(engine, Engine::Firefox) {
        eprintln!("skipped: the page's policy forbids the evaluation by which these scripts run in Firefox");
        return None;
    }
    let browser = Browser::start_engine(engine).await?;
    let example = Example::start("market", 0, &[]);
    browser.open(&example.url("/")).await;
    browser.wait_until(IS_LIVE).await;
    Some((browser, example))
}

async fn get(example: &Example, path: &str) -> Value {
    let mut answer = awc::Client::default()
        .get(example.url(path))
        .send()
        .await
        .unwrap();
    answer.json().await.unwrap()
}

/// Waits until the table shows what the server has.
async fn shows_the_state_of(browser: &Browser, example: &Example) {
    until("the table to show the state", async || {
        let state = get(example, "/state").await;
        let shown: Vec<(String, String)> = browser.run(PRICES).await;
        let shares = state["shares"].as_array().unwrap();
        // The page may be some trades behind, or ahead.
        let is_recent = |(symbol, shown): &(String, String)| {
            let share = shares.iter().find(|share| share["symbol"] == **symbol).unwrap();
            let trades = share["trades"].as_array().unwrap().iter().rev();
            let mut prices = trades.take(5).map(|trade| trade["price"].as_u64().unwrap());
            prices.any(|price| *shown == format!("{}.{:02}", price / 100, price % 100))
        };
        shown.len() == shares.len() && shown.iter().all(is_recent)
    })
    .await;
}

/// The news that the tab shows, the newest first.
const NEWS: &str = "return [...document.querySelectorAll('#news li span')].map((story) => story.textContent)";

/// Waits until the tab shows all news that the server has.
async fn shows_the_news_of(browser: &Browser, example: &Example) {
    until("the tab to show the news", async || {
        let state = get(example, "/state").await;
        let text = |story: &Value| {
            let [symbol, headline] = ["symbol", "headline"].map(|key| story[key].as_str().unwrap());
            format!("{symbol} {headline}")
        };
        let news: Vec<String> = state["news"].as_array().unwrap().iter().rev().map(text).collect();
        let shown: Vec<String> = browser.run(NEWS).await;
        shown.starts_with(&news)
    })
    .await;
}

/// Waits until the tab has had so many more events.
async fn more_events(browser: &Browser, more: u64) {
    let count = "return Number(document.getElementById('count').textContent.replace(',', ''))";
    let before: u64 = browser.run(count).await;
    browser.wait(count, |now: &u64| *now >= before + more).await;
}

/// What is drawn.
const CHART: &str = "return document.querySelector('#chart canvas').toDataURL()";

async fn prices_move_and_the_chart_with_them(engine: Engine) {
    let Some((browser, example)) = open(engine).await else {
        return;
    };
    let first: Vec<(String, String)> = browser.wait(PRICES, |prices: &Vec<_>| prices.len() == 8).await;
    let chart: String = browser.run(CHART).await;
    let has_moved = |now: &Vec<(String, String)>| {
        let moved = now.iter().zip(&first).filter(|(now, first)| now != first);
        moved.count() >= 3
    };
    browser.wait(PRICES, has_moved).await;
    browser.wait(CHART, |now: &String| *now != chart).await;
    shows_the_state_of(&browser, &example).await;

    // The chart is that of the share which is clicked on.
    browser.click("tr[data-symbol=DUNE] button").await;
    browser
        .wait_until("return document.getElementById('company').textContent === 'DUNE Dune Solar'")
        .await;
    browser
        .wait_until("return /^DUNE \\d+\\.\\d\\d [▲▼]$/.test(document.title)")
        .await;
    assert_eq!(
        browser
            .run::<String>("return document.getElementById('missed').textContent")
            .await,
        ""
    );
}

async fn a_share_that_is_halted_stands_still(engine: Engine) {
    let Some((browser, _example)) = open(engine).await else {
        return;
    };
    // News come first, then the price, then the halt.
    let halted =
        "return document.querySelector('tbody .badge:not([hidden])')?.closest('tr').dataset.symbol ?? ''";
    let symbol: String = browser.wait(halted, |symbol: &String| !symbol.is_empty()).await;
    let watch = format!(
        "window.row = document.querySelector('tr[data-symbol={symbol}]');
         window.badge = row.querySelector('.badge');
         window.moved = [];
         const price = () => row.querySelector('.last').textContent;
         const first = price();
         const watch = new MutationObserver(() => !badge.hidden && price() !== first && moved.push(price()));
         watch.observe(row, {{ subtree: true, childList: true, attributes: true, characterData: true }});
         row.click();"
    );
    browser.run::<()>(&watch).await;
    browser
        .wait_until("return badge.hidden || /^Halted: [+-]\\d\\.\\d % in one trade$/.test(document.getElementById('halt').textContent)")
        .await;
    let news = format!(
        "return [...document.querySelectorAll('#news li b')].some((share) => share.textContent === '{symbol}')"
    );
    browser.wait_until(&news).await;
    // The time without trade is shaded in the chart.
    let shaded = "
        const canvas = document.querySelector('#chart canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let at = 0; at < data.length; at += 4)
            count += data[at] === 0xfd && data[at + 1] === 0xf0 && data[at + 2] === 0xd3 && data[at + 3] === 0xff;
        return count > 20";
    browser.wait_until(shaded).await;
    browser.wait_until("return badge.hidden").await;
    assert_eq!(
        browser.run::<Vec<String>>("return moved").await,
        Vec::<String>::new()
    );
}

async fn the_page_goes_on_after_a_restart(engine: Engine) {
    let Some((browser, example)) = open(engine).await else {
        return;
    };
    more_events(&browser, 5).await;
    let opened = get(&example, "/state").await["opened_at"].clone();
    let port = example.port();
    example.kill();
    browser
        .wait_until("return document.getElementById('connection').textContent === 'Reconnecting'")
        .await;

    let example = Example::start("market", port, &[]);
    assert_ne!(get(&example, "/state").await["opened_at"], opened);
    browser.wait_until(IS_LIVE).await;
    more_events(&browser, 5).await;
    shows_the_state_of(&browser, &example).await;
    let is_told = "return document.getElementById('missed').textContent === ', some missed'";
    browser.wait_until(is_told).await;
}

async fn three_tabs_share_one_connection(engine: Engine) {
    let Some((browser, example)) = open(engine).await else {
        return;
    };
    let first: Vec<String> = browser.wait(NEWS, |news: &Vec<_>| !news.is_empty()).await;
    let has_two_more = |news: &Vec<String>| news.len() >= first.len() + 2;
    browser.wait(NEWS, has_two_more).await;
    for _ in 0..2 {
        browser.open_tab(&example.url("/")).await;
        browser.wait_until(IS_LIVE).await;
        // The shared connection keeps the latest event of each name for a tab that joins later: of the news, one.
        shows_the_news_of(&browser, &example).await;
        shows_the_state_of(&browser, &example).await;
        more_events(&browser, 5).await;
    }
    assert_eq!(get(&example, "/figures").await["streams"], 1);
}

async fn the_page_of_the_api_shows_the_events_and_loads_nothing_from_elsewhere(engine: Engine) {
    let Some((browser, example)) = open(engine).await else {
        return;
    };
    browser.open(&example.url("/api")).await;
    for shown in [
        "A simulated market",
        "OpenAPI 3.2.0",
        "Last-Event-ID",
        "A stream of events.",
        "event: state",
    ] {
        browser
            .wait_until(&format!("return document.body.innerText.includes('{shown}')"))
            .await;
    }
    let elsewhere = "return performance.getEntriesByType('resource')
        .map((entry) => new URL(entry.name)).filter((url) => url.protocol.startsWith('http') && url.origin !== origin)
        .map((url) => url.href)";
    assert_eq!(browser.run::<Vec<String>>(elsewhere).await, Vec::<String>::new());
}
