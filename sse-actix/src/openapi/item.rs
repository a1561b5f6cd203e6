//! The OpenAPI schema of one event: an object with the fields of the event.

use sse_actix_core::{END_EVENT, END_ID, GAP_EVENT, POSITION_EVENT, Retry};
use utoipa::openapi::{
    RefOr, Schema,
    schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, SchemaType, Type},
};

use super::{DescribeEvents, EventDescription};

/// The library's own events that a stream may send beside the events of its enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LibraryEvents {
    None,
    End,
    EndAndPositions,
}

/// The schema of any event of a stream.
pub(super) fn schema<T: DescribeEvents>(library_events: LibraryEvents) -> Schema {
    let mut one_of = OneOfBuilder::new();
    let events = T::events();
    let mut names: Vec<_> = events.iter().map(|event| event.name.to_owned()).collect();
    for EventDescription {
        name, has_id, data, ..
    } in events
    {
        one_of = one_of.item(event(named([name]), json(data), text(), has_id).title(Some(name)));
    }
    for own in own_events(library_events) {
        one_of = one_of.item(own);
    }
    names.extend([END_EVENT, GAP_EVENT.as_str(), POSITION_EVENT.as_str()].map(str::to_owned));
    if T::IS_OPEN {
        one_of = one_of.item(unknown(&names));
    }
    one_of.into()
}

/// The library's own events.
fn own_events(library_events: LibraryEvents) -> Vec<ObjectBuilder> {
    let end = || {
        let data = ObjectBuilder::new()
            .property("reason", text())
            .property("message", text())
            .required("reason");
        let id = text().enum_values(Some([END_ID]));
        event(named([END_EVENT]), json(data), id, true).title(Some(END_EVENT))
    };
    let gap = || {
        let missed = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
            .description(Some(
                "How many events were missed; null if the number is unknown.",
            ));
        let data = ObjectBuilder::new().property("missed", missed).required("missed");
        event(named([GAP_EVENT.as_str()]), json(data), text(), false).title(Some(GAP_EVENT.as_str()))
    };
    let position = || {
        let data = json(ObjectBuilder::new());
        event(named([POSITION_EVENT.as_str()]), data, text(), true).title(Some(POSITION_EVENT.as_str()))
    };
    match library_events {
        LibraryEvents::None => Vec::new(),
        LibraryEvents::End => vec![end()],
        LibraryEvents::EndAndPositions => vec![end(), gap(), position()],
    }
}

/// An event whose name is none of these, with any data.
fn unknown(names: &[String]) -> ObjectBuilder {
    let not_those: Vec<_> = names
        .iter()
        .map(|name| format!("(?!{}$)", escaped(name)))
        .collect();
    let not_those = not_those.concat();
    event(
        text().pattern(Some(format!("^{not_those}"))),
        text(),
        text(),
        false,
    )
}

/// A name in a regular expression of ECMA-262.
fn escaped(name: &str) -> String {
    let special = |char: char| "^$\\.*+?()[]{}|/".contains(char);
    name.chars()
        .flat_map(|char| special(char).then_some('\\').into_iter().chain([char]))
        .collect()
}

fn event(name: ObjectBuilder, data: ObjectBuilder, id: ObjectBuilder, has_id: bool) -> ObjectBuilder {
    let retry = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(Retry::MIN.as_millis()))
        .maximum(Some(Retry::MAX.as_millis()))
        .description(Some(
            "How long an EventSource waits before it reconnects, in milliseconds.",
        ));
    let event = ObjectBuilder::new()
        .property("event", name)
        .property("data", data)
        .property("id", id)
        .property("retry", retry)
        .required("event")
        .required("data")
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    if has_id { event.required("id") } else { event }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn named<const N: usize>(names: [&str; N]) -> ObjectBuilder {
    text().enum_values(Some(names))
}

/// Text that is JSON of this schema.
fn json(schema: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    text()
        .content_media_type("application/json")
        .content_schema(Some(schema))
}
