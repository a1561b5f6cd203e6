//! Decides which pages of other origins may read, and with which credentials.

mod allowed_origins;
mod check;
mod middleware;
mod origin;
mod refusal;
mod session_cookie;

use std::{fmt, sync::Arc, time::Duration};

use actix_web::http::{
    Method,
    header::{self, HeaderName},
};

use crate::{stream::response::KEEP_ALIVE_INTERVAL, tracing_limit::TracingLimit};

pub use self::{
    allowed_origins::AllowedOrigins,
    origin::{Origin, OriginError},
    session_cookie::{CookieError, SessionCookie},
};

/// Middleware that lets pages of the allowed origins read, and rejects requests of all other origins.
///
/// Make it once, outside of the application factory, and wrap the scope (or the whole application, or one resource)
/// whose streams other origins read:
///
/// ```
/// use actix_web::{App, Error, get, web};
/// use sse_actix::{CrossOrigin, Server, sse_stream};
///
/// #[get("/prices")]
/// #[sse_stream]
/// async fn prices() -> Result<(), Error> {
///     emit!("1.17");
///     Ok(())
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cross_origin = CrossOrigin::allow(["https://dashboard.example.com"])?;
/// let server = Server::new(move || {
///     App::new().service(web::scope("/streams").wrap(cross_origin.clone()).service(prices))
/// });
/// # Ok(())
/// # }
/// ```
///
/// A page there then opens `new EventSource(url, { withCredentials: true })`, and the browser sends its user's cookies
/// ([`SessionCookie`] makes such a cookie). These requests are allowed:
///
/// - A request of an allowed origin. Every answer to it, whatever its status, has `Access-Control-Allow-Origin`
///   with exactly this origin and `Access-Control-Allow-Credentials: true`, each once, whatever a handler or
///   another layer inside has set; a browser closes an `EventSource` permanently if a single answer lacks them.
/// - A request of the server's own pages: without an `Origin`, or with one and `Sec-Fetch-Site: same-origin`, or with
///   one that [`own_origin`](Self::own_origin) names, for browsers that do not send `Sec-Fetch-Site`.
/// - A request that does not come from a page: curl, other servers.
///
/// All other requests get 403 before the handler runs. Among them are requests that a browser sends although it
/// withholds their answers: a form that another site posts, an `<img>` or a link of another site that points to a stream
/// (`Sec-Fetch-Site: cross-site` without an `Origin`), an `<img>` or a frame on a sub-domain of the same site
/// (`same-site` without an `Origin`; a link there is allowed, except by [`nobody`](Self::nobody)), and `Origin: null`, the origin of every sandboxed frame. A
/// warning is logged (target `sse_actix`), which names the refused origin and the allowed ones; the answer does not
/// name the allowed ones. Do not wrap pages to which other sites may link.
///
/// Every answer has `Vary: Origin`, so that no cache gives the answer for one origin to another.
///
/// # Preflights
///
/// An `EventSource` causes no preflight. A client that uses `fetch` does, as soon as it sends `Last-Event-ID`. It may
/// send that header, `Accept`, `Cache-Control` and `Content-Type`, and the headers of
/// [`authorization`](Self::authorization) and [`allow_header`](Self::allow_header), with GET, POST and the methods of
/// [`allow_method`](Self::allow_method).
///
/// A preflight is an OPTIONS request. It reaches middleware around an application, a scope or a
/// [`Resource`](actix_web::Resource), but not middleware inside of a route: `#[get("/prices", wrap = "..")]` serves
/// only GET, and a preflight for it gets 404 without a CORS header. Wrap the scope, as above.
///
/// [actix-cors](https://docs.rs/actix-cors) implements the protocol itself. The standard:
/// <https://fetch.spec.whatwg.org/#http-cors-protocol>.
#[derive(Clone)]
#[must_use = "it does nothing until it wraps a service"]
pub struct CrossOrigin {
    readers: Readers,
    own: Vec<Origin>,
    methods: Vec<Method>,
    headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
    max_age: Duration,
    /// One limit of log lines for each reason.
    refusals: Arc<[TracingLimit; 3]>,
}

#[derive(Clone)]
enum Readers {
    Listed(AllowedOrigins),
    If(Arc<dyn Fn(&Origin) -> bool + Send + Sync>),
    Anyone,
    Nobody,
}

impl CrossOrigin {
    /// Pages of these origins, with credentials. For entries see [`AllowedOrigins`].
    ///
    /// # Errors
    ///
    /// If there is no origin, or one is invalid or unsafe. The error says what is wrong, and what to write instead.
    ///
    /// ```
    /// use sse_actix::CrossOrigin;
    ///
    /// let error = CrossOrigin::allow(["*"]).unwrap_err();
    /// assert!(error.to_string().starts_with("`*` would let every site read with its visitors' cookies"));
    /// assert!(CrossOrigin::allow(["https://example.com", "https://*.example.com"]).is_ok());
    /// ```
    pub fn allow<T: AsRef<str>>(origins: impl IntoIterator<Item = T>) -> Result<Self, OriginError> {
        Ok(Self::allow_listed(&AllowedOrigins::new(origins)?))
    }

    /// Pages of the origins that this list has at the time of a request, with credentials.
    ///
    /// See [`AllowedOrigins`]'s example.
    pub fn allow_listed(origins: &AllowedOrigins) -> Self {
        Self::new(Readers::Listed(origins.clone()))
    }

    /// Pages of the origins for which `is_allowed` is true, with credentials. It is called for every request with an
    /// origin, on the thread that serves the request, and must not block. It has to decide what is safe: it is also
    /// called for pages over plain HTTP.
    ///
    /// ```
    /// use actix_web::{App, HttpResponse, test::{TestRequest, call_service, init_service}, web};
    /// use sse_actix::CrossOrigin;
    ///
    /// # #[actix_web::main] async fn main() {
    /// let walls = CrossOrigin::allow_if(|origin| {
    ///     origin.scheme() == "https" && origin.host().starts_with("wall-") && origin.host().ends_with(".example.com")
    /// });
    /// let app = init_service(App::new().wrap(walls).route("/", web::get().to(HttpResponse::Ok))).await;
    /// for (origin, status) in [("https://wall-7.example.com", 200), ("https://example.com", 403)] {
    ///     let request = TestRequest::get().insert_header(("origin", origin)).to_request();
    ///     assert_eq!(call_service(&app, request).await.status(), status);
    /// }
    /// # }
    /// ```
    pub fn allow_if(is_allowed: impl Fn(&Origin) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Readers::If(Arc::new(is_allowed)))
    }

    /// Every page, without credentials: `Access-Control-Allow-Origin: *`. A browser withholds the answer to a request
    /// that was made with credentials. Here a request with a cookie or with `Authorization` is refused before the
    /// handler runs, unless a page of the server itself made it. Over plain HTTP, browsers do not say from which site a
    /// request comes: name your own origin with [`own_origin`](Self::own_origin) there. This check does not see a TLS
    /// client's certificate: refuse such requests yourself.
    ///
    /// ```
    /// use actix_web::{App, HttpResponse, test::{TestRequest, call_service, init_service}, web};
    /// use sse_actix::CrossOrigin;
    ///
    /// # #[actix_web::main] async fn main() {
    /// let app = App::new().wrap(CrossOrigin::anyone()).route("/", web::get().to(HttpResponse::Ok));
    /// let app = init_service(app).await;
    /// let request = TestRequest::get().insert_header(("origin", "https://any.example"));
    /// let response = call_service(&app, request.to_request()).await;
    /// assert_eq!(response.headers().get("access-control-allow-origin").unwrap(), "*");
    ///
    /// let request = TestRequest::get().insert_header(("origin", "https://any.example")).insert_header(("cookie", "a=b"));
    /// assert_eq!(call_service(&app, request.to_request()).await.status(), 403);
    /// # }
    /// ```
    pub fn anyone() -> Self {
        Self::new(Readers::Anyone)
    }

    /// No page of another origin: for requests that only the server's own pages may make. CORS headers do not stop the
    /// *request* of another site, such as a form's POST, so its handler would run; this middleware stops it.
    ///
    /// See [`own_origin`](Self::own_origin)'s example.
    pub fn nobody() -> Self {
        Self::new(Readers::Nobody)
    }

    fn new(readers: Readers) -> Self {
        Self {
            readers,
            own: Vec::new(),
            methods: vec![Method::GET, Method::POST],
            headers: vec![
                header::ACCEPT,
                header::CACHE_CONTROL,
                header::CONTENT_TYPE,
                LAST_EVENT_ID,
            ],
            exposed: vec![header::LOCATION, header::RETRY_AFTER, KEEP_ALIVE_INTERVAL],
            max_age: Duration::from_secs(7_200),
            refusals: Arc::new([(); 3].map(|()| TracingLimit::new())),
        }
    }

    /// An origin of the server itself, whose pages need no permission. Needed only for browsers that send no
    /// `Sec-Fetch-Site`: older browsers, and all browsers over plain HTTP.
    ///
    /// ```
    /// use actix_web::{App, HttpResponse, test::{TestRequest, call_service, init_service}, web};
    /// use sse_actix::CrossOrigin;
    ///
    /// # #[actix_web::main] async fn main() -> Result<(), sse_actix::OriginError> {
    /// let own_pages = CrossOrigin::nobody().own_origin("http://intranet.example")?;
    /// let app = App::new().wrap(own_pages).route("/", web::get().to(HttpResponse::Ok));
    /// let app = init_service(app).await;
    /// for (origin, status) in [("http://intranet.example", 200), ("https://other.example", 403)] {
    ///     let request = TestRequest::get().insert_header(("origin", origin)).to_request();
    ///     assert_eq!(call_service(&app, request).await.status(), status);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If it is not an origin.
    pub fn own_origin(mut self, origin: &str) -> Result<Self, OriginError> {
        self.own.push(origin.parse()?);
        Ok(self)
    }

    /// Lets `fetch` clients send `Authorization`. With [`anyone`](Self::anyone) this allows a token that the page
    /// itself has, such as `Bearer`; schemes that a browser adds by itself (`Basic`, `Digest`, `Negotiate`, `NTLM`) are
    /// still refused.
    ///
    /// ```
    /// use std::time::Duration;
    /// use actix_web::{App, HttpResponse, http::{Method, header}, test::{TestRequest, call_service, init_service}, web};
    /// use sse_actix::CrossOrigin;
    ///
    /// # #[actix_web::main] async fn main() -> Result<(), sse_actix::OriginError> {
    /// let cross_origin = CrossOrigin::allow(["https://app.example"])?
    ///     .authorization()
    ///     .allow_header(header::IF_MATCH)
    ///     .allow_method(Method::DELETE)
    ///     .expose_header(header::ETAG)
    ///     .max_age(Duration::from_secs(60));
    /// let app = App::new().service(
    ///     web::scope("").wrap(cross_origin).route("/", web::get().to(HttpResponse::Ok)),
    /// );
    /// let app = init_service(app).await;
    ///
    /// let preflight = TestRequest::default()
    ///     .method(Method::OPTIONS)
    ///     .insert_header(("origin", "https://app.example"))
    ///     .insert_header(("access-control-request-method", "DELETE"))
    ///     .insert_header(("access-control-request-headers", "authorization, if-match"));
    /// let answer = call_service(&app, preflight.to_request()).await;
    /// assert_eq!(answer.status(), 200);
    /// assert_eq!(answer.headers().get("access-control-max-age").unwrap(), "60");
    /// # Ok(()) }
    /// ```
    pub fn authorization(self) -> Self {
        self.allow_header(header::AUTHORIZATION)
    }

    /// Lets `fetch` clients send another header.
    pub fn allow_header(mut self, name: HeaderName) -> Self {
        self.headers.push(name);
        self
    }

    /// Lets `fetch` clients use another method.
    pub fn allow_method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// Lets `fetch` clients see another header of an answer. `Location`, `Retry-After` and `Sse-Keep-Alive` are always
    /// visible.
    pub fn expose_header(mut self, name: HeaderName) -> Self {
        self.exposed.push(name);
        self
    }

    /// How long a browser may remember the answer to a preflight. In whole seconds; 2 hours by default, which is the
    /// maximum of Chromium.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl fmt::Debug for CrossOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossOrigin")
            .field("readers", &self.readers)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(origins) => origins.fmt(f),
            Self::If(_) => f.write_str("a predicate"),
            Self::Anyone => f.write_str("anyone"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}
