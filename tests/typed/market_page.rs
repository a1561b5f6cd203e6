//! What the page of the example `market` knows of the market (its `board.ts`), run in Node.js.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use sse_tests::typescript::compile;

/// The board after these events.
fn board(events: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/src/bin/market/page/src");
    for file in ["board.ts", "market.ts"] {
        fs::copy(page.join(file), folder.path().join(file)).unwrap();
    }
    compile(folder.path(), &["board.ts"]);
    let script = format!(
        "import {{ Board, haltOf, lastOf }} from './board.js';
        const board = new Board();
        for (const event of {events}) board.apply(event);
        const shares = [...board.shares.values()].map((share) => [share.symbol, lastOf(share).price, haltOf(share) ?? null]);
        console.log(JSON.stringify({{ shares, news: board.news.map((story) => story.headline), now: board.now }}));"
    );
    fs::write(folder.path().join("run.js"), script).unwrap();
    let run = Command::new("node")
        .arg("run.js")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

fn state(opened_at: u64, price: u64, headline: &str) -> Value {
    let share = json!({
        "symbol": "ACME", "company": "Acme Anvils", "first": 100,
        "trades": [{ "at": opened_at, "price": price }], "halts": [],
    });
    let story = json!({ "at": opened_at, "symbol": "ACME", "headline": headline });
    json!({ "event": "state", "data": { "opened_at": opened_at, "shares": [share], "news": [story] } })
}

fn price(at: u64, price: u64) -> Value {
    json!({ "event": "price", "data": { "symbol": "ACME", "at": at, "price": price } })
}

const NOW: u64 = 1_800_000_000_000;
const TEN_MINUTES: u64 = 600_000;

#[test]
fn a_market_that_begins_anew_with_an_earlier_clock_takes_the_place_of_the_old_one() {
    for opened_at in [NOW - TEN_MINUTES, NOW + TEN_MINUTES] {
        let halted =
            json!({ "event": "halted", "data": { "symbol": "ACME", "at": NOW + 2, "reason": "old" } });
        let before = [state(NOW, 100, "old"), price(NOW + 1, 110), halted];
        let after = [state(opened_at, 200, "new"), price(opened_at + 1, 210)];
        let events: Vec<_> = before.into_iter().chain(after).collect();
        let expected = json!({ "shares": [["ACME", 210, null]], "news": ["new"], "now": opened_at + 1 });
        assert_eq!(board(&json!(events)), expected);
    }
}

#[test]
fn the_state_of_the_same_market_is_merged_with_what_is_known() {
    let events = [
        price(NOW, 90),
        state(NOW, 100, "first"),
        price(NOW + 5, 120),
        state(NOW, 100, "first"),
    ];
    let expected = json!({ "shares": [["ACME", 120, null]], "news": ["first"], "now": NOW + 5 });
    assert_eq!(board(&json!(events)), expected);
}
