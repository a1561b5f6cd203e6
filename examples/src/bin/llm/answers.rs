use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::sleep;

use crate::model::{Draft, Model};

/// A model this small writes a word in a microsecond; this is the pace of a large one.
const PACE: Duration = Duration::from_millis(40);

/// So many answers are kept; then the oldest is forgotten.
const KEPT: usize = 1000;

/// All answers, newest last.
#[derive(Debug)]
pub(crate) struct Answers {
    model: Arc<Model>,
    kept: Mutex<VecDeque<Arc<Answer>>>,
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self {
            model: Arc::new(Model::train()),
            kept: Mutex::default(),
        }
    }

    /// Begins an answer. None of it is written before someone reads it.
    pub(crate) fn ask(&self, prompt: String) -> Arc<Answer> {
        let mut kept = lock(&self.kept);
        let answer = Arc::new(Answer {
            number: kept.back().map_or(1, |newest| newest.number + 1),
            text: Mutex::new(Text::of(self.model.draft(&prompt))),
            model: self.model.clone(),
            prompt,
        });
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(answer.clone());
        answer
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<Answer>> {
        let kept = lock(&self.kept);
        kept.iter().find(|answer| answer.number == number).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Progress> {
        lock(&self.kept).iter().map(|answer| answer.progress()).collect()
    }
}

/// An answer is written as far as someone reads it, and no further.
///
/// What was written stays: whoever reconnects, or comes later, is given the same words.
#[derive(Debug)]
pub(crate) struct Answer {
    number: u64,
    prompt: String,
    model: Arc<Model>,
    text: Mutex<Text>,
}

#[derive(Debug)]
struct Text {
    words: Vec<&'static str>,
    draft: Draft,
    finished: bool,
    readers: usize,
}

/// How far an answer is.
#[derive(Debug, Serialize)]
pub(crate) struct Progress {
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

    /// How many words are written.
    pub(crate) fn written(&self) -> usize {
        lock(&self.text).words.len()
    }

    pub(crate) fn read(self: Arc<Self>) -> Reader {
        lock(&self.text).readers += 1;
        Reader(self)
    }

    fn progress(&self) -> Progress {
        let text = lock(&self.text);
        Progress {
            url: self.url(),
            prompt: self.prompt.clone(),
            words: text.words.len(),
            finished: text.finished,
            readers: text.readers,
        }
    }
}

/// Whoever reads an answer, and by reading has it written.
#[derive(Debug)]
pub(crate) struct Reader(Arc<Answer>);

impl Reader {
    /// The word at `index`, which is written now if it is the next; `None` behind the last.
    pub(crate) async fn word(&self, index: usize) -> Option<&'static str> {
        let answer = &self.0;
        if let Some(word) = lock(&answer.text).words.get(index) {
            return Some(word);
        }
        sleep(PACE).await;
        let mut text = lock(&answer.text);
        // Another reader may have had it written meanwhile.
        if text.words.len() == index && !text.finished {
            text.go_on(&answer.model);
            if text.finished {
                eprintln!("{}: finished after {index} words", answer.url());
            }
        }
        text.words.get(index).copied()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut text = lock(&self.0.text);
        text.readers -= 1;
        if text.readers == 0 && !text.finished {
            eprintln!(
                "{}: no reader is left; stopped after {} words",
                self.0.url(),
                text.words.len()
            );
        }
    }
}

impl Text {
    fn of(draft: Draft) -> Self {
        Self {
            words: Vec::new(),
            draft,
            finished: false,
            readers: 0,
        }
    }

    fn go_on(&mut self, model: &Model) {
        match model.next(&mut self.draft) {
            Some(word) => self.words.push(word),
            None => self.finished = true,
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

    async fn read(answer: &Arc<Answer>, from: usize, to: usize) -> Vec<&'static str> {
        let reader = answer.clone().read();
        let mut words = Vec::new();
        for index in from..to {
            let Some(word) = reader.word(index).await else {
                break;
            };
            words.push(word);
        }
        words
    }

    #[tokio::test(start_paused = true)]
    async fn words_are_written_once_and_only_while_somebody_reads() {
        let answers = Answers::new();
        let answer = answers.ask("license".to_owned());
        assert_eq!(answer.written(), 0);

        let first = read(&answer, 0, 5).await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!((first.len(), answer.written()), (5, 5));

        let (one, other) = tokio::join!(read(&answer, 0, usize::MAX), read(&answer, 5, usize::MAX));
        assert_eq!(one.get(..5), Some(&first[..]));
        assert_eq!(one.get(5..), Some(&other[..]));
        assert_eq!(answers.all()[0].words, one.len());
        assert_eq!(read(&answer, 0, usize::MAX).await, one);
        assert_eq!(answer.written(), one.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_leaves_in_the_middle_of_a_word_stops_the_work() {
        let answer = Answers::new().ask("license".to_owned());
        let reader = answer.clone().read();
        assert_eq!(answer.progress().readers, 1);
        assert!(tokio::time::timeout(PACE / 2, reader.word(0)).await.is_err());
        drop(reader);
        sleep(PACE * 2).await;
        assert_eq!((answer.written(), answer.progress().readers), (0, 0));
    }

    #[test]
    fn the_oldest_answer_is_forgotten() {
        let answers = Answers::new();
        for _ in 0..=KEPT {
            answers.ask(String::new());
        }
        assert!(answers.get(1).is_none());
        assert_eq!(answers.get(2).unwrap().url(), "/answers/2");
        assert_eq!(answers.all().len(), KEPT);
    }
}
