//! What is logged.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use tracing::{
    Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

/// Every event of ours, with the fields of its span.
#[derive(Clone, Default, Debug)]
pub struct Log(Arc<Mutex<Vec<(Level, Fields)>>>);

/// What an event says, by the names of its fields.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    /// The value of a field; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten() {
            fields
                .0
                .extend(span.extensions().get::<Fields>().cloned().unwrap_or_default().0);
        }
        event.record(&mut fields);
        if event.metadata().target().starts_with("sse_actix") {
            self.0.lock().unwrap().push((*event.metadata().level(), fields));
        }
    }
}

impl Log {
    /// Of this thread, until the guard is dropped.
    pub fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(log.clone()));
        (log, guard)
    }

    /// Of all threads; once in a process.
    pub fn start_everywhere() -> Self {
        let log = Self::default();
        tracing::subscriber::set_global_default(Registry::default().with(log.clone())).unwrap();
        log
    }

    /// What was logged since the last call.
    pub fn take(&self) -> Vec<(Level, Fields)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
