//! Descriptions of streams as responses.

use std::{any, collections::BTreeMap, fmt, marker::PhantomData};

use sse_actix_core::{SseEvents, TopicValue};
use utoipa::{
    IntoResponses, Modify,
    openapi::{
        Content, OpenApi, OpenApiVersion, Ref, RefOr, Response, Schema, content::ContentBuilder,
        response::ResponseBuilder, schema::Components,
    },
};

use super::{
    DescribeEvents,
    item::{self, LibraryEvents},
};

macro_rules! streams {
    ($($(#[$doc:meta])* $name:ident of $bound:path: $suffix:literal, $library_events:expr, [$($status:literal $description:literal),*];)*) => {$(
        $(#[$doc])*
        pub struct $name<T>(PhantomData<fn() -> T>);

        impl<T: DescribeEvents + $bound> $name<T> {
            /// Make a constant of it for `modifiers(..)`, because utoipa needs a name there.
            pub const fn new() -> Self {
                Self(PhantomData)
            }
        }

        impl<T: DescribeEvents + $bound> Default for $name<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        /// The answers of the stream.
        impl<T: DescribeEvents + $bound> IntoResponses for $name<T> {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&component::<T>($suffix), &[$(($status, $description)),*])
            }
        }

        /// Sets the version OpenAPI 3.2, and adds the schemas of the events and of their data.
        ///
        /// # Panics
        ///
        /// If the document already has another schema with one of these names.
        impl<T: DescribeEvents + $bound> Modify for $name<T> {
            fn modify(&self, document: &mut OpenApi) {
                modify::<T>(document, stringify!($name), component::<T>($suffix), $library_events);
            }
        }
    )*};
}

streams! {
    /// A function under `#[sse_stream(events = T)]` that browsers read.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use sse_actix::SseEvents;
    /// use sse_actix::openapi::BrowserStream;
    /// use utoipa::IntoResponses;
    ///
    /// # #[derive(Serialize, Deserialize, SseEvents)] #[sse(openapi)] enum Market { Closed }
    /// let statuses: Vec<_> = BrowserStream::<Market>::responses().into_keys().collect();
    /// assert_eq!(statuses, ["200", "204", "500"]);
    /// ```
    BrowserStream of SseEvents: "BrowserEvent", LibraryEvents::End, [
        "204" "The stream has ended permanently: an EventSource does not come back.",
        "500" "The handler has failed before the stream began."
    ];
    /// A [`Subscription<T>`](crate::Subscription) that browsers read. See [`BrowserStream`]'s example.
    TopicStream of TopicValue: "TopicEvent", LibraryEvents::EndAndPositions, [
        "204" "The stream has ended permanently: an EventSource does not come back.",
        "500" "The topic has other events in this hub."
    ];
    /// A stream for clients other than `EventSource`. See [`BrowserStream`]'s example.
    PlainStream of SseEvents: "Event", LibraryEvents::None, [
        "429" "The client has too many streams, or connects too often. Retry-After says when to come back.",
        "500" "The handler has failed before the stream began.",
        "503" "The server has too many streams, or shuts down. Retry-After says when to come back."
    ];
}

/// The name of the schema of a stream's events.
fn component<T: DescribeEvents>(suffix: &str) -> String {
    format!("{}{suffix}", T::NAME)
}

fn responses(component: &str, others: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let content: Content = ContentBuilder::new()
        .item_schema(Some(Ref::from_schema_name(component)))
        .build();
    let stream = ResponseBuilder::new()
        .description("A stream of events.")
        .content("text/event-stream", content);
    let others = others.iter().map(|(status, description)| {
        (
            (*status).to_owned(),
            ResponseBuilder::new().description(*description).into(),
        )
    });
    [("200".to_owned(), stream.into())]
        .into_iter()
        .chain(others)
        .collect()
}

fn modify<T: DescribeEvents>(
    document: &mut OpenApi,
    stream: &str,
    component: String,
    library_events: LibraryEvents,
) {
    document.openapi = OpenApiVersion::Version32;
    let schemas = &mut document.components.get_or_insert_with(Components::new).schemas;
    let of = any::type_name::<T>();
    for event in T::events() {
        for (name, schema) in event.schemas {
            add(schemas, name, schema, || {
                format!("the data of the event `{}` of `{of}`", event.name)
            });
        }
    }
    let schema = item::schema::<T>(library_events);
    add(schemas, component, schema.into(), || {
        format!("the events of `{stream}<{of}>`")
    });
}

/// Adds a schema. Panics if there is another schema of this name, because the document would be wrong. The document is
/// made once, when the program starts.
fn add(
    schemas: &mut BTreeMap<String, RefOr<Schema>>,
    name: String,
    schema: RefOr<Schema>,
    of: impl FnOnce() -> String,
) {
    assert!(
        schemas.get(&name).is_none_or(|known| *known == schema),
        "the document already has a schema `{name}`, which differs from the schema of {}: rename the enum, or write `#[schema(as = Name)]` \
         on the data type of that name",
        of()
    );
    schemas.insert(name, schema);
}
