use redis::Value;

use super::*;
use crate::{connect::Hearing, keys::Keys};

impl Revocations {
    /// Everything up to this message was read.
    fn reads_from(&self, at: MessageId) {
        self.read_up_to().insert(
            0,
            ReadUpTo {
                at,
                ..ReadUpTo::new()
            },
        );
    }
}

#[test]
fn what_was_not_heard_is_noticed() {
    let revocations = Revocations::new();
    let hear = |notice: &str| revocations.receive("me", 0, notice.as_bytes(), &Hearing::new());
    assert_eq!(
        hear("5-0 4-0 you revoked\n[7,[[\"a\",1]]]"),
        Some(Vec::new()),
        "not begun"
    );
    revocations.reads_from((5, 0));
    let tags = |messages: Option<Vec<ClusterMessage>>| -> Option<Vec<String>> {
        let tag = |message| match message {
            ClusterMessage::Revoked { tag, .. } => tag,
            other => format!("{other:?}"),
        };
        Some(messages?.into_iter().map(tag).collect())
    };
    let [a, none] = [vec!["a".to_owned()], Vec::new()];
    assert_eq!(tags(hear("6-0 5-0 you revoked\n[7,[[\"a\",1]]]")), Some(a));
    assert_eq!(
        tags(hear("6-0 5-0 you revoked\n[7,[[\"a\",1]]]")),
        Some(none.clone()),
        "known"
    );
    assert_eq!(
        tags(hear("7-0 6-0 me revoked\n[7,[[\"a\",1]]]")),
        Some(none.clone()),
        "its own"
    );
    assert_eq!(tags(hear("nonsense")), Some(none));
    assert_eq!(
        tags(hear("9-0 8-0 you revoked\n[7,[[\"a\",1]]]")),
        None,
        "8-0 is missing"
    );
}

/// An entry as XRANGE returns it.
fn entry(id: &str) -> Value {
    let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
    let fields = ["n", "you", "k", "revoked", "d", "[7,[[\"a\",1]]]"].map(text);
    Value::Array(vec![text(id), Value::Array(fields.to_vec())])
}

#[test]
fn what_comes_while_a_page_is_on_its_way_is_read_with_the_next_one() {
    let nodes = Nodes::new(&Keys::new("sse", false));
    let this = &nodes.revocations;
    this.reads_from((5, 0));
    assert_eq!(this.next_page(0), Some(((5, 0), PAGE)));
    let heard = this.receive("me", 0, b"7-0 6-0 you revoked\n[7,[[\"b\",1]]]", &Hearing::new());
    assert_eq!(heard, None, "6-0 is missing");
    let is_end = this
        .take_page(&nodes, &Hearing::new(), 0, vec![entry("6-0")], PAGE)
        .unwrap();
    assert!(!is_end, "7-0 has been appended since");
    assert_eq!(this.next_page(0), Some(((6, 0), PAGE)));
    assert!(
        this.take_page(&nodes, &Hearing::new(), 0, vec![entry("7-0")], PAGE)
            .unwrap()
    );
}

#[test]
fn a_page_takes_nothing_back_that_was_heard_since() {
    let nodes = Nodes::new(&Keys::new("sse", false));
    let this = &nodes.revocations;
    this.reads_from((5, 0));
    this.next_page(0);
    assert!(
        this.receive("me", 0, b"6-0 5-0 you revoked\n[7,[]]", &Hearing::new())
            .is_some()
    );
    assert!(
        this.receive("me", 0, b"7-0 6-0 you revoked\n[7,[]]", &Hearing::new())
            .is_some()
    );
    assert!(
        this.take_page(&nodes, &Hearing::new(), 0, vec![entry("6-0")], PAGE)
            .unwrap()
    );
    assert_eq!(this.read_up_to()[&0].at, (7, 0));
}
