//! The events of the npm package's tests. `cargo run -p sse-tests --bin page_types` writes them as `npm/tests/market.ts`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sse_actix::{
    SseEvents,
    typescript::{Module, TypeScriptError},
};
use ts_rs::TS;

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
#[sse(typescript)]
#[allow(dead_code, reason = "it is described, and never made")]
enum Market {
    Price(Price),
    Halted {
        symbol: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Closed,
}

#[derive(Serialize, Deserialize, TS)]
#[allow(
    clippy::struct_field_names,
    reason = "the names are those of the events that the page's tests send"
)]
struct Price {
    symbol: String,
    price: f64,
    note: Option<String>,
}

/// What the file is to hold.
///
/// # Errors
///
/// [`TypeScriptError`] if there is no TypeScript for one of the types.
pub fn module() -> Result<Module, TypeScriptError> {
    Module::new("cargo run -p sse-tests --bin page_types").events::<Market>()
}

/// Where the file is.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../npm/tests/market.ts")
}
