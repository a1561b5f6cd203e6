//! How a subscription becomes the answer to a request: `respond_to` binds it to the request,
//! [`begin`](Subscription::begin) lets it read, and `response::respond` makes the response. The next steps are in the
//! header of `subscription.rs`.

use std::{
    net::IpAddr,
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse, Responder, ResponseError as _,
    body::BoxBody,
    http::{Method, Version},
};

use smallvec::SmallVec;
use sse_actix_core::Positions;
use tokio::time::Instant;

use super::{Lifetime, Subscription, error::NoRuntime};
use crate::{
    clock,
    extract::{LastEventId, is_reconnect_after_end},
    hub::{
        admission::limits::{LimitExceeded, Limits, StreamPermit},
        reader::{ResumePoint, SubscriptionReader, TopicReader},
        stats::Eviction,
        topic_of::TopicTypeError,
        worker::{Subscriber, Worker},
    },
    lifecycle::{control::StreamControl, ending::no_content},
    server::ConnectionState,
    stream::{
        buffer::EventBuffer,
        response,
        source::{Source, SourceResult},
    },
};

impl<E> Responder for Subscription<E> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<BoxBody> {
        if !self.options.is_plain(request.method()) && is_reconnect_after_end(request) {
            return no_content();
        }
        let buffer = Rc::new(EventBuffer::new(None));
        let mut this = self.on(request);
        if request.method() == Method::HEAD {
            return response::respond(request, &this.options, this.headers.as_ref(), buffer, EmptySource);
        }
        match this.begin() {
            Ok(reading) => {
                reading.subscriber().set_returned();
                response::respond(request, &this.options, this.headers.as_ref(), buffer, reading)
            }
            Err(Refused::LimitExceeded(limit)) => {
                tracing::debug!(target: "sse_actix", path = request.path(), "turned away: {limit}");
                let retry = this.hub.0.limits.retry();
                let status = limit.status();
                response::refuse_over_limit(request, &this.options, this.headers.as_ref(), status, retry)
            }
            Err(Refused::NoRuntime) => NoRuntime.error_response(),
            Err(Refused::WrongType(error)) => {
                tracing::error!(target: "sse_actix", path = request.path(), "{error}");
                error.error_response()
            }
        }
    }
}

/// The parts of a request that a subscription needs.
pub(super) struct RequestBinding {
    pub(super) last: Option<LastEventId>,
    pub(super) control: Option<StreamControl>,
    pub(super) method: Method,
    address: Option<IpAddr>,
    /// Its connection, on HTTP/1.1 of this library's server.
    connection: Option<Weak<ConnectionState>>,
}

impl RequestBinding {
    /// For a subscription that is not bound to a request.
    pub(super) fn none() -> Self {
        Self {
            last: None,
            control: None,
            method: Method::GET,
            address: None,
            connection: None,
        }
    }

    /// Uses the id `last` if there is one, else the request's id.
    pub(super) fn of(request: &HttpRequest, last: Option<LastEventId>, limits: &Limits) -> Self {
        Self {
            last: Some(last.unwrap_or_else(|| LastEventId::of(request))),
            control: Some(StreamControl::of(request)),
            method: request.method().clone(),
            address: limits.address_of(request),
            connection: ConnectionState::current()
                .filter(|_| request.version() < Version::HTTP_2)
                .map(|state| Rc::downgrade(&state)),
        }
    }
}

/// The reason why a subscription does not begin.
pub(super) enum Refused {
    LimitExceeded(LimitExceeded),
    NoRuntime,
    WrongType(TopicTypeError),
}

/// The stream's credential has expired.
struct AlreadyExpired;

impl Lifetime {
    /// The time at which the stream ends, and the reason, if the clock can represent that time.
    fn ends_at(self) -> Result<Option<(Instant, Eviction)>, AlreadyExpired> {
        let now = Instant::now();
        let after = |left: Duration, reason| Some((now.checked_add(left)?, reason));
        let aged = self.max_age.and_then(|age| {
            let part = age.as_secs_f64() * (0.8 + 0.2 * fastrand::f64());
            after(Duration::try_from_secs_f64(part).ok()?, Eviction::Aged)
        });
        let expired = match self.valid_until.map(|time| time.duration_since(clock::wall())) {
            Some(Err(_)) => return Err(AlreadyExpired),
            Some(Ok(left)) => after(left, Eviction::Expired),
            None => None,
        };
        Ok(aged.into_iter().chain(expired).min_by_key(|(at, _)| *at))
    }
}

impl<E> Subscription<E> {
    /// Takes a permit, and begins to read.
    pub(super) fn begin(&mut self) -> Result<SubscriptionReader, Refused> {
        let hub = &self.hub.0;
        let tags = match &self.request.control {
            Some(control) => {
                for tag in self.tags.drain(..) {
                    hub.tags.admit(control, tag);
                }
                control.tags()
            }
            None => std::mem::take(&mut self.tags),
        };
        #[cfg(feature = "rate-limit")]
        hub.limits
            .check_rate(self.request.address)
            .map_err(Refused::LimitExceeded)?;
        let mut permit =
            StreamPermit::take(&hub.limits, self.request.address, &tags).map_err(Refused::LimitExceeded)?;
        let worker = Worker::of(&hub.0).ok_or(Refused::NoRuntime)?;

        let resume_points = self.resume_points();
        let topics: Result<SmallVec<[TopicReader; 1]>, TopicTypeError> = self
            .selections
            .drain(..)
            .map(|selection| {
                let topic = hub.topic_state(&selection.topic);
                topic.check_type(selection.event_type)?;
                Ok(TopicReader::new(topic, selection.options))
            })
            .collect();
        let topics = topics.map_err(Refused::WrongType)?;
        let subscriber = Rc::new(Subscriber::new(self.request.control.clone(), topics.len()));
        subscriber.set_connection(self.request.connection.take());
        let plain = self.options.is_plain(&self.request.method);
        subscriber.plain.set(plain);
        let reading = SubscriptionReader::new(
            Rc::clone(&worker),
            Rc::clone(&subscriber),
            topics,
            &resume_points,
            tags,
        );
        // Code that waits for a reader may publish as soon as it is counted.
        permit.count_as_reader();
        subscriber.permit.set(Some(permit));
        subscriber
            .known_position
            .sends_position_events
            .set(self.positions && !plain && reading.sends_position_events());

        match self.lifetime.ends_at() {
            Ok(None) => {}
            Ok(Some((at, reason))) => worker.end_at(&subscriber, at, reason),
            // The subscriber is evicted before anything is sent.
            Err(AlreadyExpired) => worker.evict(&subscriber, Eviction::Expired),
        }
        Ok(reading)
    }

    /// The client's resume point in each topic.
    fn resume_points(&self) -> Vec<ResumePoint> {
        let id = self.request.last.as_ref().and_then(LastEventId::as_str);
        let unknown = self.request.last.as_ref().is_some_and(LastEventId::is_unknown);
        let positions = id.map(Positions::parse).unwrap_or_default();
        let positions_of_topics: Vec<_> = self
            .selections
            .iter()
            .map(|selection| positions.of(&selection.topic))
            .collect();
        // An id is a list of positions. `of` finds a topic's position by the epoch. An id without a position in any of
        // these topics is unknown, and the client gets a gap event. If an id has positions in some topics, the client
        // is new to the others.
        let is_unknown = unknown || id.is_some() && positions_of_topics.iter().all(Option::is_none);
        positions_of_topics
            .into_iter()
            .map(|position| match position {
                Some(position) => ResumePoint::Position(position),
                None if is_unknown => ResumePoint::Unknown,
                None => ResumePoint::NewClient,
            })
            .collect()
    }
}

/// The source of a stream that ends at once.
struct EmptySource;

impl Source for EmptySource {
    fn poll_fill(&mut self, _: &EventBuffer, _: &mut Context<'_>) -> Poll<SourceResult> {
        Poll::Pending
    }
}
