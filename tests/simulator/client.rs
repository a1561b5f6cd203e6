//! A client: an `EventSource` that connects, reads as slowly as it likes, is cut, and comes back.

use std::{
    hash::{DefaultHasher, Hasher as _},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_web::{
    Responder as _,
    body::{BoxBody, MessageBody as _},
    http::StatusCode,
    test::TestRequest,
};
use fastrand::Rng;
use sse_actix::{Decoded, Decoder, Hub, Message, Positions, Shutdown, simulation::on_thread};
use tokio::time::Instant;

use crate::{
    log::SimLog,
    plan::{Plan, name},
    seen::{Place, View},
};

pub(crate) struct Client {
    pub(crate) thread: u64,
    pub(crate) views: Vec<View>,
    pub(crate) tag: Option<String>,
    /// Nothing fails, so that each topic has a position from the first byte on.
    log_is_sound: bool,
    body: Option<Pin<Box<BoxBody>>>,
    decoder: Decoder,
    last_id: String,
    /// When it comes back.
    pub(crate) back_at: Instant,
    /// It does not read before.
    pub(crate) reads_at: Instant,
    /// What it is sent is no business of its own any more.
    pub(crate) is_revoked: bool,
    /// It was told not to come back.
    pub(crate) is_final: bool,
    /// When it was last sent something.
    pub(crate) heard_at: Instant,
    /// Events that it has had.
    pub(crate) delivered: u64,
    /// How often it was polled after the shutdown, 2 at most.
    polls_of_drain: u8,
    /// The heads of its topics when it was polled for the second time after the shutdown: the first poll may only flush.
    stops_at: Option<Vec<u64>>,
}

/// What a poll has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    Nothing,
    /// So many bytes, with this digest.
    Chunk(usize, u64),
    Ended,
}

impl Client {
    pub(crate) fn new(plan: &Plan, rng: &mut Rng) -> Self {
        let mut topics: Vec<_> = (0..plan.topics.len()).collect();
        rng.shuffle(&mut topics);
        topics.truncate(rng.usize(1..=topics.len()));
        let views = topics.into_iter().map(|topic| View::new(topic, plan, rng));
        let views = views.collect();
        let now = Instant::now();
        Self {
            thread: rng.u64(..plan.threads),
            views,
            tag: rng.bool().then(|| format!("user:{}", rng.u8(..3))),
            log_is_sound: plan.failures == 0 && plan.crashes == 0,
            body: None,
            decoder: Decoder::new(),
            last_id: String::new(),
            back_at: now,
            reads_at: now,
            is_revoked: false,
            is_final: false,
            heard_at: now,
            delivered: 0,
            polls_of_drain: 0,
            stops_at: None,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.body.is_some()
    }

    /// It asks for a topic more, or for one less.
    pub(crate) fn change_topics(&mut self, plan: &Plan, rng: &mut Rng) {
        if !self.log_is_sound {
            // Its id may then be of none of its topics, and events come without ids while one of them cannot be read.
            return;
        }
        let topic = rng.usize(..plan.topics.len());
        match self.views.iter().position(|view| view.topic == topic) {
            Some(at) if self.views.len() > 1 => _ = self.views.remove(at),
            Some(_) => {}
            None => self.views.push(View::new(topic, plan, rng)),
        }
    }

    /// Sends its request; `false` if it is told not to come back.
    pub(crate) fn connect(&mut self, hub: &Hub, shutdown: &Shutdown, log: &SimLog) {
        let known = Positions::parse(&self.last_id);
        for view in &mut self.views {
            let topic = name(view.topic);
            // What the id does not say, the server does not know: this topic is new to it. What it says counts, also if the client has
            // not asked for this topic for a while.
            match known.of(&topic) {
                None => view.seen = None,
                Some(position) if view.seen.is_none() => {
                    view.seen = log.truth(&topic, |truth| truth.place_of(position));
                }
                Some(_) => {}
            }
            view.connected_at = log.truth(&topic, |truth| Place {
                life: truth.lives.len() - 1,
                sequence: truth.lives.last().map_or(0, crate::truth::Life::head),
            });
        }
        let mut request = TestRequest::get().app_data(shutdown.clone());
        if !self.last_id.is_empty() {
            request = request.insert_header(("last-event-id", self.last_id.as_str()));
        }
        let request = request.to_http_request();
        let selected = self.views.iter().map(|view| {
            let mut selected = hub.subscribe(name(view.topic));
            if let Some(events) = view.history {
                selected = selected.history(events);
            }
            if view.is_filtered {
                selected = selected.filter_names(|name| name == Some("even"));
            }
            selected
        });
        let mut subscription = selected
            .reduce(|one, other| one.and(other).unwrap())
            .expect("there is a topic");
        if let Some(tag) = &self.tag {
            subscription = subscription.tag(tag.as_str());
        }
        let response = on_thread(self.thread, || subscription.respond_to(&request));
        // A revocation ends the streams that there are.
        self.is_revoked = false;
        self.decoder = Decoder::with_last_event_id(&self.last_id);
        self.heard_at = Instant::now();
        if response.status() == StatusCode::NO_CONTENT {
            self.is_final = true;
            return;
        }
        assert_eq!(response.status(), StatusCode::OK);
        self.body = Some(Box::pin(response.into_body()));
    }

    /// Its connection is gone.
    pub(crate) fn cut(&mut self, back_after: Duration) {
        self.back_at = Instant::now() + back_after;
        let body = self.body.take();
        on_thread(self.thread, || drop(body));
    }

    /// Reads once.
    pub(crate) fn poll(
        &mut self,
        waker: &Waker,
        log: &SimLog,
        shutdown: &Shutdown,
    ) -> Result<Polled, String> {
        self.polls_of_drain += u8::from(shutdown.is_fired() && self.polls_of_drain < 2);
        if self.polls_of_drain == 2 && self.stops_at.is_none() {
            let head = |view: &View| log.truth(&name(view.topic), crate::truth::Truth::head);
            self.stops_at = Some(self.views.iter().map(head).collect());
        }
        let Some(body) = &mut self.body else {
            return Ok(Polled::Nothing);
        };
        let mut cx = Context::from_waker(waker);
        let polled = on_thread(self.thread, || body.as_mut().poll_next(&mut cx));
        match polled {
            Poll::Pending => Ok(Polled::Nothing),
            Poll::Ready(Some(Ok(chunk))) => {
                let mut digest = DefaultHasher::new();
                digest.write(&chunk);
                let polled = Polled::Chunk(chunk.len(), digest.finish());
                self.heard_at = Instant::now();
                self.decoder.feed(chunk);
                while let Some(decoded) = self.decoder.next() {
                    if let Decoded::Message(message) = decoded.map_err(|error| error.to_string())? {
                        self.receive(&message, log)
                            .map_err(|fault| format!("{fault}: {message:?}, {:?}", self.views))?;
                    }
                }
                Ok(polled)
            }
            Poll::Ready(_) => {
                let body = self.body.take();
                on_thread(self.thread, || drop(body));
                Ok(Polled::Ended)
            }
        }
    }

    fn receive(&mut self, message: &Message, log: &SimLog) -> Result<(), String> {
        if &*message.event == "sse-end" {
            self.is_final = true;
            return Ok(());
        }
        let number: Option<u64> = message.data.parse().ok();
        let gap = message
            .event
            .strip_prefix("gap")
            .map(|topic| topic.parse::<usize>().unwrap());
        if self.is_revoked {
            return Err("it was revoked before".to_owned());
        }
        let id = message.last_event_id.to_string();
        let positions = Positions::parse(&id);
        let topic_of_event = number.and_then(|number| self.topic_of(number, log));
        let says_some = self
            .views
            .iter()
            .any(|view| positions.of(&name(view.topic)).is_some());
        for (at, view) in self.views.iter_mut().enumerate() {
            let topic = name(view.topic);
            let Some(position) = positions.of(&topic) else {
                // A gap of a client whose id nobody knows has no id, while the log has not answered for each topic.
                let says_all = self.log_is_sound && (number.is_some() || says_some);
                if says_all || view.seen.is_some() {
                    return Err(format!("the id does not say where it is in {topic}"));
                }
                continue;
            };
            log.truth(&topic, |truth| {
                if gap == Some(view.topic) {
                    let missed: serde_json::Value = serde_json::from_str(&message.data).unwrap();
                    view.gap(truth, position, missed["missed"].as_u64())
                } else {
                    let by = number.filter(|_| topic_of_event == Some(view.topic));
                    let head = self.stops_at.as_ref().and_then(|heads| heads.get(at));
                    if by.is_some() && head.is_some_and(|head| position.sequence > *head) {
                        return Err(format!("it was published after the shutdown, at {head:?}"));
                    }
                    view.moved(truth, position, by)
                }
            })?;
        }
        if number.is_some() {
            let topic = topic_of_event.ok_or("an event of no topic that it reads")?;
            // While a topic of a client whose id nobody knows cannot be read, no id is sent.
            if positions.of(&name(topic)).is_none() && (says_some || self.log_is_sound) {
                return Err("an event without its position".to_owned());
            }
            self.delivered += 1;
        }
        self.last_id = id;
        Ok(())
    }

    fn topic_of(&self, number: u64, log: &SimLog) -> Option<usize> {
        let has = |view: &&View| log.truth(&name(view.topic), |truth| truth.count(number) > 0);
        self.views.iter().find(has).map(|view| view.topic)
    }
}
