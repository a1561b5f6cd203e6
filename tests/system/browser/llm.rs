use serde_json::{Value, json};
use sse_tests::{browser::Browser, process::Example};

/// Text and facts of both panes.
const PANES: &str = "
    return ['event-source', 'fetch'].map((id) => document.getElementById(id))
        .map((pane) => ['.text', '.facts', '.state'].map((part) => pane.querySelector(part).textContent))
";

type Panes = Vec<(String, String, String)>;

async fn open() -> Option<(Browser, Example)> {
    let browser = Browser::start().await?;
    let example = Example::start("llm", 0, &[]);
    browser.open(&example.url("/")).await;
    Some((browser, example))
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Asks by the page's form, and stops reading in the middle of the answer, whose number is returned.
async fn ask_and_stop(browser: &Browser) -> usize {
    let stop_at_first_words = "
        const texts = [...document.querySelectorAll('.text')];
        for (const text of texts) text.textContent = '';
        const watcher = new MutationObserver(() => {
            if (texts.some((text) => !text.textContent)) return;
            watcher.disconnect();
            document.getElementById('stop').click();
        });
        for (const text of texts) watcher.observe(text, { childList: true });
        document.querySelector('form button').click();
    ";
    // On a machine that is busy enough, an answer is finished before its first words are seen.
    for number in 1..=20 {
        browser.run::<()>(stop_at_first_words).await;
        browser
            .wait(PANES, |panes: &Panes| {
                panes
                    .iter()
                    .all(|(text, _, state)| words(text) > 0 && state == "CLOSED")
            })
            .await;
        if answers(browser).await[number - 1]["finished"] == json!(false) {
            return number;
        }
    }
    unreachable!("each of 20 answers was finished within moments")
}

async fn finished(browser: &Browser) -> String {
    let panes = browser.wait(PANES, |panes: &Panes| {
        panes
            .iter()
            .all(|(_, facts, state)| facts.ends_with(", finished") && state == "CLOSED")
    });
    let texts: Vec<_> = panes.await.into_iter().map(|(text, ..)| text).collect();
    let [by_event_source, by_fetch] = <[String; 2]>::try_from(texts).unwrap();
    assert_eq!(by_event_source, by_fetch);
    by_fetch
}

async fn answers(browser: &Browser) -> Value {
    browser
        .run("return fetch('/answers').then((response) => response.json())")
        .await
}

#[actix_web::test]
async fn event_source_and_fetch_read_the_same_answer_which_is_written_once() {
    let Some((browser, _example)) = open().await else {
        return;
    };
    browser.click("form button").await;
    let text = finished(&browser).await;
    let written = answers(&browser).await;
    assert_eq!(
        (&written[0]["words"], &written[0]["finished"]),
        (&json!(words(&text)), &json!(true))
    );

    // Whoever reads it again is given the same, at once, and nothing is written for it.
    browser.click("#again").await;
    assert_eq!(finished(&browser).await, text);
    assert_eq!(answers(&browser).await[0]["words"], written[0]["words"]);

    // So is whoever comes back in the middle, or from the last word without having seen the end.
    let read_after = async |id: &str| -> Vec<(String, String)> {
        let script = format!(
            "return new Promise((resolve) => {{
                const seen = [], source = new EventSource('/answers/1?lastEventId={id}');
                source.addEventListener('word', (event) => seen.push([event.data, event.lastEventId]));
                source.onerror = () => source.readyState === EventSource.CLOSED && resolve(seen);
            }})",
        );
        browser.run(&script).await
    };
    let all = read_after("").await;
    let said = all.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>();
    assert_eq!(said, text.split_whitespace().collect::<Vec<_>>());
    for from in [all.len() / 2, all.len()] {
        assert_eq!(read_after(&all[from - 1].1).await, all[from..]);
    }
    assert_eq!(answers(&browser).await[0]["words"], written[0]["words"]);
}

#[actix_web::test]
async fn the_work_stops_when_the_reader_leaves_and_goes_on_when_it_returns() {
    let Some((browser, example)) = open().await else {
        return;
    };
    let number = ask_and_stop(&browser).await;
    let stopped = example
        .logged(&format!("/answers/{number}: no reader is left"))
        .await;
    let before: Panes = browser.run(PANES).await;

    // While another answer is written, this one is not.
    let other = "
        const made = await fetch('/answers', { method: 'POST', body: '{\"prompt\":\"other\"}',
            headers: { 'Content-Type': 'application/json' } });
        window.others = 0;
        new EventSource(made.headers.get('Location')).addEventListener('word', () => others += 1);
        return [made.status, made.headers.get('Location'), await made.json()];
    ";
    let made: Value = browser
        .run(&format!("return (async () => {{ {other} }})()"))
        .await;
    let url = format!("/answers/{}", number + 1);
    assert_eq!(made, json!([201, url, { "url": url }]));
    browser.wait_until("return others > 10").await;
    let written = &answers(&browser).await[number - 1];
    assert_eq!(
        (&written["readers"], &written["finished"]),
        (&json!(0), &json!(false))
    );
    assert!(
        stopped.contains(&format!(" {} words", written["words"])),
        "{stopped}"
    );

    browser.click("#stop").await;
    let text = finished(&browser).await;
    assert!(
        before.iter().all(|(read, ..)| text.starts_with(read.as_str())),
        "{before:?}, then {text}"
    );
    assert_eq!(answers(&browser).await[number - 1]["words"], json!(words(&text)));
}

#[actix_web::test]
async fn what_cannot_be_asked_or_read_is_refused() {
    let Some((browser, _example)) = open().await else {
        return;
    };
    let status = |method: &str, path: &str, body: &str| {
        let body = if method == "GET" {
            "undefined".to_owned()
        } else {
            json!(body).to_string()
        };
        format!(
            "return fetch('{path}', {{ method: '{method}', body: {body},
                headers: {{ 'Content-Type': 'application/json' }} }}).then((response) => response.status)"
        )
    };
    for (method, path, body, expected) in [
        ("GET", "/answers/1", "", 404),
        ("GET", "/answers/one", "", 404),
        ("POST", "/answers", "{}", 400),
        ("POST", "/answers", r#"{"prompt":" "}"#, 400),
        (
            "POST",
            "/answers",
            &format!(r#"{{"prompt":"{}"}}"#, "x".repeat(20_000)),
            413,
        ),
    ] {
        let answered: u16 = browser.run(&status(method, path, body)).await;
        assert_eq!(answered, expected, "{method} {path}");
    }
}
