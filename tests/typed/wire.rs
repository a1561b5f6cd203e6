//! The bytes of every kind of variant, and what encoding costs.

use serde::{Deserialize, Serialize};
use sse_actix::{Event, EventName, Frame, SseEvents, UnknownEvent};

use crate::market::{Market, every_kind, price};

#[test]
fn every_kind_of_variant_has_its_name_and_its_data_and_nothing_else() {
    for (event, name, data) in every_kind() {
        assert_eq!(event.event_name().as_str(), name);
        let bytes = format!("event: {name}\ndata: {data}\n\n");
        let by_hand = Event::of(&event).unwrap();
        assert_eq!(Frame::from(by_hand).as_ref(), bytes.as_bytes());
        assert_eq!(Frame::new(event).unwrap().as_ref(), bytes.as_bytes());
    }
    let names: Vec<_> = Market::NAMES.iter().map(EventName::as_str).collect();
    assert_eq!(
        names,
        ["opened", "price", "note", "halt", "böse/Kurse", "nothing"]
    );
}

#[test]
fn the_data_of_an_unknown_event_may_have_many_lines() {
    let event = Market::Other(UnknownEvent {
        name: EventName::from_static("text"),
        data: "a\n\nb".to_owned(),
    });
    assert_eq!(
        Frame::new(event).unwrap().as_ref(),
        b"event: text\ndata: a\ndata:\ndata: b\n\n"
    );
}

/// Every rule of serde's, on words, digits and a name in Rust's raw form.
macro_rules! renamed {
    ($($name:ident $rule:literal $names:expr;)*) => {$(
        mod $name {
            use serde::{Deserialize, Serialize};
            use sse_actix::SseEvents;

            #[derive(Serialize, Deserialize, SseEvents)]
            #[serde(rename_all = $rule)]
            enum Renamed {
                OneTwo,
                Level2Data,
                HTTPError,
                r#Type,
                With_Line,
            }

            #[test]
            fn as_serde_has_it() {
                let events =
                    [Renamed::OneTwo, Renamed::Level2Data, Renamed::HTTPError, Renamed::Type, Renamed::With_Line];
                for (event, name) in events.into_iter().zip($names) {
                    assert_eq!(event.event_name().as_str(), name);
                    assert_eq!(serde_json::to_string(&event).unwrap(), format!("{name:?}"));
                }
            }
        }
    )*};
}

#[allow(non_camel_case_types, reason = "what serde makes of it is the question")]
mod rules {
    renamed! {
        lower "lowercase" ["onetwo", "level2data", "httperror", "type", "with_line"];
        upper "UPPERCASE" ["ONETWO", "LEVEL2DATA", "HTTPERROR", "TYPE", "WITH_LINE"];
        pascal "PascalCase" ["OneTwo", "Level2Data", "HTTPError", "Type", "With_Line"];
        camel "camelCase" ["oneTwo", "level2Data", "hTTPError", "type", "with_Line"];
        snake "snake_case" ["one_two", "level2_data", "h_t_t_p_error", "type", "with__line"];
        screaming "SCREAMING_SNAKE_CASE" ["ONE_TWO", "LEVEL2_DATA", "H_T_T_P_ERROR", "TYPE", "WITH__LINE"];
        kebab "kebab-case" ["one-two", "level2-data", "h-t-t-p-error", "type", "with--line"];
        loud "SCREAMING-KEBAB-CASE" ["ONE-TWO", "LEVEL2-DATA", "H-T-T-P-ERROR", "TYPE", "WITH--LINE"];
    }
}

/// Ids of each kind.
#[derive(Serialize, Deserialize, SseEvents)]
enum Numbered {
    Whole(#[sse(id)] u64),
    Named {
        #[sse(id)]
        #[serde(rename = "no")]
        number: i32,
        text: String,
    },
    Text {
        #[sse(id)]
        id: String,
    },
    Perhaps {
        #[sse(id)]
        id: Option<u8>,
    },
    Without,
}

#[test]
fn a_field_may_be_the_id_and_stays_in_the_data() {
    let named = Numbered::Named {
        number: -3,
        text: "x".to_owned(),
    };
    for (event, bytes) in [
        (
            Numbered::Whole(u64::MAX),
            "event: Whole\nid: 18446744073709551615\ndata: 18446744073709551615\n\n",
        ),
        (
            named,
            "event: Named\nid: -3\ndata: {\"no\":-3,\"text\":\"x\"}\n\n",
        ),
        (
            Numbered::Text { id: "a b".to_owned() },
            "event: Text\nid: a b\ndata: {\"id\":\"a b\"}\n\n",
        ),
        (
            Numbered::Perhaps { id: Some(7) },
            "event: Perhaps\nid: 7\ndata: {\"id\":7}\n\n",
        ),
        (
            Numbered::Perhaps { id: None },
            "event: Perhaps\ndata: {\"id\":null}\n\n",
        ),
        (Numbered::Without, "event: Without\ndata: null\n\n"),
    ] {
        let by_hand = Event::of(&event).unwrap();
        assert_eq!(std::str::from_utf8(&Frame::from(by_hand)).unwrap(), bytes);
        assert_eq!(std::str::from_utf8(&Frame::new(event).unwrap()).unwrap(), bytes);
    }
}

#[test]
fn a_text_that_no_id_can_be_is_an_error_and_nothing_is_sent() {
    let forged = Numbered::Text {
        id: "1\ndata: forged".to_owned(),
    };
    let error = Frame::new(forged).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("id holds a line feed (U+000A) at byte 1"),
        "{error}"
    );
}

#[test]
fn encoding_takes_no_more_memory_than_by_hand() {
    let allocations = |encode: &mut dyn FnMut()| {
        encode();
        allocation_counter::measure(encode).count_total
    };
    let event = price("ACME", 12.5);
    let Market::Price(data) = &event else { panic!() };
    let by_hand = allocations(&mut || drop(Frame::from(Event::json(data).unwrap().event("price"))));
    let typed = allocations(&mut || drop(Frame::from(Event::of(&event).unwrap())));
    assert_eq!(typed, by_hand);
}
