//! The extractor for the id after which a returning client resumes.

use std::{
    any,
    borrow::Cow,
    convert::Infallible,
    error::Error,
    fmt,
    future::{Ready, ready},
    str::{self, FromStr},
};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    dev::Payload,
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use sse_actix_core::{END_ID, EventId};

use super::{header_text::trim_blanks, query_value::query_value};
use crate::lifecycle::ending::no_content;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const QUERY_PARAMETER: &str = "lastEventId";

/// The id of the last event that this client has received, when it reconnects:
/// [`Last-Event-ID`](https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header).
///
/// This extractor never answers with an error status, because that would stop an `EventSource` permanently. If a client
/// comes back with GET after the end of a stream (an `sse-end` event), the answer is 204, before the handler runs,
/// unless the handler is under `#[sse_stream(plain)]`.
///
/// The id is read from the header, as UTF-8, else from the query parameter `lastEventId`. Polyfills send this
/// parameter, and a page can use it to start where it was rendered. An empty id counts as no id. An id that cannot come
/// from this server is *unknown*: it is longer than [`EventId::MAX_LEN`], not UTF-8, or, in the query, has a control
/// character or a blank at an end, which no header can have. The handler decides what such a client gets.
///
/// ```
/// use actix_web::{Error, get};
/// use sse_actix::{Event, LastEventId, sse_stream};
///
/// #[get("/count")]
/// #[sse_stream]
/// async fn count(last: LastEventId) -> Result<(), Error> {
///     // A new client starts at the beginning, and so does one whose id makes no sense.
///     let seen = last.parse::<u64>().ok().flatten().unwrap_or(0);
///     for n in seen + 1..=100 {
///         emit!(Event::data(n.to_string()).id(n));
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEventId(SentId);

#[derive(Debug, Clone, PartialEq, Eq)]
enum SentId {
    Nothing,
    Id(String),
    Unknown,
}

impl LastEventId {
    /// The id as text. `None` if the client sent no id, or one that is [unknown](Self::is_unknown).
    ///
    /// ```
    /// use actix_web::{FromRequest, test::TestRequest};
    /// use sse_actix::LastEventId;
    ///
    /// # #[actix_web::main] async fn main() -> Result<(), actix_web::Error> {
    /// let request = TestRequest::get().insert_header(("last-event-id", "42")).to_http_request();
    /// let last = LastEventId::extract(&request).await?;
    /// assert_eq!((last.as_str(), last.is_unknown()), (Some("42"), false));
    /// assert_eq!(last.parse(), Ok(Some(42)));
    ///
    /// let error = last.parse::<bool>().unwrap_err();
    /// assert_eq!(error.to_string(), "the client's last event id is not a `bool`");
    /// # Ok(()) }
    /// ```
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            SentId::Id(id) => Some(id),
            SentId::Nothing | SentId::Unknown => None,
        }
    }

    /// True if the client sent an id that cannot come from this server.
    pub fn is_unknown(&self) -> bool {
        self.0 == SentId::Unknown
    }

    /// The id as a `T`: `Ok(None)` if the client sent none.
    ///
    /// # Errors
    ///
    /// [`UnknownId`] if the id is not a `T`. Decide what such a client gets, instead of refusing the request. If you
    /// use `?` anyway, the answer is 204, so that the browser stops instead of failing.
    pub fn parse<T: FromStr>(&self) -> Result<Option<T>, UnknownId> {
        match &self.0 {
            SentId::Nothing => Ok(None),
            SentId::Id(id) => match id.parse() {
                Ok(id) => Ok(Some(id)),
                Err(_) => Err(UnknownId {
                    wanted: any::type_name::<T>(),
                }),
            },
            SentId::Unknown => Err(UnknownId {
                wanted: any::type_name::<T>(),
            }),
        }
    }

    pub(crate) fn of(request: &HttpRequest) -> Self {
        let Some(raw) = raw_last_event_id(request) else {
            return Self(SentId::Nothing);
        };
        // A header holds no control character but TAB, and no blank at its ends. The query could.
        let is_header = HeaderValue::from_bytes(&raw).is_ok() && trim_blanks(&raw).len() == raw.len();
        if raw.len() > EventId::MAX_LEN || !is_header {
            return Self(SentId::Unknown);
        }
        Self(match str::from_utf8(&raw) {
            Ok(id) => SentId::Id(id.to_owned()),
            Err(_) => SentId::Unknown,
        })
    }
}

/// The id that the client sent, unchecked; never empty.
pub(crate) fn raw_last_event_id(request: &HttpRequest) -> Option<Cow<'_, [u8]>> {
    if let Some(header) = request.headers().get(LAST_EVENT_ID)
        && !header.is_empty()
    {
        return Some(Cow::Borrowed(header.as_bytes()));
    }
    // First a search in the unparsed query, because parsing allocates, and few queries have this parameter.
    if !request.query_string().contains(QUERY_PARAMETER) {
        return None;
    }
    query_value(request.query_string(), QUERY_PARAMETER).map(Cow::Owned)
}

impl FromRequest for LastEventId {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // An `EventSource` sends only GET. The id `sse-end` is sent only on streams for browsers.
        let may_have_ended = matches!(*request.method(), Method::GET | Method::HEAD)
            && !request.extensions().contains::<IsPlain>();
        ready(if may_have_ended && is_reconnect_after_end(request) {
            Err(Ended.into())
        } else {
            Ok(Self::of(request))
        })
    }
}

/// Marks the request of a plain stream, because such a stream never sends the id that ends a stream permanently. It is
/// the first argument of a function under `#[sse_stream(plain)]` that takes a [`LastEventId`].
#[derive(Debug, Clone, Copy)]
pub struct IsPlain;

impl FromRequest for IsPlain {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        request.extensions_mut().insert(Self);
        ready(Ok(Self))
    }
}

/// True if the request has the id that ends a stream permanently.
pub(crate) fn is_reconnect_after_end(request: &HttpRequest) -> bool {
    raw_last_event_id(request).is_some_and(|id| *id == *END_ID.as_bytes())
}

/// The stream of this returning client has ended permanently.
#[derive(Debug)]
struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream has ended permanently")
    }
}

impl ResponseError for Ended {
    fn status_code(&self) -> StatusCode {
        StatusCode::NO_CONTENT
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        no_content()
    }
}

/// The client's last event id is not of the requested type. See [`LastEventId::as_str`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownId {
    wanted: &'static str,
}

impl fmt::Display for UnknownId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client's last event id is not a `{}`", self.wanted)
    }
}

impl Error for UnknownId {}

impl ResponseError for UnknownId {
    fn status_code(&self) -> StatusCode {
        StatusCode::NO_CONTENT
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        no_content()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn header(value: &[u8]) -> LastEventId {
        let value = HeaderValue::from_bytes(value).unwrap();
        LastEventId::of(
            &TestRequest::get()
                .insert_header((LAST_EVENT_ID, value))
                .to_http_request(),
        )
    }

    fn query(uri: &str) -> LastEventId {
        LastEventId::of(&TestRequest::get().uri(uri).to_http_request())
    }

    #[test]
    fn the_header_is_utf_8() {
        assert_eq!(header("é–7".as_bytes()).as_str(), Some("é–7"));
        assert_eq!(header(b"42").parse::<u64>(), Ok(Some(42)));
        assert!(header(b"\xFF").is_unknown());
    }

    #[test]
    fn empty_is_absent_and_over_long_is_unknown() {
        assert_eq!(header(b""), LastEventId(SentId::Nothing));
        assert_eq!(header(b"").parse::<u64>(), Ok(None));
        assert_eq!(header(&[b'x'; 1024]).as_str().unwrap().len(), 1024);
        assert!(header(&[b'x'; 1025]).is_unknown());
        assert!(header(&[b'x'; 1025]).parse::<String>().is_err());
    }

    #[test]
    fn the_query_parameter_stands_in_for_the_header() {
        assert_eq!(query("/?a=b&lastEventId=a%20%C3%A9").as_str(), Some("a é"));
        assert_eq!(query("/?lastEventId="), LastEventId(SentId::Nothing));
        assert_eq!(query("/?xlastEventId=1"), LastEventId(SentId::Nothing));
        let both = TestRequest::get()
            .uri("/?lastEventId=old")
            .insert_header((LAST_EVENT_ID, "new"));
        assert_eq!(LastEventId::of(&both.to_http_request()).as_str(), Some("new"));
    }

    /// The parameter can hold bytes that no header can.
    #[test]
    fn what_no_header_can_hold_is_unknown_in_the_query_too() {
        for id in [
            "9%0A1", "9%0D", "%00", "%7F", "%1B", "%FF", "a%FFb", "%C3", "%20a", "a%20", "%09a", "a+",
        ] {
            let last = query(&format!("/?lastEventId={id}"));
            assert!(last.is_unknown() && last.as_str().is_none(), "{id}: {last:?}");
        }
        assert_eq!(query("/?lastEventId=a%09+b").as_str(), Some("a\t b"));
        assert_eq!(query("/?lastEventId=%EF%BF%BD").as_str(), Some("\u{FFFD}"));
        assert!(query(&format!("/?lastEventId={}", "%41".repeat(1025))).is_unknown());
        assert_eq!(
            query(&format!("/?lastEventId={}", "%41".repeat(1024)))
                .as_str()
                .unwrap()
                .len(),
            1024
        );
    }

    #[actix_web::test]
    async fn after_the_end_there_is_nothing_to_extract() {
        for request in [
            TestRequest::get().insert_header((LAST_EVENT_ID, END_ID)),
            TestRequest::get().uri("/?lastEventId=sse-end"),
        ] {
            let error = LastEventId::extract(&request.to_http_request())
                .await
                .unwrap_err();
            assert_eq!(error.error_response().status(), StatusCode::NO_CONTENT);
        }
    }

    #[test]
    fn an_id_of_another_form_is_told() {
        let error = header(b"abc").parse::<u64>().unwrap_err();
        assert_eq!(error.to_string(), "the client's last event id is not a `u64`");
    }
}
