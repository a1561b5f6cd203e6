//! TypeScript for the page, from the enum of a stream's events, through [`ts_rs`] (feature `typescript`).
//!
//! Enable it for an enum with `#[sse(typescript)]`. Its data types derive `ts_rs::TS`. A [`Module`] is then a file
//! without imports. For each enum, it has the events as a union, their data by name, and a value with the names and a
//! check of each event's data.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use sse_actix::{SseEvents, typescript::Module};
//! # use ts_rs::TS;
//!
//! #[derive(Serialize, Deserialize, SseEvents)]
//! #[serde(rename_all = "lowercase")]
//! #[sse(typescript)]
//! enum Market {
//!     Price(Price),
//!     Closed,
//! }
//!
//! #[derive(Serialize, Deserialize, TS)]
//! struct Price {
//!     symbol: String,
//!     volume: u64,
//! }
//!
//! let module = Module::new("cargo run --bin market -- --typescript").events::<Market>()?.to_string();
//! for part in [
//!     "export type Price = { symbol: string, volume: number, };",
//!     "  | { event: \"price\", data: Price }\n  | { event: \"closed\", data: null };",
//!     "export type MarketEvents = { [E in Market as E[\"event\"]]: E[\"data\"] };",
//!     "export const market: {",
//!     "  names: [\"price\", \"closed\"],",
//! ] {
//!     assert!(module.contains(part), "{module}");
//! }
//! # Ok::<(), sse_actix::typescript::TypeScriptError>(())
//! ```
//!
//! A program of yours writes the file with [`Module::write`], and a test compares it with [`Module::check`], which
//! needs neither Node.js nor a network and writes nothing.
//!
//! The types describe the result of `JSON.parse`. So integers of 64 bits are `number`, which is exact up to 2^53 - 1.
//! Send larger ones as text, with `#[serde(with = "..")]` and `#[ts(type = "string")]`.

mod check;
mod error;
mod module;
mod names;
mod syntax;

use std::{any::TypeId, collections::BTreeSet};

use ts_rs::{Config, TS, TypeVisitor};

pub use self::{error::TypeScriptError, module::Module};
use crate::SseEvents;

/// An enum of events with a TypeScript description. `#[derive(SseEvents)]` implements it with `#[sse(typescript)]`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sse_actix::{SseEvents, typescript::DescribeEvents};
///
/// #[derive(Serialize, Deserialize, SseEvents)]
/// #[sse(typescript)]
/// enum Market {
///     Price(f64),
///     Closed,
/// }
///
/// assert_eq!((Market::NAME, Market::events().len()), ("Market", 2));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no TypeScript description",
    note = "write `#[sse(typescript)]` on the enum"
)]
pub trait DescribeEvents: SseEvents {
    /// The enum's name.
    const NAME: &'static str;

    /// True if a catch-all allows events with other names.
    const IS_OPEN: bool;

    /// The events, in the order of the variants.
    fn events() -> Vec<EventDescription>;
}

/// One event of an enum.
///
/// ```
/// use sse_actix::typescript::EventDescription;
///
/// let price = EventDescription::of::<Option<u64>>("price", false);
/// assert!(format!("{price:?}").contains("number | null"));
/// ```
#[derive(Debug)]
pub struct EventDescription {
    name: &'static str,
    data: String,
    /// The types that `data` refers to.
    types: Vec<Declaration>,
}

/// A type with a name.
#[derive(Debug)]
struct Declaration {
    name: String,
    /// `type Name = ..;`
    text: String,
}

impl EventDescription {
    /// The event of this name, whose data is a `T`.
    pub fn of<T: TS + 'static>(name: &'static str, _has_id: bool) -> Self {
        let config = config();
        let mut declarations = Declarations {
            config: &config,
            seen: BTreeSet::new(),
            found: Vec::new(),
        };
        T::visit_dependencies(&mut declarations);
        T::visit_generics(&mut declarations);
        Self {
            name,
            data: T::inline(&config),
            types: declarations.found,
        }
    }
}

/// `JSON.parse` turns large integers into numbers, too.
fn config() -> Config {
    Config::new().with_large_int("number")
}

/// The types that a type refers to, directly or through other types.
struct Declarations<'a> {
    config: &'a Config,
    seen: BTreeSet<TypeId>,
    found: Vec<Declaration>,
}

impl TypeVisitor for Declarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        if T::output_path().is_some() {
            self.found.push(Declaration {
                name: T::ident(self.config),
                text: T::decl(self.config),
            });
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

/// The data of a variant without data: `null`. See [`EventDescription`]'s example.
#[derive(Debug)]
pub struct Null;

impl TS for Null {
    type WithoutGenerics = Self;
    type OptionInnerType = Self;

    fn name(_: &Config) -> String {
        "null".to_owned()
    }

    fn inline(config: &Config) -> String {
        Self::name(config)
    }
}
