use std::collections::HashMap;

/// The texts that the model has read: this project's own documents.
const TEXTS: [&str; 4] = [
    include_str!("../../../../CONTRIBUTING.md"),
    include_str!("../../../../DESIGN.md"),
    include_str!("../../../../LICENSE-APACHE"),
    include_str!("../../../README.md"),
];

/// After this number of words, the answer ends with the next end of a sentence.
const MIN_WORDS: usize = 60;
const MAX_WORDS: usize = 160;

/// A very small language model. It knows which word followed which, and how often. It writes word by word, and draws
/// each word from those that followed the two words before it. It understands nothing, but for an example of streaming
/// this is enough.
#[derive(Debug, Default)]
pub(crate) struct Model {
    after_one: HashMap<&'static str, Vec<&'static str>>,
    after_two: HashMap<(&'static str, &'static str), Vec<&'static str>>,
    openings: Vec<&'static str>,
}

/// The state of one answer: its last two words, and its length.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerState {
    before: &'static str,
    last: &'static str,
    words: usize,
}

impl Model {
    pub(crate) fn train() -> Self {
        let mut model = Self::default();
        for paragraph in TEXTS
            .iter()
            .flat_map(|text| text.split("\n\n"))
            .filter(|text| is_prose(text))
        {
            let words = paragraph.split_whitespace().filter(|word| !word.contains("]("));
            let words: Vec<_> = words.map(|word| word.trim_matches(['*', '`', '"'])).collect();
            model.openings.extend(words.first());
            for pair in words.windows(2) {
                if let [one, two] = pair {
                    model.after_one.entry(one).or_default().push(two);
                }
            }
            for triple in words.windows(3) {
                if let [one, two, three] = triple {
                    model.after_two.entry((one, two)).or_default().push(three);
                }
            }
        }
        model
    }

    /// Begins an answer. Its first word is the last word of the prompt that the model knows, if there is one.
    pub(crate) fn begin_answer(&self, prompt: &str) -> AnswerState {
        let known = prompt.split_whitespace().rev().find_map(|word| {
            let word = word.trim_matches(|symbol: char| !symbol.is_alphanumeric());
            self.after_one
                .keys()
                .find(|known| known.eq_ignore_ascii_case(word))
        });
        AnswerState {
            last: known.copied().unwrap_or_default(),
            ..AnswerState::default()
        }
    }

    /// The next word, or nothing at the end of the answer.
    pub(crate) fn next(&self, state: &mut AnswerState) -> Option<&'static str> {
        let sentence_ended = state.last.ends_with(['.', '!', '?']);
        if state.words >= MAX_WORDS || (state.words >= MIN_WORDS && sentence_ended) {
            return None;
        }
        let after_two = self.after_two.get(&(state.before, state.last));
        let word = if state.words == 0 && !state.last.is_empty() {
            state.last
        } else {
            // With only one choice, the model would quote its texts.
            let choices = after_two.filter(|words| words.len() > 1);
            let choices = choices
                .or_else(|| self.after_one.get(state.last))
                .unwrap_or(&self.openings);
            fastrand::choice(choices).copied()?
        };
        *state = AnswerState {
            before: state.last,
            last: word,
            words: state.words + 1,
        };
        Some(word)
    }
}

/// Whether a paragraph is neither heading, table, list nor code.
fn is_prose(paragraph: &str) -> bool {
    let start = paragraph.trim_start();
    !paragraph.contains("```") && start.starts_with(|first: char| first.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(model: &Model, prompt: &str) -> Vec<&'static str> {
        let mut state = model.begin_answer(prompt);
        std::iter::from_fn(|| model.next(&mut state)).collect()
    }

    #[test]
    fn an_answer_is_made_of_pairs_that_were_read() {
        let model = Model::train();
        let answer = write(&model, "");
        assert!((MIN_WORDS..=MAX_WORDS).contains(&answer.len()));
        for pair in answer.windows(2) {
            let followed = model.after_one.get(pair[0]);
            assert!(followed.is_none_or(|words| words.contains(&pair[1])), "{pair:?}");
        }
    }

    #[test]
    fn an_answer_begins_with_a_word_of_the_prompt() {
        let model = Model::train();
        assert_eq!(
            write(&model, "what is a LICENSE? xyzzy")[0].to_lowercase(),
            "license"
        );
        assert!(model.openings.contains(&write(&model, "xyzzy")[0]));
    }
}
