/** A value that changes. `subscribe` and `() => value` are what React's `useSyncExternalStore` takes. */
export interface Subscribable<T> {
  readonly value: T;
  /**
   * Calls `listener` at each change from now on. It does not call it for the present value.
   *
   * @returns a function that ends the subscription
   */
  subscribe(listener: (value: T) => void): () => void;
}

/** The state of the connection. */
export type ConnectionState =
  /** There was no connection yet. */
  | { readonly status: "connecting" }
  | { readonly status: "open" }
  /** The connection is lost; the source connects again by itself. */
  | { readonly status: "reconnecting" }
  /** The source is closed permanently. */
  | ClosedState;

export interface ClosedState {
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

/**
 * The state of one source. Listeners are called in the order in which they were added.
 *
 * @internal
 */
export class Connection implements Subscribable<ConnectionState> {
  #value: ConnectionState = { status: "connecting" };
  #listeners = new Set<{ listener: (value: ConnectionState) => void }>();

  get value() {
    return this.#value;
  }

  // A field, not a method, so that callers can pass it on without its object.
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

  /** The source is not connected yet, or not any more. */
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
 * Calls the page's code. If that throws, the error is reported, as the DOM reports errors of listeners.
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
 * Reports an error like an uncaught one.
 *
 * @internal
 */
export function report(error: unknown) {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}
