/** How locks, channels and stored values of this package are called. */
export const NAME = "shared-event-source";

/** Ends a stream for good: https://docs.rs/sse-actix, `finite`. Its id has the same name. */
export const END = "sse-end";

/** Only carries a position, which becomes the last event id. */
export const POSITION = "sse-position";

/** Says how many events a client has missed. */
export const GAP = "sse-gap";
