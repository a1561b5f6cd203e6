//! What the system tests share.

pub mod browser;
pub mod certified;
pub mod child;
pub mod guard;
pub mod http2;
pub mod hub;
pub mod line;
pub mod logged;
pub mod page_market;
pub mod patience;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod serve;
pub mod turmoil;
pub mod typescript;
pub mod wire;
