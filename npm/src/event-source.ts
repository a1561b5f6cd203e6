import { Connection } from "./connection.js";
import { Delivery } from "./delivery.js";
import { define } from "./handlers.js";
import { END } from "./shared-connection/names.js";
import { CLOSED, type ReadyState } from "./shared-connection/state.js";
import { iterate, type IterateOptions } from "./iterate.js";
import { type EventSourceOptions, checked } from "./options.js";
import type { AnyEvent, EventMapOf, EventSchema, OwnEvents, TypedEventSource, UnionOf, UntypedEvent } from "./typed.js";

/** The browser's `EventSource`, typed by the events `E`. */
export interface EventSource<E extends AnyEvent = UntypedEvent> extends TypedEventSource<E, OwnEvents> {}

interface EventSourceConstructor {
  /** Without a schema, `event.data` is the received text. */
  new (url: string | URL, options?: EventSourceOptions): EventSource;
  /** With the union of events named: `new EventSource<Market>("/market", { events: market })`. */
  new <E extends AnyEvent = never>(
    url: string | URL,
    options: EventSourceOptions<EventMapOf<E>> & { events: EventSchema<EventMapOf<E>> },
  ): EventSource<E>;
  // The last one, because the compiler explains wrong options by the last overload.
  /** With a schema, of the event map `M`, `event.data` is the parsed and checked value. */
  new <M extends object>(
    url: string | URL,
    options: EventSourceOptions<M> & { events: EventSchema<M> },
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
export const EventSource = class EventSource extends EventTarget {
  readonly connection = new Connection();
  #source: globalThis.EventSource;
  #delivery: Delivery;
  #names: readonly string[];
  #listened = new Set<string>();

  constructor(url: string | URL, options: EventSourceOptions = {}) {
    super();
    const { url: absolute, stream, delivery } = checked("EventSource", url, options);
    this.#delivery = new Delivery(this, delivery, ["open", "error"]);
    this.#names = delivery.events?.names ?? ["message"];
    this.#source = new globalThis.EventSource(absolute, { withCredentials: stream.withCredentials });
    this.#source.addEventListener("open", (event) => this.#opened(event));
    this.#source.addEventListener("error", (event) => this.#lost(event));
    this.#source.addEventListener(stream.positionEvent, ({ lastEventId }) => this.#delivery.position(lastEventId));
    this.#listened.add(stream.positionEvent);
    for (const name of [...(delivery.events?.names ?? []), delivery.gapEvent, END]) this.#listenTo(name);
  }

  get url() {
    return this.#source.url;
  }

  get withCredentials() {
    return this.#source.withCredentials;
  }

  get readyState() {
    return this.#source.readyState as ReadyState;
  }

  close() {
    this.#source.close();
    this.connection.closed({ reason: "closed" });
  }

  override addEventListener(type: string, ...rest: [EventListenerOrEventListenerObject | null, (boolean | object)?]) {
    this.#listenTo(type);
    super.addEventListener(type, ...rest);
  }

  events(options: IterateOptions = {}) {
    return iterate(this, options.names ?? this.#names, options);
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  static {
    define(this, ["open", "message", "error"]);
  }

  /** Listens to events of this name at the browser's source. */
  #listenTo(name: string) {
    if (this.#listened.has(name) || name === "open" || name === "error") return;
    this.#listened.add(name);
    this.#source.addEventListener(name, ({ data, lastEventId, origin }) => {
      this.#delivery.event({ name, data, id: lastEventId }, origin);
    });
  }

  /** The browser also calls this for an event that the server has named `open`. Such an event is ignored. */
  #opened(event: Event) {
    if (event instanceof MessageEvent) return;
    this.connection.opened();
    this.dispatchEvent(new Event("open"));
  }

  /** The browser also calls this for an event that the server has named `error`. */
  #lost(event: Event) {
    if (event instanceof MessageEvent) return;
    if (this.readyState === CLOSED) this.connection.closed({ reason: "unknown", ...this.#delivery.end });
    else this.connection.connecting();
    this.dispatchEvent(new Event("error"));
  }
} as unknown as EventSourceConstructor;
