//! Two schemas of one name in a document are an error when it is made, and what is always there is required.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sse_actix::{
    SseEvents,
    openapi::{BrowserStream, PlainStream, TopicStream},
};
use utoipa::{Modify, OpenApi, ToSchema, openapi};

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi)]
#[allow(dead_code, reason = "it is described, and never made")]
enum Market {
    Moved(MarketEvent),
}

/// It has the name of the schema of `PlainStream<Market>`.
#[derive(Serialize, Deserialize, ToSchema)]
struct MarketEvent {
    price: f64,
}

mod other {
    #[derive(serde::Serialize, serde::Deserialize, sse_actix::SseEvents)]
    #[sse(openapi)]
    #[allow(dead_code, reason = "it is described, and never made")]
    pub(super) enum Market {
        Opened,
    }

    #[derive(serde::Serialize, serde::Deserialize, sse_actix::SseEvents)]
    #[sse(openapi)]
    #[allow(dead_code, reason = "it is described, and never made")]
    pub(super) enum Shop {
        Moved(MarketEvent),
    }

    #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
    pub(super) struct MarketEvent {
        cents: u32,
    }
}

#[derive(OpenApi)]
#[openapi(components(schemas(MarketEvent)))]
struct Api;

/// What a document says with these modifiers, or the panic's text.
fn document(modifiers: &[&dyn Modify]) -> Result<openapi::OpenApi, String> {
    let made = catch_unwind(AssertUnwindSafe(|| {
        let mut document = Api::openapi();
        for modifier in modifiers {
            modifier.modify(&mut document);
        }
        document
    }));
    made.map_err(|panic| panic.downcast_ref::<String>().unwrap().clone())
}

#[test]
fn two_that_differ_are_told_with_both_names() {
    let cases: [(&[&dyn Modify], &str, &str); 4] = [
        (
            &[&PlainStream::<Market>::new()],
            "MarketEvent",
            "the events of `PlainStream<typed::schema_names::Market>`",
        ),
        (
            &[
                &BrowserStream::<Market>::new(),
                &BrowserStream::<other::Market>::new(),
            ],
            "MarketBrowserEvent",
            "the events of `BrowserStream<typed::schema_names::other::Market>`",
        ),
        (
            &[
                &TopicStream::<other::Market>::new(),
                &TopicStream::<Market>::new(),
            ],
            "MarketTopicEvent",
            "the events of `TopicStream<typed::schema_names::Market>`",
        ),
        (
            &[&TopicStream::<other::Shop>::new()],
            "MarketEvent",
            "the data of the event `Moved` of `typed::schema_names::other::Shop`",
        ),
    ];
    for (modifiers, name, of) in cases {
        let panic = document(modifiers).err().unwrap();
        let says =
            format!("the document already has a schema `{name}`, which differs from the schema of {of}: ");
        assert!(panic.starts_with(&says), "{panic}");
        assert!(
            panic.ends_with("rename the enum, or write `#[schema(as = Name)]` on the data type of that name"),
            "{panic}"
        );
    }
}

#[test]
fn one_that_is_the_same_may_be_added_again() {
    let market = TopicStream::<Market>::new();
    let once = document(&[&market]).unwrap();
    let again = document(&[&market, &BrowserStream::<Market>::new(), &market]).unwrap();
    let components = again.components.unwrap();
    for (name, schema) in once.components.unwrap().schemas {
        assert!(components.schemas.get(&name) == Some(&schema), "{name}");
    }
}

type Maybe = Option<u64>;

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi)]
#[allow(dead_code, reason = "it is described, and never made")]
enum Numbered {
    Always(#[sse(id)] u64),
    Perhaps(#[sse(id)] Maybe),
    Never,
}

#[test]
fn an_id_is_required_where_its_type_always_has_one_whatever_the_type_is_called() {
    let document = document(&[&PlainStream::<Numbered>::new()]).unwrap();
    let schema = &serde_json::to_value(document).unwrap()["components"]["schemas"]["NumberedEvent"];
    for (variant, required) in [
        (0, json!(["event", "data", "id"])),
        (1, json!(["event", "data"])),
        (2, json!(["event", "data"])),
    ] {
        assert_eq!(schema["oneOf"][variant]["required"], required);
    }
}
