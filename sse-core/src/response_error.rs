//! Lets `?` turn this crate's errors into actix's, in a handler. Only the crate that owns a type can
//! say so; everything else that concerns HTTP is in `sse-actix`.
//!
//! Each is a 500: a value that is no event is the server's mistake, wherever it came from.

use actix_web::ResponseError;

use crate::{EmitError, FieldError, JsonError, OwnId, RecordError, RetryError, TopicNameError};

impl ResponseError for EmitError {}
impl ResponseError for FieldError {}
impl ResponseError for JsonError {}
impl ResponseError for OwnId {}
impl ResponseError for RecordError {}
impl ResponseError for RetryError {}
impl ResponseError for TopicNameError {}
