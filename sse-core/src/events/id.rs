use crate::{EventId, FieldError};

/// The types that a field with `#[sse(id)]` can have: an integer, a text, an [`EventId`], or an `Option` of these,
/// where `None` means that there is no id.
///
/// ```
/// use sse_actix_core::{EventId, IdField};
///
/// assert_eq!(7_u64.to_event_id(), Ok(Some(EventId::from(7))));
/// assert_eq!(None::<String>.to_event_id(), Ok(None));
/// assert!("two\nlines".to_owned().to_event_id().is_err());
/// assert!(Option::<u64>::IS_OPTIONAL && !u64::IS_OPTIONAL);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an event's id",
    label = "not an integer, a `String`, an `EventId`, nor an `Option` of these"
)]
pub trait IdField {
    /// True if there may be no id, as with an `Option`. Default: `false`.
    const IS_OPTIONAL: bool = false;

    /// The id, if there is one.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the text is not a valid id.
    fn to_event_id(&self) -> Result<Option<EventId>, FieldError>;
}

impl IdField for EventId {
    fn to_event_id(&self) -> Result<Option<EventId>, FieldError> {
        Ok(Some(self.clone()))
    }
}

impl IdField for String {
    fn to_event_id(&self) -> Result<Option<EventId>, FieldError> {
        EventId::try_from(self.as_str()).map(Some)
    }
}

impl<T: IdField> IdField for Option<T> {
    const IS_OPTIONAL: bool = true;

    fn to_event_id(&self) -> Result<Option<EventId>, FieldError> {
        self.as_ref().map_or(Ok(None), IdField::to_event_id)
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl IdField for $integer {
            #[inline]
            fn to_event_id(&self) -> Result<Option<EventId>, FieldError> {
                Ok(Some(EventId::from(*self)))
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);
