//! What people and logs of programs are shown of a log's types.

use std::{borrow::Borrow, error::Error, task::Waker};

use sse_actix_core::{
    AppendError, Completion, Entry, Event, IdempotencyKey, LogError, NotARecord, Position, Record, Watchers,
};

use crate::{at, epoch, record};

struct NoJson;

impl serde::Serialize for NoJson {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no JSON of it"))
    }
}

#[test]
fn what_is_printed_to_debug_says_what_it_is() {
    let (epoch, sequence) = (epoch(1), 7);
    assert_eq!(format!("{epoch:?}"), epoch.as_str());
    let entry = Entry::new(Position { epoch, sequence }, record("a", None), at(0));
    assert_eq!(
        format!("{entry:?}"),
        format!("Entry {{ sequence: 7, frame: \"id: {epoch}-7\\ndata: a\\n\\n\", .. }}")
    );
    assert_eq!(format!("{:?}", Completion::ready(1)), "Completion::ready");
    assert_eq!(
        format!("{:?}", Completion::later(async { 1 })),
        "Completion::later"
    );
    let watchers = Watchers::default();
    let _watch = watchers.add(Waker::noop().clone());
    assert_eq!(format!("{watchers:?}"), "Watchers(1)");
    let key = IdempotencyKey::try_from("order 7").unwrap();
    assert_eq!(format!("{key:?}"), "\"order 7\"");
}

#[test]
fn an_idempotency_key_is_its_text_wherever_text_is_wanted() {
    let key = IdempotencyKey::try_from("order 7").unwrap();
    assert_eq!(key.to_string(), "order 7");
    assert_eq!(AsRef::<str>::as_ref(&key), "order 7");
    assert_eq!(Borrow::<str>::borrow(&key), "order 7");
}

#[test]
fn an_error_says_what_was_wrong_and_keeps_its_cause() {
    let cause = |error: &dyn Error| error.source().map(ToString::to_string);
    let of_log = LogError::new("refused");
    assert_eq!(of_log.to_string(), "the log could not be read");
    assert_eq!(cause(&of_log).as_deref(), Some("refused"));
    for error in [
        AppendError::Refused("full".into()),
        AppendError::OutcomeUnknown("full".into()),
    ] {
        assert_eq!(cause(&error).as_deref(), Some("full"));
    }
    assert!(cause(&AppendError::NoKey).is_none());
    assert_eq!(
        NotARecord.to_string(),
        "not one encoded event without an id; another program writes to this log"
    );

    let no_json = Record::json(&NoJson, None).unwrap_err();
    assert_eq!(cause(&no_json).as_deref(), Some("no JSON of it"));
    let own_id = Record::event(&Event::data("a").id(7), None).unwrap_err();
    assert!(cause(&own_id).is_none());
}
