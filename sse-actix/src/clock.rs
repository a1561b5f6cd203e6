//! The wall clock. All code of this crate reads it here, so that the simulator can replace it.

use std::time::SystemTime;

/// The current time.
pub(crate) fn wall() -> SystemTime {
    #[cfg(sse_sim)]
    return crate::simulation::wall();
    #[cfg(not(sse_sim))]
    SystemTime::now()
}
