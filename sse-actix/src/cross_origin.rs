//! Who may read across origins, with whose cookies.

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

/// Middleware that lets pages of the allowed origins read, and rejects those of all others.
///
/// Made once, outside of the application factory, and put around the scope (or the whole application, or one
/// resource) whose streams other origins read:
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
/// A page there then opens `new EventSource(url, { withCredentials: true })`, and its user's cookies come along
/// ([`SessionCookie`] makes one that does). What goes through:
///
/// - A request of an allowed origin. Every answer to it, whatever its status, has `Access-Control-Allow-Origin`
///   with exactly this origin and `Access-Control-Allow-Credentials: true`, each once, whatever a handler or
///   another layer inside has set; a browser closes an `EventSource` for good if only one answer lacks them.
/// - A request of the server's own pages: without an `Origin`, or with one and `Sec-Fetch-Site: same-origin`, or with
///   one that [`own_origin`](Self::own_origin) names, for browsers that do not send the former.
/// - A request that comes from no page: curl, other servers.
///
/// Everything else is answered 403 before the handler runs, also where the browser would let it through, since the
/// answer alone would be withheld: a form that another site posts, an `<img>` or a link that points to a stream
/// (`Sec-Fetch-Site: cross-site` without an `Origin`), `Origin: null`, which is every sandboxed frame's. The log (target
/// `sse_actix`, a warning) says which origin was refused and which are allowed; the answer tells no one the latter. Do
/// not put it around pages to which other sites may link.
///
/// Every answer has `Vary: Origin`, so that no cache gives one origin's to another.
///
/// # Preflights
///
/// An `EventSource` sends none. A client that uses `fetch` does, as soon as it sends `Last-Event-ID`: it may send that,
/// `Accept`, `Cache-Control` and `Content-Type`, and what [`authorization`](Self::authorization) and
/// [`allow_header`](Self::allow_header) add, with GET and POST and what [`allow_method`](Self::allow_method) adds.
///
/// A preflight is an OPTIONS request. It reaches middleware around an application, a scope or a
/// [`Resource`](actix_web::Resource), but not what stands inside of a route: `#[get("/prices", wrap = "..")]` serves
/// GET alone, and a preflight for it is answered 404 without a CORS header. Wrap the scope, as above.
///
/// The protocol itself is [actix-cors](https://docs.rs/actix-cors)'s. The standard:
/// <https://fetch.spec.whatwg.org/#http-cors-protocol>.
#[derive(Clone)]
#[must_use = "it does nothing until something is wrapped in it"]
pub struct CrossOrigin {
    readers: Readers,
    own: Vec<Origin>,
    methods: Vec<Method>,
    headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
    max_age: Duration,
    /// For each reason.
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
    /// If there is none, or one is wrong or unsafe: what is wrong with it, and what to write instead.
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

    /// Pages of the origins for which `is_allowed` is true, with credentials. It is asked at every request that has
    /// an origin, on the thread that serves it, and must not block. What is safe is for it to decide: it is also
    /// asked about pages over plain HTTP.
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

    /// Every page, without credentials: `Access-Control-Allow-Origin: *`. A browser withholds the answer to a request that
    /// was made with credentials. Here a request with a cookie or with `Authorization` is refused before the handler runs,
    /// unless a page of the server itself made it. Over plain HTTP browsers do not say whose page it is: name your own origin
    /// with [`own_origin`](Self::own_origin) there. A TLS client's certificate is not seen here: refuse that yourself.
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

    /// No page of another origin: for what only the server's own pages may start. No CORS header stops the
    /// *request* of another site, a form's POST for instance, and so neither what its handler does; this does.
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
    /// `Sec-Fetch-Site`: older ones, and all over plain HTTP.
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
    /// If it is no origin.
    pub fn own_origin(mut self, origin: &str) -> Result<Self, OriginError> {
        self.own.push(origin.parse()?);
        Ok(self)
    }

    /// Lets `fetch` clients send `Authorization`. With [`anyone`](Self::anyone) that is for a token that the page itself has,
    /// such as `Bearer`; what a browser adds by itself (`Basic`, `Digest`, `Negotiate`, `NTLM`) stays refused.
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

    /// Lets `fetch` clients send a further header.
    pub fn allow_header(mut self, name: HeaderName) -> Self {
        self.headers.push(name);
        self
    }

    /// Lets `fetch` clients use a further method.
    pub fn allow_method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// Lets `fetch` clients see a further header of an answer. `Location`, `Retry-After` and
    /// `Sse-Keep-Alive` are always seen.
    pub fn expose_header(mut self, name: HeaderName) -> Self {
        self.exposed.push(name);
        self
    }

    /// For how long a browser may remember the answer to a preflight. In whole seconds; 2 hours by default, which is the
    /// most that Chromium takes.
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
