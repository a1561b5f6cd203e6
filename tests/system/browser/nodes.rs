//! Three nodes on one Redis: a page that outlives each of them, and has every number once.

use std::fs;

use serde_json::Value;
use sse_tests::{browser::Browser, patience::until, process::Example};

const STATE: &str = "return fetch('/control/state').then((answer) => answer.json())";

/// A figure that the page shows.
fn shown(id: &str) -> String {
    format!("return Number(document.getElementById('{id}').textContent.replace(',', ''))")
}

async fn figure(browser: &Browser, id: &str) -> u64 {
    browser.run(&shown(id)).await
}

/// Waits until this many more numbers have been received.
async fn goes_on(browser: &Browser, more: u64) {
    let before = figure(browser, "received").await;
    browser
        .wait(&shown("received"), |now: &u64| *now >= before + more)
        .await;
}

/// The node that serves the page, as soon as it is not this one.
async fn served_by_other_than(browser: &Browser, node: u64) -> u64 {
    let serving = "return Number(document.querySelector('.serves')?.id.replace('node-', '') ?? 0)";
    browser.wait(serving, |now: &u64| *now != 0 && *now != node).await
}

/// The state of a card: of Redis, or a node.
async fn is(browser: &Browser, card: &str, state: &str) {
    browser
        .wait_until(&format!(
            "return document.querySelector('#{card} .state').textContent === '{state}'"
        ))
        .await;
}

/// Every number that is acknowledged by now is received, and nothing is wrong.
async fn all_is_well(browser: &Browser) {
    let state: Value = browser.run(STATE).await;
    for node in state["nodes"].as_array().unwrap() {
        let not_acknowledged = |n: u64| {
            node["exceptions"]
                .as_array()
                .unwrap()
                .iter()
                .any(|run| (run["from"].as_u64().unwrap()..=run["to"].as_u64().unwrap()).contains(&n))
        };
        let decided = node["decided"].as_u64().unwrap();
        let newest = (1..=decided).rev().find(|n| !not_acknowledged(*n)).unwrap_or(0);
        let last = format!(
            "return Number(document.getElementById('node-{}').dataset.last)",
            node["number"]
        );
        browser.wait(&last, |last: &u64| *last >= newest).await;
    }
    for wrong in ["lost", "twice", "disorder", "invented"] {
        assert_eq!(figure(browser, wrong).await, 0, "{wrong}");
    }
}

#[actix_web::test]
async fn nothing_is_lost_and_nothing_comes_twice_whatever_is_killed() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let example = Example::start("nodes", 0, &[]);
    browser.open(&example.url("/")).await;
    let first = served_by_other_than(&browser, 0).await;
    goes_on(&browser, 20).await;

    browser.click(&format!("#node-{first} .kill")).await;
    let second = served_by_other_than(&browser, first).await;
    goes_on(&browser, 10).await;
    all_is_well(&browser).await;

    browser.click("#redis .kill").await;
    is(&browser, "redis", "Dead").await;
    is(&browser, &format!("node-{second}"), "No Redis").await;
    browser.click("#redis .start").await;
    is(&browser, &format!("node-{second}"), "Ready").await;
    goes_on(&browser, 10).await;
    all_is_well(&browser).await;

    // A Redis that says nothing, during which the page moves to another node.
    browser.click(&format!("#node-{first} .start")).await;
    is(&browser, &format!("node-{first}"), "Ready").await;
    browser.click("#redis .freeze").await;
    is(&browser, &format!("node-{second}"), "No Redis").await;
    browser.click(&format!("#node-{second} .kill")).await;
    let third = served_by_other_than(&browser, second).await;
    browser.click("#redis .thaw").await;
    goes_on(&browser, 10).await;
    all_is_well(&browser).await;

    // When there is no node at all, the page waits for one.
    for node in [1, 2, 3] {
        browser
            .run::<()>(&format!("document.querySelector('#node-{node} .kill')?.click()"))
            .await;
        is(&browser, &format!("node-{node}"), "Dead").await;
    }
    browser.click(&format!("#node-{third} .start")).await;
    served_by_other_than(&browser, 0).await;
    goes_on(&browser, 10).await;
    all_is_well(&browser).await;

    // Another tab reads all of it from the start, and comes to the same.
    let received = figure(&browser, "received").await;
    browser.open_tab(&example.url("/")).await;
    browser
        .wait(&shown("received"), |now: &u64| *now >= received)
        .await;
    all_is_well(&browser).await;
}

/// Whether a process lives; one that nobody has waited for has no command line any more.
fn lives(pid: &Value) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[actix_web::test]
async fn buttons_are_the_page_s_alone_and_all_processes_end_with_the_first() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let example = Example::start("nodes", 0, &[]);
    browser.open(&example.url("/")).await;
    served_by_other_than(&browser, 0).await;
    let state: Value = browser.run(STATE).await;
    let nodes = state["nodes"].as_array().unwrap().iter();
    let pids: Vec<_> = nodes
        .map(|node| &node["pid"])
        .chain([&state["redis"]["pid"]])
        .collect();
    assert!(pids.iter().all(|pid| lives(pid)), "{state}");

    // To a browser `localhost` is another site than 127.0.0.1.
    let elsewhere = example.url("/").replace("127.0.0.1", "localhost");
    browser.open(&elsewhere).await;
    let kill = format!(
        "return fetch('{}', {{ method: 'POST', mode: 'no-cors' }}).then(() => 'sent')",
        example.url("/control/nodes/1/kill")
    );
    assert_eq!(browser.run::<String>(&kill).await, "sent");
    assert!(lives(pids[0]), "a page of another site has killed a node");

    example.kill();
    until("all processes to end", async || {
        !pids.iter().any(|pid| lives(pid))
    })
    .await;
}
