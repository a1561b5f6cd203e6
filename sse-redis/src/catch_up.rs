//! Catching up: reads entries from streams whose notices did not arrive. It has separate connections, so that notices,
//! appends and revocations never wait for it.
//!
//! A *lane* is such a connection with the topics that wait for it. There is one for jobs with short answers (`heads`) and
//! one for pages of a stream (`pages`), so that a short answer does not wait for a long one.

mod compare;
mod heads;
mod lane;
mod pages;
mod renew;
mod scripts;

use std::{rc::Rc, sync::Arc};

use tokio::task::{AbortHandle, JoinHandle, spawn_local};

use self::lane::Lane;
use crate::{
    connect::{Primaries, Primary, Session},
    shared::Shared,
    topic::{Needs, Topic},
};

/// Reads streams.
pub(crate) struct CatchUp {
    shared: Arc<Shared>,
    primary: Rc<Primary>,
    /// For jobs with short answers.
    heads: Lane,
    /// For pages of a stream.
    pages: Lane,
}

impl CatchUp {
    /// Starts the tasks that read at a primary. Returns the tasks as well.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        primaries: &Rc<Primaries>,
        primary: &Rc<Primary>,
    ) -> (Rc<Self>, Vec<AbortHandle>) {
        let lane = || {
            Lane::new(
                Rc::clone(primaries),
                Rc::clone(primary),
                shared.settings.response_timeout,
            )
        };
        let this = Rc::new(Self {
            shared: Arc::clone(shared),
            primary: Rc::clone(primary),
            heads: lane(),
            pages: lane(),
        });
        let tasks = [
            spawn_local(heads::run(Rc::clone(&this))),
            spawn_local(pages::run(Rc::clone(&this))),
            spawn_local(compare::run(Rc::clone(&this))),
            spawn_local(renew::run(Rc::clone(&this))),
        ];
        let tasks = tasks.iter().map(JoinHandle::abort_handle).collect();
        (this, tasks)
    }

    /// The topics that are followed in this session.
    fn topics(&self, session: &Session) -> Vec<Arc<Topic>> {
        let all = self.shared.topics.all().into_iter();
        all.filter(|topic| topic.is_followed_in(session.number)).collect()
    }

    /// Requests again what a topic needs, because the answer came from a primary that does not hold the topic, or does
    /// not hold it yet. The request goes to the primary where the topic is followed next, or to this one if the topic
    /// stays.
    fn retry_elsewhere(&self, topic: &Arc<Topic>) {
        topic.request_newest();
        self.primary.request_owners();
        self.work(topic);
    }

    /// Queues a topic that may have jobs.
    pub(crate) fn work(&self, topic: &Arc<Topic>) {
        self.queue(topic, topic.needs());
    }

    fn queue(&self, topic: &Arc<Topic>, needs: Needs) {
        if needs.head {
            self.heads.push(topic);
        }
        if needs.page {
            self.pages.push(topic);
        }
    }

    /// Notes that a topic cannot be read because of a fault of the topic itself.
    fn fail(&self, topic: &Topic, why: &str) {
        if let Some(times) = self.shared.faults.count(&format!("read {}", topic.name)) {
            tracing::error!(
                target: "sse_actix", topic = topic.name.as_str(), cause = why, times,
                "a topic cannot be read; its streams stay open"
            );
        }
        topic.fail(why.to_owned(), true);
    }
}
