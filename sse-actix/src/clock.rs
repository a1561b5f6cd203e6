//! The wall clock, as everything in this crate asks for it. The simulator has its own.

use std::time::SystemTime;

/// What time it is.
pub(crate) fn wall() -> SystemTime {
    #[cfg(sse_sim)]
    return crate::simulation::wall();
    #[cfg(not(sse_sim))]
    SystemTime::now()
}
