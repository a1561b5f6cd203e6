use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
};

use serde_json::Value;
use sse_tests::{browser::Browser, process::Example};

const STATE: &str = "return document.querySelector('#events .state').textContent";
const FACTS: &str = "return document.querySelector('#events .facts').textContent";
const LIST: &str = "return [...document.querySelectorAll('#list li')].map((item) => item.textContent)";

async fn open() -> Option<(Browser, Example)> {
    let browser = Browser::start().await?;
    let example = Example::start("quickstart", 0, &[]);
    browser.open(&example.url("/")).await;
    Some((browser, example))
}

fn pings(list: &[String]) -> usize {
    list.iter().filter(|item| item.starts_with("ping at ")).count()
}

async fn last_event_id(browser: &Browser) -> String {
    let facts: String = browser.run(FACTS).await;
    facts.rsplit_once("Last event id: ").unwrap().1.to_owned()
}

#[actix_web::test]
async fn named_events_and_json_reach_their_listeners() {
    let Some((browser, _example)) = open().await else {
        return;
    };
    let listen = "
        window.seen = {};
        const source = new EventSource('/events');
        for (const name of ['message', 'ping', 'cpu', 'memory', 'network']) {
            source.addEventListener(name, (event) => (seen[name] ??= []).push([event.data, event.lastEventId]));
        }
    ";
    browser.run::<()>(listen).await;
    browser.wait_until("return (seen.ping ?? []).length > 2").await;
    let seen: Value = browser.run("return seen").await;
    let json = |name: &str| -> Value { serde_json::from_str(seen[name][0][0].as_str().unwrap()).unwrap() };

    let at = json("cpu")["at"].as_u64().unwrap();
    assert_eq!(
        (json("memory")["at"].as_u64(), json("network")["at"].as_u64()),
        (Some(at), Some(at))
    );
    assert_eq!(seen["network"][0][1], at.to_string());
    assert!((0.0..=100.0).contains(&json("cpu")["percent"].as_f64().unwrap()));
    assert!(json("memory")["used"].as_u64() <= json("memory")["total"].as_u64());
    assert!(json("network")["received"].is_u64() && json("network")["sent"].is_u64());
    assert!(json("ping")["time"].as_u64() >= Some(at));
    assert_eq!(seen["message"][0][0].as_str().unwrap().lines().count(), 2);
}

#[actix_web::test]
async fn the_page_draws_the_figures_and_lists_the_tutorials_events() {
    let Some((browser, _example)) = open().await else {
        return;
    };
    let list = browser.wait(LIST, |list: &Vec<String>| pings(list) > 2).await;
    assert!(
        list[0].starts_with("message: ") && list[0].contains('\n'),
        "{list:?}"
    );
    assert!(list.iter().all(|item| !item.contains("Invalid")), "{list:?}");
    assert_eq!(browser.run::<String>(STATE).await, "OPEN");
    for (figure, unit) in [("cpu", " %"), ("memory", " of "), ("network", "/s in")] {
        let text: String = browser
            .run(&format!("return document.getElementById('{figure}').textContent"))
            .await;
        assert!(
            text.starts_with(|first: char| first.is_ascii_digit()) && text.contains(unit),
            "{text}"
        );
        let points = format!(
            "return document.querySelector('#{figure}-plot path.line').getAttribute('d').split('L').length > 2"
        );
        browser.wait_until(&points).await;
    }
    // A log file was not named, which the server says by 204.
    browser
        .wait_until("return document.querySelector('#log .state').textContent === 'CLOSED'")
        .await;
}

#[actix_web::test]
async fn the_page_goes_on_when_the_server_is_killed_and_started_again() {
    let Some((browser, example)) = open().await else {
        return;
    };
    browser.wait(LIST, |list: &Vec<String>| pings(list) > 0).await;
    let port = example.port();
    example.kill();
    browser.wait(STATE, |state: &String| state == "CONNECTING").await;
    let id = last_event_id(&browser).await;
    assert!(browser.run::<String>(FACTS).await.starts_with("Connection lost"));

    // The first to serve at the address again is this test, to see what the browser asks for.
    let head = tokio::task::spawn_blocking(move || request_for("/events", port))
        .await
        .unwrap();
    assert!(head.contains(&format!("Last-Event-ID: {id}")), "{head:?}");

    let before = pings(&browser.run::<Vec<String>>(LIST).await);
    let _example = Example::start("quickstart", port, &[]);
    browser.wait(STATE, |state: &String| state == "OPEN").await;
    browser
        .wait(LIST, |list: &Vec<String>| pings(list) > before + 1)
        .await;
    let later = last_event_id(&browser).await;
    assert!(
        later.parse::<u64>().unwrap() > id.parse().unwrap(),
        "{id}, then {later}"
    );
    assert!(browser.run::<String>(FACTS).await.contains("opened 2 times"));
}

#[actix_web::test]
async fn the_close_button_closes_for_good_and_opens_where_it_was() {
    let Some((browser, example)) = open().await else {
        return;
    };
    browser.wait(LIST, |list: &Vec<String>| pings(list) > 0).await;
    browser.click("#events button").await;
    assert_eq!(browser.run::<String>(STATE).await, "CLOSED");
    let (list, id) = (
        browser.run::<Vec<String>>(LIST).await,
        last_event_id(&browser).await,
    );

    // Not even a server that comes back wakes it, as it wakes another source.
    browser
        .run::<()>("window.pings = 0; new EventSource('/events').addEventListener('ping', () => pings += 1)")
        .await;
    browser.wait_until("return pings > 0").await;
    let port = example.port();
    example.kill();
    let _example = Example::start("quickstart", port, &[]);
    browser
        .wait_until("window.before ??= pings; return pings > before + 1")
        .await;
    assert_eq!(browser.run::<String>(STATE).await, "CLOSED");
    assert_eq!(browser.run::<Vec<String>>(LIST).await, list);

    browser.click("#events button").await;
    browser.wait(STATE, |state: &String| state == "OPEN").await;
    browser
        .wait(LIST, |more: &Vec<String>| pings(more) > pings(&list))
        .await;
    assert!(last_event_id(&browser).await.parse::<u64>().unwrap() > id.parse().unwrap());
}

/// The head of the first request for `path` that comes to `port`. It is left without an answer.
fn request_for(path: &str, port: u16) -> Vec<String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let start = format!("GET {path} ");
    loop {
        let (connection, _) = listener.accept().unwrap();
        let lines = BufReader::new(connection).lines().map_while(Result::ok);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        if head.first().is_some_and(|line| line.starts_with(&start)) {
            return head;
        }
    }
}
