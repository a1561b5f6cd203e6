//! A cookie that browsers send with a stream of another site.

use std::{error::Error, fmt, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use cookie::{Cookie, SameSite};

use crate::extract::header_text::split_pair;

/// The most bytes that browsers accept for a cookie's name and value together.
const MAX_BYTES: usize = 4_096;

/// A session cookie that identifies the user of a stream, although the page is from another site.
///
/// It is always `Secure`, `HttpOnly` and `SameSite=None`; otherwise a browser does not send it across sites. It has the
/// prefix `__Host-`, so a browser accepts it only from this host, over HTTPS, for `Path=/`: neither a sub-domain nor a
/// network attacker can replace it. The flags are also set for a request over plain HTTP, because a proxy may have
/// ended its TLS.
///
/// ```
/// use std::time::Duration;
/// use actix_web::{HttpRequest, HttpResponse, post, test::TestRequest};
/// use sse_actix::SessionCookie;
///
/// #[post("/login")]
/// async fn login() -> Result<HttpResponse, actix_web::Error> {
///     let session = SessionCookie::new("session")?.partitioned();
///     Ok(HttpResponse::NoContent().append_header(session.set("3f9a")?).finish())
/// }
///
/// let session = SessionCookie::new("session")?.partitioned();
/// let (name, value) = session.set("3f9a")?;
/// assert_eq!(name, "set-cookie");
/// assert_eq!(value, "__Host-session=3f9a; HttpOnly; SameSite=None; Partitioned; Secure; Path=/");
///
/// let request = TestRequest::default().insert_header(("cookie", "__Host-session=3f9a")).to_http_request();
/// assert_eq!(session.name(), "__Host-session");
/// assert_eq!(session.value(&request).as_deref(), Some("3f9a"));
///
/// let (_, value) = session.clone().max_age(Duration::from_secs(3_600)).set("3f9a")?;
/// assert!(value.to_str().unwrap().ends_with("; Max-Age=3600"));
/// let (_, value) = session.remove();
/// assert!(value.to_str().unwrap().ends_with("; Max-Age=0"));
/// # Ok::<(), sse_actix::CookieError>(())
/// ```
///
/// Cookies: [RFC 6265bis](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis). A user may block
/// cookies of other sites: then the browser sends no cookie with a stream, unless the cookie is
/// [partitioned](Self::partitioned).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a cookie is set by appending what `set` gives to a response"]
pub struct SessionCookie {
    name: Box<str>,
    partitioned: bool,
    max_age: Option<Duration>,
}

const PREFIX: &str = "__Host-";

impl SessionCookie {
    /// A cookie with the name `__Host-` and `name`. The browser deletes it when it exits.
    ///
    /// # Errors
    ///
    /// If the name is empty, has more than 2,048 bytes, or has characters that a cookie's name cannot have.
    pub fn new(name: &str) -> Result<Self, CookieError> {
        let bare = name.strip_prefix(PREFIX).unwrap_or(name);
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if let Some(at) = bare.bytes().position(|byte| !is_token(byte)) {
            return Err(CookieError::Name { at });
        }
        if bare.is_empty() || bare.len() > MAX_BYTES / 2 {
            return Err(CookieError::NameLength);
        }
        Ok(Self {
            name: format!("{PREFIX}{bare}").into(),
            partitioned: false,
            max_age: None,
        })
    }

    /// Keeps one cookie for each site whose pages use it. Then even browsers that block cookies of other sites send it.
    /// A log-in on one site's page does not count on another site's page.
    /// <https://developer.mozilla.org/en-US/docs/Web/Privacy/Guides/Privacy_sandbox/Partitioned_cookies>
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// How long the browser keeps it, in whole seconds, instead of until the browser exits. The maximum of browsers is
    /// 400 days.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// The name, with its prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The header that gives a browser the cookie, for `append_header`.
    ///
    /// # Errors
    ///
    /// If the value has characters that a cookie's value cannot have (spaces, control characters, `"`, `,`, `;`, `\`,
    /// non-ASCII), or is too long for browsers.
    pub fn set(&self, value: &str) -> Result<(HeaderName, HeaderValue), CookieError> {
        let is_octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if let Some(at) = value.bytes().position(|byte| !is_octet(byte)) {
            return Err(CookieError::Value { at });
        }
        if self.name.len() + value.len() > MAX_BYTES {
            return Err(CookieError::Length);
        }
        let max_age = self
            .max_age
            .map(|max_age| cookie::time::Duration::try_from(max_age).unwrap_or(cookie::time::Duration::MAX));
        Ok(self.header(value, max_age))
    }

    /// The header that removes the cookie again, for `append_header`. It must be partitioned like the one that was set.
    pub fn remove(&self) -> (HeaderName, HeaderValue) {
        self.header("", Some(cookie::time::Duration::ZERO))
    }

    /// The value that the browser has sent. `None` if there is no cookie, or if it has no value.
    pub fn value(&self, request: &HttpRequest) -> Option<String> {
        let headers = request.headers().get_all(header::COOKIE);
        // Compares bytes. If more than SP and TAB were trimmed, a sub-domain could set a cookie that gets this name.
        // And other cookies of this host may contain bytes that are not text.
        let pairs = headers.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        let mut values = pairs
            .filter_map(split_pair)
            .filter(|(name, value)| *name == self.name.as_bytes() && !value.is_empty());
        let (_, value) = values.next()?;
        str::from_utf8(value).ok().map(str::to_owned)
    }

    fn header(&self, value: &str, max_age: Option<cookie::time::Duration>) -> (HeaderName, HeaderValue) {
        let mut cookie = Cookie::build((&*self.name, value))
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::None)
            .partitioned(self.partitioned);
        if let Some(max_age) = max_age {
            cookie = cookie.max_age(max_age);
        }
        let value = HeaderValue::try_from(cookie.to_string());
        (
            header::SET_COOKIE,
            value.unwrap_or_else(|_| HeaderValue::from_static("")),
        )
    }
}

/// The reason why a cookie cannot be made.
///
/// ```
/// use sse_actix::{CookieError, SessionCookie};
///
/// assert_eq!(SessionCookie::new("a b").unwrap_err(), CookieError::Name { at: 1 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// Its name has an invalid character.
    Name {
        /// At which byte.
        at: usize,
    },
    /// Its name is empty, or of more than 2,048 bytes.
    NameLength,
    /// Its value has an invalid character.
    Value {
        /// At which byte.
        at: usize,
    },
    /// It has more than 4,096 bytes, which browsers do not keep.
    Length,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { at } => write!(
                f,
                "byte {at} of the cookie's name is not allowed: use letters, digits and any of !#$%&'*+-.^_`|~"
            ),
            Self::NameLength => f.write_str("a cookie's name has 1 to 2,048 bytes"),
            Self::Value { at } => write!(
                f,
                "byte {at} of the cookie's value is not allowed: use printable ASCII but blank, quote, comma, semicolon and backslash; \
                 write base64url for anything else"
            ),
            Self::Length => f.write_str("a cookie's name and value have at most 4,096 bytes together"),
        }
    }
}

impl Error for CookieError {}

impl ResponseError for CookieError {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        // The visitor must not see an error of the server's own cookie.
        HttpResponse::new(self.status_code())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn always_what_browsers_demand() {
        let session = SessionCookie::new("__Host-id")
            .unwrap()
            .max_age(Duration::from_millis(1_900));
        assert_eq!(
            session.set("a.b-c_").unwrap().1,
            "__Host-id=a.b-c_; HttpOnly; SameSite=None; Secure; Path=/; Max-Age=1"
        );
        assert_eq!(
            session.partitioned().remove().1,
            "__Host-id=; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=0"
        );
    }

    #[test]
    fn what_no_cookie_can_hold_is_told_where_it_is() {
        assert_eq!(SessionCookie::new("a=b"), Err(CookieError::Name { at: 1 }));
        assert_eq!(SessionCookie::new(""), Err(CookieError::NameLength));
        assert_eq!(SessionCookie::new(PREFIX), Err(CookieError::NameLength));
        let session = SessionCookie::new("id").unwrap();
        for value in ["ab; Domain=evil.test", "ab\r\nX: y", "ab,", "ab\"", "ab\\", "abé"] {
            assert_eq!(session.set(value), Err(CookieError::Value { at: 2 }), "{value}");
        }
        assert_eq!(session.set(&"a".repeat(MAX_BYTES)), Err(CookieError::Length));
    }

    #[test]
    fn read_from_whatever_header_has_it() {
        let session = SessionCookie::new("id").unwrap();
        let value = |cookies: &[&str]| {
            let mut request = TestRequest::get();
            for cookie in cookies {
                request = request.append_header((header::COOKIE, *cookie));
            }
            session.value(&request.to_http_request())
        };
        assert_eq!(value(&["a=1; __Host-id=x; b=2"]).as_deref(), Some("x"));
        // HTTP/2 may send each cookie in a separate header.
        assert_eq!(value(&["a=1", "__Host-id=x"]).as_deref(), Some("x"));
        assert_eq!(value(&["id=x", "__Host-id="]), None);
        assert_eq!(value(&[]), None);
    }

    #[test]
    fn read_beside_what_is_no_ascii() {
        let session = SessionCookie::new("id").unwrap();
        let request = TestRequest::get()
            .insert_header((
                header::COOKIE,
                HeaderValue::from_bytes(b"name=Zo\xc3\xa9; other=\xff; __Host-id=x").unwrap(),
            ))
            .to_http_request();
        assert_eq!(session.value(&request).as_deref(), Some("x"));
    }

    #[test]
    fn no_other_name_becomes_this_one() {
        let session = SessionCookie::new("id").unwrap();
        let value = |cookies: &[u8]| {
            let cookies = HeaderValue::from_bytes(cookies).unwrap();
            let request = TestRequest::get().insert_header((header::COOKIE, cookies));
            session.value(&request.to_http_request())
        };
        for blank in ["\u{2000}", "\u{a0}", "\u{3000}", "\u{85}"] {
            for evil in [format!("{blank}__Host-id=EVIL"), format!("__Host-id{blank}=EVIL")] {
                let cookies = format!("{evil}; __Host-id=real");
                assert_eq!(value(cookies.as_bytes()).as_deref(), Some("real"), "{evil:?}");
            }
        }
        assert_eq!(value(b" \t__Host-id = x\t").as_deref(), Some("x"));
    }
}
