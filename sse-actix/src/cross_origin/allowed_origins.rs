//! The list of origins whose pages may read.

use std::{
    collections::HashSet,
    fmt,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use actix_web::http::header::HeaderValue;

use super::origin::{Fault, Origin, OriginError};

/// A list of origins that can change while the server runs, for instance for many tenants.
///
/// Clones share one list, which is read from memory at every request. An entry is an origin (`https://example.com`), or
/// a pattern for the sub-domains of one, at any depth (`https://*.example.com`, which does not mean
/// `https://example.com` itself). A pattern stands for the port that it names, else for the default port of the scheme.
///
/// Unsafe entries are refused: `*`, `null`, a suffix that is not a domain (`https://*example.com`), sub-domains of a
/// top-level domain (`https://*.com`), and pages over plain HTTP, except this machine's own (`localhost` and its
/// sub-domains, loopback addresses). A network attacker could inject script into a page over plain HTTP, and read
/// streams with its visitor's cookies. The list does not know longer suffixes under which anyone can have a site, such
/// as `https://*.co.uk` and `https://*.github.io`: do not allow them.
///
/// ```
/// use sse_actix::{AllowedOrigins, CrossOrigin};
///
/// let tenants = AllowedOrigins::new(["https://*.tenants.example.com"])?;
/// let cross_origin = CrossOrigin::allow_listed(&tenants);
/// tenants.insert("https://wall.customer.example")?;
/// assert!(tenants.contains(&"https://wall.customer.example".parse()?));
/// assert!(tenants.contains(&"https://a.b.tenants.example.com".parse()?));
/// assert!(!tenants.contains(&"https://tenants.example.com".parse()?));
///
/// assert!(tenants.remove("https://wall.customer.example"));
/// assert!(!tenants.contains(&"https://wall.customer.example".parse()?));
///
/// tenants.replace(["https://new.example"])?;
/// assert!(!tenants.contains(&"https://a.b.tenants.example.com".parse()?));
/// # Ok::<(), sse_actix::OriginError>(())
/// ```
#[derive(Clone)]
pub struct AllowedOrigins(Arc<RwLock<List>>);

#[derive(Debug, Default)]
struct List {
    origins: HashSet<Box<str>>,
    patterns: Vec<Pattern>,
}

impl AllowedOrigins {
    /// A list with these entries.
    ///
    /// # Errors
    ///
    /// If an entry is invalid, or there is none. Later the list may become empty.
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, OriginError> {
        let list = List::parse(entries)?;
        if list.origins.is_empty() && list.patterns.is_empty() {
            return Err(OriginError::new("", Fault::Nobody));
        }
        Ok(Self(Arc::new(RwLock::new(list))))
    }

    /// Adds an entry, from the next request on.
    ///
    /// # Errors
    ///
    /// If it is invalid; the list is then unchanged.
    pub fn insert(&self, entry: &str) -> Result<(), OriginError> {
        let entry = entry.parse()?;
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(entry);
        Ok(())
    }

    /// Removes an entry, and returns true if it was in the list. Open streams stay open: end them by tag
    /// ([`Shutdown::end_tagged`](crate::Shutdown::end_tagged)).
    pub fn remove(&self, entry: &str) -> bool {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match entry.parse() {
            Ok(Entry::Origin(origin)) => list.origins.remove(origin.as_str()),
            Ok(Entry::Pattern(pattern)) => {
                let before = list.patterns.len();
                list.patterns.retain(|known| *known != pattern);
                list.patterns.len() < before
            }
            Err(_) => false,
        }
    }

    /// Replaces the whole list at once.
    ///
    /// # Errors
    ///
    /// If an entry is invalid; the list is then unchanged.
    pub fn replace<T: AsRef<str>>(&self, entries: impl IntoIterator<Item = T>) -> Result<(), OriginError> {
        let list = List::parse(entries)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = list;
        Ok(())
    }

    /// True if pages of this origin may read.
    pub fn contains(&self, origin: &Origin) -> bool {
        let list = self.read();
        list.origins.contains(origin.as_str()) || list.matches(origin)
    }

    /// Like [`contains`](Self::contains), for an `Origin` header. The header is parsed only if it does not equal one of
    /// the origins.
    pub(super) fn contains_header(&self, value: &HeaderValue) -> bool {
        let list = self.read();
        value.to_str().is_ok_and(|text| list.origins.contains(text))
            || (!list.patterns.is_empty()
                && Origin::of_header(value).is_some_and(|origin| list.matches(&origin)))
    }

    /// The first few entries, for the log, and how many there are.
    pub(super) fn first_entries(&self, at_most: usize) -> (Vec<String>, usize) {
        let list = self.read();
        let origins = list.origins.iter().map(ToString::to_string);
        let patterns = list.patterns.iter().map(ToString::to_string);
        let entries = origins.chain(patterns).take(at_most).collect();
        (entries, list.origins.len() + list.patterns.len())
    }

    fn read(&self) -> RwLockReadGuard<'_, List> {
        // A change is completed before it is stored, so a panic leaves no partial change.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, _) = self.first_entries(usize::MAX);
        f.debug_tuple("AllowedOrigins").field(&entries).finish()
    }
}

impl List {
    fn parse<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, OriginError> {
        let mut list = Self::default();
        for entry in entries {
            list.insert(entry.as_ref().parse()?);
        }
        Ok(list)
    }

    fn insert(&mut self, entry: Entry) {
        match entry {
            Entry::Origin(origin) => {
                self.origins.insert(origin.as_str().into());
            }
            Entry::Pattern(pattern) if !self.patterns.contains(&pattern) => self.patterns.push(pattern),
            Entry::Pattern(_) => {}
        }
    }

    fn matches(&self, origin: &Origin) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(origin))
    }
}

enum Entry {
    Origin(Origin),
    Pattern(Pattern),
}

/// The sub-domains of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Origin);

impl Pattern {
    fn matches(&self, origin: &Origin) -> bool {
        let Self(parent) = self;
        let below = origin
            .host()
            .strip_suffix(parent.host())
            .and_then(|labels| labels.strip_suffix('.'));
        origin.scheme() == parent.scheme()
            && origin.port() == parent.port()
            && below.is_some_and(|labels| !labels.is_empty())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(parent) = self;
        write!(f, "{}://*.{}", parent.scheme(), parent.host())?;
        parent.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for Entry {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let fault = |fault| OriginError::new(text, fault);
        let secure = |origin: &Origin| {
            if origin.is_trustworthy() {
                Ok(())
            } else {
                Err(fault(Fault::Insecure))
            }
        };
        if text == "*" || !text.contains('*') {
            let origin: Origin = text.parse()?;
            secure(&origin)?;
            return Ok(Self::Origin(origin));
        }
        let (scheme, rest) = text.split_once("://*.").ok_or_else(|| fault(Fault::Asterisk))?;
        if rest.contains('*') || scheme.contains('*') {
            return Err(fault(Fault::Asterisk));
        }
        let parent: Origin = format!("{scheme}://{rest}").parse()?;
        secure(&parent)?;
        let is_address =
            parent.host().starts_with('[') || parent.host().parse::<std::net::Ipv4Addr>().is_ok();
        let is_narrow = parent.host() == "localhost" || parent.host().trim_end_matches('.').contains('.');
        if is_address || !is_narrow {
            return Err(fault(Fault::TooWide));
        }
        Ok(Self::Pattern(Pattern(parent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_sub_domains_and_nothing_that_looks_like_them() {
        let allowed = AllowedOrigins::new(["https://*.example.com", "https://*.example.org:8443"]).unwrap();
        for origin in [
            "https://a.example.com",
            "https://a.b.example.com",
            "https://a.example.org:8443",
        ] {
            assert!(allowed.contains(&origin.parse().unwrap()), "{origin}");
            assert!(
                allowed.contains_header(&HeaderValue::try_from(origin).unwrap()),
                "{origin}"
            );
        }
        for origin in [
            "https://example.com",
            "https://evilexample.com",
            "https://a.example.com.evil.test",
            "https://a.example.com:8443",
            "http://a.example.com",
            "https://a.example.org",
            "https://.example.com",
        ] {
            assert!(
                !allowed.contains_header(&HeaderValue::try_from(origin).unwrap()),
                "{origin}"
            );
        }
    }

    #[test]
    fn what_is_unsafe_is_not_listed() {
        for (entry, told) in [
            ("*", "use `CrossOrigin::anyone()`"),
            ("null", "every sandboxed frame"),
            ("*example.com", "must be the whole first label"),
            ("https://*example.com", "must be the whole first label"),
            ("https://a.*.example.com", "must be the whole first label"),
            ("https://*.*.example.com", "must be the whole first label"),
            ("https://*", "must be the whole first label"),
            ("https://*.com", "at least two labels"),
            ("https://*.com.", "at least two labels"),
            ("https://*.127.0.0.1", "at least two labels"),
            ("https://*..com", "it has an empty label"),
            ("https://a..com", "it has an empty label"),
            ("https://*.a..com", "it has an empty label"),
            ("https://*.example.com..", "it has an empty label"),
            ("https://*.example.com/a", "has a path"),
            ("http://example.com", "serve that page over HTTPS"),
            ("http://*.example.com", "serve that page over HTTPS"),
            ("http://localhost.example.com", "serve that page over HTTPS"),
        ] {
            let error = AllowedOrigins::new([entry]).unwrap_err().to_string();
            assert!(error.contains(told), "{entry}: {error}");
        }
        let nobody: [&str; 0] = [];
        let error = AllowedOrigins::new(nobody).unwrap_err().to_string();
        assert!(error.contains("no origin is allowed"), "{error}");
    }

    #[test]
    fn this_machine_is_safe_without_tls() {
        let local = [
            "http://localhost:3000",
            "http://a.localhost",
            "http://127.0.0.1:8080",
            "http://[::1]",
            "https://*.localhost:3000",
        ];
        AllowedOrigins::new(local).unwrap();
    }

    #[test]
    fn a_list_changes_for_all_its_clones() {
        let allowed = AllowedOrigins::new(["https://a.example", "https://*.b.example"]).unwrap();
        let clone = allowed.clone();
        let contains = |origin: &str| clone.contains(&origin.parse().unwrap());
        allowed.insert("https://c.example").unwrap();
        allowed.insert("nonsense").unwrap_err();
        assert!(contains("https://c.example"));
        assert!(allowed.remove("https://*.b.example"));
        assert!(!allowed.remove("https://*.b.example"));
        assert!(!contains("https://x.b.example"));
        allowed.replace(["https://d.example", "null"]).unwrap_err();
        assert!(contains("https://a.example"));
        allowed.replace(["https://d.example"]).unwrap();
        assert!(!contains("https://a.example"));
        assert!(contains("https://d.example"));
    }
}
