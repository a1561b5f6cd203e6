//! The TypeScript of typed streams: what it says, what it checks, and that it does not drift.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sse_actix::{
    SseEvents,
    typescript::{Module, TypeScriptError},
};
use sse_tests::{page_market, typescript::compile};
use ts_rs::TS;

use crate::market::{Market, every_kind};

/// Types that refer to others, and to themselves.
#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
#[sse(typescript)]
#[allow(dead_code, reason = "it is described, and never made")]
enum Forum {
    Thread(Page<Post>),
    #[sse(name = "__proto__")]
    Proto {
        #[serde(rename = "__proto__")]
        value: bool,
    },
    Counts((u64, i64)),
}

#[derive(Serialize, Deserialize, TS)]
struct Page<T> {
    items: Vec<T>,
    next: Option<u32>,
}

#[derive(Serialize, Deserialize, TS)]
struct Post {
    text: String,
    kind: Kind,
    answers: Vec<Post>,
}

#[derive(Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Question,
    Answer { accepted: bool },
}

const COMMAND: &str = "cargo run --bin types";

fn module() -> Module {
    let module = Module::new(COMMAND).events::<Market>().unwrap();
    module.events::<Forum>().unwrap()
}

#[test]
fn the_types_are_those_of_what_json_parse_gives() {
    let text = module().to_string();
    for part in [
        "// Written from Rust types by `cargo run --bin types`. Do not edit.\n",
        "export type Price = { symbol: string, price: number, };",
        "export type Page<T> = { items: Array<T>, next: number | null, };",
        "  | { event: \"opened\", data: null }\n",
        "  | { event: \"price\", data: Price }\n",
        "  | { event: \"note\", data: string | null }\n",
        "{ symbol: string, whyHalted?: string | null, until: string, }",
        "  | { event: \"counts\", data: [number, number] };",
        " * There may be events with other names, too.",
        "export type ForumEvents = { [E in Forum as E[\"event\"]]: E[\"data\"] };",
    ] {
        assert!(text.contains(part), "{part}\n\n{text}");
    }
    assert!(!text.contains("bigint"), "{text}");
}

#[test]
fn a_file_that_differs_is_told_with_the_command_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ts");
    assert!(matches!(module().check(&file), Err(TypeScriptError::Io { .. })));
    module().write(&file).unwrap();
    module().check(&file).unwrap();
    fs::write(&file, module().to_string().replace('\n', "\r\n")).unwrap();
    module().check(&file).unwrap();

    let old = module()
        .to_string()
        .replace("symbol: string, price: number", "symbol: string, price: string");
    fs::write(&file, &old).unwrap();
    let error = module().check(&file).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("events.ts differs from the Rust types, from line"),
        "{message}"
    );
    assert!(
        message.ends_with("write it again with `cargo run --bin types`"),
        "{message}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), old);
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(typescript)]
#[allow(dead_code, reason = "it is described, and never made")]
enum Wrong {
    Large {
        #[ts(type = "bigint")]
        n: u64,
    },
}

mod other {
    #[derive(serde::Serialize, serde::Deserialize, ts_rs::TS)]
    pub(super) struct Price {
        cents: u32,
    }
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(typescript)]
#[allow(dead_code, reason = "it is described, and never made")]
enum Shop {
    Price(other::Price),
}

#[test]
fn what_cannot_be_checked_and_two_types_of_one_name_are_errors() {
    let error = Module::new(COMMAND).events::<Wrong>().unwrap_err().to_string();
    assert!(
        error.contains("the type of `Wrong` cannot be checked: `JSON.parse` gives no `bigint`"),
        "{error}"
    );
    let error = module().events::<Shop>().unwrap_err().to_string();
    assert!(
        error.starts_with("the module would have two items called `Price`: one is of the type `Price`"),
        "{error}"
    );
}

/// Compiles the module with all that is strict, runs it, and asks its checks.
pub(crate) fn checks(module: &Module, value: &str, cases: &[(&str, Value)]) -> Vec<bool> {
    let folder = tempfile::tempdir().unwrap();
    module.write(folder.path().join("events.ts")).unwrap();
    compile(folder.path(), &["events.ts"]);

    let script = "
        import * as events from './events.js';
        let input = '';
        for await (const chunk of process.stdin) input += chunk;
        const { value, cases } = JSON.parse(input);
        const { names, checks } = events[value];
        console.log(JSON.stringify(cases.map(([name, data]) =>
            names.includes(name) && Object.hasOwn(checks, name) && checks[name](JSON.parse(data)))));
    ";
    fs::write(folder.path().join("run.js"), script).unwrap();
    let mut node = Command::new("node")
        .arg("run.js")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let cases: Vec<_> = cases
        .iter()
        .map(|(name, data)| json!([name, data.to_string()]))
        .collect();
    let input = json!({ "value": value, "cases": cases }).to_string();
    node.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_event_passes_its_check_and_wrong_data_does_not() {
    let mut cases: Vec<(&str, Value)> = Vec::new();
    let known = every_kind();
    let known = known
        .iter()
        .filter(|(event, ..)| !matches!(event, Market::Other(_)));
    for (_, name, data) in known {
        cases.push((name, serde_json::from_str(data).unwrap()));
    }
    // A newer server may send more than the type has.
    cases.push(("nothing", json!({ "more": 1 })));
    cases.push(("price", json!({ "symbol": "a", "price": 1, "more": 1 })));
    let valid = cases.len();
    cases.extend([
        ("opened", json!({})),
        ("price", json!(null)),
        ("price", json!({ "symbol": "a" })),
        ("price", json!({ "symbol": "a", "price": "1" })),
        ("price", json!({ "symbol": null, "price": 1 })),
        ("price", json!(["a", 1])),
        ("note", json!(7)),
        ("nothing", json!([])),
        ("nothing", json!(null)),
        ("halt", json!({ "symbol": "a", "until": 5 })),
        ("halt", json!({ "symbol": "a", "until": "5 s", "whyHalted": 7 })),
        // Fields beside a flattened map, and what it holds.
        ("böse/Kurse", json!({ "bestPrice": "1.5", "a": "1" })),
        ("böse/Kurse", json!({ "bestPrice": 1.5, "a": 1 })),
        ("böse/Kurse", json!({ "a": "1" })),
        ("unknown", json!(null)),
        ("toString", json!(null)),
        ("__proto__", json!(null)),
    ]);
    let checked = checks(&module(), "market", &cases);
    for (at, (case, is_valid)) in cases.iter().zip(checked).enumerate() {
        assert_eq!(is_valid, at < valid, "{case:?}");
    }
}

#[test]
fn types_may_refer_to_others_and_to_themselves() {
    let post = |answers: Value| json!({ "text": "a", "kind": "question", "answers": answers });
    let cases = [
        ("thread", json!({ "items": [], "next": null }), true),
        (
            "thread",
            json!({ "items": [post(json!([post(json!([]))]))], "next": 7 }),
            true,
        ),
        (
            "thread",
            json!({ "items": [post(json!([post(json!([7]))]))], "next": 7 }),
            false,
        ),
        (
            "thread",
            json!({ "items": [{ "text": "a", "kind": { "answer": { "accepted": true } }, "answers": [] }], "next": 7 }),
            true,
        ),
        (
            "thread",
            json!({ "items": [{ "text": "a", "kind": "other", "answers": [] }], "next": 7 }),
            false,
        ),
        ("__proto__", json!({ "__proto__": true }), true),
        ("__proto__", json!({ "__proto__": 1 }), false),
        ("__proto__", json!({}), false),
        ("counts", json!([1, -1]), true),
        ("counts", json!([1]), false),
        ("counts", json!([1, 2, 3]), false),
    ];
    let asked: Vec<_> = cases
        .iter()
        .map(|(name, data, _)| (*name, data.clone()))
        .collect();
    for ((name, data, is_valid), checked) in cases.iter().zip(checks(&module(), "forum", &asked)) {
        assert_eq!(checked, *is_valid, "{name}: {data}");
    }
}

#[test]
fn the_pages_of_the_npm_package_s_tests_have_the_types_that_rust_generates() {
    page_market::module().unwrap().check(page_market::file()).unwrap();
}
