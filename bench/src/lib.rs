//! Code that the benchmarks share. Each benchmark is a program in `src/bin`; `README.md` says what it measures.

mod child;
mod client;
mod drain;
pub mod emitters;
mod events;
mod report;

pub use self::{
    child::{Server, announce, cpu, leave_the_servers_alone, role},
    client::Connection,
    drain::{Drain, Drained},
    events::{CYCLE, Expected, Quote, Reading, id, quote, text},
    report::{Samples, median, number, rounds},
};
