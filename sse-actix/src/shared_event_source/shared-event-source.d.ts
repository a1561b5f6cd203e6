/** Why a shared stream is over for good. */
export interface StreamCloseEvent extends Event {
  /**
   * `finished`: the server has said so, by 204 or by the end of a `finite` stream. `failed`: it answered with a
   * status or a type that no event stream has, or its stream ended with a failure. `reset`: {@link SharedEventSource.reset}.
   */
  readonly reason: "finished" | "failed" | "reset";
  /** The status of the last answer, unless it was reset. */
  readonly status?: number;
  /** What the server chose to say of a failure. */
  readonly message?: string;
}

/** Tabs share a stream if its URL and all options but `headers` are the same. */
export interface SharedEventSourceInit extends EventSourceInit {
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
   * The name of events that only carry a position, `sse-position` by default. Their id becomes the last event id, in
   * every tab; no listener gets them.
   */
  positionEvent?: string;
}

export interface SharedEventSourceEventMap {
  open: Event;
  message: MessageEvent<string>;
  error: Event;
  close: StreamCloseEvent;
}

/** An EventSource that all tabs of this origin share that have the same URL and options, but for `headers`. */
export class SharedEventSource extends EventTarget {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSED: 2;
  /** At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. */
  static reset(): Promise<void>;

  constructor(url: string | URL, options?: SharedEventSourceInit);

  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSED: 2;
  readonly url: string;
  readonly withCredentials: boolean;
  readonly readyState: 0 | 1 | 2;
  onopen: ((this: SharedEventSource, event: Event) => unknown) | null;
  onmessage: ((this: SharedEventSource, event: MessageEvent<string>) => unknown) | null;
  onerror: ((this: SharedEventSource, event: Event) => unknown) | null;
  onclose: ((this: SharedEventSource, event: StreamCloseEvent) => unknown) | null;
  close(): void;

  addEventListener<K extends keyof SharedEventSourceEventMap>(
    type: K,
    listener: (this: SharedEventSource, event: SharedEventSourceEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: (this: SharedEventSource, event: MessageEvent<string>) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** Bytes to events, as the standard says. */
export class EventStreamParser {
  constructor(lastEventId?: string);
  lastEventId: string;
  retry?: number;
  feed(bytes: Uint8Array): { name: string; data: string; id: string }[];
}
