import type { Closing } from "./closing.js";
import type { StreamChange } from "./stream-change.js";
import { END } from "./names.js";
import { EventStreamParser, type ParsedEvent } from "./parser.js";
import { LONGEST_TIMER, MISSED_KEEP_ALIVES, SilenceLimit } from "./silence-limit.js";
import { CONNECTING, type StreamState, applyChange } from "./state.js";

const LONGEST_WAIT = 30_000;

/** The least silence, in milliseconds, after which the connection counts as lost. */
const SHORTEST_SILENCE = 5_000;

/** The least time, in milliseconds, to wait for the head of an answer: a server may look things up first. */
const SHORTEST_HEAD_WAIT = 30_000;
/** Tabs with the same configuration share a stream. */
export interface StreamConfig {
  /** The version of the messages between page and worker. */
  protocol: number;
  url: string;
  withCredentials: boolean;
  key: string;
  heartbeatTimeout?: number;
  positionEvent: string;
}

/** Headers in a form that can be sent to a worker. */
export type HeaderPairs = [name: string, value: string][];

/** Asks the page for a request's headers. `undefined`: no tab has any. */
export type AskHeaders = () => Promise<HeaderPairs | undefined>;

/**
 * How an answer has ended. `reason`: the stream has ended permanently. `retryAtOnce`: the next request is sent at once.
 */
interface AnswerEnd extends Partial<Closing> {
  retryAtOnce?: boolean;
  failed?: boolean;
  retryAfter?: number;
}

/**
 * The one connection to the server that all tabs share. It numbers the events, records every change in the state, and
 * publishes it to the tabs. A tab that has missed too much has one of its own for a while, to catch up.
 */
export class SharedConnection {
  #config: StreamConfig;
  #publish: (change: StreamChange) => void;
  #askHeaders: AskHeaders;
  #running: AbortController | undefined;
  #hurry: (() => void) | undefined;
  #silenceLimit: number;
  #mayRefreshHeaders = true;

  /** What another connection has to know to continue this stream. */
  state: StreamState;

  /**
   * @param config the configuration, the same in all tabs of this stream
   * @param publish called with everything that happens
   * @param askHeaders called at every connect
   * @param state where to begin: `stateForNewConnection` or `continuedState`
   */
  constructor(
    config: StreamConfig,
    publish: (change: StreamChange) => void,
    askHeaders: AskHeaders,
    state: StreamState,
  ) {
    [this.#config, this.#publish, this.#askHeaders, this.state] = [config, publish, askHeaders, state];
    this.state.readyState = CONNECTING;
    this.#silenceLimit = config.heartbeatTimeout ?? 0;
  }

  /** Ends the wait for the next connect. */
  hurry = () => this.#hurry?.();

  get isRunning() {
    return this.#running !== undefined;
  }

  start() {
    this.state.readyState = CONNECTING;
    this.#running = new AbortController();
    this.#run(this.#running.signal);
    globalThis.addEventListener("online", this.hurry);
  }

  /** Ends the connection to the server. */
  stop() {
    this.#running?.abort();
    this.#running = undefined;
    this.hurry();
    globalThis.removeEventListener("online", this.hurry);
  }

  #record(change: StreamChange) {
    applyChange(this.state, change);
    this.#publish(change);
  }

  async #run(signal: AbortSignal) {
    for (let failures = 0; ;) {
      let end: AnswerEnd = { failed: true };
      try {
        end = await this.#connect(signal, () => (failures = 0));
      } catch {
        // Refused, reset, cut off, silent, or without permission. A browser gives the same error for most of these.
      }
      if (signal.aborted) return;
      if (end.retryAtOnce) continue;
      if (end.reason) {
        this.#running = undefined;
        return this.#record({ kind: "close", ...end, reason: end.reason });
      }
      this.#record({ kind: "error" });
      const wait = end.failed ? backOff(this.state.retry, failures++, end.retryAfter) : this.state.retry;
      await this.#pause(wait);
      if (signal.aborted) return;
    }
  }

  /** Sends one request, and reads its answer to the end. */
  async #connect(signal: AbortSignal, opened: () => void): Promise<AnswerEnd> {
    let asked: HeaderPairs | undefined;
    try {
      asked = await this.#askHeaders();
    } catch {
      return {}; // The tab has logged why.
    }
    if (signal.aborted) return {};
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    const silence = new SilenceLimit(abort);
    signal.addEventListener("abort", abort);
    try {
      return await this.#exchange(asked, attempt.signal, silence, opened);
    } finally {
      silence.stop();
      signal.removeEventListener("abort", abort);
      abort(); // Cancels the rest of the answer.
    }
  }

  async #exchange(
    asked: HeaderPairs | undefined,
    signal: AbortSignal,
    silence: SilenceLimit,
    opened: () => void,
  ): Promise<AnswerEnd> {
    const { url, withCredentials } = this.#config;
    if (this.#silenceLimit > 0) silence.start(Math.max(this.#silenceLimit, SHORTEST_HEAD_WAIT));
    const response = await fetch(url, {
      headers: this.#requestHeaders(asked),
      credentials: withCredentials ? "include" : "same-origin",
      cache: "no-store",
      signal,
    });
    const { status } = response;
    if (status === 204) return { reason: "finished", status };
    if (status === 401 && asked && this.#mayRefreshHeaders) {
      this.#mayRefreshHeaders = false;
      return { retryAtOnce: true };
    }
    if (status === 408 || status === 429 || status >= 500) {
      return { failed: true, retryAfter: Number(response.headers.get("Retry-After")) * 1_000 || 0 };
    }
    const type = response.headers.get("Content-Type") ?? "";
    if (status !== 200 || !/^text\/event-stream\s*(;|$)/i.test(type)) return { reason: "failed", status };
    this.#mayRefreshHeaders = true;
    opened();
    this.#silenceLimit = this.#config.heartbeatTimeout ?? announcedSilence(response.headers);
    silence.start(this.#silenceLimit);
    this.#record({ kind: "open" });
    return await this.#read(response, signal, silence);
  }

  #requestHeaders(asked: HeaderPairs | undefined) {
    const headers = new Headers(asked);
    headers.set("Accept", "text/event-stream");
    headers.delete("Last-Event-ID");
    if (this.state.lastEventId) headers.set("Last-Event-ID", utf8(this.state.lastEventId));
    return headers;
  }

  async #read(response: Response, signal: AbortSignal, silence: SilenceLimit): Promise<AnswerEnd> {
    const parser = new EventStreamParser(this.state.lastEventId);
    const reader = response.body!.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return {};
      silence.received();
      for (const event of parser.feed(value)) {
        if (signal.aborted) return {};
        this.#received(event);
        if (event.name === END && event.id === END) return ended(event.data, response.status);
      }
      this.#moveTo(parser.lastEventId);
      // The standard sets no bounds. The lower one protects the server; a timer cannot hold more than the upper one.
      this.state.retry = Math.min(Math.max(parser.retry ?? this.state.retry, 100), LONGEST_TIMER);
    }
  }

  #received({ name, data, id }: ParsedEvent) {
    if (name === this.#config.positionEvent) return this.#moveTo(id);
    const { sequence, lastEventId, repeat } = this.state;
    this.#record({
      kind: "event",
      sequence: sequence + 1,
      name,
      data,
      id,
      repeat: id === lastEventId ? repeat + 1 : 0,
    });
  }

  /** Changes the id that is sent as the last event id from now on. There is no event to show. */
  #moveTo(id: string) {
    if (id !== this.state.lastEventId) this.#record({ kind: "position", id });
  }

  #pause(wait: number) {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** How long a server may be silent, computed from the keep-alive interval that it announces; 0 is no limit. */
function announcedSilence(headers: Headers) {
  const interval = headers.get("Sse-Keep-Alive") ?? "";
  if (!/^[0-9]+$/.test(interval) || Number(interval) === 0) return 0;
  return Math.max(Number(interval) * MISSED_KEEP_ALIVES, SHORTEST_SILENCE);
}

function ended(data: string, status: number): AnswerEnd {
  let fields: { reason?: unknown; message?: unknown } = {};
  try {
    fields = Object(JSON.parse(data));
  } catch {
    // Not JSON, so it is another program's event of that name.
  }
  const { reason, message } = fields;
  if (reason !== "failed") return { reason: "finished", status };
  return typeof message === "string" ? { reason, status, message } : { reason, status };
}

/** A random wait, up to a limit that doubles at each failure. `Retry-After` replaces it, up to the longest wait. */
function backOff(retry: number, failures: number, retryAfter = 0) {
  const longest = Math.max(LONGEST_WAIT, retry);
  const whole = Math.min(longest, retry * 2 ** Math.min(failures, 20));
  return Math.max(100, Math.min(longest, retryAfter) || Math.random() * whole);
}

/** `fetch` takes a header's bytes as characters, one for each byte. */
function utf8(text: string) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
