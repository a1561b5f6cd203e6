use actix_web::{
    guard::{Guard, GuardContext},
    http::header::{Accept, Quality},
    mime::{self, Mime},
};

/// A guard for a path that serves a stream to clients that request one, and another answer, such as JSON, to the
/// others. It matches if the request's `Accept` header prefers `text/event-stream`.
///
/// actix's own `guard::Acceptable` checks whether a type is accepted, but not its weight; this guard compares weights.
/// The stream wins if its weight is higher than that of each of the [alternatives](Self::over), or equal and given by
/// its own name, as in the request of an `EventSource`. A single wildcard (`*/*`: curl, `fetch`) does not select the
/// stream, and neither does a missing `Accept` header.
///
/// ```
/// use actix_web::{App, HttpResponse, http::header, test, web};
/// use sse_actix::{Event, PrefersEventStream, Sse};
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = test::init_service(
///     App::new().service(
///         web::resource("/prices")
///             .route(web::get().guard(PrefersEventStream::over("application/json")).to(|| async {
///                 Sse::new(futures_util::stream::iter([Event::data("1")]))
///             }))
///             .route(web::get().to(|| async { HttpResponse::Ok().json([1]) })),
///     ),
/// )
/// .await;
/// for (accept, content_type) in [
///     ("text/event-stream", "text/event-stream"),
///     ("application/json, text/event-stream;q=0.9", "application/json"),
///     ("application/json;q=0.5, text/*", "text/event-stream"),
///     ("*/*", "application/json"),
/// ] {
///     let request = test::TestRequest::get().uri("/prices").insert_header((header::ACCEPT, accept));
///     let response = test::call_service(&app, request.to_request()).await;
///     assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), content_type, "{accept}");
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PrefersEventStream {
    alternatives: Vec<Mime>,
}

impl PrefersEventStream {
    /// The guard for a path whose other answer is of this type.
    ///
    /// # Panics
    ///
    /// If `alternative` is not a media type; routes are built at start-up. For a string that is not a literal use
    /// [`over_type`](Self::over_type).
    #[track_caller]
    #[allow(
        clippy::panic,
        reason = "a literal constructor; the infallible twin takes a parsed type"
    )]
    pub fn over(alternative: &'static str) -> Self {
        match alternative.parse() {
            Ok(alternative) => Self::over_type(alternative),
            Err(error) => panic!("`{alternative}` is not a media type: {error}"),
        }
    }

    /// The guard for a path whose other answer is of this type.
    ///
    /// ```
    /// use actix_web::{App, http::header, mime, test::{TestRequest, call_and_read_body, init_service}, web};
    /// use sse_actix::PrefersEventStream;
    ///
    /// # #[actix_web::main] async fn main() {
    /// let prefers = PrefersEventStream::over_type(mime::APPLICATION_JSON).and(mime::TEXT_HTML);
    /// let app = App::new()
    ///     .route("/", web::get().guard(prefers).to(|| async { "a stream" }))
    ///     .route("/", web::get().to(|| async { "a page" }));
    /// let app = init_service(app).await;
    /// let request = TestRequest::get().insert_header((header::ACCEPT, "text/html, text/event-stream;q=0.9"));
    /// assert_eq!(call_and_read_body(&app, request.to_request()).await, "a page");
    /// # }
    /// ```
    pub fn over_type(alternative: Mime) -> Self {
        Self {
            alternatives: vec![alternative],
        }
    }

    /// Adds another type that the path can answer with.
    #[must_use]
    pub fn and(mut self, alternative: Mime) -> Self {
        self.alternatives.push(alternative);
        self
    }

    fn prefers(&self, accept: &Accept) -> bool {
        let wish = Wish::of(accept, &mime::TEXT_EVENT_STREAM);
        wish.quality > Quality::ZERO
            && wish.precision > Precision::Anything
            && self
                .alternatives
                .iter()
                .all(|alternative| wish > Wish::of(accept, alternative))
    }
}

impl Guard for PrefersEventStream {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        context
            .header::<Accept>()
            .is_some_and(|accept| self.prefers(&accept))
    }
}

/// The weight of a type, then how precisely it was named.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Wish {
    quality: Quality,
    precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Precision {
    Nothing,
    Anything,
    Kind,
    Exact,
}

impl Wish {
    /// The most precise range that covers the type decides
    /// ([RFC 9110, 12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1)).
    fn of(accept: &Accept, wanted: &Mime) -> Self {
        let mut wish = Self {
            quality: Quality::ZERO,
            precision: Precision::Nothing,
        };
        for range in &accept.0 {
            let precision = match (range.item.type_(), range.item.subtype()) {
                (kind, sub) if kind == wanted.type_() && sub == wanted.subtype() => Precision::Exact,
                (kind, mime::STAR) if kind == wanted.type_() => Precision::Kind,
                (mime::STAR, mime::STAR) => Precision::Anything,
                _ => continue,
            };
            if precision > wish.precision {
                wish = Self {
                    quality: range.quality,
                    precision,
                };
            }
        }
        wish
    }
}
