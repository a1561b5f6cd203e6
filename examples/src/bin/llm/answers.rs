use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use sse_actix::{Event, Hub, PublishError, RawTopic, Topic, TopicEvent, TopicName, TopicNameError};
use tokio::{sync::Notify, time::sleep};

use crate::model::{AnswerState, Model};

/// The pause between two words. The small model needs a microsecond for a word; this is the pace of a large model.
const WORD_INTERVAL: Duration = Duration::from_millis(40);

/// How many answers are kept. A new one above this number replaces the oldest.
const KEPT: usize = 1000;

/// The topic with the list of all answers.
const ANSWERS: TopicName = TopicName::from_static("answers");

/// All answers, newest last.
#[derive(Debug)]
pub(crate) struct Answers {
    hub: Hub,
    model: Arc<Model>,
    kept: Mutex<VecDeque<Arc<Answer>>>,
    next: AtomicU64,
}

impl Answers {
    /// Loads all answers that were finished when the program ended. Unfinished answers are lost.
    pub(crate) async fn load(hub: Hub) -> Result<Self, PublishError> {
        let this_run = format!("{:032x}", fastrand::u128(..));
        let run = this_run.clone();
        hub.topic(ANSWERS).publish(&Change::Started { run }).await?;
        let (mut kept, mut newest) = (VecDeque::new(), 0);
        let mut changes = hub.follow(ANSWERS).from_oldest();
        while let Some(event) = changes.next().await {
            let TopicEvent::Published(event) = event else {
                continue;
            };
            match event.value::<Change>().as_deref() {
                Some(Change::Started { run }) if *run == this_run => break,
                Some(Change::Begun { number }) => newest = newest.max(*number),
                Some(Change::Finished {
                    number,
                    prompt,
                    words,
                }) => {
                    if let Ok(answer) = Answer::new(*number, prompt.clone()) {
                        let mut progress = lock(&answer.progress);
                        (progress.words, progress.finished) = (*words, true);
                        drop(progress);
                        keep(&mut kept, Arc::new(answer));
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            hub,
            model: Arc::new(Model::train()),
            kept: Mutex::new(kept),
            next: AtomicU64::new(newest + 1),
        })
    }

    /// Begins an answer: a task writes it to the answer's own topic. The task writes nothing before a client reads it.
    pub(crate) fn ask(&self, prompt: String) -> Result<Arc<Answer>, TopicNameError> {
        let state = self.model.begin_answer(&prompt);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = Arc::new(Answer::new(number, prompt)?);
        keep(&mut lock(&self.kept), answer.clone());
        actix_web::rt::spawn(write(
            Arc::downgrade(&answer),
            self.hub.raw(&answer.topic),
            self.hub.topic(ANSWERS),
            self.model.clone(),
            state,
        ));
        Ok(answer)
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<Answer>> {
        let kept = lock(&self.kept);
        kept.iter().find(|answer| answer.number == number).cloned()
    }

    pub(crate) fn all(&self) -> Vec<AnswerReport> {
        lock(&self.kept).iter().map(|answer| answer.report()).collect()
    }
}

/// The name of the event after the last word.
pub(crate) const DONE: &str = "done";

/// Writes an answer at the pace of a large model, while at least one client reads it.
async fn write(
    answer: Weak<Answer>,
    topic: RawTopic,
    answers: Topic<Change>,
    model: Arc<Model>,
    mut state: AnswerState,
) {
    let mut is_begun = false;
    while let Some(answer) = answer.upgrade() {
        answer.is_read().await;
        sleep(WORD_INTERVAL).await;
        if lock(&answer.progress).readers == 0 {
            continue;
        }
        if !is_begun {
            let number = answer.number;
            if let Err(error) = answers.publish(&Change::Begun { number }).await {
                eprintln!("{}: the answer could not be started: {error}", answer.url());
                continue;
            }
            is_begun = true;
        }
        let word = model.next(&mut state);
        let event = match word {
            Some(word) => Event::data(word).event("word"),
            None => Event::data("").event(DONE),
        };
        if let Err(error) = topic.publish(event).await {
            eprintln!("{}: a word was not published: {error}", answer.url());
            return;
        }
        if word.is_none() {
            let words = {
                let mut progress = lock(&answer.progress);
                progress.finished = true;
                progress.words
            };
            eprintln!("{}: finished after {words} words", answer.url());
            let finished = Change::Finished {
                number: answer.number,
                prompt: answer.prompt.clone(),
                words,
            };
            if let Err(error) = answers.publish(&finished).await {
                eprintln!(
                    "{}: could not be saved; it is lost at a restart: {error}",
                    answer.url()
                );
            }
            return;
        }
        lock(&answer.progress).words += 1;
    }
}

/// Adds an answer. If there is no room, it replaces the oldest one.
fn keep(kept: &mut VecDeque<Arc<Answer>>, answer: Arc<Answer>) {
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(answer);
}

/// An event of the topic of answers.
#[derive(Debug, Serialize, Deserialize)]
enum Change {
    /// This number is in use, so no other answer may get it.
    Begun { number: u64 },
    Finished {
        number: u64,
        prompt: String,
        words: usize,
    },
    /// The program was started. All events before this one are from earlier starts.
    Started { run: String },
}

/// An answer of the model. Each word is written once, and only while a client reads the answer.
///
/// The words stay in the log of the answer's topic. A client that reconnects, or comes later, gets the same words.
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

/// The progress of an answer, as the page shows it.
#[derive(Debug, Serialize)]
pub(crate) struct AnswerReport {
    url: String,
    prompt: String,
    words: usize,
    finished: bool,
    readers: usize,
}

impl Answer {
    fn new(number: u64, prompt: String) -> Result<Self, TopicNameError> {
        Ok(Self {
            number,
            topic: TopicName::try_from(format!("answer:{number}"))?,
            prompt,
            progress: Mutex::default(),
            arrived: Notify::new(),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("/answers/{}", self.number)
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Lets the task write this answer, until the returned `Reader` is dropped.
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

    fn report(&self) -> AnswerReport {
        let progress = lock(&self.progress);
        AnswerReport {
            url: self.url(),
            prompt: self.prompt.clone(),
            words: progress.words,
            finished: progress.finished,
            readers: progress.readers,
        }
    }
}

/// Counts as a reader of an answer, until it is dropped.
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

/// Ignores the poison of a lock: a thread that panicked while it held the lock has left no incomplete change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answers() -> Answers {
        Answers::load(Hub::new().unwrap()).await.unwrap()
    }

    #[actix_web::test]
    async fn words_are_written_once_and_only_while_somebody_reads() {
        tokio::time::pause();
        let answers = answers().await;
        let answer = answers.ask("license".to_owned()).unwrap();
        sleep(WORD_INTERVAL * 10).await;
        assert_eq!(answer.report().words, 0);

        let (one, other) = (answer.clone().read(), answer.clone().read());
        sleep(WORD_INTERVAL * 5 + WORD_INTERVAL / 2).await;
        drop(one);
        let written = answer.report().words;
        assert!((4..=5).contains(&written), "{written}");
        sleep(WORD_INTERVAL).await;
        drop(other);
        let written = answer.report().words;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(
            (answer.report().words, answer.report().finished),
            (written, false)
        );

        let reader = answer.clone().read();
        while !answer.report().finished {
            sleep(WORD_INTERVAL).await;
        }
        drop(reader);
        let published = answers
            .hub
            .stats()
            .topic(answer.topic.as_str())
            .unwrap()
            .published;
        assert_eq!(published, answer.report().words as u64 + 1);
    }

    #[actix_web::test]
    async fn the_oldest_answer_is_forgotten() {
        let answers = answers().await;
        let asked: Vec<_> = (0..=KEPT)
            .map(|_| answers.ask(String::new()).unwrap().number)
            .collect();
        assert!(answers.get(asked[0]).is_none());
        assert_eq!(
            answers.get(asked[1]).unwrap().url(),
            format!("/answers/{}", asked[1])
        );
        assert_eq!(answers.all().len(), KEPT);
    }

    #[actix_web::test]
    async fn finished_answers_are_there_after_a_restart() {
        tokio::time::pause();
        let answers = answers().await;
        let [finished, unfinished] = ["one", "two"].map(|prompt| answers.ask(prompt.to_owned()).unwrap());
        let reader = finished.clone().read();
        while !finished.report().finished {
            sleep(WORD_INTERVAL).await;
        }
        drop(reader);
        sleep(WORD_INTERVAL).await;
        let again = Answers::load(answers.hub.clone()).await.unwrap();
        let found = again.get(finished.number).unwrap().report();
        assert_eq!((found.words, found.finished), (finished.report().words, true));
        assert!(again.get(unfinished.number).is_none());
    }
}
