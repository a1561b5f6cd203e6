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

/// A working day, and the way home.
const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// The header that sets or removes it.
pub(crate) type Cookie = (HeaderName, HeaderValue);

/// Who is logged in. It is all in memory, so everybody is logged out by a restart.
#[derive(Debug)]
pub(crate) struct Sessions {
    cookie: SessionCookie,
    password: String,
    /// When each began, by its id.
    begun: Mutex<HashMap<String, Instant>>,
}

impl Sessions {
    /// Nobody yet; one account with a password of its own.
    pub(crate) fn new() -> io::Result<Self> {
        // Partitioned, since browsers that block the cookies of other sites still let this one through: it is
        // sent from the page on which it was set, and from no other site's.
        let cookie = SessionCookie::new("session").map_err(io::Error::other)?;
        Ok(Self {
            cookie: cookie.partitioned(),
            password: random(16),
            begun: Mutex::default(),
        })
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// The cookie of a new session, if this is the user and the password.
    pub(crate) fn log_in(&self, user: &str, password: &str) -> Option<Cookie> {
        // Both are compared, and to the end, so that the time it takes tells nothing.
        let matches =
            user.as_bytes().ct_eq(USER.as_bytes()) & password.as_bytes().ct_eq(self.password.as_bytes());
        if !bool::from(matches) {
            return None;
        }
        let id = random(32);
        let cookie = self.cookie.set(&id).ok()?;
        let mut begun = self.begun();
        begun.retain(|_, begun| begun.elapsed() < LIFE);
        begun.insert(id, Instant::now());
        Some(cookie)
    }

    /// Ends a session. What is returned takes the cookie back.
    pub(crate) fn log_out(&self, session: &Session) -> Cookie {
        self.begun().remove(&session.id);
        self.cookie.remove()
    }

    /// Whether the session goes on.
    pub(crate) fn hold(&self, session: &Session) -> bool {
        self.begun()
            .get(&session.id)
            .is_some_and(|begun| begun.elapsed() < LIFE)
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever sends this request is logged in; else it is answered 401.
pub(crate) struct Session {
    id: String,
}

impl Session {
    /// What this session's streams are tagged with.
    pub(crate) fn tag(&self) -> &str {
        &self.id
    }

    fn of(request: &HttpRequest) -> Option<Self> {
        let sessions = request.app_data::<web::Data<Sessions>>()?;
        let id = sessions.cookie.value(request)?;
        let session = Self { id };
        sessions.hold(&session).then_some(session)
    }
}

impl FromRequest for Session {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(|| ErrorUnauthorized("log in first")))
    }
}

/// Letters and digits that nobody can guess: its generator is a cryptographic one, seeded by the system.
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
        assert!(sessions.hold(&log_in(&sessions)));
    }

    #[test]
    fn each_log_in_is_another_session_and_each_start_another_password() {
        let sessions = Sessions::new().unwrap();
        let (one, two) = (log_in(&sessions), log_in(&sessions));
        assert_ne!(one.id, two.id);
        sessions.log_out(&one);
        assert!(!sessions.hold(&one) && sessions.hold(&two));
        assert_ne!(Sessions::new().unwrap().password(), sessions.password());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_itself() {
        let sessions = Sessions::new().unwrap();
        let session = log_in(&sessions);
        advance(LIFE.saturating_sub(Duration::from_secs(1))).await;
        assert!(sessions.hold(&session));
        advance(Duration::from_secs(1)).await;
        assert!(!sessions.hold(&session));

        log_in(&sessions);
        assert_eq!(sessions.begun().len(), 1, "the old one is forgotten");
    }
}
