//! Finds out which page has made a request, from the headers that browsers send.

use actix_web::{
    dev::RequestHead,
    http::header::{self, HeaderName, HeaderValue},
};

use super::{CrossOrigin, Origin, Readers};

/// <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// From a page that may read: the CORS protocol handles it.
    Allowed,
    /// From the server's own page, or not from a page.
    Own,
    Refused(Reason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// From a page of another origin.
    Origin,
    /// Another site made a browser send this, and no page could read the answer.
    CrossSite,
    /// From a page that may read only without credentials, but has sent some.
    Credentials,
}

/// <https://www.w3.org/TR/fetch-metadata/#sec-fetch-mode-header>
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// <https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header>
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

impl CrossOrigin {
    pub(super) fn check(&self, head: &RequestHead) -> Verdict {
        // A browser sends one value. If there are several, each counts.
        let says = |site: &[u8]| {
            let mut sites = head.headers().get_all(SEC_FETCH_SITE);
            sites.any(|value| value.as_bytes() == site)
        };
        let is_own_page = says(b"same-origin") && !says(b"cross-site") && !says(b"same-site");
        let mut origins = head.headers().get_all(header::ORIGIN);
        match (origins.next(), origins.next()) {
            (None, _) if says(b"cross-site") => Verdict::Refused(Reason::CrossSite),
            (None, _)
                if says(b"same-site") && (matches!(self.readers, Readers::Nobody) || is_embedded(head)) =>
            {
                Verdict::Refused(Reason::CrossSite)
            }
            (None, _) => Verdict::Own,
            (Some(origin), None) if self.allows(origin, head) => Verdict::Allowed,
            (Some(origin), None) if is_own_page || self.is_own(origin) => Verdict::Own,
            (Some(_), None) if matches!(self.readers, Readers::Anyone) => {
                Verdict::Refused(Reason::Credentials)
            }
            _ => Verdict::Refused(Reason::Origin),
        }
    }

    fn allows(&self, origin: &HeaderValue, head: &RequestHead) -> bool {
        match &self.readers {
            Readers::Listed(origins) => origins.contains_header(origin),
            Readers::If(is_allowed) => Origin::of_header(origin).is_some_and(|origin| is_allowed(&origin)),
            // A browser would withhold the answer to a request with credentials, but only after the handler has run.
            Readers::Anyone => !self.has_credentials(head),
            Readers::Nobody => false,
        }
    }

    /// True if a request has the user's credentials, not the page's. A browser adds `Authorization` by itself if it
    /// knows a password. A page can add a token only after a preflight has allowed it to send that header.
    fn has_credentials(&self, head: &RequestHead) -> bool {
        const ADDED_BY_BROWSERS: [&[u8]; 4] = [b"basic", b"digest", b"negotiate", b"ntlm"];
        let may_send_tokens = self.headers.contains(&header::AUTHORIZATION);
        let is_of_user = |value: &HeaderValue| {
            let scheme = value.as_bytes().split(|byte| *byte == b' ').next();
            let scheme = scheme.unwrap_or_default();
            !may_send_tokens
                || ADDED_BY_BROWSERS
                    .iter()
                    .any(|known| scheme.eq_ignore_ascii_case(known))
        };
        let headers = head.headers();
        headers.contains_key(header::COOKIE) || headers.get_all(header::AUTHORIZATION).any(is_of_user)
    }

    fn is_own(&self, origin: &HeaderValue) -> bool {
        self.own
            .iter()
            .any(|own| own.as_str().as_bytes() == origin.as_bytes())
    }
}

/// True if a page has made this request for itself, such as for an `<img>` or a frame. A link, which the user follows,
/// is not embedded.
fn is_embedded(head: &RequestHead) -> bool {
    let headers = head.headers();
    let is_other = |name: &HeaderName, link: &[u8]| {
        let mut values = headers.get_all(name);
        values.any(|value| value.as_bytes() != link)
    };
    is_other(&SEC_FETCH_MODE, b"navigate") || is_other(&SEC_FETCH_DEST, b"document")
}
