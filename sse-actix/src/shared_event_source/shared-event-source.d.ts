// Built from the npm package in `npm` by `npm run build`; change it there.

/** A value that changes. `subscribe` and `() => value` are what React's `useSyncExternalStore` takes. */
interface Subscribable<T> {
  readonly value: T;
  /**
   * Calls `listener` at each change, not at once.
   *
   * @returns ends the subscription
   */
  subscribe(listener: (value: T) => void): () => void;
}
/** How the connection is. */
type ConnectionState =
  /** There was no connection yet. */
  | {
      readonly status: "connecting";
    }
  | {
      readonly status: "open";
    }
  /** The connection is lost; the source connects again by itself. */
  | {
      readonly status: "reconnecting";
    }
  /** It is over for good. */
  | ClosedState;
interface ClosedState {
  readonly status: "closed";
  /**
   * `finished` and `failed`: the server has said so. `reset`: `SharedEventSource.reset()`. `closed`: this page has called
   * `close()`. `unknown`: a browser's `EventSource` has given up, and does not say why.
   */
  readonly reason: "finished" | "failed" | "reset" | "closed" | "unknown";
  /** The status of the last answer, where it is known. */
  readonly httpStatus?: number;
  /** What the server chose to say of a failure. */
  readonly message?: string;
}

/** How to loop over events. */
interface IterateOptions<E extends AnyEvent = AnyEvent> {
  /** Ends the loop: it throws the signal's reason. */
  signal?: AbortSignal;
  /** How many events may wait for the loop, 1,000 by default. */
  buffer?: number;
  /** Which events: by default all of the schema; without one, `message` alone. */
  names?: readonly E["event"][];
}
/** The loop was too slow: events came that its buffer had no place for, and they are lost for this loop. */
declare class SlowLoopError extends Error {
  constructor(buffer: number);
}
/** The stream has ended for good, but not because it had finished. */
declare class StreamClosedError extends Error {
  /** The source's state. */
  readonly state: ClosedState;
  constructor(state: ClosedState);
}

/** An event: its name, and the type of its data. An enum of Rust becomes a union of these. */
interface AnyEvent {
  event: string;
  data: unknown;
}
/** Without a schema every name may come, and data is the text that the server has sent. */
interface UntypedEvent {
  event: string;
  data: string;
}
/**
 * The run-time side of an enum, as Rust generates it: its names, and for each a check of what `JSON.parse` has given.
 * `M` is the enum's event map, from names to data.
 */
interface EventSchema<M> {
  readonly names: readonly NoInfer<keyof M & string>[];
  readonly checks: {
    readonly [K in keyof M]: (data: unknown) => data is M[K];
  };
}
/** The event map of a union of events. */
type EventMapOf<E extends AnyEvent> = {
  [K in E as K["event"]]: K["data"];
};
/** The union of events of an event map. */
type UnionOf<M> = {
  [K in keyof M & string]: {
    event: K;
    data: M[K];
  };
}[keyof M & string];
/** What a client has missed: the number of events, or `null` if the server cannot tell it. */
interface Gap {
  readonly missed: number | null;
  /** The last event id behind the gap. */
  readonly lastEventId: string;
}
/** Why the server has ended the stream for good. */
interface End {
  readonly reason: "finished" | "failed";
  /** What the server chose to say of a failure. */
  readonly message?: string;
}
/** A position that moves without an event. */
interface Position {
  readonly lastEventId: string;
}
/** What this package's servers send besides the enum. */
type LibraryEvent =
  | {
      event: "sse-gap";
      data: Gap;
    }
  | {
      event: "sse-end";
      data: End;
    };
type AllEvents<E extends AnyEvent> = string extends E["event"] ? E : E | LibraryEvent;
type DataOf<E extends AnyEvent, K> = E extends {
  event: infer N;
  data: infer D;
}
  ? K extends N
    ? D
    : never
  : never;
/** The event that a listener of the name `K` gets. `Own` are the source's own events. */
type EventOf<E extends AnyEvent, Own, K> = K extends keyof Own
  ? Extract<Own[K], Event>
  : MessageEvent<DataOf<AllEvents<E>, K>>;
/** A function or an object, as the DOM takes them. */
type Listener<This, Ev> =
  | ((this: This, event: Ev) => any)
  | {
      handleEvent(event: Ev): any;
    };
/** What every source tells of itself. */
interface OwnEvents {
  open: Event;
  error: Event;
}
/** An event of a `for await` loop: the enum's, with its id. */
type Iterated<E extends AnyEvent> = E extends AnyEvent
  ? E & {
      readonly lastEventId: string;
    }
  : never;
/** What both sources have: the interface of `EventSource`, typed by the events `E`. */
interface TypedEventSource<E extends AnyEvent, Own extends OwnEvents> extends EventTarget {
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSED: 2;
  readonly url: string;
  readonly withCredentials: boolean;
  readonly readyState: 0 | 1 | 2;
  onopen: ((event: Event) => any) | null;
  onmessage: ((event: MessageEvent<DataOf<AllEvents<E>, "message">>) => any) | null;
  onerror: ((event: Event) => any) | null;
  /** The state of the connection, to show and to subscribe to. */
  readonly connection: Subscribable<ConnectionState>;
  /** Ends the connection for good. As with `EventSource` no event tells of it. */
  close(): void;
  addEventListener<K extends AllEvents<E>["event"] | (keyof Own & string)>(
    type: K,
    listener: Listener<this, EventOf<E, Own, K>> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends AllEvents<E>["event"] | (keyof Own & string)>(
    type: K,
    listener: Listener<this, EventOf<E, Own, K>> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  /**
   * The events as they come, for `for await`, from this call on. The loop ends when the stream has finished or was
   * closed, and throws if it has failed, if it is aborted, or if it falls behind by more than its buffer.
   */
  events(options?: IterateOptions<E>): AsyncIterableIterator<Iterated<E>>;
  /** {@link events} without options. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Iterated<E>>;
}
/** What is called when something happens that is no event of the enum. Each may be left out. */
interface StreamCallbacks {
  /** The client has missed events, which the server no longer has. */
  onGap?: (gap: Gap) => void;
  /** The server has ended the stream for good. */
  onEnd?: (end: End) => void;
  /** The last event id has moved, without an event to show. */
  onPosition?: (position: Position) => void;
  /**
   * An event is not what its schema says: no listener gets it, and the stream goes on. By default the error is reported
   * as an uncaught one is, to `window.onerror` and the console.
   */
  onInvalid?: (error: InvalidEventError) => void;
}
/** An event that is not what its schema says. The message says what is wrong. */
declare class InvalidEventError extends Error {
  /** The event's name. */
  readonly event: string;
  /** The whole text that came as its data. */
  readonly data: string;
  readonly lastEventId: string;
  constructor(what: string, event: string, data: string, lastEventId: string, options?: ErrorOptions);
}

/** Options that both sources have. `Schema` is the type of `events`. */
interface CommonOptions<Schema> extends EventSourceInit, StreamCallbacks {
  /**
   * The enum's run-time side, as Rust generates it. With it `event.data` is the parsed and checked value; without it, the
   * text that has come.
   */
  events?: Schema;
  /** The name of events that tell of a gap, `sse-gap` by default. */
  gapEvent?: string;
  /** The name of events that only carry a position, `sse-position` by default. */
  positionEvent?: string;
}
/** Tabs share a stream if its URL, `withCredentials`, `key`, `heartbeatTimeout` and `positionEvent` are the same. */
interface SharedOptions<Schema> extends CommonOptions<Schema> {
  /** Whose stream this is, the user's id, say. Tabs with different keys share nothing. */
  key?: string;
  /**
   * Headers for the request, `Authorization`, say. Called at every connect, so that a token may expire.
   *
   * - After a 401 it is called once more, at once; after a second 401 the source closes. A 200 grants the try again.
   * - If it throws, rejects, or returns no headers, that is a lost connection: `error`, then another call after the
   *   reconnection time. The console says why.
   * - One tab is asked for all: with a `SharedWorker` the tab that joined first of those that have this option, or the
   *   next one if that is gone or does not react for 5 s; without one, the tab that holds the connection. So give
   *   every tab the same function, and each user a `key`.
   * - `Accept` and `Last-Event-ID` are set by this module, whatever is returned for them.
   */
  headers?: () => HeadersInit | Promise<HeadersInit>;
  /**
   * After so many milliseconds without a byte the connection counts as lost: `error`, then a reconnect. 0: never.
   *
   * By default three of the keep-alive intervals that the server announces (`Sse-Keep-Alive`), but at least 5 s; never
   * if it announces none. Time asleep or frozen counts only after another third of the limit without a byte. A reconnect
   * waits for the head of its answer for the same time, but at least for 30 s.
   */
  heartbeatTimeout?: number;
  /**
   * The URL of the shared worker's script, for bundlers that do not bundle workers by themselves: `sse-actix/worker`,
   * bundled as a script of its own. Of the page's origin; relative to the page.
   */
  worker?: string | URL;
}
/** Options of a source. With `events`, its events have the types of the event map `M`. */
type EventSourceOptions<M = never> = CommonOptions<EventSchema<M>>;
/** Options of a shared source. With `events`, its events have the types of the event map `M`. */
type SharedEventSourceInit<M = never> = SharedOptions<EventSchema<M>>;

/** The browser's `EventSource`, typed by the events `E`. */
interface EventSource<E extends AnyEvent = UntypedEvent> extends TypedEventSource<E, OwnEvents> {}
interface EventSourceConstructor {
  /** Without a schema `event.data` is the text that has come. */
  new (url: string | URL, options?: EventSourceOptions): EventSource;
  /** With the union of events named: `new EventSource<Market>("/market", { events: market })`. */
  new <E extends AnyEvent = never>(
    url: string | URL,
    options: EventSourceOptions<EventMapOf<E>> & {
      events: EventSchema<EventMapOf<E>>;
    },
  ): EventSource<E>;
  /** With a schema, of the event map `M`, `event.data` is the parsed and checked value. */
  new <M extends object>(
    url: string | URL,
    options: EventSourceOptions<M> & {
      events: EventSchema<M>;
    },
  ): EventSource<UnionOf<M>>;
  readonly prototype: EventSource;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSED: 2;
}
/**
 * The browser's `EventSource`, with parsed and checked data, a state of the connection, and `for await`. Each has a
 * connection of its own. A browser shows no event of a name that nobody listens to: with a schema its names are listened
 * to, and others are not noticed.
 */
declare const EventSource: EventSourceConstructor;

/** An event as the stream has it. Its `id` is the last event id as of this event. */
interface ParsedEvent {
  name: string;
  data: string;
  id: string;
}
/**
 * Bytes to events, as the standard says:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
declare class EventStreamParser {
  #private;
  /** The last event id as of the last empty line. */
  lastEventId: string;
  /** The reconnection time in milliseconds, if the stream has set it. */
  retry: number | undefined;
  /** @param lastEventId what an earlier connection has ended with */
  constructor(lastEventId?: string);
  /**
   * @param bytes any piece of the stream
   * @returns the events that it completes
   */
  feed(bytes: Uint8Array): ParsedEvent[];
}

/** Why a stream is over for good. */
interface Closing {
  reason: "finished" | "failed" | "reset";
  status?: number;
  message?: string;
}

/** Why a shared stream is over for good; the type is `close`. */
declare class StreamCloseEvent extends Event {
  /**
   * `finished`: the server has said so, by 204 or by the end of a `finite` stream. `failed`: it answered with a
   * status or a type that no event stream has, or its stream ended with a failure. `reset`: `SharedEventSource.reset()`.
   */
  readonly reason: "finished" | "failed" | "reset";
  /** The status of the last answer, unless it was reset. */
  readonly status: number | undefined;
  /** What the server chose to say of a failure. */
  readonly message: string | undefined;
  constructor({ reason, status, message }: Closing);
}
interface SharedOwnEvents extends OwnEvents {
  close: StreamCloseEvent;
}
/** An EventSource that all tabs of this origin share that have the same URL and options, typed by the events `E`. */
interface SharedEventSource<E extends AnyEvent = UntypedEvent> extends TypedEventSource<E, SharedOwnEvents> {
  onclose: ((event: StreamCloseEvent) => any) | null;
}
interface SharedEventSourceConstructor {
  /** Without a schema `event.data` is the text that has come. */
  new (url: string | URL, options?: SharedEventSourceInit): SharedEventSource;
  /** With the union of events named: `new SharedEventSource<Market>("/market", { events: market })`. */
  new <E extends AnyEvent = never>(
    url: string | URL,
    options: SharedEventSourceInit<EventMapOf<E>> & {
      events: EventSchema<EventMapOf<E>>;
    },
  ): SharedEventSource<E>;
  /** With a schema, of the event map `M`, `event.data` is the parsed and checked value. */
  new <M extends object>(
    url: string | URL,
    options: SharedEventSourceInit<M> & {
      events: EventSchema<M>;
    },
  ): SharedEventSource<UnionOf<M>>;
  readonly prototype: SharedEventSource;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSED: 2;
  /**
   * At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. When it
   * resolves, every connection has been ended by this browser.
   */
  reset(): Promise<void>;
}
/** An EventSource that all tabs of this origin share that have the same URL and options, but for `headers`. */
declare const SharedEventSource: SharedEventSourceConstructor;

export {
  type ClosedState,
  type ConnectionState,
  type Subscribable,
  EventSource,
  EventStreamParser,
  type ParsedEvent,
  type IterateOptions,
  SlowLoopError,
  StreamClosedError,
  type CommonOptions,
  type EventSourceOptions,
  type SharedEventSourceInit,
  type SharedOptions,
  SharedEventSource,
  StreamCloseEvent,
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
};
