// One event stream for all tabs of an origin, with the interface of EventSource, and an EventSource with types.
//
// The *shared connection* reads the stream and sends every change to every tab. It lives in a SharedWorker. If the
// browser has none, it lives in one of the tabs: Web Locks elect this tab, and a BroadcastChannel carries its messages
// to the others.
//
// Every tab keeps a copy of the shared connection's *state*: what another connection needs to continue where the stream
// stopped. A tab leaves the shared connection when it is hidden for the back/forward cache or frozen. When it returns,
// it sends its copy to the shared connection that it finds. A new one resumes there. An older one sends the events that
// the tab has missed. If it no longer has all of them, the tab reads from the server by itself, on a connection of its
// own, until it has caught up with the shared one.
export type { ClosedState, ConnectionState, Subscribable } from "./connection.js";
export { EventSource } from "./event-source.js";
export { EventStreamParser, type ParsedEvent } from "./shared-connection/parser.js";
export { type IterateOptions, SlowLoopError, StreamClosedError } from "./iterate.js";
export type { CommonOptions, EventSourceOptions, SharedEventSourceInit, SharedOptions } from "./options.js";
export { SharedEventSource, StreamCloseEvent } from "./shared-event-source.js";
export {
  type AnyEvent,
  type End,
  type EventMapOf,
  type EventSchema,
  type Gap,
  InvalidEventError,
  type IteratedEvent,
  type Position,
  type StreamCallbacks,
  type UnionOf,
  type UntypedEvent,
} from "./typed.js";
