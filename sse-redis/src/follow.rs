//! Following: one session after the other, in which this node receives what is published.

mod begin;
mod heartbeat;
mod probe;
mod receive;
mod subscribe;

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    catch_up::CatchUp,
    connect::{Primaries, Primary, Session},
    error::ConnectError,
    fault::Fault,
    shared::{Nudges, Shared},
    topic::Topic,
};

/// The wait after a failure: doubled each time, up to the maximum, with random jitter that only shortens it.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Keeps a session with a primary, so that this node receives what is published there.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    primaries: Rc<Primaries>,
    primary: Rc<Primary>,
    catch_up: Rc<CatchUp>,
    nudges: Nudges,
    subscriptions: subscribe::Queue,
}

impl Follower {
    pub(crate) fn new(
        shared: Arc<Shared>,
        primaries: Rc<Primaries>,
        primary: Rc<Primary>,
        catch_up: Rc<CatchUp>,
        nudges: Nudges,
    ) -> Rc<Self> {
        Rc::new(Self {
            shared,
            primaries,
            primary,
            catch_up,
            nudges,
            subscriptions: subscribe::Queue::default(),
        })
    }

    /// Follows a topic, unless it is already followed.
    pub(crate) fn follow(&self, topic: &Arc<Topic>) {
        if let Some(session) = self.primary.get()
            && session.groups.contains(&topic.group)
            && topic.begins_following(session.number)
        {
            self.subscriptions.push(topic);
        }
    }

    /// Stops following topics.
    pub(crate) fn forget(&self, topics: &[Arc<Topic>]) {
        let number = self.primary.get().map_or(0, |session| session.number);
        let ours = topics.iter().filter(|topic| topic.is_followed_in(number));
        self.subscriptions.forget(ours.cloned().collect());
    }

    /// The first session, or the reason why there is none.
    pub(crate) async fn begin(&self) -> Result<Rc<Session>, ConnectError> {
        begin::begin(self).await
    }

    /// Keeps one session after another, beginning with `first` if there is one. Does not end.
    pub(crate) async fn run(self: Rc<Self>, first: Option<Rc<Session>>) {
        let mut next = first;
        let mut pause = MIN_PAUSE;
        loop {
            let session = match next.take() {
                Some(session) => session,
                None => match begin::begin(&self).await {
                    Ok(session) => session,
                    Err(error) => {
                        self.note(&error);
                        self.primary.request_owners();
                        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                        pause = (pause * 2).min(MAX_PAUSE);
                        continue;
                    }
                },
            };
            let began = Instant::now();
            let fault = tokio::select! {
                fault = session.over() => fault,
                fault = heartbeat::run(&self, &session) => fault,
                fault = probe::run(&self, &session) => fault,
                fault = subscribe::run(&self, &session) => fault,
                renewed = self.renew(&session) => match renewed {
                    Ok(session_after) => {
                        session.end(Fault::Moved);
                        next = Some(session_after);
                        continue;
                    }
                    Err(fault) => fault,
                },
            };
            if began.elapsed() >= MAX_PAUSE {
                pause = MIN_PAUSE;
            }
            session.end(Fault::Lost);
            self.primary.clear();
            self.shared.lost(&self.primary.node, &fault);
            self.primary.request_owners();
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Begins another session when there has to be one. This session goes on until the other has begun, unless it was
    /// cut.
    async fn renew(&self, session: &Session) -> Result<Rc<Session>, Fault> {
        self.primary.renewal().await;
        let mut pause = MIN_PAUSE;
        loop {
            match begin::begin(self).await {
                Ok(session_after) => return Ok(session_after),
                Err(error) => self.note(&error),
            }
            if session.hearing.is_cut() {
                return Err(Fault::Moved);
            }
            if self
                .primary
                .groups()
                .iter()
                .any(|group| !session.groups.contains(group))
            {
                self.shared.lacks_groups(&self.primary.node);
            }
            self.primary.request_owners();
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    fn note(&self, error: &ConnectError) {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        if let Some(times) = self
            .shared
            .faults
            .count(&format!("session {}", self.primary.node))
        {
            let redis = self.primary.node.as_str();
            tracing::warn!(target: "sse_actix", redis, %error, cause, times, "Redis cannot be followed yet");
        }
    }
}
