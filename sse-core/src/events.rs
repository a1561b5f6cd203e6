//! Enums of events: one type lists the events of a stream, and each of its variants is an event's name and data.

mod data;
mod error;
mod id;
mod unknown;
mod variant;

use bytes::BytesMut;
use serde::{Serialize, de::DeserializeOwned};

use self::{data::VariantData, variant::decode_variant};
pub use self::{
    error::DecodeEventError,
    id::IdField,
    unknown::{CatchAll, UnknownEvent},
};
use crate::{
    Emit, EmitError, EventId, EventName, FieldError, JsonError, Message,
    encode::{LineBuffer, push_field, push_json_lines, push_name, push_text_lines, sealed::Sealed},
};

/// An enum that lists the events of a stream: each variant is an event, with its name and its data as JSON.
///
/// Derive it with `#[derive(SseEvents)]`, together with serde's `Serialize` and `Deserialize`. A value of such an enum
/// can be emitted, and a received event can be turned back into one.
///
/// ```
/// use sse_actix_core::{Frame, Message, SseEvents};
/// # use sse_actix_core::EventName;
/// # use serde::{Deserialize, Serialize};
/// # /* what the derive writes
/// #[derive(Serialize, Deserialize, SseEvents, Debug, PartialEq)]
/// # */
/// # #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// #[serde(rename_all = "lowercase")]
/// enum Market {
///     Price { symbol: String, price: f64 },
///     Closed,
/// }
/// # impl SseEvents for Market {
/// #     const NAMES: &'static [EventName] = &[EventName::from_static("price"), EventName::from_static("closed")];
/// #     fn event_name(&self) -> &EventName {
/// #         static NAMES: &[EventName] = Market::NAMES;
/// #         &NAMES[usize::from(matches!(self, Self::Closed))]
/// #     }
/// # }
///
/// let price = Market::Price { symbol: "ACME".to_owned(), price: 12.5 };
/// assert_eq!(
///     Frame::new(price)?.as_ref(),
///     b"event: price\ndata: {\"symbol\":\"ACME\",\"price\":12.5}\n\n",
/// );
/// assert_eq!(Frame::new(Market::Closed)?.as_ref(), b"event: closed\ndata: null\n\n");
///
/// let message = Message { event: "closed".into(), data: "null".into(), last_event_id: "".into() };
/// assert_eq!(Market::from_message(&message)?, Market::Closed);
/// assert_eq!(
///     Market::decode("halted", "{}").unwrap_err().to_string(),
///     "no event is called `halted`: there are `price`, `closed`",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of events",
    label = "not an enum of events",
    note = "write `#[derive(Serialize, Deserialize, SseEvents)]` on an enum whose variants are the events"
)]
pub trait SseEvents: Serialize + DeserializeOwned {
    /// The names of its events, in the order of its variants. A catch-all has none.
    const NAMES: &'static [EventName];

    /// This event's name.
    fn event_name(&self) -> &EventName;

    /// This event's id, from the field with `#[sse(id)]`. Default: none.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the field's text is not a valid id.
    fn event_id(&self) -> Result<Option<EventId>, FieldError> {
        Ok(None)
    }

    /// The event in the catch-all, if this is the catch-all.
    #[doc(hidden)]
    #[inline]
    fn as_unknown(&self) -> Option<&UnknownEvent> {
        None
    }

    /// Wraps an event whose name is unknown; `None` if the enum has no catch-all.
    #[doc(hidden)]
    fn from_unknown(event: UnknownEvent) -> Option<Self> {
        drop(event);
        None
    }

    /// The event of this name with this data.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`] if no variant has this name and there is no catch-all, or if the data is not JSON of the
    /// variant's type.
    fn decode(name: &str, data: &str) -> Result<Self, DecodeEventError> {
        match Self::NAMES.iter().position(|known| known.as_str() == name) {
            Some(index) => decode_variant(index, data).map_err(|error| DecodeEventError::data(name, error)),
            None => UnknownEvent::new(name, data)
                .and_then(Self::from_unknown)
                .ok_or_else(|| DecodeEventError::name(name, Self::NAMES)),
        }
    }

    /// Turns a decoded message into an event. An event without a name is a `message`.
    ///
    /// # Errors
    ///
    /// The same as for [`decode`](Self::decode).
    fn from_message(message: &Message) -> Result<Self, DecodeEventError> {
        Self::decode(&message.event, &message.data)
    }
}

/// An enum of events that can be published to a topic. Its events have no ids, and browsers can listen to all of their
/// names.
///
/// `#[derive(SseEvents)]` implements it if no field has `#[sse(id)]` and the enum has no `#[sse(plain)]`. If you write
/// `SseEvents` by hand, implement this trait by hand, too. An event with an id still cannot be published:
///
/// ```
/// use sse_actix_core::{EventName, Record, SseEvents, TopicValue};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// enum Market {
///     Closed,
/// }
///
/// impl SseEvents for Market {
///     const NAMES: &'static [EventName] = &[EventName::from_static("closed")];
///
///     fn event_name(&self) -> &EventName {
///         &Self::NAMES[0]
///     }
/// }
///
/// impl TopicValue for Market {}
///
/// assert_eq!(Record::from_value(&Market::Closed)?.body().as_ref(), b"event: closed\ndata: null\n\n");
/// # Ok::<(), sse_actix_core::RecordError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published to a topic",
    label = "not for a topic",
    note = "in a topic an id is a position, which the log assigns: leave out `#[sse(id)]`",
    note = "browsers may read any topic: leave out `#[sse(plain)]`"
)]
pub trait TopicValue: SseEvents + Send + Sync + 'static {}

impl<T: SseEvents> Sealed for T {}

#[diagnostic::do_not_recommend]
impl<T: SseEvents> Emit for T {
    fn encode(self, _: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        encode_event(&self, out)
    }

    #[inline]
    fn check_for_browsers(&self) -> Result<(), FieldError> {
        self.event_name().check_for_browsers()?;
        match self.event_id()? {
            Some(id) => id.check_for_browsers(),
            None => Ok(()),
        }
    }
}

/// Appends one event. On failure `out` is unchanged.
pub(crate) fn encode_event<T: SseEvents>(event: &T, out: &mut BytesMut) -> Result<(), EmitError> {
    let id = event.event_id()?;
    let start = out.len();
    push_name(Some(event.event_name()), out);
    if let Some(id) = id {
        push_field(b"id: ", id.as_str().as_bytes(), out);
    }
    if let Err(error) = push_data_lines(event, out) {
        out.truncate(start);
        return Err(error.into());
    }
    out.extend_from_slice(b"\n");
    Ok(())
}

/// Appends the data as lines. On failure `out` is unchanged.
pub(crate) fn push_data_lines<T: SseEvents>(event: &T, out: &mut impl LineBuffer) -> Result<(), JsonError> {
    match event.as_unknown() {
        Some(unknown) => {
            push_text_lines(b"data: ", unknown.data.as_bytes(), out);
            Ok(())
        }
        None => push_json_lines(&VariantData(event), out),
    }
}
