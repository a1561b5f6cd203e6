//! The Python program of docs/other-languages.md, as the page shows it.

use std::{env, fs, path::Path, process::Stdio};

use redis::cmd;
use sse_actix_redis::APPEND_SCRIPT;
use sse_tests::{
    hub::{Reader, event, gap, last_event_id, serve_topic},
    patience::within,
    redis::Redis,
};
use tokio::process::Command;

use super::{followed, node};

const PAGE: &str = include_str!("../../docs/other-languages.md");

/// The program, and the script beside it.
struct Program {
    folder: tempfile::TempDir,
    url: String,
}

impl Program {
    /// `None` where Python's client of Redis is not installed.
    fn of(redis: &Redis) -> Option<Self> {
        if !python().exists() {
            assert!(
                env::var("CI").as_deref() != Ok("true"),
                "{} is not there, and with CI=true nothing is skipped",
                python().display()
            );
            eprintln!("skipped: tests/clients/install.sh installs what this test needs");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (_, program) = PAGE.split_once("```python\n").unwrap();
        let (program, _) = program.split_once("```").unwrap();
        fs::write(folder.path().join("publish.py"), program).unwrap();
        fs::write(folder.path().join("append.lua"), APPEND_SCRIPT).unwrap();
        Some(Self {
            folder,
            url: redis.url(),
        })
    }

    /// Publishes an event named `price` to the topic `n`; what the program prints, or its error.
    async fn publish(&self, key: &str, data: &str) -> Result<String, String> {
        let run = Command::new(python())
            .current_dir(&self.folder)
            .args(["publish.py", &self.url, "n", key, "price", data])
            .stdin(Stdio::null())
            .output();
        let output = within("the program", run).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        if output.status.success() && output.stderr.is_empty() {
            Ok(text(&output.stdout).trim_end().to_owned())
        } else {
            Err(text(&output.stderr))
        }
    }
}

fn python() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/venv/bin/python")
}

/// The id of an event.
fn id_of(event: &str) -> String {
    let line = event.lines().find_map(|line| line.strip_prefix("id: "));
    line.unwrap_or_else(|| panic!("no id in {event:?}")).to_owned()
}

#[actix_web::test]
async fn an_event_from_python_is_received_once_and_in_order() {
    let redis = Redis::start();
    let Some(program) = Program::of(&redis) else {
        return;
    };
    let hub = node(&redis).await;
    let serving = serve_topic(&hub, "n");
    let mut reader = Reader::new(serving.addr(), "/").await;
    followed(&hub).await;

    let first = program.publish("order 1", "{\"eur\":1}\nüber\r\n").await.unwrap();
    let received = reader.next().await;
    let id = id_of(&received);
    assert_eq!(
        received,
        format!("id: {id}\nevent: price\ndata: {{\"eur\":1}}\ndata: über\ndata: \n\n")
    );

    // Published again with the same key, it is not there again.
    assert_eq!(program.publish("order 1", "again").await, Ok(first.clone()));
    let second = hub.topic("n").publish(&2).await.unwrap();
    assert_eq!(reader.next().await, event(&second, 2));
    let third = program.publish("order 2", "3").await.unwrap();
    assert_ne!(third, first);
    let received = reader.next().await;
    assert!(received.ends_with("\nevent: price\ndata: 3\n\n"), "{received}");

    // Who comes back with the id of a Python event misses nothing either, at a node that was not there.
    let fresh = node(&redis).await;
    let serving = serve_topic(&fresh, "n");
    let mut back = Reader::with(serving.addr(), "/", &last_event_id(id.as_bytes())).await;
    assert_eq!(back.next().await, event(&second, 2));
    assert_eq!(back.next().await, received);
}

/// A program that writes what is not an event: its readers get a gap event, and go on.
#[actix_web::test]
async fn what_a_faulty_program_appends_is_a_gap() {
    let redis = Redis::start();
    let Some(program) = Program::of(&redis) else {
        return;
    };
    let hub = node(&redis).await;
    let serving = serve_topic(&hub, "n");
    let mut reader = Reader::new(serving.addr(), "/").await;
    followed(&hub).await;
    program.publish("1", "one").await.unwrap();
    let first = reader.next().await;

    let file = program.folder.path().join("publish.py");
    let right = fs::read_to_string(&file).unwrap();
    // It injects an id.
    let wrong = right.replace("f\"event: {name}\"", "\"id: 7\"");
    assert_ne!(wrong, right);
    fs::write(&file, wrong).unwrap();
    program.publish("2", "two").await.unwrap();
    fs::write(&file, right).unwrap();
    program.publish("3", "three").await.unwrap();

    let told = reader.next().await;
    assert_eq!(told, gap(id_of(&told), None), "after {first:?}");
    let third = reader.next().await;
    assert!(third.ends_with("\nevent: price\ndata: three\n\n"), "{third}");
}

/// The program says why its event was refused.
#[actix_web::test]
async fn a_refusal_is_an_error_of_the_program() {
    let redis = Redis::start();
    let Some(program) = Program::of(&redis) else {
        return;
    };
    program.publish("1", "one").await.unwrap();
    let stream: Vec<String> = redis.ask(cmd("KEYS").arg("sse:topic:*"));
    let () = redis.ask(cmd("DEL").arg(&stream[0]));
    let () = redis.ask(cmd("SET").arg(&stream[0]).arg("a string"));
    let error = program.publish("2", "two").await.unwrap_err();
    assert!(error.contains("RuntimeError: WRONGTYPE"), "{error}");
}
