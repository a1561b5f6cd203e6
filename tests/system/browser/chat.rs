//! The chat: ten tabs of one person, another person, and somebody without a browser.

use sse_tests::{browser::Browser, patience::within, process::Example, wire::Wire};

const TABS: usize = 10;
const SAID: &str = "return document.getElementById('said').innerText";

async fn enter(browser: &Browser, example: &Example, name: &str) {
    browser.open(&example.url("/")).await;
    browser
        .wait_until("return !document.getElementById('door').hidden")
        .await;
    let fill = format!(
        "document.getElementById('name').value = '{name}'; document.getElementById('door').requestSubmit()"
    );
    browser.run::<()>(&fill).await;
    live(browser).await;
}

async fn live(browser: &Browser) {
    browser
        .wait_until("return document.getElementById('state').dataset.state === '1'")
        .await;
}

async fn say(browser: &Browser, text: &str) {
    let fill = format!(
        "document.getElementById('text').value = '{text}'; document.querySelector('.say').requestSubmit()"
    );
    browser.run::<()>(&fill).await;
}

async fn sees(browser: &Browser, text: &str) {
    browser.wait(SAID, |said: &String| said.contains(text)).await;
}

async fn streams(browser: &Browser, expected: usize) {
    let figures =
        "return fetch('/chat/figures').then((answer) => answer.json()).then((figures) => figures.streams)";
    browser
        .wait(figures, |streams: &usize| *streams == expected)
        .await;
}

/// A person without a browser, and the stream of the lobby.
async fn carol(example: &Example) -> Wire {
    let addr = ([127, 0, 0, 1], example.port()).into();
    let mut wire = Wire::connect(addr).await;
    let body = r#"{"name":"Carol"}"#;
    let head = format!(
        "POST /chat/people HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    wire.send(head + body).await;
    let head = wire.head().await;
    let cookie = head.values("set-cookie")[0].split(';').next().unwrap().to_owned();
    let header = format!("Cookie: {cookie}\r\n");
    let mut stream = Wire::get_with(addr, "/chat/rooms/lobby/events", header.as_bytes()).await;
    assert_eq!(stream.head().await.status_line(), "HTTP/1.1 200 OK");
    stream
}

#[actix_web::test]
async fn ten_tabs_one_connection_history_private_messages_and_a_kick() {
    let (Some(ada), Some(grace)) = (Browser::start().await, Browser::start().await) else {
        return;
    };
    let example = Example::start("chat", 0, &[]);
    enter(&ada, &example, "Ada").await;
    say(&ada, "the first").await;
    sees(&ada, "the first").await;
    let mut tabs = Vec::new();
    for _ in 1..TABS {
        tabs.push(ada.open_tab(&example.url("/")).await);
        live(&ada).await;
        // What was said before it joined the stream.
        sees(&ada, "the first").await;
    }
    streams(&ada, 1).await;

    // Who enters gets the history with the stream.
    enter(&grace, &example, "Grace").await;
    sees(&grace, "the first").await;
    streams(&grace, 2).await;
    let people = "return [...document.querySelectorAll('#here .name')].map((name) => name.textContent)";
    grace
        .wait(people, |people: &Vec<String>| *people == ["Ada", "Grace (you)"])
        .await;

    let mut carol = carol(&example).await;
    grace.wait(people, |people: &Vec<String>| people.len() == 3).await;
    let address =
        "[...document.querySelectorAll('#here .name')].find((name) => name.textContent === 'Ada').click()";
    grace.run::<()>(address).await;
    say(&grace, "a secret").await;
    grace.click("#to").await;
    say(&grace, "the last").await;
    for tab in &tabs {
        ada.switch_to(tab).await;
        sees(&ada, "Grace, to you alone").await;
        sees(&ada, "the last").await;
    }
    let mut heard = String::new();
    while !heard.contains("the last") {
        let chunk = within("what is said in the room", carol.chunk()).await.unwrap();
        heard.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(
        heard.contains("the first") && !heard.contains("a secret"),
        "{heard}"
    );

    // Every tab is told, and none comes back.
    let kick = "document.querySelector('#here .kick').click()";
    grace.run::<()>(kick).await;
    for tab in &tabs {
        ada.switch_to(tab).await;
        ada.wait_until(
            "return document.getElementById('why').textContent.startsWith('You have left, or were put out')",
        )
        .await;
    }
    grace
        .wait(people, |people: &Vec<String>| *people == ["Carol", "Grace (you)"])
        .await;
    streams(&grace, 2).await;
}

#[actix_web::test]
async fn who_logs_out_leaves_in_every_tab_and_the_name_is_free() {
    let (Some(ada), Some(grace)) = (Browser::start().await, Browser::start().await) else {
        return;
    };
    let example = Example::start("chat", 0, &[]);
    enter(&ada, &example, "Ada").await;
    let other = ada.open_tab(&example.url("/")).await;
    live(&ada).await;
    let door = "return !document.getElementById('door').hidden && document.getElementById('log-out').hidden";
    ada.click("#log-out").await;
    ada.wait_until(door).await;
    ada.switch_to(&other).await;
    ada.wait_until(door).await;
    ada.open(&example.url("/")).await;
    ada.wait_until(door).await;
    assert_eq!(ada.run::<String>("return document.cookie").await, "");
    enter(&grace, &example, "Ada").await;
    streams(&grace, 1).await;
}

#[actix_web::test]
async fn what_makes_no_sense_is_refused() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let example = Example::start("chat", 0, &[]);
    browser.open(&example.url("/")).await;
    let status = |path: &str, body: &str| {
        format!(
            "return fetch('/chat/{path}', {{ method: 'POST', body: {}, headers: {{ 'Content-Type': 'application/json' }} }})
                .then((answer) => answer.status)",
            serde_json::json!(body)
        )
    };
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(25));
    for (path, body, expected) in [
        ("rooms/lobby/messages", r#"{"text":"hello"}"#, 401),
        ("people", r#"{"name":" "}"#, 400),
        ("people", r#"{"name":"a\nb"}"#, 400),
        ("people", long.as_str(), 400),
        ("people", r#"{"name":"Ada"}"#, 201),
        ("people", r#"{"name":"Ada"}"#, 409),
        ("rooms/attic/messages", r#"{"text":"hello"}"#, 404),
        ("rooms/lobby/messages", r#"{"text":" "}"#, 400),
        ("rooms/lobby/messages", r#"{"text":"hello","to":"nobody"}"#, 404),
        ("kicks", r#"{"name":"nobody"}"#, 404),
    ] {
        let answered: u16 = browser.run(&status(path, body)).await;
        assert_eq!(answered, expected, "{path} {body}");
    }
}
