//! Ending streams, and with them the server.

mod by_hand;
mod by_signal;
mod restart;

/// The milliseconds of a body that is a `retry` line and nothing else.
fn retry(body: &str) -> u32 {
    let millis = body
        .strip_prefix("retry: ")
        .and_then(|rest| rest.strip_suffix('\n'));
    millis
        .and_then(|millis| millis.parse().ok())
        .unwrap_or_else(|| panic!("{body:?} is no retry"))
}

/// A stampede is what these times are to prevent.
fn assert_jitter(mut retries: Vec<u32>) {
    assert!(
        retries.iter().all(|retry| (1_000..=5_000).contains(retry)),
        "{retries:?}"
    );
    let streams = retries.len();
    retries.sort_unstable();
    retries.dedup();
    assert!(
        retries.len() > streams / 2,
        "{} times for {streams} streams",
        retries.len()
    );
}
