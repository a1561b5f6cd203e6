import { END, GAP, POSITION } from "./shared-connection/names.js";
import type { AnySchema, EventSchema, StreamCallbacks } from "./typed.js";

/** Options that both sources have. `Schema` is the type of `events`. */
export interface CommonOptions<Schema> extends EventSourceInit, StreamCallbacks {
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
export interface SharedOptions<Schema> extends CommonOptions<Schema> {
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
export type EventSourceOptions<M = never> = CommonOptions<EventSchema<M>>;

/** Options of a shared source. With `events`, its events have the types of the event map `M`. */
export type SharedEventSourceInit<M = never> = SharedOptions<EventSchema<M>>;

/**
 * The options with their defaults, and the URL. Throws an error that says what to write instead.
 *
 * @internal
 */
export function checked(source: string, url: string | URL, options: SharedOptions<AnySchema> | null) {
  const wrong = (what: string) => new TypeError(`${source}: ${what}`);
  if (url === undefined) throw wrong("the first argument is the stream's URL");
  if (typeof options !== "object") throw wrong("the second argument is an object of options");
  const { withCredentials = false, key = "", headers, heartbeatTimeout, ...rest } = options ?? {};
  const { events, gapEvent = GAP, positionEvent = POSITION, worker, ...others } = rest;
  if (typeof key !== "string") throw wrong("`key` is a string");
  if (headers !== undefined && typeof headers !== "function") {
    throw wrong(
      "`headers` is a function, since it is called at every connect: headers: async () => ({ Authorization: .. })",
    );
  }
  if (heartbeatTimeout !== undefined && !(Number.isFinite(heartbeatTimeout) && heartbeatTimeout >= 0)) {
    throw wrong("`heartbeatTimeout` is a number of milliseconds; 0 turns it off");
  }
  if (events !== undefined && !isSchema(events)) {
    throw wrong("`events` is the value that Rust generates beside the types: { names: [..], checks: { .. } }");
  }
  for (const [option, name] of Object.entries({ positionEvent, gapEvent })) {
    if (typeof name !== "string" || !/^[^\0\r\n]+$/.test(name)) {
      throw wrong(`\`${option}\` is the name of an event: one line, and not empty`);
    }
    if (["message", "open", "error", "close", END].includes(name)) {
      throw wrong(`\`${option}\` hides events, and \`${name}\` is not to be hidden`);
    }
    if (events?.names.includes(name)) {
      throw wrong(
        `\`${option}\` is \`${name}\`, which is an event of \`events\`: give one of the two another name, on the server too`,
      );
    }
  }
  if (gapEvent === positionEvent) {
    throw wrong(
      `\`gapEvent\` and \`positionEvent\` are both \`${gapEvent}\`: give one of the two another name, on the server too`,
    );
  }
  const own = source === "SharedEventSource" ? ["open", "error", "close"] : ["open", "error"];
  const taken = events?.names.find((name) => own.includes(name));
  if (taken !== undefined) {
    throw wrong(
      `\`events\` has an event \`${taken}\`, which is one of the source itself: give it another name in the enum`,
    );
  }
  for (const option of ["onGap", "onEnd", "onPosition", "onInvalid"] as const) {
    const callback = others[option];
    if (callback !== undefined && typeof callback !== "function") throw wrong(`\`${option}\` is a function`);
  }
  return {
    url: absolute(source, url),
    stream: { withCredentials: Boolean(withCredentials), key, heartbeatTimeout, positionEvent },
    headers,
    worker: worker === undefined ? undefined : absolute(source, worker),
    delivery: { ...others, events, gapEvent },
  };
}

function isSchema(events: unknown): events is AnySchema {
  const { names, checks } = Object(events);
  if (!Array.isArray(names) || typeof checks !== "object" || checks === null) return false;
  return names.every((name) => Object.hasOwn(checks, name) && typeof checks[name] === "function");
}

function absolute(source: string, url: string | URL) {
  try {
    return new URL(url, document.baseURI).href;
  } catch {
    throw new DOMException(`${source}: cannot parse the URL ${url}`, "SyntaxError");
  }
}
