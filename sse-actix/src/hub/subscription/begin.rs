//! How a subscription begins to read.

use std::{rc::Rc, time::SystemTime};

use smallvec::SmallVec;
use sse_actix_core::Positions;
use tokio::time::Instant;

use super::Subscription;
use crate::{
    extract::LastEventId,
    hub::{
        admission::limits::{LimitExceeded, StreamPermit},
        reader::{ResumePoint, SubscriptionReader, TopicReader},
        stats::Eviction,
        worker::{Subscriber, Worker},
    },
};

/// Why it does not begin.
pub(super) enum Refused {
    LimitExceeded(LimitExceeded),
    NoRuntime,
}

impl Subscription {
    /// Takes a permit, and begins to read.
    pub(super) fn begin(&mut self) -> Result<SubscriptionReader, Refused> {
        let state = &self.hub.0;
        let tags = match &self.request.control {
            Some(control) => {
                for tag in self.tags.drain(..) {
                    state.tags.admit(control, tag);
                }
                control.tags()
            }
            None => std::mem::take(&mut self.tags),
        };
        state
            .limits
            .check_rate(self.request.address)
            .map_err(Refused::LimitExceeded)?;
        let mut permit =
            StreamPermit::take(&state.limits, self.request.address, &tags).map_err(Refused::LimitExceeded)?;
        let worker = Worker::of(state).ok_or(Refused::NoRuntime)?;

        let brought = self.brought();
        let parts: SmallVec<[TopicReader; 1]> = self
            .parts
            .drain(..)
            .map(|part| TopicReader::new(state.topic(&part.topic), part.manner))
            .collect();
        let subscriber = Rc::new(Subscriber::new(self.request.control.clone(), parts.len()));
        let plain = self.options.is_plain(&self.request.method);
        subscriber.plain.set(plain);
        let reading =
            SubscriptionReader::new(Rc::clone(&worker), Rc::clone(&subscriber), parts, &brought, tags);
        // Code that waits for a reader may publish as soon as it is counted.
        permit.begin_to_read();
        subscriber.permit.set(Some(permit));
        subscriber
            .client
            .by_events
            .set(self.positions && !plain && reading.tells_position());

        if let Some(age) = self.lifetime.max_age {
            let age = age.mul_f64(0.8 + 0.2 * fastrand::f64());
            worker.end_at(&subscriber, Instant::now() + age, Eviction::Aged);
        }
        if let Some(time) = self.lifetime.valid_until {
            match time.duration_since(SystemTime::now()) {
                Ok(left) => worker.end_at(&subscriber, Instant::now() + left, Eviction::Expired),
                // Before anything is sent.
                Err(_) => worker.evict(&subscriber, Eviction::Expired),
            }
        }
        Ok(reading)
    }

    /// What the client has of each topic.
    fn brought(&self) -> Vec<ResumePoint> {
        let id = self.request.last.as_ref().and_then(LastEventId::as_str);
        let unknown = self.request.last.as_ref().is_some_and(LastEventId::is_unknown);
        let positions = id.map(Positions::parse).unwrap_or_default();
        let of_parts: Vec<_> = self.parts.iter().map(|part| positions.of(&part.topic)).collect();
        // An id that names none of these topics says nothing. An id that names some of them says that the others are
        // new for this client.
        let nonsense = unknown || id.is_some() && of_parts.iter().all(Option::is_none);
        of_parts
            .into_iter()
            .map(|position| match position {
                Some(position) => ResumePoint::Position(position),
                None if nonsense => ResumePoint::Nonsense,
                None => ResumePoint::Nothing,
            })
            .collect()
    }
}
