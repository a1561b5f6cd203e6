//! Decides which requests may have a stream: limits, the addresses that they count by, and revocation by tags.

pub(super) mod client_address;
pub(super) mod limits;
#[cfg(feature = "rate-limit")]
mod rate;
pub(super) mod revocation;
