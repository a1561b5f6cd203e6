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

export interface SharedEventSourceInit extends EventSourceInit {
  /** Whose stream this is, the user's id, say. Tabs with different keys share nothing. */
  key?: string;
}

export interface SharedEventSourceEventMap {
  open: Event;
  message: MessageEvent<string>;
  error: Event;
  close: StreamCloseEvent;
}

/** An EventSource that all tabs of this origin share, with the same URL, credentials and key. */
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
