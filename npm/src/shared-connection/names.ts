/** The name of this package's locks, channels and stored values. */
export const NAME = "shared-event-source";

/** The event that ends a stream permanently: https://docs.rs/sse-actix, `finite`. Its id is the same text. */
export const END = "sse-end";

/** The event that only carries a position, which becomes the last event id. */
export const POSITION = "sse-position";

/** The event that says how many events a client has missed. */
export const GAP = "sse-gap";
