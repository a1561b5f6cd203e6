import type { ClosedState, ConnectionState, Subscribable } from "./connection.js";
import type { AnyEvent, IteratedEvent } from "./typed.js";

const DEFAULT_BUFFER = 1_000;

/** How to loop over events. */
export interface IterateOptions<E extends AnyEvent = AnyEvent> {
  /** Ends the loop when it is aborted: the loop throws the signal's reason. */
  signal?: AbortSignal;
  /** How many events may wait for the loop, 1,000 by default. */
  buffer?: number;
  /** The names of the events for the loop: by default all names of the schema; without a schema, `message` alone. */
  names?: readonly E["event"][];
}

/** The loop was too slow: its buffer was full when more events arrived. They are lost for this loop. */
export class SlowLoopError extends Error {
  constructor(buffer: number) {
    super(
      `The loop over events is behind by more than its buffer of ${buffer}: what came before that was delivered. ` +
        "Do less for each event, or allow more: source.events({ buffer: .. })",
    );
    this.name = "SlowLoopError";
  }
}

/** The stream has ended permanently, but it had not finished. */
export class StreamClosedError extends Error {
  /** The source's state. */
  readonly state: ClosedState;

  constructor(state: ClosedState) {
    const status = state.httpStatus === undefined ? "" : ` with status ${state.httpStatus}`;
    super(`The stream has ended${status}: ${state.message ?? state.reason}`);
    this.name = "StreamClosedError";
    this.state = state;
  }
}

interface Source extends EventTarget {
  readonly connection: Subscribable<ConnectionState>;
}

/**
 * Collects a source's events from now on, and gives them to one loop.
 *
 * @internal
 */
export function iterate<E extends AnyEvent>(
  source: Source,
  names: readonly string[],
  { signal, buffer = DEFAULT_BUFFER }: IterateOptions<E>,
): AsyncIterableIterator<IteratedEvent<E>> {
  if (!(Number.isInteger(buffer) && buffer > 0)) {
    throw new TypeError("sse-actix: `buffer` has to be a whole number of events, at least 1");
  }
  const waiting: IteratedEvent<E>[] = [];
  const requests: { resolve: (result: IteratorResult<IteratedEvent<E>>) => void; reject: (error: unknown) => void }[] =
    [];
  // Set when the loop stops collecting events. The loop throws `error` once.
  let end: { error?: unknown } | undefined;

  const answer = () => {
    while (requests.length > 0 && (waiting.length > 0 || end)) {
      const { resolve, reject } = requests.shift()!;
      const value = waiting.shift();
      if (value) resolve({ done: false, value });
      else if (end && "error" in end) {
        const { error } = end;
        end = {};
        reject(error);
      } else resolve({ done: true, value: undefined });
    }
  };
  const finish = (how: { error?: unknown }) => {
    if (end) return;
    end = how;
    for (const name of names) source.removeEventListener(name, collect);
    unsubscribe();
    signal?.removeEventListener("abort", aborted);
    answer();
  };
  const collect = (event: Event) => {
    // An `open` or an `error` of the source itself.
    if (!(event instanceof MessageEvent)) return;
    const { type, data, lastEventId } = event;
    if (waiting.length >= buffer) {
      finish({ error: new SlowLoopError(buffer) });
      return;
    }
    waiting.push({ event: type, data, lastEventId } as unknown as IteratedEvent<E>);
    answer();
  };
  const aborted = () => {
    waiting.length = 0;
    finish({ error: signal?.reason });
  };
  const changed = (state: ConnectionState) => {
    if (state.status !== "closed") return;
    const isFailure = state.reason === "failed" || state.reason === "unknown";
    finish(isFailure ? { error: new StreamClosedError(state) } : {});
  };

  for (const name of names) source.addEventListener(name, collect);
  const unsubscribe = source.connection.subscribe(changed);
  signal?.addEventListener("abort", aborted);
  if (signal?.aborted) aborted();
  changed(source.connection.value);

  return {
    next() {
      return new Promise((resolve, reject) => {
        requests.push({ resolve, reject });
        answer();
      });
    },
    async return() {
      waiting.length = 0;
      finish({});
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
