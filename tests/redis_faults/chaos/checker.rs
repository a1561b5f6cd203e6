//! Says whether a reader got every acknowledged event once and in order, or was told of a gap.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    mem,
};

use sse_actix::{Epoch, Position};

/// What became of an event that was published.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Acknowledged(String),
    Refused,
    Unknown,
}

/// What a reader was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    Event { id: String, data: String },
    Gap,
}

/// What was published to a topic, by its data, which is `publisher/number`, and what the topic holds in the end.
#[derive(Debug, Default, Clone)]
pub(super) struct Truth {
    published: HashMap<String, Outcome>,
    /// What was acknowledged, in its order.
    order: HashMap<Epoch, BTreeMap<u64, String>>,
    kept: HashSet<String>,
}

/// The event that everybody waits for.
pub(super) const LAST: &str = "last/0";

impl Truth {
    pub(super) fn published(&mut self, data: String, outcome: Outcome) {
        if let Outcome::Acknowledged(id) = &outcome {
            let position = Position::parse(id).unwrap();
            let order = self.order.entry(position.epoch).or_default();
            order.insert(position.sequence, data.clone());
        }
        self.published.insert(data, outcome);
    }

    pub(super) fn kept(&mut self, data: String) {
        self.kept.insert(data);
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.order.values().map(BTreeMap::len).sum()
    }

    fn is_acknowledged(&self, data: &str) -> bool {
        matches!(self.published.get(data), Some(Outcome::Acknowledged(_)))
    }
}

/// Where and what is wrong with what one reader was given. `ids` is shared by all readers of the topic: what each id stood for.
pub(super) fn check(
    truth: &Truth,
    record: &[Seen],
    ids: &mut HashMap<String, String>,
) -> Result<(), (usize, String)> {
    let mut run = Run::default();
    for (at, seen) in record.iter().enumerate() {
        let right = match seen {
            Seen::Gap => mem::take(&mut run).is_complete(truth),
            Seen::Event { id, data } => {
                is_sound(truth, id, data, ids).and_then(|()| run.push(truth, id, data))
            }
        };
        right.map_err(|fault| (at, fault))?;
    }
    let end = record.len();
    run.is_complete(truth).map_err(|fault| (end, fault))?;
    match record.last() {
        Some(Seen::Event { data, .. }) if *data == LAST => Ok(()),
        other => Err((end, format!("ends with {other:?}, not with the last event"))),
    }
}

/// One event by itself.
fn is_sound(truth: &Truth, id: &str, data: &str, ids: &mut HashMap<String, String>) -> Result<(), String> {
    match truth.published.get(data) {
        None => return Err(format!("{data} was never published")),
        Some(Outcome::Refused) => return Err(format!("{data} was refused, and is there")),
        Some(Outcome::Acknowledged(given)) if given != id => {
            return Err(format!("{data} was acknowledged as {given}, and comes as {id}"));
        }
        Some(_) => {}
    }
    let stood_for = ids.entry(id.to_owned()).or_insert_with(|| data.to_owned());
    if stood_for == data {
        Ok(())
    } else {
        Err(format!("{id} stands for {stood_for} and for {data}"))
    }
}

/// What comes without a gap in between.
#[derive(Default)]
struct Run {
    /// The first and the last event of the present epoch.
    span: Option<(Position, Position)>,
    numbers: HashMap<String, u64>,
    seen: HashSet<String>,
}

impl Run {
    fn push(&mut self, truth: &Truth, id: &str, data: &str) -> Result<(), String> {
        if !self.seen.insert(data.to_owned()) {
            return Err(format!("{data} comes twice"));
        }
        let position = Position::parse(id).ok_or_else(|| format!("{id} is no id"))?;
        let first = match self.span {
            Some((first, last)) if first.epoch == position.epoch => {
                if last.sequence >= position.sequence {
                    return Err(format!("{data} comes after an event that was published later"));
                }
                first
            }
            _ => {
                self.is_complete(truth)?;
                position
            }
        };
        self.span = Some((first, position));
        // What was not acknowledged may have waited on a line, and come after what was published later. What is not kept
        // was taken by a primary that was none any more, which did not have what the other one had.
        if !truth.is_acknowledged(data) || !truth.kept.contains(data) {
            return Ok(());
        }
        let (publisher, number) = parts(data);
        let Some(before) = self.numbers.insert(publisher.to_owned(), number) else {
            return Ok(());
        };
        if before >= number {
            return Err(format!("{publisher}/{before} comes before {data}"));
        }
        // What another primary has never had, nobody can tell of who has not heard of it.
        let missing = (before + 1..number)
            .map(|between| format!("{publisher}/{between}"))
            .find(|between| truth.is_acknowledged(between) && truth.kept.contains(between));
        match missing {
            None => Ok(()),
            Some(missing) => Err(format!(
                "{missing} was acknowledged, and is missing before {data}"
            )),
        }
    }

    /// Whether everything is there that was acknowledged between its first and its last event.
    fn is_complete(&self, truth: &Truth) -> Result<(), String> {
        let Some((first, last)) = self.span else {
            return Ok(());
        };
        let order = truth.order.get(&first.epoch);
        let mut between = order
            .into_iter()
            .flat_map(|order| order.range(first.sequence..=last.sequence));
        match between.find(|(_, data)| !self.seen.contains(*data)) {
            None => Ok(()),
            Some((_, missing)) => Err(format!("{missing} was acknowledged, and is missing")),
        }
    }
}

fn parts(data: &str) -> (&str, u64) {
    let (publisher, number) = data.split_once('/').unwrap_or((data, "0"));
    (publisher, number.parse().unwrap_or(0))
}

#[cfg(test)]
/// A run without a fault, and what mutants of a log would make of it.
mod tests {
    use sse_actix::TopicName;

    use super::*;

    fn id(epoch_number: u64, sequence: u64) -> String {
        let epoch = Epoch::new(&TopicName::from_static("events"), epoch_number);
        Position { epoch, sequence }.to_string()
    }

    fn acknowledge(truth: &mut Truth, id: &str, data: &str) {
        truth.published(data.to_owned(), Outcome::Acknowledged(id.to_owned()));
        truth.kept(data.to_owned());
    }

    fn scene() -> (Truth, Vec<Seen>) {
        let mut truth = Truth::default();
        let mut record = Vec::new();
        for n in 0..20 {
            for publisher in ["a", "b"] {
                let data = format!("{publisher}/{n}");
                let id = id(1, n * 2 + u64::from(publisher == "b"));
                if n == 5 {
                    truth.published(data.clone(), Outcome::Unknown);
                } else {
                    acknowledge(&mut truth, &id, &data);
                }
                record.push(Seen::Event { id, data });
            }
        }
        truth.published("c/1".to_owned(), Outcome::Refused);
        let id = id(1, 100);
        acknowledge(&mut truth, &id, LAST);
        let data = LAST.to_owned();
        record.push(Seen::Event { id, data });
        (truth, record)
    }

    fn verdict(truth: &Truth, record: &[Seen]) -> Result<(), (usize, String)> {
        check(truth, record, &mut HashMap::new())
    }

    #[test]
    fn what_is_right_passes() {
        let (truth, record) = scene();
        assert_eq!(verdict(&truth, &record), Ok(()));
        // What is told may be missing, and come again.
        let told = [&record[..10], &[Seen::Gap], &record[20..]].concat();
        assert_eq!(verdict(&truth, &told), Ok(()));
        let again = [&record[..10], &[Seen::Gap], &record[..]].concat();
        assert_eq!(verdict(&truth, &again), Ok(()));
        // What was not acknowledged may be missing without a word.
        let mut unknown = record.clone();
        unknown.drain(10..12);
        assert_eq!(verdict(&truth, &unknown), Ok(()));
    }

    #[test]
    fn each_mutant_is_killed() {
        type Mutant = fn(&mut Truth, &mut Vec<Seen>);
        let other = |record: &mut Vec<Seen>, at: usize, new: &str| {
            let Seen::Event { data, .. } = &mut record[at] else {
                panic!("an event")
            };
            new.clone_into(data);
        };
        let mutants: [(&str, Mutant); 13] = [
            ("loses an event", |_, record| drop(record.remove(7))),
            ("loses many", |_, record| drop(record.drain(3..30))),
            ("repeats an event", |_, record| {
                record.insert(8, record[7].clone());
            }),
            ("repeats from earlier", |_, record| {
                let again = record[2..9].to_vec();
                record.splice(9..9, again);
            }),
            ("exchanges two", |_, record| record.swap(6, 7)),
            ("exchanges two of one publisher", |_, record| record.swap(6, 8)),
            ("loses the end", |_, record| record.truncate(30)),
            ("loses all but the end", |_, record| drop(record.drain(30..40))),
            ("loses before the end", |_, record| drop(record.drain(30..38))),
            ("begins anew without a word", |_, record| {
                let again = record.clone();
                record.truncate(10);
                record.extend(again);
            }),
            ("loses what came before a gap only", |_, record| {
                record.insert(20, Seen::Gap);
                record.remove(7);
            }),
            ("gives another id than it acknowledged", |_, record| {
                let Seen::Event { id: given, .. } = &mut record[7] else {
                    panic!("an event")
                };
                *given = id(1, 5_000);
            }),
            ("changes its epoch and loses what is kept", |truth, record| {
                for (n, seen) in record.iter_mut().enumerate().skip(20) {
                    let Seen::Event { id: given, data } = seen else {
                        panic!("an event")
                    };
                    *given = id(2, n as u64);
                    acknowledge(truth, given, data);
                }
                record.drain(18..24);
            }),
        ];
        for (mutant, mutate) in mutants {
            let (mut truth, mut record) = scene();
            mutate(&mut truth, &mut record);
            assert!(verdict(&truth, &record).is_err(), "a log lives that {mutant}");
        }
        for (mutant, data) in [("delivers what it refused", "c/1"), ("invents an event", "d/1")] {
            let (truth, mut record) = scene();
            other(&mut record, 7, data);
            assert!(verdict(&truth, &record).is_err(), "a log lives that {mutant}");
        }
        // One id, two events: seen by two readers.
        let (mut truth, record) = scene();
        let mut ids = HashMap::new();
        assert_eq!(check(&truth, &record, &mut ids), Ok(()));
        let mut another = record.clone();
        other(&mut another, 10, "e/1");
        truth.published("e/1".to_owned(), Outcome::Unknown);
        check(&truth, &another, &mut ids).unwrap_err();
    }
}
