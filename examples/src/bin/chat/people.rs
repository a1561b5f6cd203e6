//! Who is here, by session.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use actix_web::HttpRequest;
use rand::distr::{Alphanumeric, SampleString as _};
use serde::Serialize;
use sse_actix::{TopicName, TopicNameError};

/// The session's cookie.
pub(crate) const SESSION: &str = "chat";

/// More would be nobody's; the one who came first goes.
const MOST: usize = 10_000;

/// What somebody is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let name = text.trim();
        if name.is_empty() || name.chars().count() > 24 {
            return Err("a name has 1 to 24 characters");
        }
        if name.chars().any(char::is_control) {
            return Err("a name has no control characters");
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// By which this person's streams are found.
    pub(crate) fn tag(&self) -> String {
        format!("user:{}", self.0)
    }

    /// Whose streams carry this tag.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        tag.strip_prefix("user:").map(|name| Self(name.to_owned()))
    }
}

/// Somebody who is here.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) name: Name,
    /// What is said to them alone: not by name, which somebody else may have later.
    pub(crate) inbox: TopicName,
}

#[derive(Default)]
pub(crate) struct People(Mutex<Sessions>);

#[derive(Default)]
struct Sessions {
    by_session: HashMap<String, Person>,
    in_order: Vec<String>,
}

impl People {
    /// A session for a name that nobody has.
    pub(crate) fn enter(&self, name: &Name) -> Result<Option<String>, TopicNameError> {
        let secret = || Alphanumeric.sample_string(&mut rand::rng(), 32);
        let person = Person {
            name: name.clone(),
            inbox: TopicName::try_from(format!("private:{}", secret()))?,
        };
        let mut sessions = self.sessions();
        if sessions.by_session.values().any(|known| known.name == *name) {
            return Ok(None);
        }
        if sessions.in_order.len() >= MOST {
            let first = sessions.in_order.remove(0);
            sessions.by_session.remove(&first);
        }
        let session = secret();
        sessions.by_session.insert(session.clone(), person);
        sessions.in_order.push(session.clone());
        Ok(Some(session))
    }

    /// Who makes a request.
    pub(crate) fn of(&self, request: &HttpRequest) -> Option<Person> {
        let cookie = request.cookie(SESSION)?;
        self.sessions().by_session.get(cookie.value()).cloned()
    }

    /// Who has this name.
    pub(crate) fn named(&self, name: &Name) -> Option<Person> {
        let sessions = self.sessions();
        sessions
            .by_session
            .values()
            .find(|known| known.name == *name)
            .cloned()
    }

    /// Forgets a person. Whether there was one.
    pub(crate) fn leave(&self, name: &Name) -> bool {
        let mut sessions = self.sessions();
        sessions.by_session.retain(|_, known| known.name != *name);
        let Sessions { by_session, in_order } = &mut *sessions;
        let before = in_order.len();
        in_order.retain(|session| by_session.contains_key(session));
        in_order.len() < before
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
