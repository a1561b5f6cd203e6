//! Whose request this is, by what a browser says of it.

use actix_web::{
    dev::RequestHead,
    http::header::{self, HeaderName, HeaderValue},
};

use super::{CrossOrigin, Origin, Readers};

/// <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Of a page that may read: the CORS protocol is for it.
    Allowed,
    /// Of the server's own page, or of none.
    Own,
    Refused(Reason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Of a page of another origin.
    Origin,
    /// A browser says that another site made it do this, and not for a page that could read the answer.
    CrossSite,
    /// Of a page that may read without cookies only, and has sent some.
    Cookies,
}

impl CrossOrigin {
    pub(super) fn check(&self, head: &RequestHead) -> Verdict {
        let site = head.headers().get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        let mut origins = head.headers().get_all(header::ORIGIN);
        match (origins.next(), origins.next()) {
            (None, _) => match site {
                Some(b"cross-site") => Verdict::Refused(Reason::CrossSite),
                Some(b"same-site") if matches!(self.readers, Readers::Nobody) => {
                    Verdict::Refused(Reason::CrossSite)
                }
                _ => Verdict::Own,
            },
            (Some(origin), None) if self.allows(origin, head) => Verdict::Allowed,
            (Some(origin), None) if site == Some(b"same-origin") || self.is_own(origin) => Verdict::Own,
            (Some(_), None) if matches!(self.readers, Readers::Anyone) => Verdict::Refused(Reason::Cookies),
            _ => Verdict::Refused(Reason::Origin),
        }
    }

    fn allows(&self, origin: &HeaderValue, head: &RequestHead) -> bool {
        match &self.readers {
            Readers::Listed(origins) => origins.contains_header(origin),
            Readers::If(is_allowed) => Origin::of_header(origin).is_some_and(|origin| is_allowed(&origin)),
            // Its answer to a request with cookies a browser would withhold, but only after the handler has run.
            Readers::Anyone => !head.headers().contains_key(header::COOKIE),
            Readers::Nobody => false,
        }
    }

    fn is_own(&self, origin: &HeaderValue) -> bool {
        self.own
            .iter()
            .any(|own| own.as_str().as_bytes() == origin.as_bytes())
    }
}
