//! Requests with random topics, options, tags and ids.

use std::{fmt::Write as _, iter, sync::Mutex};

use fastrand::Rng;

use crate::plan::Run;

/// What is kept of ids that clients were sent.
const IDS: usize = 1_000;

/// Ids that came from the server, to be sent back.
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A request for a stream.
pub(crate) struct Wish {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Wish {
    pub(crate) fn random(rng: &mut Rng, run: &Run) -> Self {
        let path = match rng.u8(0..20) {
            0 => "/finite".to_owned(),
            1 => format!("/failing?how={}", one(rng, &["before", "after", "panic"])),
            2 => "/forwarded".to_owned(),
            3..6 => sent(rng),
            _ => subscription(rng, run),
        };
        // A stream that `emit!` makes cannot be had by POST.
        let by_post = !(path == "/finite" || path == "/forwarded") && rng.u8(0..10) == 0;
        let mut headers = Vec::new();
        if rng.bool() {
            headers.push(("last-event-id", id(rng)));
        }
        if rng.u8(0..4) == 0 {
            headers.push(("accept-encoding", "gzip".to_owned()));
        }
        if rng.u8(0..8) == 0 {
            let origin = one(
                rng,
                &["https://page.test", "https://other.test", "null", "no origin"],
            );
            headers.push(("origin", origin.to_owned()));
        }
        if rng.u8(0..4) == 0 {
            headers.push(("x-forwarded-for", forwarded(rng)));
        }
        Self {
            method: if by_post { "POST" } else { "GET" },
            path,
            headers,
        }
    }

    /// As HTTP/1.1 has it.
    pub(crate) fn to_http1(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: test\r\n", self.method, self.path);
        if self.method == "POST" {
            head.push_str("Content-Length: 0\r\n");
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head + "\r\n"
    }
}

/// Takes note of ids.
pub(crate) fn saw(text: &str) {
    let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
    let mut seen = SEEN.lock().unwrap();
    for id in ids {
        if seen.len() >= IDS {
            let replaced = fastrand::usize(..seen.len());
            seen.swap_remove(replaced);
        }
        seen.push(id.to_owned());
    }
}

/// A request that publishes something.
pub(crate) fn event(rng: &mut Rng, run: &Run) -> String {
    // The numbers are the honest clients'.
    let topic = iter::repeat_with(|| topic(rng, run))
        .find(|topic| topic != "numbers")
        .unwrap();
    let mut path = format!("/publish?topic={topic}&size={}", rng.usize(1..300));
    if path.contains("latest:") {
        write!(path, "&key=k{}", rng.u8(0..30)).unwrap();
    }
    if rng.bool() {
        write!(path, "&name={}", word(rng)).unwrap();
    }
    path
}

/// One of a few, so that it may be in use.
pub(crate) fn tag(rng: &mut Rng) -> String {
    format!("tag-{}", rng.u8(0..20))
}

fn sent(rng: &mut Rng) -> String {
    let options = options(rng, |rng| match rng.u8(0..11) {
        0 => format!("keep_alive={}", rng.u32(0..2_000)),
        1 => "no_keep_alive".to_owned(),
        2 => format!("retry={}", rng.u32(..)),
        3 => "no_retry".to_owned(),
        4 => "plain".to_owned(),
        5 => "on_error".to_owned(),
        6 => "event".to_owned(),
        7 => "finite".to_owned(),
        8 => "resume".to_owned(),
        9 => "compress".to_owned(),
        _ => format!("header={}", word(rng)),
    });
    let size = if rng.u8(0..20) == 0 {
        rng.usize(0..200_000)
    } else {
        rng.usize(0..500)
    };
    let (events, pause) = (rng.u8(0..20), rng.u8(0..20));
    format!("/sent?events={events}&size={size}&pause={pause}&options={options}")
}

fn subscription(rng: &mut Rng, run: &Run) -> String {
    let count = [1, 1, 1, 2, 3, 26, 27][rng.usize(0..7)];
    let topics: Vec<_> = iter::repeat_with(|| topic(rng, run)).take(count).collect();
    let options = options(rng, |rng| match rng.u8(0..24) {
        0 => "resume".to_owned(),
        1 => "filter".to_owned(),
        2 => "filter_names".to_owned(),
        3 => format!("since={}", rng.u32(0..2_000)),
        4 => format!("after={}", encoded(&id(rng))),
        5 => format!("history={}", rng.u8(..)),
        6 => format!("snapshot={}", rng.u32(0..30_000)),
        7 => "failing_snapshot".to_owned(),
        8 | 9 => format!("tag={}", tag(rng)),
        10 => format!("admit={}", tag(rng)),
        // Most are far off, so that what is not removed stays.
        11 => format!("valid_for={}", [0, 500, 86_400_000][rng.usize(0..3)]),
        12 => format!("max_age={}", [0, 500, 86_400_000][rng.usize(0..3)]),
        13 => format!("keep_alive={}", [100, 1_000, 86_400_000][rng.usize(0..3)]),
        14 => format!("keep_alive_event={}", rng.u32(0..1_000)),
        15 => "no_keep_alive".to_owned(),
        16 => format!("retry={}", rng.u32(..)),
        17 => "no_retry".to_owned(),
        18 => "plain".to_owned(),
        19 => "no_positions".to_owned(),
        20 => "compress".to_owned(),
        21 => format!("header={}", word(rng)),
        22 => "unheard".to_owned(),
        _ => format!("tag={}", word(rng)),
    });
    format!("/stream?topics={}&options={options}", topics.join("%20"))
}

fn options(rng: &mut Rng, mut option: impl FnMut(&mut Rng) -> String) -> String {
    let count = rng.usize(0..5);
    let options: Vec<_> = iter::repeat_with(|| option(rng)).take(count).collect();
    options.join("%20")
}

/// There are as many as a third of the run has met each of, about.
fn topic(rng: &mut Rng, run: &Run) -> String {
    let kind = one(
        rng,
        &[
            "log",
            "latest",
            "transient",
            "short",
            "quiet",
            "told",
            "any",
            "large",
            "numbers",
        ],
    );
    if kind == "large" || kind == "numbers" {
        return kind.to_owned();
    }
    format!("{kind}:{}", rng.u64(0..=run.plan.opens / 200))
}

/// One that was sent, one that was tampered with, or anything.
fn id(rng: &mut Rng) -> String {
    let seen = SEEN.lock().unwrap();
    let known = (!seen.is_empty()).then(|| seen[rng.usize(..seen.len())].clone());
    match (known, rng.u8(0..10)) {
        (Some(id), 0..6) => id,
        (Some(mut id), 6) => {
            id.truncate(rng.usize(..=id.len()));
            id
        }
        (Some(id), 7) => format!("{id},{id}"),
        (_, 8) => "sse-end".to_owned(),
        _ => word(rng),
    }
}

/// What may be the address of a proxy's client.
fn forwarded(rng: &mut Rng) -> String {
    match rng.u8(0..5) {
        0 => word(rng),
        1 => format!("2001:db8:{:x}::{:x}", rng.u8(..), rng.u16(..)),
        2 => format!("10.0.0.{}, 127.9.0.1", rng.u8(..)),
        _ => format!("10.0.0.{}", rng.u8(..)),
    }
}

fn word(rng: &mut Rng) -> String {
    let length = rng.usize(1..40);
    iter::repeat_with(|| rng.alphanumeric()).take(length).collect()
}

fn one(rng: &mut Rng, choices: &[&'static str]) -> &'static str {
    choices[rng.usize(..choices.len())]
}

fn encoded(text: &str) -> String {
    text.replace('%', "%25").replace(',', "%2C").replace('=', "%3D")
}
