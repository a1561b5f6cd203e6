//! The rooms and their messages.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sse_actix::{Event, Hub, HubError, TopicEvent, TopicEvents, TopicName, TopicOptions};
use sse_actix_sqlite::SqliteLog;

use crate::people::{Name, SESSIONS, sessions};

/// A room that everybody may enter.
#[derive(Clone)]
pub(crate) struct Room {
    name: &'static str,
    topic: TopicName,
    people_topic: TopicName,
}

impl Room {
    pub(crate) const ALL: [Self; 3] = [
        Self {
            name: "lobby",
            topic: TopicName::from_static("room:lobby"),
            people_topic: TopicName::from_static("here:lobby"),
        },
        Self {
            name: "kitchen",
            topic: TopicName::from_static("room:kitchen"),
            people_topic: TopicName::from_static("here:kitchen"),
        },
        Self {
            name: "workshop",
            topic: TopicName::from_static("room:workshop"),
            people_topic: TopicName::from_static("here:workshop"),
        },
    ];

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|room| room.name == name)
    }

    /// The topic of the room's messages.
    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The topic of the list of people in the room. Only the newest list is kept.
    pub(crate) fn people_topic(&self) -> &TopicName {
        &self.people_topic
    }

    /// Publishes the list of people whenever it changes.
    pub(crate) async fn publish_people(self, hub: Hub) {
        let mut changes = hub.presence(&self.topic).changes();
        let list = hub.raw(&self.people_topic);
        loop {
            let tags = hub.presence(&self.topic).tags();
            let names: Vec<_> = tags.iter().filter_map(|tag| Name::of_tag(tag)).collect();
            let event = Event::data(json!(names).to_string()).event("here");
            if let Err(error) = list.publish_keyed("here", event).await {
                eprintln!("the list of people in {} was not published: {error}", self.name);
            }
            changes.next().await;
        }
    }
}

/// The hub of the chat. It keeps the messages of rooms for a week, and private messages for a day.
pub(crate) fn hub(log: SqliteLog) -> Result<Hub, HubError> {
    let day = Duration::from_secs(24 * 3_600);
    Hub::builder()
        .log(log)
        .topic(SESSIONS, sessions())
        .topics_with_prefix(
            "room:",
            TopicOptions::log().max_events(500).max_age(day * 7).event("said"),
        )
        .topics_with_prefix("here:", TopicOptions::latest())
        .topics_with_prefix(
            "private:",
            TopicOptions::log().max_events(100).max_age(day).event("private"),
        )
        .max_streams_per_address(200)
        .build()
}

/// How many messages a person gets who enters a room.
pub(crate) const HISTORY: usize = 50;

/// The newest messages of all rooms, for a tab that joins another tab's stream: that stream has already sent its
/// history.
#[derive(Default)]
pub(crate) struct RecentMessages(Mutex<VecDeque<(&'static str, Message)>>);

impl RecentMessages {
    /// Remembers the messages of a room, including those from before this start of the program.
    pub(crate) async fn follow(self: Arc<Self>, room: Room, messages: TopicEvents) {
        let mut messages = messages.from_oldest();
        while let Some(event) = messages.next().await {
            if let TopicEvent::Published(event) = event
                && let Some(message) = event.value::<Message>()
            {
                self.add(&room, Message::clone(&message));
            }
        }
    }

    fn add(&self, room: &Room, message: Message) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push_back((room.name, message));
        let of_room = |(name, _): &&(&str, _)| *name == room.name;
        if messages.iter().filter(of_room).count() > HISTORY
            && let Some(oldest) = messages.iter().position(|(name, _)| *name == room.name)
        {
            messages.remove(oldest);
        }
    }

    pub(crate) fn of(&self, room: &Room) -> Vec<Message> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_room = messages.iter().filter(|(name, _)| *name == room.name);
        of_room.map(|(_, message)| message.clone()).collect()
    }
}

/// The checked text of a message.
pub(crate) struct Text(String);

impl Text {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > 1_000 {
            return Err("a message has 1 to 1,000 characters");
        }
        Ok(Self(text.to_owned()))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    /// A page recognises by this number which messages it has shown. It is microseconds since 1970, or one more than
    /// the last number.
    number: u64,
    from: String,
    to: Option<String>,
    text: String,
    /// Milliseconds since 1970.
    at: u64,
}

impl Message {
    pub(crate) fn new(from: &Name, to: Option<&Name>, text: &Text) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let micros = u64::try_from(since.as_micros()).unwrap_or(0);
        let after = |last: u64| micros.max(last + 1);
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
        Self {
            number: after(last.unwrap_or(0)),
            from: from.as_str().to_owned(),
            to: to.map(|to| to.as_str().to_owned()),
            text: text.0.clone(),
            at: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
