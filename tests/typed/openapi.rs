//! The OpenAPI document of typed streams is valid, and true.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use actix_web::{get, post, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sse_actix::{
    Decoded, Decoder, EventName, Frame, GAP_EVENT, Hub, LastEventId, POSITION_EVENT, SseEvents, Subscription,
    TopicOf, end_frame, gap_frame,
    openapi::{BrowserStream, PlainStream, TopicStream},
    position_frame, sse_stream,
};
use utoipa::OpenApi;

use crate::market::{Market, every_kind};

/// Without a catch-all.
#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[sse(plain, openapi)]
pub(crate) enum Answer {
    Token {
        #[sse(id)]
        n: u32,
        text: Option<String>,
    },
    Error(String),
}

#[utoipa::path(get, path = "/market", params(LastEventId), responses(TopicStream<Market>))]
#[get("/market")]
pub(crate) async fn market(hub: web::Data<Hub>) -> Subscription<Market> {
    hub.subscribe(TopicOf::from_static("market"))
}

#[utoipa::path(get, path = "/prices", params(LastEventId), responses(BrowserStream<Market>))]
#[get("/prices")]
#[sse_stream(events = Market)]
pub(crate) async fn prices() -> () {
    emit!(Market::Opened);
}

#[utoipa::path(post, path = "/answer", responses(PlainStream<Answer>))]
#[post("/answer")]
#[sse_stream(events = Answer)]
pub(crate) async fn answer() -> () {
    emit!(Answer::Error("no model".to_owned()));
}

pub(crate) const MARKET_TOPIC: TopicStream<Market> = TopicStream::new();
pub(crate) const MARKET_PRICES: BrowserStream<Market> = BrowserStream::new();
pub(crate) const ANSWER: PlainStream<Answer> = PlainStream::new();

#[derive(OpenApi)]
#[openapi(
    paths(market, prices, answer),
    modifiers(&MARKET_TOPIC, &MARKET_PRICES, &ANSWER)
)]
struct Api;

pub(crate) fn document() -> Value {
    serde_json::to_value(Api::openapi()).unwrap()
}

/// What the validator says.
#[derive(Deserialize)]
pub(crate) struct Checked {
    /// What is wrong with the document.
    pub(crate) errors: Vec<String>,
    /// Which of the cases are valid.
    pub(crate) valid: Vec<bool>,
}

/// Validates a document, and values by its schemas.
pub(crate) fn validate(document: &Value, cases: &[(String, Value)]) -> Checked {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script: PathBuf = folder.join("typed/openapi/validate.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let cases: Vec<_> = cases
        .iter()
        .map(|(schema, instance)| json!({ "schema": schema, "instance": instance }))
        .collect();
    let input = json!({ "document": document, "cases": cases }).to_string();
    node.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "run tests/clients/install.sh");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An event as OpenAPI sees it: an object with its fields.
fn item(frame: &Frame) -> Value {
    let mut decoder = Decoder::new();
    decoder.feed(frame.clone().into_bytes());
    let Some(Ok(Decoded::Message(message))) = decoder.next() else {
        panic!("{frame:?}")
    };
    let (event, data, id) = (&*message.event, &*message.data, &*message.last_event_id);
    if id.is_empty() {
        return json!({ "event": event, "data": data });
    }
    json!({ "event": event, "data": data, "id": id })
}

/// The schema of an event's data.
pub(crate) fn data_schema(component: &str, variant: usize) -> String {
    format!("#/components/schemas/{component}/oneOf/{variant}/properties/data/contentSchema")
}

#[test]
fn the_document_is_valid_with_its_schemas_and_a_wrong_one_is_not() {
    let document = document();
    assert_eq!(document["openapi"], "3.2.0");
    assert_eq!(validate(&document, &[]).errors, Vec::<String>::new());
    let mut wrong = document;
    wrong["components"]["schemas"]["Price"]["properties"]["price"]["type"] = json!("price");
    assert_eq!(validate(&wrong, &[]).errors.len(), 1);
}

#[test]
fn every_response_and_parameter_is_there() {
    let document = document();
    let statuses = |path: &str, method: &str| {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap();
        responses.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(statuses("/market", "get"), ["200", "204", "500"]);
    assert_eq!(statuses("/prices", "get"), ["200", "204", "500"]);
    assert_eq!(statuses("/answer", "post"), ["200", "429", "500", "503"]);
    for (path, method, component) in [
        ("/market", "get", "MarketTopicEvent"),
        ("/prices", "get", "MarketBrowserEvent"),
        ("/answer", "post", "AnswerEvent"),
    ] {
        let stream = &document["paths"][path][method]["responses"]["200"]["content"]["text/event-stream"];
        let schema = format!("#/components/schemas/{component}");
        assert_eq!(*stream, json!({ "itemSchema": { "$ref": schema } }));
    }
    let parameter = &document["paths"]["/market"]["get"]["parameters"][0];
    assert_eq!(
        (&parameter["name"], &parameter["in"], &parameter["required"]),
        (&json!("Last-Event-ID"), &json!("header"), &json!(false))
    );
}

#[test]
fn every_event_matches_its_schema_and_wrong_ones_do_not() {
    let schema = |component: &str| format!("#/components/schemas/{component}");
    let mut cases = Vec::new();
    let mut expected = Vec::new();
    let mut case = |schema: String, instance: Value, is_valid: bool| {
        cases.push((schema, instance));
        expected.push(is_valid);
    };
    let names: Vec<_> = Market::NAMES.iter().map(EventName::as_str).collect();
    for (event, name, data) in every_kind() {
        let item = item(&Frame::new(event).unwrap());
        for component in ["MarketTopicEvent", "MarketBrowserEvent"] {
            case(schema(component), item.clone(), true);
            let mut with_id = item.clone();
            with_id["id"] = json!("7");
            with_id["retry"] = json!(3000);
            case(schema(component), with_id, true);
            let mut wrong = item.clone();
            wrong["data"] = json!({});
            case(schema(component), wrong, false);
        }
        if let Some(variant) = names.iter().position(|known| *known == name) {
            let data: Value = serde_json::from_str(data).unwrap();
            case(data_schema("MarketTopicEvent", variant), data.clone(), true);
            case(data_schema("MarketTopicEvent", variant), json!([1]), false);
            if let Value::Object(fields) = data {
                // What serde leaves out or flattens need not be there.
                let required = ["symbol", "price", "until", "bestPrice"];
                for field in fields.keys().filter(|field| required.contains(&field.as_str())) {
                    let mut less = fields.clone();
                    less.remove(field);
                    case(data_schema("MarketTopicEvent", variant), less.into(), false);
                }
            }
        }
    }
    let own = [
        (end_frame("finished", None), true),
        (end_frame("failed", Some("gone")), true),
        (gap_frame(&GAP_EVENT, None, None), false),
        (gap_frame(&GAP_EVENT, Some(&7.into()), Some(3)), false),
        (position_frame(&POSITION_EVENT, &7.into()), false),
    ];
    for (frame, for_functions) in own {
        case(schema("MarketTopicEvent"), item(&frame), true);
        case(schema("MarketBrowserEvent"), item(&frame), for_functions);
        case(schema("AnswerEvent"), item(&frame), false);
    }
    let token = Answer::Token { n: 7, text: None };
    case(schema("AnswerEvent"), item(&Frame::new(token).unwrap()), true);
    case(
        schema("AnswerEvent"),
        item(&Frame::new(Answer::Error("x".to_owned())).unwrap()),
        true,
    );
    for wrong in [
        json!({ "event": "token", "data": "{}" }), // it always has an id
        json!({ "event": "Token", "data": "{}", "id": "7" }),
        json!({ "event": "tokens", "data": "{}", "id": "7" }),
        json!({ "event": "token", "id": "7" }),
        json!({ "data": "{}", "id": "7" }),
        json!({ "event": "error", "data": "\"x\"", "retry": "soon" }),
        json!({ "event": "error", "data": "\"x\"", "comment": "x" }),
    ] {
        case(schema("AnswerEvent"), wrong, false);
    }
    for (variant, data, is_valid) in [
        (0, json!({ "n": 7, "text": "x" }), true),
        (0, json!({ "n": 7, "text": null }), true),
        (0, json!({ "n": -7, "text": null }), false),
        (0, json!({ "n": 7, "text": "x", "more": 1 }), false),
        (0, json!(null), false),
        (1, json!("x"), true),
        (1, json!(7), false),
    ] {
        case(data_schema("AnswerEvent", variant), data, is_valid);
    }
    let checked = validate(&document(), &cases);
    for ((case, is_valid), expected) in cases.iter().zip(checked.valid).zip(expected) {
        assert_eq!(is_valid, expected, "{case:?}");
    }
}
