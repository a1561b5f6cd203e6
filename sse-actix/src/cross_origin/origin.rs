//! Parses origins, and explains why a text is not an origin.

use std::{error::Error, fmt, io, str::FromStr};

use actix_web::http::header::HeaderValue;
use url::{Host, Url};

/// Only an attacker sends a longer origin: a host name has 253 bytes at most.
const MAX_BYTES: usize = 512;

/// A web origin: scheme, host and port, as a browser
/// [serialises](https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin) them.
///
/// A parsed origin is normalised: lower case, punycode, no default port, no slash at the end. Text with more than an
/// origin is refused; the error says what to write instead.
///
/// ```
/// use sse_actix::Origin;
///
/// let origin: Origin = "https://Example.com:443/".parse()?;
/// assert_eq!(origin.as_str(), "https://example.com");
/// assert_eq!((origin.scheme(), origin.host(), origin.port()), ("https", "example.com", None));
///
/// let error = "https://example.com/streams".parse::<Origin>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`https://example.com/streams` is not an origin: it has a path; write `https://example.com`"
/// );
/// # Ok::<(), sse_actix::OriginError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    text: Box<str>,
    scheme_len: usize,
    host_len: usize,
    port: Option<u16>,
}

impl Origin {
    /// The scheme, such as `https`.
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme_len).unwrap_or_default()
    }

    /// The host, in lower case; an IPv6 address has its brackets.
    pub fn host(&self) -> &str {
        let start = self.scheme_len + "://".len();
        self.text.get(start..start + self.host_len).unwrap_or_default()
    }

    /// The port; `None` for the default port of the scheme.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The origin, as in an `Origin` header.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Parses an `Origin` header, which must have exactly the form that browsers write.
    pub(super) fn of_header(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok().filter(|text| text.len() <= MAX_BYTES)?;
        text.parse().ok().filter(|origin: &Self| *origin.text == *text)
    }

    /// True if a network attacker cannot change the origin's pages: this machine itself, or any scheme but `http`, such
    /// as `https` or an app's own (`capacitor`).
    /// <https://w3c.github.io/webappsec-secure-contexts/#is-origin-trustworthy>
    pub(super) fn is_trustworthy(&self) -> bool {
        let host = self.host();
        self.scheme() != "http"
            || host == "localhost"
            || host.ends_with(".localhost")
            || host == "[::1]"
            || host
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|addr| addr.is_loopback())
    }

    fn new(scheme: &str, host: &str, port: Option<u16>) -> Self {
        let port_text = port.map(|port| format!(":{port}")).unwrap_or_default();
        Self {
            text: format!("{scheme}://{host}{port_text}").into(),
            scheme_len: scheme.len(),
            host_len: host.len(),
            port,
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let fault = |fault| OriginError::new(text, fault);
        match text {
            "*" => return Err(fault(Fault::Everyone)),
            "null" => return Err(fault(Fault::Null)),
            _ if text.contains('*') => return Err(fault(Fault::Pattern)),
            _ if text.contains(|char: char| char.is_whitespace() || char.is_control()) => {
                return Err(fault(Fault::NoUrl));
            }
            _ => {}
        }
        let url = Url::parse(text).map_err(|_| {
            fault(match Url::parse(&format!("https://{text}")) {
                Ok(url) if !text.contains("://") && url.has_host() => {
                    Fault::Part("has no scheme", of_url(&url))
                }
                _ => Fault::NoUrl,
            })
        })?;
        let origin = of_url(&url).ok_or_else(|| {
            // `example.com:443` is a URL with the scheme `example.com`.
            fault(match Url::parse(&format!("https://{text}")) {
                Ok(url) if !text.contains("//") => Fault::Part("has no scheme", of_url(&url)),
                _ => Fault::NoUrl,
            })
        })?;
        if has_empty_label(origin.host()) {
            return Err(fault(Fault::Part("has an empty label", None)));
        }
        let extra_part = if !url.username().is_empty() || url.password().is_some() {
            "names a user"
        } else if !matches!(url.path(), "" | "/") {
            "has a path"
        } else if url.query().is_some() {
            "has a query"
        } else if url.fragment().is_some() {
            "has a fragment"
        } else {
            return Ok(origin);
        };
        Err(fault(Fault::Part(extra_part, Some(origin))))
    }
}

/// True if there is nothing between two dots of a host, or before the first. One dot at the end is the root.
fn has_empty_label(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.split('.').any(str::is_empty)
}

/// Schemes without pages, or whose pages have no origin.
const NO_PAGES: [&str; 4] = ["file", "ftp", "ws", "wss"];

fn of_url(url: &Url) -> Option<Origin> {
    let host = match url.host()? {
        Host::Domain("") => return None,
        host => host.to_string(),
    };
    (!NO_PAGES.contains(&url.scheme())).then(|| Origin::new(url.scheme(), &host, url.port()))
}

impl TryFrom<&str> for Origin {
    type Error = OriginError;

    fn try_from(text: &str) -> Result<Self, OriginError> {
        text.parse()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The reason why an origin, or a list of origins, cannot be allowed. See [`Origin`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginError {
    given: Box<str>,
    fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No origin at all.
    Nobody,
    Everyone,
    Null,
    NoUrl,
    /// The fault, and the origin without the faulty part.
    Part(&'static str, Option<Origin>),
    /// A pattern where one origin is meant.
    Pattern,
    /// An asterisk that does not stand for whole labels.
    Asterisk,
    TooWide,
    Insecure,
}

impl OriginError {
    pub(super) fn new(given: &str, fault: Fault) -> Self {
        Self {
            given: given.into(),
            fault,
        }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.given.escape_debug();
        match &self.fault {
            Fault::Nobody => f.write_str(
                "no origin is allowed: name the origins whose pages may read, or use `CrossOrigin::nobody()` to say so",
            ),
            Fault::Everyone => f.write_str(
                "`*` would let every site read with its visitors' cookies: name origins, or use \
                 `CrossOrigin::anyone()`, which takes no credentials",
            ),
            Fault::Null => f.write_str(
                "`null` is the origin of every sandboxed frame, so it identifies no page: serve the page from its own origin",
            ),
            Fault::NoUrl => write!(f, "`{given}` is not an origin; write one like `https://example.com`"),
            Fault::Part(wrong, None) => write!(f, "`{given}` is not an origin: it {wrong}"),
            Fault::Part(wrong, Some(instead)) => {
                write!(f, "`{given}` is not an origin: it {wrong}; write `{instead}`")
            }
            Fault::Pattern => write!(f, "`{given}` is a pattern, but here one origin is needed"),
            Fault::Asterisk => write!(
                f,
                "in `{given}` the `*` must be the whole first label, with the rest of the host behind a dot: \
                 write `https://*.example.com`"
            ),
            Fault::TooWide => write!(
                f,
                "`{given}` would allow sites of anybody: name at least two labels behind the `*`, as in \
                 `https://*.example.com`"
            ),
            Fault::Insecure => write!(
                f,
                "a network attacker can change the page of `{given}`, and then read with the visitor's cookies: \
                 serve that page over HTTPS"
            ),
        }
    }
}

impl Error for OriginError {}

/// So that `?` works in a `main` that returns `io::Result`.
///
/// ```
/// use sse_actix::CrossOrigin;
///
/// fn readers() -> std::io::Result<CrossOrigin> {
///     Ok(CrossOrigin::allow(["page.example.com"])?)
/// }
/// assert_eq!(readers().err().unwrap().kind(), std::io::ErrorKind::InvalidInput);
/// ```
impl From<OriginError> for io::Error {
    fn from(error: OriginError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised_as_browsers_do() {
        for (given, origin) in [
            ("https://example.com", "https://example.com"),
            ("HTTPS://EXAMPLE.com:443/", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("https://example.com:8443", "https://example.com:8443"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[0:0::1]:8080", "http://[::1]:8080"),
            ("https://example.com.", "https://example.com."),
            ("capacitor://localhost", "capacitor://localhost"),
            (
                "chrome-extension://abcdefghijklmnop",
                "chrome-extension://abcdefghijklmnop",
            ),
        ] {
            let parsed: Origin = given.parse().unwrap();
            assert_eq!(parsed.as_str(), origin);
            let host = parsed.host().to_owned();
            let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
            assert_eq!(format!("{}://{host}{port}", parsed.scheme()), origin);
        }
    }

    #[test]
    fn what_is_no_origin_is_told_why_and_what_to_write() {
        for (given, told) in [
            ("*", "use `CrossOrigin::anyone()`"),
            ("null", "every sandboxed frame"),
            ("", "is not an origin; write one like"),
            ("example.com", "it has no scheme; write `https://example.com`"),
            (
                "example.com:8443",
                "it has no scheme; write `https://example.com:8443`",
            ),
            (
                "localhost:8080",
                "it has no scheme; write `https://localhost:8080`",
            ),
            ("//example.com", "is not an origin"),
            ("https://", "is not an origin"),
            ("file:///home", "is not an origin"),
            ("data:text/html,x", "is not an origin"),
            (
                "https://example.com/a",
                "it has a path; write `https://example.com`",
            ),
            (
                "https://example.com?a",
                "it has a query; write `https://example.com`",
            ),
            (
                "https://example.com#a",
                "it has a fragment; write `https://example.com`",
            ),
            (
                "https://a:b@example.com",
                "it names a user; write `https://example.com`",
            ),
            ("https://*.example.com", "is a pattern"),
            (
                "https://a..com",
                "`https://a..com` is not an origin: it has an empty label",
            ),
            ("https://.a.com", "it has an empty label"),
            ("https://a.com..", "it has an empty label"),
            ("https://.", "it has an empty label"),
            (
                "https://example.com\n",
                "`https://example.com\\n` is not an origin",
            ),
            ("https://a.example https://b.example", "is not an origin"),
        ] {
            let error = given.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains(told), "{given}: {error}");
        }
    }

    #[test]
    fn a_header_is_taken_only_as_browsers_write_it() {
        let of = |text: &'static str| Origin::of_header(&HeaderValue::from_static(text));
        assert!(of("https://example.com").is_some());
        for text in [
            "https://Example.com",
            "https://example.com/",
            "https://example.com:443",
            "null",
            "*",
            "https://a.example, https://b.example",
            "",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(
            Origin::of_header(&HeaderValue::from_bytes(b"https://\xff").unwrap()),
            None
        );
        let long = format!("https://{}.example", "a".repeat(MAX_BYTES));
        assert_eq!(Origin::of_header(&HeaderValue::try_from(long).unwrap()), None);
    }
}
