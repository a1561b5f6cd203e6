//! Telling when a server lets go of what a stream holds.
#![allow(clippy::expect_used, reason = "what fails here fails the test that uses it")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::patience::within;

/// Gives out guards, from any thread.
#[derive(Debug, Clone)]
pub struct Guards {
    dropped: UnboundedSender<()>,
    held: Arc<AtomicUsize>,
}

/// Held by a stream.
#[derive(Debug)]
pub struct Guard(Guards);

/// Hears of every guard that is dropped.
#[derive(Debug)]
pub struct Drops(UnboundedReceiver<()>);

impl Guards {
    /// Where guards come from, and where their end is heard.
    pub fn new() -> (Self, Drops) {
        let (dropped, drops) = unbounded_channel();
        (
            Self {
                dropped,
                held: Arc::default(),
            },
            Drops(drops),
        )
    }

    /// A guard.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.held.fetch_add(1, Ordering::SeqCst);
        Guard(self.clone())
    }

    /// `stream`, holding a guard until it is dropped.
    pub fn held_by<S: Stream>(&self, stream: S) -> impl Stream<Item = S::Item> + use<S> {
        let guard = self.guard();
        stream.inspect(move |_| {
            let _ = &guard;
        })
    }

    /// How many have not been dropped.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::SeqCst);
        // A test that is over no longer listens.
        let _ = self.0.dropped.send(());
    }
}

impl Drops {
    /// Waits until one more has been dropped.
    ///
    /// # Panics
    ///
    /// If none is.
    pub async fn next(&mut self) {
        within("a stream to be dropped", self.0.recv())
            .await
            .expect("its server lives");
    }
}
