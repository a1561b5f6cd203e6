// One event stream for all tabs of an origin, with the interface of EventSource.
//
// The same file is the page's module and the shared worker's script. A *hub* holds the one connection, what a
// tab that joins later has to be told, and tells every tab what happens. It lives in a SharedWorker; where there
// is none, in one of the tabs, which the others follow: Web Locks elect it, a BroadcastChannel carries its words.

const NAME = "shared-event-source";
const [CONNECTING, OPEN, CLOSED] = [0, 1, 2];

/** What a tab that joins is told at most: the latest event of so many names, and of so many characters. */
const RETAINED_NAMES = 64;
const RETAINED_CHARS = 256 * 1024;

const DEFAULT_RETRY = 3_000;
const LONGEST_WAIT = 30_000;

/** What ends a stream for good: https://docs.rs/sse-actix, `finite`. */
const END = "sse-end";

/**
 * Bytes to events, as the standard says:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventStreamParser {
  #text = new TextDecoder();
  #line = [];
  #afterCarriageReturn = false;
  #data = [];
  #name = "";
  #id;

  /** The last event id as of the last empty line. */
  lastEventId;

  /** The reconnection time in milliseconds, if the stream has set it. */
  retry;

  /** @param {string} lastEventId what an earlier connection has ended with */
  constructor(lastEventId = "") {
    this.#id = this.lastEventId = lastEventId;
  }

  /**
   * @param {Uint8Array} bytes any piece of the stream
   * @returns {{ name: string, data: string, id: string }[]} the events that it completes
   */
  feed(bytes) {
    const text = this.#text.decode(bytes, { stream: true });
    const events = [];
    let start = this.#afterCarriageReturn && text.startsWith("\n") ? 1 : 0;
    if (text) this.#afterCarriageReturn = text.endsWith("\r");
    const lineBreak = /\r\n?|\n/g;
    lineBreak.lastIndex = start;
    for (let found; (found = lineBreak.exec(text)); start = lineBreak.lastIndex) {
      this.#line.push(text.slice(start, found.index));
      const event = this.#endLine(this.#line.join(""));
      this.#line = [];
      if (event) events.push(event);
    }
    if (start < text.length) this.#line.push(text.slice(start));
    return events;
  }

  #endLine(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    switch (field) {
      case "data":
        this.#data.push(value);
        break;
      case "event":
        this.#name = value;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^[0-9]+$/.test(value)) this.retry = Number(value);
    }
  }

  #dispatch() {
    const [data, name] = [this.#data, this.#name || "message"];
    [this.#data, this.#name] = [[], ""];
    this.lastEventId = this.#id;
    if (data.length > 0) return { name, data: data.join("\n"), id: this.#id };
  }
}

/** The connection, what is retained, and what has happened, numbered. Tells each happening to `tell`. */
class Hub {
  #url;
  #credentials;
  #tell;
  #running;
  #hurry;

  /** What whoever takes over has to know. */
  state = { born: Date.now(), readyState: CONNECTING, sequence: 0, lastEventId: "", retry: DEFAULT_RETRY, retained: [] };

  constructor({ url, withCredentials }, tell, state) {
    this.#url = url;
    this.#credentials = withCredentials ? "include" : "same-origin";
    this.#tell = tell;
    if (state) this.state = { ...state, readyState: CONNECTING };
    this.hurry = () => this.#hurry?.();
    globalThis.addEventListener("online", this.hurry);
  }

  get isRunning() {
    return this.#running !== undefined;
  }

  start() {
    this.state.readyState = CONNECTING;
    this.#running = new AbortController();
    this.#run(this.#running.signal);
  }

  /** Leaves the server, and forgets. */
  stop() {
    this.#running?.abort();
    this.#running = undefined;
    this.hurry();
    globalThis.removeEventListener("online", this.hurry);
  }

  #happened(what) {
    remember(this.state, what);
    this.#tell(what);
  }

  async #run(signal) {
    for (let failures = 0; ; ) {
      let end = { failed: true };
      try {
        end = await this.#read(signal, () => (failures = 0));
      } catch {
        // Refused, reset, cut off, or without permission, which a browser does not tell apart.
      }
      if (signal.aborted) return;
      if (end.reason) {
        this.#running = undefined;
        return this.#happened({ kind: "close", ...end });
      }
      this.#happened({ kind: "error" });
      const wait = end.failed ? backOff(this.state.retry, failures++, end.retryAfter) : this.state.retry;
      await this.#pause(wait);
      if (signal.aborted) return;
    }
  }

  /** One request, to its end. */
  async #read(signal, opened) {
    const headers = { Accept: "text/event-stream" };
    if (this.state.lastEventId) headers["Last-Event-ID"] = utf8(this.state.lastEventId);
    const credentials = this.#credentials;
    const response = await fetch(this.#url, { headers, credentials, cache: "no-store", signal });
    const { status } = response;
    if (status === 204) return { reason: "finished", status };
    if (status === 408 || status === 429 || status >= 500) {
      response.body?.cancel();
      return { failed: true, retryAfter: Number(response.headers.get("Retry-After")) * 1_000 || 0 };
    }
    const type = response.headers.get("Content-Type") ?? "";
    if (status !== 200 || !/^text\/event-stream\s*(;|$)/i.test(type)) {
      response.body?.cancel();
      return { reason: "failed", status };
    }
    opened();
    this.#happened({ kind: "open" });
    const parser = new EventStreamParser(this.state.lastEventId);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return {};
      for (const { name, data, id } of parser.feed(value)) {
        if (signal.aborted) return {};
        const sequence = this.state.sequence + 1;
        this.#happened({ kind: "event", sequence, name, data, id });
        if (name === END && id === END) {
          reader.cancel();
          return ended(data, status);
        }
      }
      this.state.lastEventId = parser.lastEventId;
      // The standard sets no bounds; a server is not to be stormed, and a timer holds no more.
      this.state.retry = Math.min(Math.max(parser.retry ?? this.state.retry, 100), 2 ** 31 - 1);
    }
  }

  #pause(wait) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function ended(data, status) {
  let told = {};
  try {
    told = JSON.parse(data) ?? {};
  } catch {
    // Somebody else's event of that name.
  }
  const { reason, message } = told;
  return reason === "failed" ? { reason, status, message } : { reason: "finished", status };
}

/** Exponential, at random between nothing and the whole, never beyond what the server asks for. */
function backOff(retry, failures, retryAfter = 0) {
  const longest = Math.max(LONGEST_WAIT, retry);
  const whole = Math.min(longest, retry * 2 ** Math.min(failures, 20));
  return Math.max(100, Math.min(longest, retryAfter) || Math.random() * whole);
}

/** A header holds bytes, each written as a character. */
function utf8(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** Notes what has happened, in the hub and in whoever may have to take over from it. */
function remember(state, { kind, sequence, name, data, id }) {
  switch (kind) {
    case "open":
      state.readyState = OPEN;
      break;
    case "error":
      state.readyState = CONNECTING;
      break;
    case "close":
      Object.assign(state, { readyState: CLOSED, lastEventId: "", retained: [] });
      break;
    case "event": {
      Object.assign(state, { sequence, lastEventId: id });
      const others = state.retained.filter((event) => event.name !== name);
      state.retained = [...others, { kind, sequence, name, data, id }];
      let chars = 0;
      for (const { name, data, id } of state.retained) chars += name.length + data.length + id.length;
      while (state.retained.length > RETAINED_NAMES || chars > RETAINED_CHARS) {
        const { name, data, id } = state.retained.shift();
        chars -= name.length + data.length + id.length;
      }
    }
  }
}

/** Whether what began at `born` began before a reset at `at`. What the clock has been set back from began before, too. */
function isBefore(born, at) {
  return born <= at || born > Date.now();
}

/** Resolves once a hub may begin; `reset` waits until every one is `forgotten`. */
function begun(forgotten) {
  if (!navigator.locks) return Promise.resolve();
  return new Promise((begin) => {
    navigator.locks.request(NAME, { mode: "shared" }, () => {
      begin();
      return forgotten;
    });
  });
}

// ---------------------------------------------------------------- In the shared worker

function work(scope) {
  const config = JSON.parse(scope.name);
  const tabs = new Map();
  let hub, ready, forget;

  const tell = (what) => tabs.forEach((port) => port.postMessage(what));
  const end = () => {
    hub?.stop();
    hub = undefined;
    tabs.clear();
    forget?.();
  };
  const leave = (tab) => {
    if (tabs.delete(tab) && tabs.size === 0) end();
  };
  const join = async (tab, port) => {
    tabs.set(tab, port);
    // A tab holds a lock by its name for as long as it is there.
    navigator.locks?.request(tab, () => leave(tab));
    if (!hub) {
      hub = new Hub(config, tell);
      ready = begun(new Promise((resolve) => (forget = resolve)));
    }
    const joined = hub;
    await ready;
    if (hub !== joined || !tabs.has(tab)) return;
    if (!hub.isRunning) hub.start();
    port.postMessage({ kind: "welcome", state: hub.state });
  };

  new BroadcastChannel(NAME).onmessage = ({ data: at }) => {
    if (hub && isBefore(hub.state.born, at)) end();
  };
  scope.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data: { kind, tab } }) => (kind === "join" ? join(tab, port) : leave(tab));
  };
}

// ---------------------------------------------------------------- In a page

/** The way to a hub in the shared worker. */
class WorkerLink {
  #port;
  #tab;

  constructor(name, tab, hear, failed) {
    const worker = new SharedWorker(import.meta.url, { type: "module", name });
    worker.onerror = failed;
    this.#tab = tab;
    this.#port = worker.port;
    this.#port.onmessage = ({ data }) => hear(data);
    this.#port.postMessage({ kind: "join", tab });
  }

  leave() {
    this.#port.postMessage({ kind: "leave", tab: this.#tab });
    this.#port.close();
  }
}

/** The way to a hub in one of the tabs: this one, if it is elected. */
class ElectionLink {
  #config;
  #tab;
  #hear;
  #channel;
  #candidacy = new AbortController();
  #hub;
  #resign;
  #state;

  constructor(name, tab, hear) {
    [this.#config, this.#tab, this.#hear] = [JSON.parse(name), tab, hear];
    if (!navigator.locks) {
      this.#lead();
      return;
    }
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#heard(data);
    this.#channel.postMessage({ kind: "join", tab });
    navigator.locks
      .request(`${NAME}:${name}`, { signal: this.#candidacy.signal }, () => this.#lead())
      .catch(() => {}); // No candidate any more.
  }

  leave() {
    this.#candidacy.abort();
    this.#hub?.stop();
    this.#resign?.();
    this.#channel?.close();
  }

  async #lead() {
    const done = new Promise((resolve) => (this.#resign = resolve));
    const tell = (what) => {
      this.#channel?.postMessage(what);
      this.#hear(what);
    };
    this.#hub = new Hub(this.#config, tell, this.#state);
    await begun(done);
    if (this.#candidacy.signal.aborted) return;
    if (!this.#state) this.#hear({ kind: "welcome", state: this.#hub.state });
    this.#hub.start();
    this.#channel?.postMessage({ kind: "leader", born: this.#hub.state.born });
    return done;
  }

  #heard(what) {
    if (this.#hub) {
      if (what.kind === "join") this.#welcome(what.tab);
    } else if (what.kind === "welcome") {
      if (what.to === this.#tab && !this.#state) {
        this.#state = what.state;
        this.#hear(what);
      }
    } else if (what.kind === "leader") {
      if (this.#state?.born === what.born) return;
      // It knows nothing of what was before, and counts anew; or it was not there yet when this tab came.
      this.#state = undefined;
      this.#channel.postMessage({ kind: "join", tab: this.#tab });
    } else if (this.#state && what.kind !== "join" && !this.#hadAlready(what)) {
      remember(this.#state, what);
      this.#hear(what);
    }
  }

  #welcome(tab) {
    this.#channel.postMessage({ kind: "welcome", to: tab, state: this.#hub.state });
  }

  /** A new leader may resume behind an event that this tab has still heard of from the old one. */
  #hadAlready({ kind, sequence, id }) {
    return kind === "event" && id !== "" && sequence <= this.#state.sequence;
  }
}

/** Why a stream is over for good; the type is `close`. */
class StreamCloseEvent extends Event {
  constructor({ reason, status, message }) {
    super("close");
    Object.assign(this, { reason, status, message });
  }
}

const sources = new Set();

/** Ends those that were made before. */
let forget;

/** An EventSource that all tabs of this origin share, with the same URL, credentials and key. */
export class SharedEventSource extends EventTarget {
  #url;
  #withCredentials;
  #name;
  #readyState = CONNECTING;
  #link;
  #release;
  // Not of `performance`, which in some browsers stands still while the machine sleeps.
  #born = Date.now();
  #heardOf = { born: 0, sequence: 0 };

  /**
   * @param {string | URL} url as for EventSource; relative to the page
   * @param {{ withCredentials?: boolean, key?: string }} [options] `key`: whose stream this is, the user's
   *   id, say; tabs with different keys share nothing
   */
  constructor(url, options = {}) {
    super();
    if (url === undefined) throw new TypeError("SharedEventSource: the first argument is the stream's URL");
    if (typeof options !== "object") throw new TypeError("SharedEventSource: the second argument is an object of options");
    const { withCredentials = false, key = "" } = options ?? {};
    if (typeof key !== "string") throw new TypeError("SharedEventSource: `key` is a string");
    try {
      this.#url = new URL(url, document.baseURI).href;
    } catch {
      throw new DOMException(`SharedEventSource: cannot parse the URL ${url}`, "SyntaxError");
    }
    this.#withCredentials = Boolean(withCredentials);
    this.#name = JSON.stringify({ url: this.#url, withCredentials: this.#withCredentials, key });
    sources.add(this);
    this.#join();
    addEventListener("pagehide", this.#hidden);
    addEventListener("pageshow", this.#shown);
  }

  get url() {
    return this.#url;
  }

  get withCredentials() {
    return this.#withCredentials;
  }

  get readyState() {
    return this.#readyState;
  }

  /** Leaves. The connection ends when nobody is left. As with EventSource, no event tells of it. */
  close() {
    this.#readyState = CLOSED;
    sources.delete(this);
    this.#leave();
    removeEventListener("pagehide", this.#hidden);
    removeEventListener("pageshow", this.#shown);
  }

  /**
   * At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. When it
   * resolves, every connection has been ended by this browser.
   *
   * @returns {Promise<void>}
   */
  static async reset() {
    const at = Date.now();
    const channel = new BroadcastChannel(NAME);
    channel.postMessage(at);
    forget(at);
    await navigator.locks?.request(NAME, () => {});
    channel.close();
    // What is opened from here on is not of the millisecond that was reset.
    while (Date.now() === at) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  static {
    for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSED })) {
      Object.defineProperty(this, name, { value, enumerable: true });
      Object.defineProperty(this.prototype, name, { value, enumerable: true });
    }
    for (const type of ["open", "message", "error", "close"]) {
      const handlers = new WeakMap();
      Object.defineProperty(this.prototype, `on${type}`, {
        get() {
          return handlers.get(this) ?? null;
        },
        set(handler) {
          if (!handlers.has(this)) this.addEventListener(type, (event) => handlers.get(this)?.call(this, event));
          handlers.set(this, typeof handler === "function" ? handler : null);
        },
        enumerable: true,
      });
    }
    const reset = (source, at) => {
      if (isBefore(source.#born, at)) source.#end({ reason: "reset" });
    };
    forget = (at) => [...sources].forEach((source) => reset(source, at));
  }

  async #join() {
    const tab = `${NAME}:${Date.now()}:${Math.random()}`;
    let present = true;
    const left = new Promise((resolve) => {
      this.#release = () => {
        present = false;
        resolve();
      };
    });
    // Held before the hub can ask for it.
    if (navigator.locks) await new Promise((held) => navigator.locks.request(tab, () => (held(), left)));
    if (!present) return;
    const hear = (what) => present && this.#hear(what);
    const elect = () => (this.#link = new ElectionLink(this.#name, tab, hear));
    try {
      this.#link = new WorkerLink(this.#name, tab, hear, () => present && elect());
    } catch {
      elect(); // No SharedWorker here, or not for a script of another origin.
    }
  }

  #leave() {
    this.#link?.leave();
    this.#link = undefined;
    this.#release();
  }

  #hidden = () => this.#leave();

  #shown = ({ persisted }) => {
    if (persisted && this.#readyState !== CLOSED) {
      this.#readyState = CONNECTING;
      this.#join();
    }
  };

  #hear(what) {
    switch (what.kind) {
      case "welcome": {
        const { born, readyState, retained, sequence } = what.state;
        const known = born === this.#heardOf.born ? this.#heardOf.sequence : 0;
        this.#heardOf = { born, sequence: known };
        if (readyState === OPEN) this.#opened();
        for (const event of retained) if (event.sequence > known) this.#message(event);
        this.#heardOf.sequence = sequence;
        break;
      }
      case "open":
        this.#opened();
        break;
      case "event":
        this.#message(what);
        break;
      case "error":
        this.#readyState = CONNECTING;
        this.dispatchEvent(new Event("error"));
        break;
      case "close":
        this.#end(what);
    }
  }

  #opened() {
    this.#readyState = OPEN;
    this.dispatchEvent(new Event("open"));
  }

  #message({ sequence, name, data, id }) {
    if (this.#readyState === CLOSED) return;
    this.#heardOf.sequence = sequence;
    const { origin } = new URL(this.#url);
    this.dispatchEvent(new MessageEvent(name, { data, lastEventId: id, origin }));
  }

  /** For good. As with EventSource an `error` says so, and then, with the reason, a `close`. */
  #end(why) {
    this.close();
    if (why.reason !== "reset") this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new StreamCloseEvent(why));
  }
}

if (globalThis.SharedWorkerGlobalScope && globalThis instanceof SharedWorkerGlobalScope) {
  work(globalThis);
} else {
  new BroadcastChannel(NAME).onmessage = ({ data: at }) => forget(at);
}
