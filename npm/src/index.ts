// One event stream for all tabs of an origin, with the interface of EventSource, and an EventSource with types.
//
// A *hub* holds the one connection and tells every tab what happens. It lives in a SharedWorker. If the browser has
// none, the hub lives in one of the tabs: Web Locks elect this tab, and a BroadcastChannel carries its messages to the
// others.
//
// Every tab keeps a copy of the hub's *state*: what a hub needs to continue where the stream stopped. A tab leaves its
// hub when it is hidden for the back/forward cache or frozen. When it returns, it sends its copy to the hub that it
// finds. A new hub resumes there. An older hub sends the events that the tab has missed. If it no longer has all of
// them, the tab reads from the server by itself until it has caught up with the hub.
export type { ClosedState, ConnectionState, Subscribable } from "./connection.js";
export { EventSource } from "./event-source.js";
export { EventStreamParser, type ParsedEvent } from "./hub/parser.js";
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
  type Iterated,
  type Position,
  type StreamCallbacks,
  type UnionOf,
  type UntypedEvent,
} from "./typed.js";
