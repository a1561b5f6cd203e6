//! Tracks which id a client has, and what it can use.

use sse_actix_core::{ByteString, EventId, EventName, FieldError, Message, Relayed, RelayedEvents};

use super::{decoding::Received, error::RelayError, for_browsers::Unusable};

/// The state on which later items depend: the id that the client has.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// `None` if the clients may be other than browsers.
    unusable: Option<Unusable>,
    /// The last event id of upstream that was sent.
    sent_id: ByteString,
    /// True if another item was sent since, which may have had an id.
    sent_other: bool,
}

impl Sending {
    pub(super) fn last_event_id(&mut self, id: &str) {
        self.sent_id = id.into();
    }

    pub(super) fn for_browsers(&mut self, unusable: Unusable) {
        self.unusable = Some(unusable);
    }

    /// True if events without ids may be sent unchanged, because the last sent id is empty.
    #[inline]
    pub(super) fn passes_unchanged(&self) -> bool {
        self.sent_id.is_empty()
    }

    /// The item for something that upstream has sent; `None` if it is left out.
    pub(super) fn received(&mut self, received: Received) -> Result<Option<Relayed>, RelayError> {
        match received {
            Received::Message(message) => self.message(message),
            Received::GapOrPosition(message) => Ok(Some(self.with_id(message))),
            Received::Line(line) => Ok(Some(line)),
        }
    }

    /// The item for a replacement, at most one event; `None` if it is left out.
    pub(super) fn replacement(&mut self, item: Relayed) -> Result<Option<Relayed>, RelayError> {
        match item {
            Relayed::Events(events) => match events.into_messages().next() {
                Some(message) => self.message(message),
                None => Ok(None),
            },
            item => {
                self.sent_other = true;
                Ok(Some(item))
            }
        }
    }

    #[inline]
    fn message(&mut self, message: Message) -> Result<Option<Relayed>, RelayError> {
        match self.unusable {
            None => Ok(Some(self.with_id(message))),
            Some(unusable) => self.for_browser(message, unusable),
        }
    }

    fn for_browser(
        &mut self,
        mut message: Message,
        unusable: Unusable,
    ) -> Result<Option<Relayed>, RelayError> {
        let name = check_name(&message.event);
        let id = self.check_id(&message.last_event_id);
        let has_id = id.is_ok();
        match (unusable, name.and(id)) {
            (_, Ok(())) => {}
            (Unusable::Fail, Err(error)) => return Err(RelayError::Unusable(error)),
            (Unusable::Drop, Err(_)) => return Ok(None),
            (Unusable::Rename, Err(_)) => {
                if check_name(&message.event).is_err() {
                    message.event = format!("upstream-{}", message.event.replace('\0', "")).into();
                }
            }
        }
        Ok(Some(if has_id {
            self.with_id(message)
        } else {
            RelayedEvents::without_id(message).into()
        }))
    }

    #[inline]
    fn with_id(&mut self, message: Message) -> Relayed {
        let sends_id = self.must_send_id(&message.last_event_id);
        if sends_id {
            self.sent_id = message.last_event_id.clone();
            self.sent_other = false;
        }
        if sends_id {
            RelayedEvents::with_id(message).into()
        } else {
            RelayedEvents::without_id(message).into()
        }
    }

    /// True if the client does not have this id.
    #[inline]
    fn must_send_id(&self, id: &ByteString) -> bool {
        *id != self.sent_id || (self.sent_other && !id.is_empty())
    }

    fn check_id(&self, id: &ByteString) -> Result<(), FieldError> {
        if self.must_send_id(id) {
            EventId::try_from(&**id)?;
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), FieldError> {
    if !matches!(name, "message" | "") {
        EventName::try_from(name)?;
    }
    Ok(())
}
