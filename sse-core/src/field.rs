//! Values of the single-line fields, which are checked when they are made: [`EventName`], [`EventId`] and [`Retry`];
//! and [`FieldError`], which says what was wrong and where.

mod error;
mod id;
mod name;
mod reserved;
mod retry;

pub use self::{
    error::{FieldError, FieldErrorKind},
    id::{EventId, IntoEventId},
    name::{EventName, IntoEventName},
    reserved::{END_EVENT, END_ID},
    retry::{Retry, RetryError},
};
