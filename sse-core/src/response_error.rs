//! Lets `?` turn this crate's errors into actix's errors, in a handler. Only the crate that owns a type can implement
//! this; everything else about HTTP is in `sse-actix`.
//!
//! Each error is a 500: a value that cannot be an event is the server's mistake, wherever it came from. A client has
//! chosen the idempotency key, so an invalid key is a 400.

use actix_web::{ResponseError, http::StatusCode};

use crate::{
    EmitError, FieldError, IdempotencyKeyError, JsonError, OwnId, RecordError, RetryError, TopicNameError,
};

impl ResponseError for EmitError {}
impl ResponseError for FieldError {}
impl ResponseError for IdempotencyKeyError {
    fn status_code(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl ResponseError for JsonError {}
impl ResponseError for OwnId {}
impl ResponseError for RecordError {}
impl ResponseError for RetryError {}
impl ResponseError for TopicNameError {}
