use std::{
    collections::HashMap,
    future::{Ready, ready},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{
    Error, FromRequest, HttpRequest,
    dev::Payload,
    error::ErrorUnauthorized,
    http::header::{HeaderName, HeaderValue},
    web,
};
use rand::distr::{Alphanumeric, SampleString as _};
use sse_actix::SessionCookie;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

pub(crate) const USER: &str = "demo";

/// How long a session lasts: longer than a working day.
const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// The header that sets or removes the cookie.
pub(crate) type Cookie = (HeaderName, HeaderValue);

/// The sessions that are logged in. They are in memory, so a restart logs everybody out.
#[derive(Debug)]
pub(crate) struct Sessions {
    cookie: SessionCookie,
    password: String,
    /// When each session began, by its id.
    started_at: Mutex<HashMap<String, Instant>>,
}

impl Sessions {
    /// No sessions yet, and one account with a new password.
    pub(crate) fn new() -> io::Result<Self> {
        // The cookie is partitioned, because browsers that block cookies of other sites still send such a cookie. They
        // send it only from pages of the site on which it was set.
        let cookie = SessionCookie::new("session").map_err(io::Error::other)?;
        Ok(Self {
            cookie: cookie.partitioned(),
            password: random(16),
            started_at: Mutex::default(),
        })
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Makes a session and returns its cookie, if user and password are right.
    pub(crate) fn log_in(&self, user: &str, password: &str) -> Option<Cookie> {
        // Both are always compared completely, so the time of the comparison reveals nothing.
        let matches =
            user.as_bytes().ct_eq(USER.as_bytes()) & password.as_bytes().ct_eq(self.password.as_bytes());
        if !bool::from(matches) {
            return None;
        }
        let id = random(32);
        let cookie = self.cookie.set(&id).ok()?;
        let mut started_at = self.started_at();
        started_at.retain(|_, started_at| started_at.elapsed() < SESSION_LIFETIME);
        started_at.insert(id, Instant::now());
        Some(cookie)
    }

    /// Ends a session. Returns the header that removes the cookie.
    pub(crate) fn log_out(&self, session: &Session) -> Cookie {
        self.started_at().remove(&session.id);
        self.cookie.remove()
    }

    /// Whether the session still exists and has not expired.
    pub(crate) fn is_valid(&self, session: &Session) -> bool {
        self.started_at()
            .get(&session.id)
            .is_some_and(|started_at| started_at.elapsed() < SESSION_LIFETIME)
    }

    fn started_at(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.started_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session of a request. A request without a session gets 401.
pub(crate) struct Session {
    id: String,
}

impl Session {
    /// The tag of this session's streams.
    pub(crate) fn tag(&self) -> &str {
        &self.id
    }

    fn of(request: &HttpRequest) -> Option<Self> {
        let sessions = request.app_data::<web::Data<Sessions>>()?;
        let id = sessions.cookie.value(request)?;
        let session = Self { id };
        sessions.is_valid(&session).then_some(session)
    }
}

impl FromRequest for Session {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(|| ErrorUnauthorized("log in first")))
    }
}

/// Random letters and digits that nobody can guess: the generator is cryptographic, and the system seeds it.
fn random(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn log_in(sessions: &Sessions) -> Session {
        let (_, cookie) = sessions.log_in(USER, sessions.password()).unwrap();
        let cookie = cookie.to_str().unwrap();
        let id = cookie.strip_prefix("__Host-session=").unwrap();
        let (id, attributes) = id.split_once("; ").unwrap();
        assert_eq!(attributes, "HttpOnly; SameSite=None; Partitioned; Secure; Path=/");
        Session { id: id.to_owned() }
    }

    #[test]
    fn only_the_user_with_the_password_gets_a_session() {
        let sessions = Sessions::new().unwrap();
        let password = sessions.password();
        assert_eq!(password.len(), 16);
        for (user, tried) in [
            (USER, ""),
            (USER, "password"),
            (USER, password.get(1..).unwrap()),
            (USER, &format!("{password}x")),
            (USER, &password.chars().rev().collect::<String>()),
            ("Demo", password),
            ("", password),
        ] {
            assert_eq!(sessions.log_in(user, tried), None, "{user} {tried}");
        }
        assert!(sessions.is_valid(&log_in(&sessions)));
    }

    #[test]
    fn each_log_in_is_another_session_and_each_start_another_password() {
        let sessions = Sessions::new().unwrap();
        let (one, two) = (log_in(&sessions), log_in(&sessions));
        assert_ne!(one.id, two.id);
        sessions.log_out(&one);
        assert!(!sessions.is_valid(&one) && sessions.is_valid(&two));
        assert_ne!(Sessions::new().unwrap().password(), sessions.password());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_itself() {
        let sessions = Sessions::new().unwrap();
        let session = log_in(&sessions);
        advance(SESSION_LIFETIME.saturating_sub(Duration::from_secs(1))).await;
        assert!(sessions.is_valid(&session));
        advance(Duration::from_secs(1)).await;
        assert!(!sessions.is_valid(&session));

        log_in(&sessions);
        assert_eq!(sessions.started_at().len(), 1, "the old one is forgotten");
    }
}
