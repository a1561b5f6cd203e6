//! What publishers were answered, also where they did not look at it.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) repeated: bool,
}

/// All answers for each key, and how many publishes were cut.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    by_key: Mutex<HashMap<String, Vec<Answer>>>,
    cuts: AtomicUsize,
}

impl Answers {
    pub(crate) fn add(&self, key: &str, answer: Answer) {
        let mut by_key = self.by_key.lock().unwrap();
        by_key.entry(key.to_owned()).or_default().push(answer);
    }

    pub(crate) fn count_cut(&self) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }

    /// The id of each key: all answers for it have the same, and at most one says that it was the first.
    pub(crate) fn ids(&self) -> HashMap<String, String> {
        let by_key = self.by_key.lock().unwrap();
        let ids = by_key.iter().map(|(key, answers)| {
            let first = answers.iter().filter(|answer| !answer.repeated).count();
            assert!(first <= 1, "{key}: {answers:?}");
            assert!(
                answers.iter().all(|answer| answer.id == answers[0].id),
                "{key}: {answers:?}"
            );
            (key.clone(), answers[0].id.clone())
        });
        ids.collect()
    }

    /// How many answers there were, and how many of them told of a repetition.
    pub(crate) fn count(&self) -> (usize, usize) {
        let by_key = self.by_key.lock().unwrap();
        let all: Vec<_> = by_key.values().flatten().collect();
        (all.len(), all.iter().filter(|answer| answer.repeated).count())
    }
}
