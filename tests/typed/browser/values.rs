//! Values of every kind that JSON has, in every kind of variant.

use std::{collections::BTreeMap, iter::repeat_with};

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use sse_actix::SseEvents;
use ts_rs::TS;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[sse(typescript)]
pub(super) enum Any {
    Nothing,
    Empty {},
    Integer(i64),
    Natural(u64),
    Number(f64),
    Single(f32),
    Letter(char),
    Text(String),
    Perhaps(Option<String>),
    Pair((f64, String)),
    Tree(Tree),
    #[sse(name = "__proto__")]
    Record {
        #[serde(rename = "__proto__")]
        proto: String,
        whole_number: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        may_be_absent: Option<f64>,
        may_be_null: Option<Vec<Option<f64>>>,
        #[serde(with = "as_text")]
        #[ts(type = "string")]
        large: u64,
        nested: BTreeMap<String, Tree>,
    },
    Flat {
        number: f64,
        #[serde(flatten)]
        rest: BTreeMap<String, String>,
    },
}

/// A value with values in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tree {
    Nothing,
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    Perhaps(Option<Box<Tree>>),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
    Node {
        left: Box<Tree>,
        right: Option<Box<Tree>>,
    },
}

/// What the guide says of integers beyond 2^53 - 1.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

pub(super) fn negative_zeros(values: &[Any]) -> usize {
    let is_negative_zero =
        |value: &&Any| matches!(value, Any::Number(number) if *number == 0.0 && number.is_sign_negative());
    values.iter().filter(is_negative_zero).count()
}

/// The largest integer up to which JavaScript tells all from their neighbours.
const MAX_SAFE: i64 = (1 << 53) - 1;

const INTEGERS: [i64; 12] = [
    0,
    1,
    -1,
    MAX_SAFE,
    MAX_SAFE - 1,
    -MAX_SAFE,
    1 - MAX_SAFE,
    1 << 31,
    -(1 << 31) - 1,
    1 << 32,
    (1 << 32) - 1,
    1_000_000_000_000_000,
];

const NUMBERS: [f64; 24] = [
    0.0,
    -0.0,
    0.1,
    1.0 / 3.0,
    -1.5,
    5e-324,
    -5e-324,
    2.225_073_858_507_201e-308,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::MIN,
    f64::EPSILON,
    1e-7,
    1e-6,
    1e21,
    1e20,
    1.234_567_890_123_456_8e20,
    9_007_199_254_740_992.0,
    9_007_199_254_740_994.0,
    18_446_744_073_709_551_616.0,
    18_446_744_073_709_549_568.0,
    -9_223_372_036_854_775_808.0,
    6.338_253_001_141_147e29,
    8.41e21,
];

const TEXTS: [&str; 24] = [
    "",
    " ",
    "\0",
    "\r\n",
    "\n\n",
    "\r",
    "a\nb\n",
    "\u{2028}\u{2029}\u{85}",
    "\u{feff}",
    "\u{feff}a",
    "\u{ffff}\u{fffe}\u{fffd}",
    "\u{d7ff}\u{e000}",
    "\u{10ffff}\u{10000}",
    "👩‍👩‍👧‍👦 é e\u{301} ﷽",
    "\"\\/\u{8}\u{c}\t\u{7f}\u{1f}",
    "\\u0041 \\n",
    "data: x\n\nevent: price\ndata: 1\n\n",
    "</script><!--",
    "__proto__",
    "constructor",
    "toString",
    "length",
    "0",
    "-1",
];

/// As many values as `count`, and all those on the edge.
pub(super) fn generate(seed: u64, count: usize) -> Vec<Any> {
    let random = &mut Rng::with_seed(seed);
    let mut values = vec![Any::Nothing, Any::Empty {}, Any::Perhaps(None)];
    values.extend(INTEGERS.map(Any::Integer));
    values.extend(INTEGERS.map(|integer| Any::Natural(integer.unsigned_abs())));
    values.extend(NUMBERS.map(Any::Number));
    values.extend(TEXTS.map(|text| Any::Text(text.to_owned())));
    values.extend((0..=128).map(|code: u8| Any::Letter(code.into())));
    values.extend(
        [
            f32::MAX,
            f32::MIN_POSITIVE,
            f32::EPSILON,
            0.1,
            1e-45,
            16_777_217.0,
        ]
        .map(Any::Single),
    );
    values.extend(repeat_with(|| any(random)).take(count));
    random.shuffle(&mut values);
    values
}

fn any(random: &mut Rng) -> Any {
    match random.u32(..14) {
        0 => Any::Integer(integer(random)),
        1 => Any::Natural(integer(random).unsigned_abs()),
        2..=4 => Any::Number(number(random)),
        5 => Any::Single(single(random)),
        6 => Any::Letter(random.char(..)),
        7 => Any::Text(text(random)),
        8 => Any::Perhaps(Some(text(random))),
        9 => Any::Pair((number(random), text(random))),
        10 => Any::Record {
            proto: text(random),
            whole_number: integer(random),
            may_be_absent: random.bool().then(|| number(random)),
            may_be_null: random
                .bool()
                .then(|| some(random, |random| random.bool().then(|| number(random)))),
            large: random.u64(..),
            nested: some(random, |random| (text(random), tree(random, 3)))
                .into_iter()
                .collect(),
        },
        11 => Any::Flat {
            number: number(random),
            rest: some(random, |random| (key(random), text(random)))
                .into_iter()
                .collect(),
        },
        _ => Any::Tree(tree(random, 6)),
    }
}

/// A few.
fn some<T>(random: &mut Rng, mut one: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    let count = random.usize(..5);
    repeat_with(|| one(random)).take(count).collect()
}

/// With as many digits, in the mean, as with few.
fn integer(random: &mut Rng) -> i64 {
    if random.u32(..8) == 0 {
        return INTEGERS[random.usize(..INTEGERS.len())];
    }
    let integer = random.i64(0..=MAX_SAFE) >> random.u32(..53);
    if random.bool() { integer } else { -integer }
}

/// Of any exponent, or one of few digits.
fn number(random: &mut Rng) -> f64 {
    match random.u32(..8) {
        0 => NUMBERS[random.usize(..NUMBERS.len())],
        1 => f64::from(random.i32(..)) / 100.0,
        2 => random.f64(),
        // A subnormal one.
        3 => f64::from_bits(random.u64(..1 << 52)),
        _ => loop {
            let number = f64::from_bits(random.u64(..));
            if number.is_finite() {
                break number;
            }
        },
    }
}

fn single(random: &mut Rng) -> f32 {
    loop {
        let number = f32::from_bits(random.u32(..));
        if number.is_finite() {
            break number;
        }
    }
}

fn text(random: &mut Rng) -> String {
    match random.u32(..6) {
        0 => TEXTS[random.usize(..TEXTS.len())].to_owned(),
        1 => some(random, |random| TEXTS[random.usize(..TEXTS.len())]).concat(),
        2 => some(random, |random| random.char('\0'..' '))
            .into_iter()
            .collect(),
        _ => {
            let length = random.usize(..40);
            repeat_with(|| random.char(..)).take(length).collect()
        }
    }
}

/// Of a map beside a field called `number`.
fn key(random: &mut Rng) -> String {
    text(random).replace("number", "")
}

fn tree(random: &mut Rng, depth: u32) -> Tree {
    let leaves = 5;
    match random.u32(..if depth == 0 { leaves } else { leaves + 4 }) {
        0 => Tree::Nothing,
        1 => Tree::Flag(random.bool()),
        2 => Tree::Integer(integer(random)),
        3 => Tree::Number(number(random)),
        4 => Tree::Text(text(random)),
        5 => Tree::Perhaps(random.bool().then(|| Box::new(tree(random, depth - 1)))),
        6 => Tree::List(some(random, |random| tree(random, depth - 1))),
        7 => Tree::Map(
            some(random, |random| (text(random), tree(random, depth - 1)))
                .into_iter()
                .collect(),
        ),
        _ => Tree::Node {
            left: Box::new(tree(random, depth - 1)),
            right: random.bool().then(|| Box::new(tree(random, depth - 1))),
        },
    }
}
