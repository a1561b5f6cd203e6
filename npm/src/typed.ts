import type { ConnectionState, Subscribable } from "./connection.js";
import type { IterateOptions } from "./iterate.js";

/** An event: its name, and the type of its data. An enum of Rust becomes a union of these. */
export interface AnyEvent {
  event: string;
  data: unknown;
}

/** An event without a schema: it may have any name, and its data is the text that the server has sent. */
export interface UntypedEvent {
  event: string;
  data: string;
}

/**
 * The value that Rust generates from an enum: the events' names, and for each event a check of what `JSON.parse`
 * returns. `M` is the enum's event map, from names to data.
 */
export interface EventSchema<M> {
  readonly names: readonly NoInfer<keyof M & string>[];
  readonly checks: { readonly [K in keyof M]: (data: unknown) => data is M[K] };
}

/**
 * A schema whose types are not known.
 *
 * @internal
 */
export interface AnySchema {
  readonly names: readonly string[];
  readonly checks: Readonly<Record<string, (data: unknown) => boolean>>;
}

/** The event map of a union of events. */
export type EventMapOf<E extends AnyEvent> = { [K in E as K["event"]]: K["data"] };

/** The union of events of an event map. */
export type UnionOf<M> = { [K in keyof M & string]: { event: K; data: M[K] } }[keyof M & string];

/** What a client has missed: the number of events, or `null` if the server does not know it. */
export interface Gap {
  readonly missed: number | null;
  /** The last event id after the gap. */
  readonly lastEventId: string;
}

/** Why the server has ended the stream permanently. */
export interface End {
  readonly reason: "finished" | "failed";
  /** The server's message about a failure, if it sent one. */
  readonly message?: string;
}

/** A new position of the client that has no event. */
export interface Position {
  readonly lastEventId: string;
}

/** The library's own events, which its servers send in addition to those of the enum. */
export type LibraryEvent = { event: "sse-gap"; data: Gap } | { event: "sse-end"; data: End };

type AllEvents<E extends AnyEvent> = string extends E["event"] ? E : E | LibraryEvent;

type DataOf<E extends AnyEvent, K> = E extends { event: infer N; data: infer D } ? (K extends N ? D : never) : never;

/** The event that a listener of the name `K` gets. `Own` are the source's own events. */
export type EventOf<E extends AnyEvent, Own, K> = K extends keyof Own
  ? Extract<Own[K], Event>
  : MessageEvent<DataOf<AllEvents<E>, K>>;

/** A listener: a function or an object, as in the DOM. */
export type Listener<This, Ev> = ((this: This, event: Ev) => any) | { handleEvent(event: Ev): any };

/** The events that every source fires about itself. */
export interface OwnEvents {
  open: Event;
  error: Event;
}

/** An event of a `for await` loop: the enum's, with its id. */
export type IteratedEvent<E extends AnyEvent> = E extends AnyEvent ? E & { readonly lastEventId: string } : never;

/** The interface of both sources: that of `EventSource`, typed by the events `E`. */
export interface TypedEventSource<E extends AnyEvent, Own extends OwnEvents> extends EventTarget {
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
export interface StreamCallbacks {
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

const SHOWN_CHARS = 100;

/** The error for an event that does not fit the schema. The message says what is wrong. */
export class InvalidEventError extends Error {
  /** The event's name. */
  readonly event: string;
  /** The event's data, as the text that was received. */
  readonly data: string;
  readonly lastEventId: string;

  constructor(what: string, event: string, data: string, lastEventId: string, options?: ErrorOptions) {
    const cut = data.length > SHOWN_CHARS ? `${data.slice(0, SHOWN_CHARS)}.. (${data.length} characters)` : data;
    super(`${what}; its data is: ${cut}`, options);
    this.name = "InvalidEventError";
    [this.event, this.data, this.lastEventId] = [event, data, lastEventId];
  }
}
