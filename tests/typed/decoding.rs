//! From a received event back to the enum.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sse_actix::{DecodeEventError, Decoded, Decoder, Frame, Message, SseEvents};

use crate::market::{Market, every_kind, price};

/// What a reader makes of an event.
fn received(event: Market) -> Message {
    let mut decoder = Decoder::new();
    decoder.feed(Frame::new(event).unwrap().into_bytes());
    match decoder.next() {
        Some(Ok(Decoded::Message(message))) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_variant_comes_back() {
    for (event, name, data) in every_kind() {
        let message = received(event.clone());
        assert_eq!((&*message.event, &*message.data), (name, data));
        assert_eq!(Market::from_message(&message).unwrap(), event);
    }
}

proptest! {
    #[test]
    fn any_value_comes_back(symbol in any::<String>(), value in any::<i32>(), why in any::<Option<String>>()) {
        for event in [
            price(&symbol, f64::from(value) / 8.0),
            Market::Note(why.clone()),
            Market::TradingHalted { symbol: symbol.clone(), why_halted: why, ends: value.unsigned_abs().into() },
        ] {
            prop_assert_eq!(Market::from_message(&received(event.clone())).unwrap(), event);
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, SseEvents)]
enum Numbers {
    Double(f64),
    Single(f32),
    Nested(Nested),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

#[test]
fn numbers_are_read_to_their_last_bit() {
    // Those that `serde_json` gets wrong in the last bit, as it comes.
    for number in [
        4.115_622_850_065_693e-104,
        5e-324,
        2.225_073_858_507_201e-308,
        1.797_693_134_862_315_7e308,
        9_007_199_254_740_993.0,
        0.1 + 0.2,
    ] {
        for sent in [number, -number] {
            let double = Numbers::Double(sent);
            assert_eq!(Numbers::decode("Double", &sent.to_string()).unwrap(), double);
            assert_eq!(Numbers::decode("Double", &format!("{sent:e}")).unwrap(), double);
        }
    }
    for sent in [f32::MAX, f32::MIN_POSITIVE, 1e-45, 0.1, 16_777_217.0] {
        assert_eq!(
            Numbers::decode("Single", &format!("{sent:e}")).unwrap(),
            Numbers::Single(sent)
        );
    }
    // What is between two numbers is the nearer one, and the even one halfway.
    for (written, read) in [
        ("9007199254740993", 9_007_199_254_740_992.0),
        ("9007199254740993.000000000000000000001", 9_007_199_254_740_994.0),
        ("100000000000000000000000", 1e23),
        ("2.4703282292062327208e-324", 0.0),
        ("2.4703282292062327209e-324", 5e-324),
    ] {
        assert_eq!(
            Numbers::decode("Double", written).unwrap(),
            Numbers::Double(read),
            "{written}"
        );
    }
    let error = Numbers::decode("Double", "1e999").unwrap_err().to_string();
    assert!(error.contains("number out of range"), "{error}");
}

#[test]
fn nan_and_infinities_are_null_and_no_number() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let frame = Frame::new(Numbers::Double(number)).unwrap();
        assert_eq!(frame.as_ref(), b"event: Double\ndata: null\n\n");
    }
    let error = Numbers::decode("Double", "null").unwrap_err().to_string();
    assert!(error.contains("invalid type: null, expected f64"), "{error}");
}

#[test]
fn data_may_be_nested_in_127_levels() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(Numbers::decode("Nested", &nested(127)).is_ok());
    let error = Numbers::decode("Nested", &nested(128)).unwrap_err().to_string();
    assert!(error.contains("recursion limit exceeded"), "{error}");
}

/// Without a catch-all.
#[derive(Debug, Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Strict {
    Price { symbol: String, price: u32 },
    Closed,
}

#[test]
fn what_is_none_of_the_events_is_an_error_that_says_what_was_wrong() {
    for (name, data, says) in [
        (
            "prise",
            "{}",
            "no event is called `prise`: there are `price`, `closed`",
        ),
        ("__proto__", "{}", "no event is called `__proto__`"),
        ("Price", "{}", "no event is called `Price`"),
        ("", "{}", "no event is called ``"),
        (
            "price",
            "no JSON",
            "the data of `price` does not have the type of that event: expected ident at line 1",
        ),
        ("price", "", "EOF while parsing"),
        ("price", "null", "invalid type: null"),
        ("price", r#"{"symbol":"a"}"#, "missing field `price`"),
        (
            "price",
            r#"{"symbol":"a","price":-1}"#,
            "invalid value: integer `-1`, expected u32",
        ),
        ("price", r#"{"symbol":"a","price":"1"}"#, "invalid type: string"),
        (
            "price",
            r#"{"symbol":"a","price":1,"__proto__":1}"#,
            "unknown field `__proto__`",
        ),
        ("price", r#"["a",1]"#, "invalid type: sequence"),
        ("price", r#"{"symbol":"a","price":1} x"#, "trailing characters"),
        (
            "price",
            r#"{"price":{"symbol":"a","price":1}}"#,
            "invalid type: map, expected u32",
        ),
        ("closed", "{}", "invalid type: map, expected unit"),
        ("closed", "", "EOF while parsing"),
    ] {
        let error = Strict::decode(name, data).unwrap_err();
        assert!(error.to_string().contains(says), "{name} {data}: {error}");
        assert_eq!(
            matches!(error, DecodeEventError::Data { .. }),
            std::error::Error::source(&error).is_some()
        );
    }
    assert!(matches!(
        Strict::decode("price", r#"{"price":1,"symbol":"a"}"#),
        Ok(Strict::Price { price: 1, .. })
    ));
}

#[test]
fn the_catch_all_takes_unknown_names_and_not_wrong_data() {
    assert!(
        matches!(Market::decode("new", "whatever"), Ok(Market::Other(event)) if event.data == "whatever")
    );
    assert!(Market::decode("price", "whatever").is_err());
    assert!(Market::decode("two\nlines", "").is_err());
}
