//! How a stream is ended from outside, and what its client is told then.

pub(crate) mod control;
pub(crate) mod ending;
pub(crate) mod shutdown;
