use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use serde::Serialize;
use sse_actix::{Event, Hub, RawTopic, TopicName, TopicNameError};
use tokio::{sync::Notify, time::sleep};

use crate::model::{Draft, Model};

/// A model this small writes a word in a microsecond; this is the pace of a large one.
const PACE: Duration = Duration::from_millis(40);

/// So many answers are kept; then the oldest is forgotten.
const KEPT: usize = 1000;

/// All answers, newest last.
#[derive(Debug)]
pub(crate) struct Answers {
    hub: Hub,
    model: Arc<Model>,
    kept: Mutex<VecDeque<Arc<Answer>>>,
}

impl Answers {
    pub(crate) fn new(hub: Hub) -> Self {
        Self {
            hub,
            model: Arc::new(Model::train()),
            kept: Mutex::default(),
        }
    }

    /// Begins an answer: a task writes it to a topic of its own. None of it is written before someone
    /// reads it.
    pub(crate) fn ask(&self, prompt: String) -> Result<Arc<Answer>, TopicNameError> {
        let draft = self.model.draft(&prompt);
        let mut kept = lock(&self.kept);
        let number = kept.back().map_or(1, |newest| newest.number + 1);
        let answer = Arc::new(Answer {
            number,
            topic: TopicName::try_from(format!("answer:{number}"))?,
            prompt,
            progress: Mutex::default(),
            arrived: Notify::new(),
        });
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(answer.clone());
        actix_web::rt::spawn(write(
            Arc::downgrade(&answer),
            self.hub.raw(&answer.topic),
            self.model.clone(),
            draft,
        ));
        Ok(answer)
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<Answer>> {
        let kept = lock(&self.kept);
        kept.iter().find(|answer| answer.number == number).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Account> {
        lock(&self.kept).iter().map(|answer| answer.account()).collect()
    }
}

/// The event behind the last word.
pub(crate) const DONE: &str = "done";

/// Writes an answer as long as someone reads it, at the pace of a large model.
async fn write(answer: Weak<Answer>, topic: RawTopic, model: Arc<Model>, mut draft: Draft) {
    while let Some(answer) = answer.upgrade() {
        answer.is_read().await;
        sleep(PACE).await;
        if lock(&answer.progress).readers == 0 {
            continue;
        }
        let word = model.next(&mut draft);
        let event = match word {
            Some(word) => Event::data(word).event("word"),
            None => Event::data("").event(DONE),
        };
        if let Err(error) = topic.publish(event).await {
            eprintln!("{}: a word was not published: {error}", answer.url());
            return;
        }
        let mut progress = lock(&answer.progress);
        if word.is_none() {
            progress.finished = true;
            eprintln!("{}: finished after {} words", answer.url(), progress.words);
            return;
        }
        progress.words += 1;
    }
}

/// An answer is written as long as someone reads it, and once.
///
/// What was written stays in its topic's log: whoever reconnects, or comes later, is given the same words.
#[derive(Debug)]
pub(crate) struct Answer {
    number: u64,
    prompt: String,
    topic: TopicName,
    progress: Mutex<Progress>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Progress {
    words: usize,
    finished: bool,
    readers: usize,
}

/// How far an answer is.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    url: String,
    prompt: String,
    words: usize,
    finished: bool,
    readers: usize,
}

impl Answer {
    pub(crate) fn url(&self) -> String {
        format!("/answers/{}", self.number)
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Has it written, until what this returns is dropped.
    pub(crate) fn read(self: Arc<Self>) -> Reader {
        lock(&self.progress).readers += 1;
        self.arrived.notify_one();
        Reader(self)
    }

    async fn is_read(&self) {
        while lock(&self.progress).readers == 0 {
            self.arrived.notified().await;
        }
    }

    fn account(&self) -> Account {
        let progress = lock(&self.progress);
        Account {
            url: self.url(),
            prompt: self.prompt.clone(),
            words: progress.words,
            finished: progress.finished,
            readers: progress.readers,
        }
    }
}

/// Whoever reads an answer.
#[derive(Debug)]
pub(crate) struct Reader(Arc<Answer>);

impl Drop for Reader {
    fn drop(&mut self) {
        let mut progress = lock(&self.0.progress);
        progress.readers -= 1;
        if progress.readers == 0 && !progress.finished {
            eprintln!(
                "{}: no reader is left; stopped after {} words",
                self.0.url(),
                progress.words
            );
        }
    }
}

/// A thread that panicked while it held the lock left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        Answers::new(Hub::new().unwrap())
    }

    #[actix_web::test]
    async fn words_are_written_once_and_only_while_somebody_reads() {
        tokio::time::pause();
        let answers = answers();
        let answer = answers.ask("license".to_owned()).unwrap();
        sleep(PACE * 10).await;
        assert_eq!(answer.account().words, 0);

        let (one, other) = (answer.clone().read(), answer.clone().read());
        sleep(PACE * 5 + PACE / 2).await;
        drop(one);
        let written = answer.account().words;
        assert!((4..=5).contains(&written), "{written}");
        sleep(PACE).await;
        drop(other);
        let written = answer.account().words;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(
            (answer.account().words, answer.account().finished),
            (written, false)
        );

        let reader = answer.clone().read();
        while !answer.account().finished {
            sleep(PACE).await;
        }
        drop(reader);
        let published = answers.hub.stats().topic("answer:1").unwrap().published;
        assert_eq!(published, answer.account().words as u64 + 1);
    }

    #[actix_web::test]
    async fn the_oldest_answer_is_forgotten() {
        let answers = answers();
        for _ in 0..=KEPT {
            answers.ask(String::new()).unwrap();
        }
        assert!(answers.get(1).is_none());
        assert_eq!(answers.get(2).unwrap().url(), "/answers/2");
        assert_eq!(answers.all().len(), KEPT);
    }
}
