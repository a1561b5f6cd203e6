//! What a worker's readers are given of the newest entries.

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*};
use sse_actix_core::{Entry, Keep, Position, Ring, Start, Window, WindowRead};

use crate::{ALL, at, epoch, record};

fn position(sequence: u64) -> Position {
    Position {
        epoch: epoch(1),
        sequence,
    }
}

/// Entries from 1, with these keys.
fn entries(keys: &[Option<u8>]) -> Vec<Arc<Entry>> {
    let mut ring = Ring::new(epoch(1), Keep::Every, 0, true);
    for key in keys {
        let key = key.map(|key| key.to_string());
        ring.append(record("x", key.as_deref()), at(0));
    }
    ring.read(Start::Oldest, ALL).entries
}

/// Sequences that a reader gets from there; `None` if it has to ask the log.
fn read(window: &Window, mut from: u64) -> Option<Vec<u64>> {
    let mut given = Vec::new();
    loop {
        match window.next_after(position(from)) {
            WindowRead::NotCovered => return None,
            WindowRead::UpToDate => return Some(given),
            WindowRead::Next(entry) => {
                from = entry.sequence();
                given.push(from);
            }
        }
    }
}

#[test]
fn nobody_reads_before_it_begins_or_after_it_has_ended() {
    let mut window = Window::new(Keep::Every);
    assert_eq!((window.head(), read(&window, 0)), (None, None));
    window.start_at(position(3));
    assert_eq!(window.head(), Some(position(3)));
    assert_eq!(read(&window, 3), Some(vec![]));
    assert_eq!(read(&window, 2), None);
    window.extend(entries(&[None; 5]).split_off(3), 5);
    window.close();
    assert_eq!((window.head(), read(&window, 3)), (None, None));
    assert!(window.is_empty());
}

#[test]
fn a_reader_gets_what_is_after_it_or_is_sent_to_the_log() {
    let mut window = Window::new(Keep::Every);
    window.start_at(position(2));
    window.extend(entries(&[None; 6]).split_off(2), 6);
    assert_eq!((window.head(), window.len()), (Some(position(6)), 4));
    for (from, given) in [
        (0, None),
        (1, None),
        (2, Some(vec![3, 4, 5, 6])),
        (4, Some(vec![5, 6])),
        (6, Some(vec![])),
        // It has read more from the log than the window knows.
        (9, Some(vec![])),
    ] {
        assert_eq!(read(&window, from), given, "from {from}");
    }
    let other = Position {
        epoch: epoch(2),
        sequence: 4,
    };
    assert!(
        matches!(window.next_after(other), WindowRead::NotCovered),
        "another epoch_number"
    );

    window.clear();
    assert_eq!((window.head(), window.is_empty()), (Some(position(6)), true));
    assert_eq!((read(&window, 5), read(&window, 6)), (None, Some(vec![])));
}

#[test]
fn it_holds_so_many_and_who_is_before_them_asks_the_log() {
    let mut window = Window::new(Keep::Every);
    window.start_at(position(0));
    let many = Window::MAX as u64 + 10;
    window.extend(entries(&vec![None; Window::MAX + 10]), many);
    assert_eq!(window.len(), Window::MAX);
    assert_eq!(read(&window, 9), None);
    assert_eq!(read(&window, 10), Some((11..=many).collect()));
}

proptest! {
    /// Cut into batches in any way, looked at from anywhere: what a log would give, or nothing at all.
    #[test]
    fn a_window_gives_what_the_log_gives(
        keys in vec(option::of(0u8..3), 1..40), cuts in vec(1usize..9, 1..10), latest: bool,
    ) {
        let keep = if latest { Keep::LatestPerKey } else { Keep::Every };
        let mut window = Window::new(keep);
        let mut log = Ring::new(epoch(1), keep, 0, true);
        window.start_at(position(0));
        let mut left = entries(&keys);
        let mut cuts = cuts.into_iter().cycle();
        while !left.is_empty() {
            let rest = left.split_off(cuts.next().unwrap().min(left.len()));
            for entry in &left {
                log.push(Arc::clone(entry));
            }
            let start = Start::After(window.head().unwrap());
            let batch = log.read(start, ALL);
            window.extend(batch.entries, batch.end.sequence);
            left = rest;
            for from in 0..=keys.len() as u64 {
                let expected: Vec<_> = log.read(Start::After(position(from)), ALL).entries;
                let expected: Vec<_> = expected.iter().map(|entry| entry.sequence()).filter(|_| from < log.kept_range().head).collect();
                prop_assert_eq!(read(&window, from), Some(expected), "from {}", from);
            }
        }
    }
}
