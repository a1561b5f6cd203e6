// A stream's events and connection as the state of a React component. React 18 or later.
import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { type ConnectionState, report } from "./connection.js";
import { EventSource } from "./event-source.js";
import type { SharedEventSourceInit, SharedOptions } from "./options.js";
import { SharedEventSource } from "./shared-event-source.js";
import type { AnyEvent, AnySchema, EventMapOf, EventSchema, IteratedEvent, UnionOf, UntypedEvent } from "./typed.js";

/** The hook's own options, in addition to those of its source. */
export interface UseEventSourceOptions<E extends AnyEvent> {
  /** Whether all tabs share one connection, `true` by default. If `false`, the hook uses an `EventSource`. */
  shared?: boolean;
  /** The names of the events: by default all names of the schema; without a schema, `message` alone. */
  names?: readonly E["event"][];
  /** Called with each event. It may be another function at each render. */
  onEvent?: (event: IteratedEvent<E>) => void;
}

/** The state of the stream, for the component to show. */
export interface EventSourceState<E extends AnyEvent> {
  readonly connection: ConnectionState;
  /** The latest data of each event, by its name. */
  readonly latest: Partial<EventMapOf<E>>;
}

type AllOptions = SharedOptions<AnySchema> & UseEventSourceOptions<AnyEvent>;

const INITIAL: EventSourceState<AnyEvent> = { connection: { status: "connecting" }, latest: {} };

/**
 * Reads a stream while the component is mounted. If `url` is `null`, there is no stream. If the URL, `key`, schema or
 * another option of the stream changes, the hook opens another stream. Changed callbacks do not open one. A component
 * renders at most once in each turn of the event loop, however many events arrive; `onEvent` gets all of them. When
 * React renders on a server, the state is `connecting`, and no stream is opened.
 */
export function useEventSource(
  url: string | URL | null,
  options?: SharedEventSourceInit & UseEventSourceOptions<UntypedEvent>,
): EventSourceState<UntypedEvent>;
// The last one, because the compiler explains wrong options by the last overload.
/** With a schema, of the event map `M`, the data is parsed and checked. Without a schema, it is the received text. */
export function useEventSource<M extends object>(
  url: string | URL | null,
  options: SharedEventSourceInit<M> & UseEventSourceOptions<UnionOf<M>> & { events: EventSchema<M> },
): EventSourceState<UnionOf<M>>;
export function useEventSource(url: string | URL | null, options: object = {}): EventSourceState<AnyEvent> {
  const newest = useRef<AllOptions>(options);
  useEffect(() => {
    newest.current = options;
  });
  const { events, ...rest } = options as AllOptions;
  const { shared, key, withCredentials, heartbeatTimeout, positionEvent, gapEvent, worker, names } = rest;
  const stream = { shared, key, withCredentials, heartbeatTimeout, positionEvent, gapEvent, worker, names };
  const identity = url === null ? null : JSON.stringify([url, stream, rest.headers !== undefined]);
  const store = useMemo(() => new Store(url, newest), [identity, events]);
  return useSyncExternalStore(store.subscribe, store.state, initial);
}

function initial() {
  return INITIAL;
}

/** Opens a source while a component listens, and keeps the latest data. */
class Store {
  #url: string | URL | null;
  #newest: { readonly current: AllOptions };
  #state = INITIAL;
  #isDue = false;
  #changed: (() => void) | undefined;

  constructor(url: string | URL | null, newest: { readonly current: AllOptions }) {
    [this.#url, this.#newest] = [url, newest];
  }

  state = () => this.#state;

  subscribe = (changed: () => void) => {
    if (this.#url === null) return () => {};
    const source = this.#open(this.#url);
    this.#changed = changed;
    return () => {
      this.#changed = undefined;
      source.close();
    };
  };

  #open(url: string | URL) {
    const { shared = true, names, onEvent, ...given } = this.#newest.current;
    const callbacks = {
      ...(given.headers && { headers: () => this.#newest.current.headers!() }),
      onGap: (gap) => this.#newest.current.onGap?.(gap),
      onEnd: (end) => this.#newest.current.onEnd?.(end),
      onPosition: (position) => this.#newest.current.onPosition?.(position),
      onInvalid: (error) => {
        const { onInvalid = report } = this.#newest.current;
        onInvalid(error);
      },
    } satisfies AllOptions as SharedOptions<AnySchema>;
    const options = { ...given, ...callbacks } as SharedEventSourceInit;
    const source = shared ? new SharedEventSource(url, options) : new EventSource(url, options);
    const receive = (event: Event) => {
      if (event instanceof MessageEvent) this.#received(event);
    };
    for (const name of names ?? given.events?.names ?? ["message"]) source.addEventListener(name, receive);
    source.connection.subscribe((connection) => this.#set({ ...this.#state, connection }));
    this.#set({ ...this.#state, connection: source.connection.value });
    return source;
  }

  #received({ type: event, data, lastEventId }: MessageEvent) {
    this.#set({ ...this.#state, latest: { ...this.#state.latest, [event]: data } });
    // This is last, because it may throw.
    this.#newest.current.onEvent?.({ event, data, lastEventId });
  }

  #set(state: EventSourceState<AnyEvent>) {
    this.#state = state;
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.#changed?.();
    });
  }
}
