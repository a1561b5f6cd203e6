// Built from the npm package in `npm` by `npm run build`; change it there.

/** A value that changes. `subscribe` and `() => value` are what React's `useSyncExternalStore` takes. */
interface Subscribable<T> {
  readonly value: T;
  /**
   * Calls `listener` at each change from now on. It does not call it for the present value.
   *
   * @returns a function that ends the subscription
   */
  subscribe(listener: (value: T) => void): () => void;
}
/** The state of the connection. */
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
  /** The source is closed permanently. */
  | ClosedState;
interface ClosedState {
  readonly status: "closed";
  /**
   * `finished` and `failed`: the server has ended the stream. `reset`: `SharedEventSource.reset()`. `closed`: this page
   * has called `close()`. `unknown`: a browser's `EventSource` has given up, and does not say why.
   */
  readonly reason: "finished" | "failed" | "reset" | "closed" | "unknown";
  /** The status of the last answer, where it is known. */
  readonly httpStatus?: number;
  /** The server's message about a failure, if it sent one. */
  readonly message?: string;
}

/** How to loop over events. */
interface IterateOptions<E extends AnyEvent = AnyEvent> {
  /** Ends the loop when it is aborted: the loop throws the signal's reason. */
  signal?: AbortSignal;
  /** How many events may wait for the loop, 1,000 by default. */
  buffer?: number;
  /** The names of the events for the loop: by default all names of the schema; without a schema, `message` alone. */
  names?: readonly E["event"][];
}
/** The loop was too slow: its buffer was full when more events arrived. They are lost for this loop. */
declare class SlowLoopError extends Error {
  constructor(buffer: number);
}
/** The stream has ended permanently, but it had not finished. */
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
/** An event without a schema: it may have any name, and its data is the text that the server has sent. */
interface UntypedEvent {
  event: string;
  data: string;
}
/**
 * The value that Rust generates from an enum: the events' names, and for each event a check of what `JSON.parse`
 * returns. `M` is the enum's event map, from names to data.
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
/** What a client has missed: the number of events, or `null` if the server does not know it. */
interface Gap {
  readonly missed: number | null;
  /** The last event id after the gap. */
  readonly lastEventId: string;
}
/** Why the server has ended the stream permanently. */
interface End {
  readonly reason: "finished" | "failed";
  /** The server's message about a failure, if it sent one. */
  readonly message?: string;
}
/** A new position of the client that has no event. */
interface Position {
  readonly lastEventId: string;
}
/** The library's own events, which its servers send in addition to those of the enum. */
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
/** A listener: a function or an object, as in the DOM. */
type Listener<This, Ev> =
  | ((this: This, event: Ev) => any)
  | {
      handleEvent(event: Ev): any;
    };
/** The events that every source fires about itself. */
interface OwnEvents {
  open: Event;
  error: Event;
}
/** An event of a `for await` loop: the enum's, with its id. */
type IteratedEvent<E extends AnyEvent> = E extends AnyEvent
  ? E & {
      readonly lastEventId: string;
    }
  : never;
/** The interface of both sources: that of `EventSource`, typed by the events `E`. */
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
  /** Ends the connection permanently. As with `EventSource`, no event is fired. */
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
   * The events for a `for await` loop, from this call on, as they arrive. The loop ends when the stream has finished or
   * was closed, and throws if it has failed, if it is aborted, or if it falls behind by more than its buffer.
   */
  events(options?: IterateOptions<E>): AsyncIterableIterator<IteratedEvent<E>>;
  /** {@link events} without options. */
  [Symbol.asyncIterator](): AsyncIterableIterator<IteratedEvent<E>>;
}
/** Callbacks for everything that is not an event of the enum. All are optional. */
interface StreamCallbacks {
  /** The client has missed events, which the server no longer has. */
  onGap?: (gap: Gap) => void;
  /** The server has ended the stream permanently. */
  onEnd?: (end: End) => void;
  /** The last event id has changed, without an event to show. */
  onPosition?: (position: Position) => void;
  /**
   * An event does not fit the schema: no listener gets it, and the stream continues. By default the error is reported
   * like an uncaught one, to `window.onerror` and the console.
   */
  onInvalid?: (error: InvalidEventError) => void;
}
/** The error for an event that does not fit the schema. The message says what is wrong. */
declare class InvalidEventError extends Error {
  /** The event's name. */
  readonly event: string;
  /** The event's data, as the text that was received. */
  readonly data: string;
  readonly lastEventId: string;
  constructor(what: string, event: string, data: string, lastEventId: string, options?: ErrorOptions);
}

/** Options that both sources have. `Schema` is the type of `events`. */
interface CommonOptions<Schema> extends EventSourceInit, StreamCallbacks {
  /**
   * The value that Rust has generated from the enum. With it, `event.data` is the parsed and checked value. Without it,
   * `event.data` is the received text.
   */
  events?: Schema;
  /** The name of gap events, `sse-gap` by default. */
  gapEvent?: string;
  /** The name of events that only carry a position, `sse-position` by default. */
  positionEvent?: string;
}
/** Tabs share a stream if its URL, `withCredentials`, `key`, `heartbeatTimeout` and `positionEvent` are the same. */
interface SharedOptions<Schema> extends CommonOptions<Schema> {
  /** Whose stream this is, for example the user's id. Tabs with different keys share nothing. */
  key?: string;
  /**
   * Returns headers for the request, for example `Authorization`. Called at every connect, so that a token may expire.
   *
   * - After a 401 it is called once more, at once; after a second 401 the source closes. After a 200, one repeated
   *   call is allowed again.
   * - If it throws, rejects, or returns no headers, the source treats this as a lost connection: it fires `error`, and
   *   calls the function again after the reconnection time. The console says why.
   * - One tab is asked for all tabs. With a `SharedWorker`, this is the first tab that joined with this option, or the
   *   next one if the first is gone or does not react for 5 s. Without a `SharedWorker`, it is the tab that holds the
   *   connection. So give every tab the same function, and each user a `key`.
   * - This module sets `Accept` and `Last-Event-ID` itself, and ignores these two headers of the function.
   */
  headers?: () => HeadersInit | Promise<HeadersInit>;
  /**
   * How many milliseconds without a byte are a lost connection. The source then fires `error` and reconnects. 0: no
   * limit.
   *
   * By default three of the keep-alive intervals that the server announces (`Sse-Keep-Alive`), but at least 5 s. If it
   * announces none, there is no limit. After the machine was asleep or the page frozen, the source waits another third
   * of the limit. A reconnect waits for the head of its answer for the same time, but at least for 30 s.
   */
  heartbeatTimeout?: number;
  /**
   * The URL of the shared worker's script, for bundlers that do not bundle workers by themselves: `sse-actix/worker`,
   * bundled as a separate script. The URL is relative to the page, and has the page's origin.
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
  /** Without a schema, `event.data` is the received text. */
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
 * The browser's `EventSource`, with parsed and checked data, a state of the connection, and `for await`. Each
 * source has its own connection. A browser drops an event if its name has no listener. So with a schema, this class
 * listens to all names of the schema, and does not notice other names.
 */
declare const EventSource: EventSourceConstructor;

/** An event as the server sent it. Its `id` is the last event id after this event. */
interface ParsedEvent {
  name: string;
  data: string;
  id: string;
}
/**
 * Parses bytes into events, as the standard says:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
declare class EventStreamParser {
  #private;
  /** The last event id at the last empty line. */
  lastEventId: string;
  /** The reconnection time in milliseconds, if the stream has set it. */
  retry: number | undefined;
  /** @param lastEventId the last event id of an earlier connection */
  constructor(lastEventId?: string);
  /**
   * @param bytes any piece of the stream
   * @returns the events that it completes
   */
  feed(bytes: Uint8Array): ParsedEvent[];
}

/** Why a stream has ended permanently. */
interface Closing {
  reason: "finished" | "failed" | "reset";
  status?: number;
  message?: string;
}

/** The event `close`: why a shared stream has ended permanently. */
declare class StreamCloseEvent extends Event {
  /**
   * `finished`: the server has answered 204 or has ended the stream permanently. `failed`: the server has answered with
   * a status or a type that no event stream has, or its stream has ended with a failure. `reset`:
   * `SharedEventSource.reset()`.
   */
  readonly reason: "finished" | "failed" | "reset";
  /** The status of the last answer; absent after a reset. */
  readonly status: number | undefined;
  /** The server's message about a failure, if it sent one. */
  readonly message: string | undefined;
  constructor({ reason, status, message }: Closing);
}
interface SharedOwnEvents extends OwnEvents {
  close: StreamCloseEvent;
}
/** An EventSource, typed by the events `E`. All tabs of this origin with the same URL and options share it. */
interface SharedEventSource<E extends AnyEvent = UntypedEvent> extends TypedEventSource<E, SharedOwnEvents> {
  onclose: ((event: StreamCloseEvent) => any) | null;
}
interface SharedEventSourceConstructor {
  /** Without a schema, `event.data` is the received text. */
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
   * At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. When the
   * promise resolves, this browser has ended every connection.
   */
  reset(): Promise<void>;
}
/** An EventSource. All tabs of this origin with the same URL and options share it; `headers` may differ. */
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
  type IteratedEvent,
  type Position,
  type StreamCallbacks,
  type UnionOf,
  type UntypedEvent,
};
