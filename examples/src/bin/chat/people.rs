//! The people who are logged in, by session. The sessions are a topic that keeps the newest event of each session, so
//! they are in the same file as the messages. The file holds a digest of each session's cookie, so a person who reads
//! the file cannot log in with it.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{Error, HttpRequest, error::ErrorInternalServerError};
use futures_util::StreamExt as _;
use rand::distr::{Alphanumeric, SampleString as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sse_actix::{Hub, PublishError, Topic, TopicEvent, TopicName, TopicOptions};

/// The name of the session's cookie.
pub(crate) const SESSION: &str = "chat";

/// The topic of all sessions.
pub(crate) const SESSIONS: TopicName = TopicName::from_static("sessions");

/// The largest number of sessions. A new session above it replaces the oldest.
const MAX_SESSIONS: usize = 10_000;

/// A session ends after a month.
pub(crate) const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The topic also keeps the events of sessions that have ended. Its limit is ten times as large, so that these events
/// do not push out sessions that still exist.
pub(crate) const fn sessions() -> TopicOptions {
    TopicOptions::latest()
        .max_events(10 * MAX_SESSIONS)
        .max_bytes(64 * 1024 * 1024)
        .max_age(MONTH)
}

/// The name of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

    /// The tag of this person's streams.
    pub(crate) fn tag(&self) -> String {
        format!("user:{}", self.0)
    }

    /// The name of the person whose streams carry this tag.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        tag.strip_prefix("user:").map(|name| Self(name.to_owned()))
    }
}

/// A person who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) name: Name,
    /// The topic of their private messages. It is not made from the name, which another person may have later.
    pub(crate) inbox: TopicName,
}

/// An event of the topic of sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Change {
    Entered {
        name: Name,
        inbox: String,
    },
    Left,
    /// The program was started. All sessions before this event are from earlier starts.
    Started {
        run: String,
    },
}

pub(crate) struct People {
    topic: Topic<Change>,
    sessions: Mutex<Sessions>,
}

/// The sessions, by the digest of their cookie.
#[derive(Default)]
struct Sessions {
    by_session: HashMap<String, Person>,
    in_order: Vec<String>,
}

impl People {
    /// Loads all people who were logged in when the program ended.
    pub(crate) async fn load(hub: &Hub) -> Result<Self, PublishError> {
        let topic = hub.topic(SESSIONS);
        let this_run = random_token();
        let run = this_run.clone();
        topic.publish_keyed("started", &Change::Started { run }).await?;
        let mut sessions = Sessions::default();
        let mut changes = hub.follow(SESSIONS).from_oldest();
        while let Some(event) = changes.next().await {
            let TopicEvent::Published(event) = event else {
                continue;
            };
            let (Some(session), Some(change)) = (event.key(), event.value::<Change>()) else {
                continue;
            };
            match &*change {
                Change::Started { run } if *run == this_run => break,
                Change::Entered { name, inbox } => {
                    if let Ok(inbox) = TopicName::try_from(inbox.as_str()) {
                        let name = name.clone();
                        sessions.add(session.to_owned(), Person { name, inbox });
                    }
                }
                Change::Left => sessions.remove(session),
                Change::Started { .. } => {}
            }
        }
        Ok(Self {
            topic,
            sessions: Mutex::new(sessions),
        })
    }

    /// Makes a session, and returns its cookie. Returns `None` if somebody already has this name.
    pub(crate) async fn enter(&self, name: &Name) -> Result<Option<String>, Error> {
        let inbox = format!("private:{}", random_token());
        let person = Person {
            name: name.clone(),
            inbox: TopicName::try_from(inbox.as_str()).map_err(ErrorInternalServerError)?,
        };
        let cookie = random_token();
        let session = digest(&cookie);
        {
            let mut sessions = self.sessions();
            if sessions.by_session.values().any(|known| known.name == *name) {
                return Ok(None);
            }
            sessions.add(session.clone(), person);
        }
        let name = name.clone();
        let entered = self
            .topic
            .publish_keyed(&session, &Change::Entered { name, inbox })
            .await;
        // Another person may have put this person out meanwhile. And if publishing failed, the event may be in the file
        // anyway.
        let is_here = self.sessions().by_session.contains_key(&session);
        if entered.is_err() || !is_here {
            self.sessions().remove(&session);
            self.topic.publish_keyed(&session, &Change::Left).await?;
        }
        entered?;
        Ok(Some(cookie))
    }

    /// The person who sent a request.
    pub(crate) fn person_of(&self, request: &HttpRequest) -> Option<Person> {
        let cookie = request.cookie(SESSION)?;
        self.sessions().by_session.get(&digest(cookie.value())).cloned()
    }

    /// The person with this name.
    pub(crate) fn person_named(&self, name: &Name) -> Option<Person> {
        let sessions = self.sessions();
        sessions
            .by_session
            .values()
            .find(|known| known.name == *name)
            .cloned()
    }

    /// Deletes the sessions of a person. Returns whether there was one. After an error the person is still logged in,
    /// and the caller can try again.
    pub(crate) async fn leave(&self, name: &Name) -> Result<bool, PublishError> {
        let sessions: Vec<_> = {
            let sessions = self.sessions();
            let of_person = sessions
                .by_session
                .iter()
                .filter(|(_, known)| known.name == *name);
            of_person.map(|(session, _)| session.clone()).collect()
        };
        for session in &sessions {
            // The file comes first, because a restart reads it.
            self.topic.publish_keyed(session, &Change::Left).await?;
            self.sessions().remove(session);
        }
        Ok(!sessions.is_empty())
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn add(&mut self, session: String, person: Person) {
        if self.in_order.len() >= MAX_SESSIONS {
            let first = self.in_order.remove(0);
            self.by_session.remove(&first);
        }
        self.in_order.push(session.clone());
        self.by_session.insert(session, person);
    }

    fn remove(&mut self, session: &str) {
        self.by_session.remove(session);
        self.in_order.retain(|known| known != session);
    }
}

/// The digest of a cookie, which the file holds in place of the cookie.
fn digest(cookie: &str) -> String {
    let digest = Sha256::digest(cookie);
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Random text that nobody can guess.
fn random_token() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}
