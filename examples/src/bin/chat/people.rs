//! Who is here, by session. The sessions are a topic that keeps the latest of each, so they are in the same file as what is
//! said. It holds a digest of each session's cookie, so whoever reads the file cannot log in.

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

/// The session's cookie.
pub(crate) const SESSION: &str = "chat";

/// The topic of all sessions.
pub(crate) const SESSIONS: TopicName = TopicName::from_static("sessions");

/// More would be nobody's; the one who came first goes.
const MOST: usize = 10_000;

/// A session ends after a month.
pub(crate) const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Sessions that have ended are kept as well, and must not take the place of those that go on.
pub(crate) const fn sessions() -> TopicOptions {
    TopicOptions::latest()
        .max_events(10 * MOST)
        .max_bytes(64 * 1024 * 1024)
        .max_age(MONTH)
}

/// What somebody is called.
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

/// What the topic says of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Change {
    Entered {
        name: Name,
        inbox: String,
    },
    Left,
    /// The program was started; says where the sessions of its last start end.
    Started {
        run: String,
    },
}

pub(crate) struct People {
    topic: Topic<Change>,
    sessions: Mutex<Sessions>,
}

/// By the digest of their cookie.
#[derive(Default)]
struct Sessions {
    by_session: HashMap<String, Person>,
    in_order: Vec<String>,
}

impl People {
    /// Everybody who was here when the program ended.
    pub(crate) async fn load(hub: &Hub) -> Result<Self, PublishError> {
        let topic = hub.topic(SESSIONS);
        let this_run = secret();
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

    /// The cookie of a new session, for a name that nobody has.
    pub(crate) async fn enter(&self, name: &Name) -> Result<Option<String>, Error> {
        let inbox = format!("private:{}", secret());
        let person = Person {
            name: name.clone(),
            inbox: TopicName::try_from(inbox.as_str()).map_err(ErrorInternalServerError)?,
        };
        let cookie = secret();
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
        // Somebody else may have put this person out meanwhile, and what has failed may be in the file all the same.
        let is_here = self.sessions().by_session.contains_key(&session);
        if entered.is_err() || !is_here {
            self.sessions().remove(&session);
            self.topic.publish_keyed(&session, &Change::Left).await?;
        }
        entered?;
        Ok(Some(cookie))
    }

    /// Who makes a request.
    pub(crate) fn of(&self, request: &HttpRequest) -> Option<Person> {
        let cookie = request.cookie(SESSION)?;
        self.sessions().by_session.get(&digest(cookie.value())).cloned()
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

    /// Forgets a person. Returns whether there was one. If it fails, they are still here, and it can be tried again.
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
            // First where a restart finds it.
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
        if self.in_order.len() >= MOST {
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

/// What the file knows of a cookie.
fn digest(cookie: &str) -> String {
    let digest = Sha256::digest(cookie);
    digest.iter().fold(String::new(), |mut text, byte| {
        // A `String` takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What nobody guesses.
fn secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}
