//! Lets `?` turn this crate's errors into actix's, in a handler. Only the crate that owns a type can
//! say so; everything else that concerns HTTP is in `sse-actix`.
//!
//! Each is a 500: a value that is no event is the server's mistake, wherever it came from. An idempotency key is what a
//! client has chosen, so a wrong one is a 400.

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
