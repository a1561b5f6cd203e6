//! Whether a stream's client is a browser, for which some names and ids are refused.

use std::{error::Error, fmt};

use actix_web::ResponseError;

/// The kind of client that reads a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// Not known before the handler's response meets its request.
    Unknown,
    /// Not known, and something was pushed that is not for browsers.
    UnknownUnfitForBrowsers,
    Browser,
    Other,
}

/// A stream for browsers was given a name or an id that is [not for them](EventName::not_for_browsers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotForBrowsers;

impl fmt::Display for NotForBrowsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an `EventSource` asked for this stream, which has sent an event name or an id that browsers cannot use \
             (`not_for_browsers`): answer a POST instead, declare the stream `plain`, or choose another name",
        )
    }
}

impl Error for NotForBrowsers {}

impl ResponseError for NotForBrowsers {}
