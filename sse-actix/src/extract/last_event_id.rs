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
    http::{Method, StatusCode, header::HeaderName},
    web::Query,
};
use sse_actix_core::{END_ID, EventId};

use crate::lifecycle::ending::no_content;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const QUERY_PARAMETER: &str = "lastEventId";

/// The id of the last event that this client has seen, when it reconnects:
/// [`Last-Event-ID`](https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header).
///
/// An extractor that never answers with an error status, since any would stop an `EventSource` for good. A
/// client that comes back with GET after a stream's end (an `sse-end` event) is answered 204, before the handler
/// is called, unless that is under `#[sse_stream(plain)]`. Taken from the header, as UTF-8, else from the query parameter `lastEventId`, which polyfills
/// send and which lets a page start from where it was rendered. An empty id is no id. One that cannot
/// have come from this server, being longer than [`EventId::MAX_LEN`] or not UTF-8, is *unknown*: the
/// handler decides what a client gets whose position is not known.
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
    /// The id as text. `None` if the client brought none, or one that is [unknown](Self::is_unknown).
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
    /// assert_eq!(error.to_string(), "the last event id that the client brought is no `bool`");
    /// # Ok(()) }
    /// ```
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            SentId::Id(id) => Some(id),
            SentId::Nothing | SentId::Unknown => None,
        }
    }

    /// Whether the client brought an id that cannot have come from this server.
    pub fn is_unknown(&self) -> bool {
        self.0 == SentId::Unknown
    }

    /// The id as a `T`: `Ok(None)` if the client brought none.
    ///
    /// # Errors
    ///
    /// [`UnknownId`] if what it brought is no `T`. It is a decision to take, not a request to refuse;
    /// used with `?` all the same, it answers 204, so that the browser stops instead of failing.
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
        if raw.len() > EventId::MAX_LEN {
            return Self(SentId::Unknown);
        }
        Self(match str::from_utf8(&raw) {
            Ok(id) => SentId::Id(id.to_owned()),
            Err(_) => SentId::Unknown,
        })
    }
}

/// What the client brought, whatever it is; never empty.
pub(crate) fn raw_last_event_id(request: &HttpRequest) -> Option<Cow<'_, [u8]>> {
    if let Some(header) = request.headers().get(LAST_EVENT_ID)
        && !header.is_empty()
    {
        return Some(Cow::Borrowed(header.as_bytes()));
    }
    // Looked for as it stands before the query is parsed, which allocates: few have it.
    if !request.query_string().contains(QUERY_PARAMETER) {
        return None;
    }
    let Query(pairs) = Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    let (_, id) = pairs
        .into_iter()
        .find(|(name, id)| name == QUERY_PARAMETER && !id.is_empty())?;
    Some(Cow::Owned(id.into_bytes()))
}

impl FromRequest for LastEventId {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // An `EventSource` sends nothing but GET. Another client has not been sent this id by a stream of ours.
        let may_have_ended = matches!(*request.method(), Method::GET | Method::HEAD)
            && !request.extensions().contains::<IsPlain>();
        ready(if may_have_ended && is_reconnect_after_end(request) {
            Err(Ended.into())
        } else {
            Ok(Self::of(request))
        })
    }
}

/// The first argument of a function under `#[sse_stream(plain)]` that takes a [`LastEventId`]: no stream of it has ever
/// sent the id that ends a stream for good.
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

/// Whether the request brings the id that ends a stream for good.
pub(crate) fn is_reconnect_after_end(request: &HttpRequest) -> bool {
    raw_last_event_id(request).is_some_and(|id| *id == *END_ID.as_bytes())
}

/// The stream that this client comes back to has ended for good.
#[derive(Debug)]
struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream has ended for good")
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

/// The last event id that a client brought is not of the form that was asked for. See [`LastEventId::as_str`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownId {
    wanted: &'static str,
}

impl fmt::Display for UnknownId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the last event id that the client brought is no `{}`",
            self.wanted
        )
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
    use actix_web::{http::header::HeaderValue, test::TestRequest};

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
        assert_eq!(
            error.to_string(),
            "the last event id that the client brought is no `u64`"
        );
    }
}
