//! The answer to a refused request, and the log line for the operator.

use actix_web::{
    HttpResponse,
    body::BoxBody,
    dev::RequestHead,
    http::header::{self, ContentType, HeaderValue},
};

use super::{CrossOrigin, Readers, check::Reason};
use crate::tracing_limit::TracingLimit;

/// How many bytes of a received origin are shown. No browser sends a longer one, and an attacker cannot fill the log.
const SHOWN_BYTES: usize = 200;

/// How many of the allowed origins a log line names.
const SHOWN_ORIGINS: usize = 10;

/// The answer. It names the refused origin, for developers who read it in the browser's tools. It does not name the
/// allowed origins.
pub(super) fn respond(reason: Reason, head: &RequestHead) -> HttpResponse<BoxBody> {
    let text = match reason {
        Reason::Origin => format!(
            "Pages of the origin {} may not read this.\n",
            printable_origin(head)
        ),
        Reason::Credentials => format!(
            "Pages of the origin {} may request this only without cookies and passwords.\n",
            printable_origin(head)
        ),
        Reason::CrossSite => "This cannot be requested from another site.\n".to_owned(),
    };
    HttpResponse::Forbidden()
        .insert_header(ContentType::plaintext())
        .insert_header((
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body(text)
}

/// Logs the reason for an operator who wonders why a page shows nothing: at most one line a second for each reason.
pub(super) fn log(cross_origin: &CrossOrigin, reason: Reason, head: &RequestHead) {
    let limit = cross_origin.refusals.get(reason as usize);
    let Some(left_out) = limit.and_then(TracingLimit::take) else {
        return;
    };
    let (allowed, of) = match &cross_origin.readers {
        Readers::Listed(origins) => {
            let (entries, of) = origins.first_entries(SHOWN_ORIGINS);
            (entries.join(" "), of)
        }
        readers => (format!("{readers:?}"), 1),
    };
    let path = head.uri.path();
    match reason {
        Reason::Origin => tracing::warn!(
            target: "sse_actix", origin = printable_origin(head), path, allowed, of, left_out,
            "refused: pages of this origin are not among those that are allowed"
        ),
        Reason::Credentials => tracing::warn!(
            target: "sse_actix", origin = printable_origin(head), path, allowed, of, left_out,
            "refused: a page of another origin sent credentials, but only requests without credentials are allowed"
        ),
        Reason::CrossSite => tracing::warn!(
            target: "sse_actix", path, allowed, of, left_out,
            "refused: another site made a browser send this request; no page could read the answer"
        ),
    }
}

/// The `Origin` header as it was sent, in printable ASCII.
fn printable_origin(head: &RequestHead) -> String {
    let origins: Vec<_> = head
        .headers()
        .get_all(header::ORIGIN)
        .map(|origin| {
            let bytes = origin.as_bytes();
            bytes
                .get(..SHOWN_BYTES)
                .unwrap_or(bytes)
                .escape_ascii()
                .to_string()
        })
        .take(2)
        .collect();
    origins.join(", ")
}
