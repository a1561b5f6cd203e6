//! The document of the example `market` is valid, and true of what the example sends.

use std::{collections::BTreeSet, time::Duration};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sse_actix::{Decoded, Decoder, Message};
use sse_tests::process::Example;

use crate::openapi::{data_schema, validate};

/// Halts last for eight seconds, and there is none in the first eight.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every event that comes until each of the names has come.
async fn events(example: &Example, names: &BTreeSet<String>) -> Vec<Message> {
    let client = awc::Client::builder().disable_timeout().finish();
    let mut answer = client.get(example.url("/events")).send().await.unwrap();
    let (mut decoder, mut events) = (Decoder::new(), Vec::new());
    let mut missing = names.clone();
    while !missing.is_empty() {
        decoder.feed(answer.next().await.unwrap().unwrap());
        for decoded in decoder.by_ref() {
            let Decoded::Message(message) = decoded.unwrap() else {
                continue;
            };
            missing.remove(&*message.event);
            events.push(message);
        }
    }
    events
}

#[actix_web::test]
async fn its_document_is_valid_and_describes_what_it_sends() {
    let example = Example::start("market", 0, &[]);
    let client = awc::Client::default();
    let get = async |path: &str| -> Value {
        let mut answer = client.get(example.url(path)).send().await.unwrap();
        answer.json().limit(1 << 20).await.unwrap()
    };
    let document = get("/openapi.json").await;
    let stream = &document["paths"]["/events"]["get"]["responses"]["200"]["content"]["text/event-stream"];
    let item = stream["itemSchema"]["$ref"].as_str().unwrap();
    let component = item.strip_prefix("#/components/schemas/").unwrap();
    let described = document["components"]["schemas"][component]["oneOf"]
        .as_array()
        .unwrap();
    let described = described
        .iter()
        .map(|event| event["title"].as_str().unwrap().to_owned());
    let described: Vec<String> = described.collect();
    let own: BTreeSet<_> = described
        .iter()
        .filter(|name| !name.starts_with("sse-"))
        .cloned()
        .collect();

    let events = tokio::time::timeout(PATIENCE, events(&example, &own))
        .await
        .unwrap();
    let mut cases = Vec::new();
    for message in &events {
        let (event, data) = (&*message.event, &*message.data);
        let position = described.iter().position(|name| name == event).unwrap();
        let sent = json!({ "event": event, "data": data, "id": &*message.last_event_id });
        cases.push((item.to_owned(), sent, true));
        cases.push((item.to_owned(), json!({ "event": "prices", "data": data }), false));
        cases.push((
            item.to_owned(),
            json!({ "event": event, "data": { "text": data } }),
            false,
        ));
        let data: Value = serde_json::from_str(data).unwrap();
        for key in data.as_object().unwrap().keys() {
            for wrong in [json!(null), json!(-1)] {
                let mut other = data.clone();
                other[key] = wrong;
                cases.push((data_schema(component, position), other, false));
            }
            let mut without = data.clone();
            without.as_object_mut().unwrap().remove(key);
            cases.push((data_schema(component, position), without, false));
        }
        cases.push((data_schema(component, position), data, true));
    }
    let body = &document["paths"]["/state"]["get"]["responses"]["200"]["content"]["application/json"];
    let of_state = body["schema"]["$ref"].as_str().unwrap().to_owned();
    cases.push((of_state, get("/state").await, true));

    let asked: Vec<_> = cases
        .iter()
        .map(|(schema, instance, _)| (schema.clone(), instance.clone()))
        .collect();
    let checked = validate(&document, &asked);
    assert_eq!(checked.errors, [""; 0]);
    assert_eq!(checked.valid.len(), cases.len());
    for ((schema, instance, is_valid), valid) in cases.into_iter().zip(checked.valid) {
        assert_eq!(valid, is_valid, "{schema}: {instance}");
    }
}
