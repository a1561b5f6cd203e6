//! Things have the names that the glossary gives them.

use std::{collections::BTreeSet, path::Path};

use crate::{none, over_library};

/// Names that others have replaced; DESIGN.md has the glossary.
const REPLACED: [&str; 47] = [
    "Heard",
    "Seldom",
    "Member",
    "Spot",
    "Manner",
    "PartSpec",
    "Brought",
    "Seat",
    "Stay",
    "Outbox",
    "Farewell",
    "HeadAlone",
    "Journal",
    "Verdict",
    "Doubted",
    "Host",
    "Traffic",
    "Underway",
    "Lifeline",
    "Wishes",
    "Handover",
    "ConnectionOwner",
    "OwnedConnection",
    "ReadState",
    "Stale",
    "evict_oldest",
    "go_on",
    "HANDED_OVER_PORTION",
    "until_nothing_is_taken",
    "told_interruptions",
    "topic_table",
    "Mailbox",
    "Carrier",
    "StreamDriver",
    "DrivenConnection",
    "DispatcherLink",
    "StreamOffer",
    "LogLimit",
    "TopicUse",
    "ReadLog",
    "EndState",
    "StopReason",
    "source_is_drained",
    "chunk_leaves_alone",
    "send_away",
    "turn_away",
    "drop_behind_stream",
];

const NO_NAMES_OF_FILES: [&str; 5] = ["utils", "util", "helpers", "common", "misc"];

/// The words of a text, as Rust has them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

fn replaced(name: &str, text: &str) -> Vec<String> {
    let stem = Path::new(name).file_stem().unwrap().to_string_lossy();
    let file = NO_NAMES_OF_FILES
        .contains(&&*stem)
        .then(|| format!("{name}: say by the file's name what it holds"));
    let old: BTreeSet<&str> = text
        .lines()
        .flat_map(words)
        .filter(|word| REPLACED.contains(word))
        .collect();
    let old = old
        .into_iter()
        .map(|word| format!("{name}: `{word}` has another name now; see the glossary in DESIGN.md"));
    file.into_iter().chain(old).collect()
}

#[test]
fn replaced_names_stay_away() {
    let ours = |name: &str, text: &str| match name {
        // Other things have these names there.
        name if name.contains("/cross_origin/") => replaced(name, ""),
        _ => replaced(name, text),
    };
    none(&over_library(ours));
    assert_eq!(replaced("a/member.rs", "struct Member;\n// Seat").len(), 2);
    assert_eq!(replaced("a/utils.rs", "struct Members;").len(), 1);
}
