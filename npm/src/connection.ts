/** A value that changes. `subscribe` and `() => value` are what React's `useSyncExternalStore` takes. */
export interface Subscribable<T> {
  readonly value: T;
  /**
   * Calls `listener` at each change, not at once.
   *
   * @returns ends the subscription
   */
  subscribe(listener: (value: T) => void): () => void;
}

/** How the connection is. */
export type ConnectionState =
  /** There was no connection yet. */
  | { readonly status: "connecting" }
  | { readonly status: "open" }
  /** The connection is lost; the source connects again by itself. */
  | { readonly status: "reconnecting" }
  /** It is over for good. */
  | ClosedState;

export interface ClosedState {
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

/**
 * The state of one source. Listeners are called in the order in which they came.
 *
 * @internal
 */
export class Connection implements Subscribable<ConnectionState> {
  #value: ConnectionState = { status: "connecting" };
  #listeners = new Set<{ listener: (value: ConnectionState) => void }>();

  get value() {
    return this.#value;
  }

  // As a field, so that it can be handed over without its object.
  subscribe = (listener: (value: ConnectionState) => void) => {
    const entry = { listener };
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  };

  opened() {
    this.#set({ status: "open" });
  }

  /** Not connected: for the first time, or again. */
  connecting() {
    if (this.#value.status !== "connecting") this.#set({ status: "reconnecting" });
  }

  closed(state: Omit<ClosedState, "status">) {
    if (this.#value.status !== "closed") this.#set({ status: "closed", ...state });
  }

  #set(value: ConnectionState) {
    if (value.status === this.#value.status) return;
    this.#value = value;
    for (const { listener } of [...this.#listeners]) call(listener, value);
  }
}

/**
 * Calls the page's code. What it throws is reported, as the DOM does with listeners.
 *
 * @internal
 */
export function call<T>(callback: ((value: T) => void) | undefined, value: T) {
  try {
    callback?.(value);
  } catch (error) {
    report(error);
  }
}

/**
 * As an uncaught error is reported.
 *
 * @internal
 */
export function report(error: unknown) {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}
