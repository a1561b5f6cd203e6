//! Catching up: reads entries from streams whose notices did not arrive. It has separate connections, so that notices,
//! appends and revocations never wait for it.

mod compare;
mod heads;
mod lane;
mod pages;
mod renew;
mod scripts;

use std::{rc::Rc, sync::Arc};

use tokio::task::spawn_local;

use self::lane::Lane;
use crate::{
    connect::{Connector, Sessions},
    shared::Shared,
    topic::{Needs, Topic},
};

/// Reads streams.
pub(crate) struct CatchUp {
    shared: Arc<Shared>,
    sessions: Rc<Sessions>,
    /// For jobs with short answers.
    heads: Lane,
    /// For pages of a stream.
    pages: Lane,
}

impl CatchUp {
    pub(crate) fn start(shared: &Arc<Shared>, sessions: &Rc<Sessions>, connector: &Connector) -> Rc<Self> {
        let lane = || Lane::new(connector.clone(), shared.settings.response_timeout);
        let this = Rc::new(Self {
            shared: Arc::clone(shared),
            sessions: Rc::clone(sessions),
            heads: lane(),
            pages: lane(),
        });
        spawn_local(heads::run(Rc::clone(&this)));
        spawn_local(pages::run(Rc::clone(&this)));
        spawn_local(compare::run(Rc::clone(&this)));
        spawn_local(renew::run(Rc::clone(&this)));
        this
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
