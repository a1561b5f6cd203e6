// Built from the npm package in `npm` by `npm run build`; change it there.
//
// One event stream for all tabs of an origin, with the interface of EventSource, and an EventSource with types.
//
// The *shared connection* reads the stream and sends every change to every tab. It lives in a SharedWorker. If the
// browser has none, it lives in one of the tabs: Web Locks elect this tab, and a BroadcastChannel carries its messages
// to the others.
//
// Every tab keeps a copy of the shared connection's *state*: what another connection needs to continue where the stream
// stopped. A tab leaves the shared connection when it is hidden for the back/forward cache or frozen. When it returns,
// it sends its copy to the shared connection that it finds. A new one resumes there. An older one sends the events that
// the tab has missed. If it no longer has all of them, the tab reads from the server by itself, on a connection of its
// own, until it has caught up with the shared one.

/** The name of this package's locks, channels and stored values. */
const NAME = "shared-event-source";

/** The event that ends a stream permanently: https://docs.rs/sse-actix, `finite`. Its id is the same text. */
const END = "sse-end";

/** The event that only carries a position, which becomes the last event id. */
const POSITION = "sse-position";

/** The event that says how many events a client has missed. */
const GAP = "sse-gap";

/**
 * Parses bytes into events, as the standard says:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
class EventStreamParser {
  #text = new TextDecoder();
  #line = [];
  #afterCarriageReturn = false;
  #data = [];
  #name = "";
  #id;

  /** The last event id at the last empty line. */
  lastEventId;

  /** The reconnection time in milliseconds, if the stream has set it. */
  retry;

  /** @param lastEventId the last event id of an earlier connection */
  constructor(lastEventId = "") {
    this.#id = this.lastEventId = lastEventId;
  }

  /**
   * @param bytes any piece of the stream
   * @returns the events that it completes
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
    return undefined;
  }

  #dispatch() {
    const [data, name] = [this.#data, this.#name || "message"];
    [this.#data, this.#name] = [[], ""];
    this.lastEventId = this.#id;
    return data.length > 0 ? { name, data: data.join("\n"), id: this.#id } : undefined;
  }
}

/** The longest time that a timer can wait, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** If as many keep-alives as this are missing, the connection counts as lost. */
const MISSED_KEEP_ALIVES = 3;

/**
 * Ends a connection on which nothing arrives for too long. This script does not run while
 * the machine sleeps or the page is frozen. After that, the socket gets one more step of time to deliver what it holds.
 */
class SilenceLimit {
  #exceeded;
  #limit = 0;
  #receivedAt = 0;
  #wasLate = false;
  #timer;

  /** @param exceeded called once the limit is exceeded */
  constructor(exceeded) {
    this.#exceeded = exceeded;
  }

  /** Begins to count. @param limit in milliseconds; 0 is no limit */
  start(limit) {
    this.stop();
    this.#limit = Math.min(limit, LONGEST_TIMER);
    this.received();
    if (limit > 0) this.#checkIn(this.#step);
  }

  received() {
    this.#receivedAt = performance.now();
    this.#wasLate = false;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  get #step() {
    return this.#limit / MISSED_KEEP_ALIVES;
  }

  #checkIn(wait) {
    const due = performance.now() + wait;
    this.#timer = setTimeout(() => this.#check(due), wait);
  }

  #check(due) {
    const now = performance.now();
    const isLate = now - due > this.#step;
    // Timers of hidden tabs are always late. Only the first late one means that the socket had no time.
    const hasSlept = isLate && !this.#wasLate;
    this.#wasLate = isLate;
    const remaining = this.#receivedAt + this.#limit - now;
    if (hasSlept) this.#checkIn(this.#step);
    else if (remaining > 0) this.#checkIn(Math.min(this.#step, remaining));
    else this.#exceeded();
  }
}

const [CONNECTING, OPEN, CLOSED] = [0, 1, 2];

/** A tab that joins gets the latest event of at most as many names, and at most as many characters. */
const RETAINED_NAMES = 64;
const RETAINED_CHARS = 256 * 1024;

/** A tab that returns can get at most as many events, and at most as many characters. */
const RECENT_EVENTS = 1_000;
const RECENT_CHARS = 256 * 1024;

const DEFAULT_RETRY = 3_000;

function newState() {
  return {
    startedAt: Date.now(),
    previousConnection: undefined,
    readyState: CONNECTING,
    retry: DEFAULT_RETRY,
    sequence: 0,
    lastEventId: "",
    repeat: 0,
    retained: [],
    recent: [],
    recentChars: 0,
  };
}

/** The state for the same connection in another tab. Its sequence continues. */
function continuedState(state) {
  return { ...state, recent: [...state.recent] };
}

/** The state for a new connection, which begins where a tab has stopped, if there is such a tab. */
function stateForNewConnection(state) {
  if (!state) return newState();
  const { startedAt, sequence } = state;
  return { ...continuedState(state), startedAt: Date.now(), previousConnection: { startedAt, sequence } };
}

/** Applies a change to a state. The connection and every tab call this. */
function applyChange(state, change) {
  switch (change.kind) {
    case "open":
      state.readyState = OPEN;
      break;
    case "error":
      state.readyState = CONNECTING;
      break;
    case "close": {
      const { lastEventId, repeat, retained, recent, recentChars } = newState();
      Object.assign(state, { readyState: CLOSED, lastEventId, repeat, retained, recent, recentChars });
      break;
    }
    case "position":
      Object.assign(state, { lastEventId: change.id, repeat: 0 });
      break;
    case "event": {
      const { sequence, id, repeat } = change;
      Object.assign(state, { sequence, lastEventId: id, repeat });
      retain(state, change);
      keepRecent(state, change);
    }
  }
}

function retain(state, event) {
  state.retained = [...state.retained.filter(({ name }) => name !== event.name), event];
  let chars = state.retained.reduce((sum, event) => sum + charsOf(event), 0);
  while (state.retained.length > RETAINED_NAMES || chars > RETAINED_CHARS) {
    chars -= charsOf(state.retained.shift());
  }
}

function keepRecent(state, event) {
  state.recent.push(event);
  state.recentChars += charsOf(event);
  while (state.recent.length > RECENT_EVENTS || state.recentChars > RECENT_CHARS) {
    state.recentChars -= charsOf(state.recent.shift());
  }
}

function charsOf({ name, data, id }) {
  return name.length + data.length + id.length;
}

/**
 * The last event that a tab has received.
 *
 * @returns its sequence in the shared connection; `undefined` if the shared connection does not know it
 */
function lastReceivedSequence(shared, tab) {
  if (tab.startedAt === shared.startedAt) return tab.sequence;
  if (tab.startedAt === shared.previousConnection?.startedAt && tab.sequence <= shared.previousConnection.sequence)
    return tab.sequence;
  if (tab.lastEventId === "") return undefined;
  const isLast = ({ id, repeat }) => id === tab.lastEventId && repeat === tab.repeat;
  if (isLast({ id: shared.lastEventId, repeat: shared.repeat })) return shared.sequence;
  return shared.recent.findLast(isLast)?.sequence;
}

/**
 * The events that a tab gets when it joins.
 *
 * @param shared the shared connection's state
 * @param tab the tab's state, if the tab was connected before
 * @param gapEvent the name of gap events: a tab that joins has missed nothing, so it gets none that is retained
 * @returns the events; `undefined` if only the server has all events that the tab has missed
 */
function missedEvents(shared, tab, gapEvent) {
  const retained = shared.retained.filter(({ name }) => name !== gapEvent);
  if (!tab) return retained;
  const received = lastReceivedSequence(shared, tab);
  const oldest = shared.recent[0]?.sequence ?? shared.sequence + 1;
  if (received !== undefined && received + 1 >= oldest)
    return shared.recent.filter(({ sequence }) => sequence > received);
  if (tab.lastEventId === "") return retained.filter(({ sequence }) => sequence > (received ?? 0));
  return undefined;
}

const LONGEST_WAIT = 30_000;

/** The least silence, in milliseconds, after which the connection counts as lost. */
const SHORTEST_SILENCE = 5_000;

/** The least time, in milliseconds, to wait for the head of an answer: a server may look things up first. */
const SHORTEST_HEAD_WAIT = 30_000;

/**
 * The one connection to the server that all tabs share. It numbers the events, records every change in the state, and
 * publishes it to the tabs. A tab that has missed too much has one of its own for a while, to catch up.
 */
class SharedConnection {
  #config;
  #publish;
  #askHeaders;
  #running;
  #hurry;
  #silenceLimit;
  #mayRefreshHeaders = true;

  /** What another connection has to know to continue this stream. */
  state;

  /**
   * @param config the configuration, the same in all tabs of this stream
   * @param publish called with everything that happens
   * @param askHeaders called at every connect
   * @param state where to begin: `stateForNewConnection` or `continuedState`
   */
  constructor(config, publish, askHeaders, state) {
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

  #record(change) {
    applyChange(this.state, change);
    this.#publish(change);
  }

  async #run(signal) {
    for (let failures = 0; ;) {
      let end = { failed: true };
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
  async #connect(signal, opened) {
    let asked;
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

  async #exchange(asked, signal, silence, opened) {
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

  #requestHeaders(asked) {
    const headers = new Headers(asked);
    headers.set("Accept", "text/event-stream");
    headers.delete("Last-Event-ID");
    if (this.state.lastEventId) headers.set("Last-Event-ID", utf8(this.state.lastEventId));
    return headers;
  }

  async #read(response, signal, silence) {
    const parser = new EventStreamParser(this.state.lastEventId);
    const reader = response.body.getReader();
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

  #received({ name, data, id }) {
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
  #moveTo(id) {
    if (id !== this.state.lastEventId) this.#record({ kind: "position", id });
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

/** How long a server may be silent, computed from the keep-alive interval that it announces; 0 is no limit. */
function announcedSilence(headers) {
  const interval = headers.get("Sse-Keep-Alive") ?? "";
  if (!/^[0-9]+$/.test(interval) || Number(interval) === 0) return 0;
  return Math.max(Number(interval) * MISSED_KEEP_ALIVES, SHORTEST_SILENCE);
}

function ended(data, status) {
  let fields = {};
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
function backOff(retry, failures, retryAfter = 0) {
  const longest = Math.max(LONGEST_WAIT, retry);
  const whole = Math.min(longest, retry * 2 ** Math.min(failures, 20));
  return Math.max(100, Math.min(longest, retryAfter) || Math.random() * whole);
}

/** `fetch` takes a header's bytes as characters, one for each byte. */
function utf8(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/**
 * Whether something that started at `startedAt` is older than a reset at `at`. A start in the future (the clock was set
 * back) counts as older.
 */
function isBefore(startedAt, at) {
  return startedAt <= at || startedAt > Date.now();
}

/** Stores when the last reset was. Pages that were in the back/forward cache or frozen look it up when they return. */
const lastReset = {
  note(at) {
    try {
      localStorage.setItem(NAME, String(at));
    } catch {
      // Storage is forbidden here.
    }
  },
  isAfter(startedAt) {
    try {
      const at = Number(localStorage.getItem(NAME));
      return at > 0 && isBefore(startedAt, at);
    } catch {
      return false;
    }
  },
};

/**
 * Waits until no reset is running: then a connection may begin. A later reset waits until the promise `connectionEnded`
 * of every connection has resolved.
 */
function waitForReset(connectionEnded) {
  if (!navigator.locks) return Promise.resolve();
  return new Promise((begin) => {
    navigator.locks.request(NAME, { mode: "shared" }, () => {
      begin();
      return connectionEnded;
    });
  });
}

/**
 * The version of everything in this folder, and of `StreamState`. Tabs of different versions share nothing, so that
 * pages from before and after a deploy work side by side. Increase it with each change that an older page or worker
 * would not understand.
 */
const PROTOCOL = 2;

/** If a tab is asked for headers and does not react for this time, in milliseconds, it counts as frozen. */
const TAB_TIMEOUT = 5_000;

/** Asks the tabs for a request's headers: first the oldest tab, and the next one if that tab is frozen or gone. */
class TabHeaders {
  #tabs;
  #inquiry;

  /** @param tabs the connected tabs, in the order in which they are asked */
  constructor(tabs) {
    this.#tabs = tabs;
  }

  /** Resolves to the headers, or to `undefined` if no tab has the option `headers`. */
  ask() {
    const unasked = [...this.#tabs].filter(([, { hasHeaders }]) => hasHeaders).map(([tab]) => tab);
    if (unasked.length === 0) return Promise.resolve(undefined);
    this.cancel();
    return new Promise((resolve, reject) => {
      this.#inquiry = { number: Math.random(), unasked, asked: new Set(), isWaiting: false, resolve, reject };
      this.#askNext();
    });
  }

  joined(tab) {
    if (!this.#inquiry || !this.#tabs.get(tab)?.hasHeaders) return;
    this.#inquiry.unasked.push(tab);
    if (this.#inquiry.isWaiting) this.#askNext();
  }

  left(tab) {
    if (!this.#inquiry) return;
    const { asked, unasked, current } = this.#inquiry;
    asked.delete(tab);
    this.#inquiry.unasked = unasked.filter((other) => other !== tab);
    if (tab === current) this.#askNext();
  }

  /** A tab answers twice: first `asked`, which a frozen tab cannot send, and later with the headers. */
  answered(tab, answer) {
    if (!this.#inquiry || answer.inquiry !== this.#inquiry.number) return;
    const { current, timer, resolve, reject } = this.#inquiry;
    if (answer.kind === "asked") {
      if (tab === current) clearTimeout(timer);
      return;
    }
    this.cancel();
    if (answer.headers) resolve(answer.headers);
    else reject();
  }

  cancel() {
    clearTimeout(this.#inquiry?.timer);
    this.#inquiry = undefined;
  }

  #askNext() {
    const inquiry = this.#inquiry;
    if (!inquiry) return;
    clearTimeout(inquiry.timer);
    const tab = inquiry.unasked.shift();
    inquiry.current = tab;
    // All tabs were asked. One of them may still answer, or another tab may join.
    inquiry.isWaiting = tab === undefined;
    if (tab === undefined) {
      if (inquiry.asked.size === 0) {
        this.#inquiry = undefined;
        inquiry.reject();
      }
      return;
    }
    inquiry.asked.add(tab);
    this.#tabs.get(tab)?.port.postMessage({ kind: "headers", inquiry: inquiry.number });
    inquiry.timer = setTimeout(() => {
      this.#putLast(tab);
      this.#askNext();
    }, TAB_TIMEOUT);
  }

  /** The next inquiry does not begin with a tab that was frozen. */
  #putLast(tab) {
    const entry = this.#tabs.get(tab);
    if (!entry) return;
    this.#tabs.delete(tab);
    this.#tabs.set(tab, entry);
  }
}

/**
 * Runs the worker: it holds the shared connection for all tabs that join. The worker's name is the stream's
 * configuration.
 */
function runWorker(scope) {
  const config = JSON.parse(scope.name);
  const tabs = new Map();
  const headers = new TabHeaders(tabs);
  let connection;
  let ready;
  let markEnded;

  const send = (port, message) => port.postMessage(message);
  const publish = (change) => tabs.forEach(({ port }) => send(port, change));
  const end = () => {
    connection?.stop();
    connection = undefined;
    tabs.clear();
    headers.cancel();
    markEnded?.();
  };
  const leave = (tab) => {
    if (!tabs.delete(tab)) return;
    if (tabs.size === 0) end();
    else headers.left(tab);
  };
  const join = async ({ tab, position, hasHeaders }, port) => {
    send(port, { kind: "hello", protocol: PROTOCOL });
    // The page has another version, and will not use this worker.
    if (config.protocol !== PROTOCOL) return;
    tabs.set(tab, { port, hasHeaders });
    headers.joined(tab);
    // A tab holds a lock with its id for as long as it exists. So this request succeeds when the tab is gone.
    navigator.locks?.request(tab, () => leave(tab));
    if (!connection) {
      connection = new SharedConnection(config, publish, () => headers.ask(), stateForNewConnection(position));
      ready = waitForReset(new Promise((resolve) => (markEnded = resolve)));
    }
    const joined = connection;
    await ready;
    if (connection !== joined || !tabs.has(tab)) return;
    if (!connection.isRunning) {
      if (connection.state.readyState === CLOSED && position) connection.state = stateForNewConnection(position);
      connection.start();
    }
    send(port, { kind: "welcome", state: connection.state });
  };

  new BroadcastChannel(NAME).onmessage = ({ data: at }) => {
    if (connection && isBefore(connection.state.startedAt, at)) end();
  };
  scope.onconnect = ({ ports }) => {
    const port = ports[0];
    port.onmessage = ({ data: message }) => {
      if (message.kind === "join") join(message, port);
      else if (message.kind === "leave") leave(message.tab);
      else headers.answered(message.tab, message);
    };
  };
}

/**
 * The state of one source. Listeners are called in the order in which they were added.
 *
 * @internal
 */
class Connection {
  #value = { status: "connecting" };
  #listeners = new Set();

  get value() {
    return this.#value;
  }

  // A field, not a method, so that callers can pass it on without its object.
  subscribe = (listener) => {
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

  closed(state) {
    if (this.#value.status !== "closed") this.#set({ status: "closed", ...state });
  }

  #set(value) {
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
function call(callback, value) {
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
function report(error) {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}

const SHOWN_CHARS = 100;

/** The error for an event that does not fit the schema. The message says what is wrong. */
class InvalidEventError extends Error {
  /** The event's name. */
  event;
  /** The event's data, as the text that was received. */
  data;
  lastEventId;

  constructor(what, event, data, lastEventId, options) {
    const cut = data.length > SHOWN_CHARS ? `${data.slice(0, SHOWN_CHARS)}.. (${data.length} characters)` : data;
    super(`${what}; its data is: ${cut}`, options);
    this.name = "InvalidEventError";
    [this.event, this.data, this.lastEventId] = [event, data, lastEventId];
  }
}

/** Gives a stream's events to the listeners of a source. If there is a schema, the data is parsed and checked first. */
class Delivery {
  #target;
  #options;
  #ownNames;
  #warned = new Set();

  /** How the server has ended the stream, once it has said so. */
  end;

  /**
   * @param ownNames the events with which the source reports the state of its connection. A server's event with such a
   *   name is not delivered
   */
  constructor(target, options, ownNames) {
    [this.#target, this.#options, this.#ownNames] = [target, options, ownNames];
  }

  event({ name, data, id }, origin) {
    if (name === (this.#options.gapEvent ?? GAP)) {
      const gap = toGap(data, id);
      call(this.#options.onGap, gap);
      this.#dispatch({ name, data, id }, gap, origin);
    } else if (name === END && id === END) {
      this.end = toEnd(data);
      call(this.#options.onEnd, this.end);
      this.#dispatch({ name, data, id }, this.end, origin);
    } else if (this.#options.events) {
      this.#deliverChecked({ name, data, id }, this.#options.events, origin);
    } else if (this.#ownNames.includes(name)) {
      this.#warn(
        name,
        "which is an event of the source itself, so no listener gets it; the server has to give it another name",
      );
    } else {
      // Names that begin with `sse-` are the library's. A newer server may send names that this version does not know.
      if (name.startsWith("sse-") && name !== END && name !== POSITION) {
        this.#warn(name, "which this version of the page's module does not know; update it");
      }
      this.#dispatch({ name, data, id }, data, origin);
    }
  }

  position(lastEventId) {
    call(this.#options.onPosition, { lastEventId });
  }

  #deliverChecked(event, { checks }, origin) {
    const invalid = (what, options) => {
      const error = new InvalidEventError(what, event.name, event.data, event.id, options);
      if (this.#options.onInvalid) call(this.#options.onInvalid, error);
      else report(error);
    };
    const { name } = event;
    const shown = JSON.stringify(name);
    // Inherited properties, such as `__proto__`, are not checks of the schema.
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (!check) {
      invalid(`This page does not know the event ${shown}: the server is newer, or uses another enum`);
      return;
    }
    let value;
    let isValid = false;
    try {
      value = JSON.parse(event.data);
    } catch (cause) {
      invalid(`The data of the event ${shown} is not JSON`, { cause });
      return;
    }
    try {
      isValid = check(value);
    } catch (cause) {
      invalid(`The check of the event ${shown} has failed`, { cause });
      return;
    }
    if (isValid) this.#dispatch(event, value, origin);
    else invalid(`The data of the event ${shown} does not have the type with which this page was built`);
  }

  #dispatch({ name, data: text, id }, value, origin) {
    const data = this.#options.events ? value : text;
    this.#target.dispatchEvent(new MessageEvent(name, { data, lastEventId: id, origin }));
  }

  /** Warns once for each name. */
  #warn(name, why) {
    if (this.#warned.has(name)) return;
    this.#warned.add(name);
    console.warn(`sse-actix: the server sends ${name}, ${why}`);
  }
}

function toGap(data, lastEventId) {
  const missed = objectOf(data)["missed"];
  return { missed: typeof missed === "number" ? missed : null, lastEventId };
}

function toEnd(data) {
  const { reason, message } = objectOf(data);
  if (reason !== "failed") return { reason: "finished" };
  return typeof message === "string" ? { reason, message } : { reason };
}

/** The parsed text if it is JSON, else an object without properties. */
function objectOf(json) {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}

/** Gives a class the properties of the interface `EventSource`: its constants, and handlers such as `onopen`. */
function define(source, types) {
  for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSED })) {
    Object.defineProperty(source, name, { value, enumerable: true });
    Object.defineProperty(source.prototype, name, { value, enumerable: true });
  }
  for (const type of types) {
    const handlers = new WeakMap();
    Object.defineProperty(source.prototype, `on${type}`, {
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
}

const DEFAULT_BUFFER = 1_000;

/** The loop was too slow: its buffer was full when more events arrived. They are lost for this loop. */
class SlowLoopError extends Error {
  constructor(buffer) {
    super(
      `The loop over events is behind by more than its buffer of ${buffer}: what came before that was delivered. ` +
        "Do less for each event, or allow more: source.events({ buffer: .. })",
    );
    this.name = "SlowLoopError";
  }
}

/** The stream has ended permanently, but it had not finished. */
class StreamClosedError extends Error {
  /** The source's state. */
  state;

  constructor(state) {
    const status = state.httpStatus === undefined ? "" : ` with status ${state.httpStatus}`;
    super(`The stream has ended${status}: ${state.message ?? state.reason}`);
    this.name = "StreamClosedError";
    this.state = state;
  }
}

/**
 * Collects a source's events from now on, and gives them to one loop.
 *
 * @internal
 */
function iterate(source, names, { signal, buffer = DEFAULT_BUFFER }) {
  if (!(Number.isInteger(buffer) && buffer > 0)) {
    throw new TypeError("sse-actix: `buffer` has to be a whole number of events, at least 1");
  }
  const waiting = [];
  const requests = [];
  // Set when the loop stops collecting events. The loop throws `error` once.
  let end;

  const answer = () => {
    while (requests.length > 0 && (waiting.length > 0 || end)) {
      const { resolve, reject } = requests.shift();
      const value = waiting.shift();
      if (value) resolve({ done: false, value });
      else if (end && "error" in end) {
        const { error } = end;
        end = {};
        reject(error);
      } else resolve({ done: true, value: undefined });
    }
  };
  const finish = (how) => {
    if (end) return;
    end = how;
    for (const name of names) source.removeEventListener(name, collect);
    unsubscribe();
    signal?.removeEventListener("abort", aborted);
    answer();
  };
  const collect = (event) => {
    // An `open` or an `error` of the source itself.
    if (!(event instanceof MessageEvent)) return;
    const { type, data, lastEventId } = event;
    if (waiting.length >= buffer) {
      finish({ error: new SlowLoopError(buffer) });
      return;
    }
    waiting.push({ event: type, data, lastEventId });
    answer();
  };
  const aborted = () => {
    waiting.length = 0;
    finish({ error: signal?.reason });
  };
  const changed = (state) => {
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

/**
 * The options with their defaults, and the URL. Throws an error that says what to write instead.
 *
 * @internal
 */
function checked(source, url, options) {
  const wrong = (what) => new TypeError(`${source}: ${what}`);
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
  for (const option of ["onGap", "onEnd", "onPosition", "onInvalid"]) {
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

function isSchema(events) {
  const { names, checks } = Object(events);
  if (!Array.isArray(names) || typeof checks !== "object" || checks === null) return false;
  return names.every((name) => Object.hasOwn(checks, name) && typeof checks[name] === "function");
}

function absolute(source, url) {
  try {
    return new URL(url, document.baseURI).href;
  } catch {
    throw new DOMException(`${source}: cannot parse the URL ${url}`, "SyntaxError");
  }
}

/**
 * The browser's `EventSource`, with parsed and checked data, a state of the connection, and `for await`. Each
 * source has its own connection. A browser drops an event if its name has no listener. So with a schema, this class
 * listens to all names of the schema, and does not notice other names.
 */
const EventSource = class EventSource extends EventTarget {
  connection = new Connection();
  #source;
  #delivery;
  #names;
  #listened = new Set();

  constructor(url, options = {}) {
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
    return this.#source.readyState;
  }

  close() {
    this.#source.close();
    this.connection.closed({ reason: "closed" });
  }

  addEventListener(type, ...rest) {
    this.#listenTo(type);
    super.addEventListener(type, ...rest);
  }

  events(options = {}) {
    return iterate(this, options.names ?? this.#names, options);
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  static {
    define(this, ["open", "message", "error"]);
  }

  /** Listens to events of this name at the browser's source. */
  #listenTo(name) {
    if (this.#listened.has(name) || name === "open" || name === "error") return;
    this.#listened.add(name);
    this.#source.addEventListener(name, ({ data, lastEventId, origin }) => {
      this.#delivery.event({ name, data, id: lastEventId }, origin);
    });
  }

  /** The browser also calls this for an event that the server has named `open`. Such an event is ignored. */
  #opened(event) {
    if (event instanceof MessageEvent) return;
    this.connection.opened();
    this.dispatchEvent(new Event("open"));
  }

  /** The browser also calls this for an event that the server has named `error`. */
  #lost(event) {
    if (event instanceof MessageEvent) return;
    if (this.readyState === CLOSED) this.connection.closed({ reason: "unknown", ...this.#delivery.end });
    else this.connection.connecting();
    this.dispatchEvent(new Event("error"));
  }
};

/** The link to the shared connection in one of the tabs. If this tab is elected, it holds the shared connection. */
class ElectionLink {
  #tab;
  #channel;
  #candidacy = new AbortController();
  #connection;
  #resign;

  constructor(tab) {
    this.#tab = tab;
    if (!navigator.locks) {
      this.#lead();
      return;
    }
    this.#channel = new BroadcastChannel(tab.name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#send({ kind: "join", tab: tab.id });
    navigator.locks
      .request(`${NAME}:${tab.name}`, { signal: this.#candidacy.signal }, () => this.#lead())
      .catch(() => {}); // This tab is no candidate any more.
  }

  leave() {
    this.#candidacy.abort();
    this.#connection?.stop();
    this.#resign?.();
    this.#channel?.close();
  }

  async #lead() {
    const done = new Promise((resolve) => (this.#resign = resolve));
    const publish = (change) => {
      this.#send(change);
      this.#tab.receive(change);
    };
    const followed = this.#tab.followedState();
    const state = followed ? continuedState(followed) : stateForNewConnection(this.#tab.position());
    this.#connection = new SharedConnection(JSON.parse(this.#tab.name), publish, this.#tab.askHeaders, state);
    await waitForReset(done);
    if (this.#candidacy.signal.aborted) return;
    if (!followed) this.#tab.receive({ kind: "welcome", state });
    this.#connection.start();
    this.#send({ kind: "leader", startedAt: state.startedAt });
    return done;
  }

  #receive(message) {
    if (this.#connection) {
      if (message.kind === "join") this.#welcome(this.#connection, message.tab);
    } else if (message.kind === "welcome") {
      if (message.to === this.#tab.id && !this.#tab.followedState()) this.#tab.receive(message);
    } else if (message.kind === "leader") {
      if (this.#tab.followedState()?.startedAt === message.startedAt) return;
      // The new leader does not know the earlier events, and counts from its own start. Or there was no leader yet.
      this.#tab.receive({ kind: "lost" });
      this.#send({ kind: "join", tab: this.#tab.id });
    } else if (message.kind !== "join") {
      this.#tab.receive(message);
    }
  }

  #welcome({ state }, tab) {
    this.#send({ kind: "welcome", to: tab, state });
  }

  #send(message) {
    this.#channel?.postMessage(message);
  }
}

/**
 * Creates the shared worker, or connects to it if it exists. Its script is this file.
 *
 * @param name tabs with the same name share the worker
 * @param script the URL of another script, if the page names one
 */
function connectWorker(name, script) {
  return new SharedWorker(script ?? import.meta.url, { type: "module", name });
}

/** After this time, in milliseconds, without an answer the page gives up the worker. */
const WORKER_TIMEOUT = 2_000;

/** The timeout is counted in steps. If the page itself is busy for a long time, this counts as one step only. */
const STEPS = 4;

/** The scripts whose workers this page has given up. It does not try them again. */
const givenUp = new Set();

/** The link to the shared connection in the shared worker. */
class WorkerLink {
  #tab;
  #script;
  #failed;
  #worker;
  #port;
  #timer;
  #hasAnswered = false;
  #hasLeft = false;

  /**
   * @param script the worker's URL, if the page has named one
   * @param failed called when this link gives up the worker
   */
  constructor(tab, script, failed) {
    [this.#tab, this.#script, this.#failed] = [tab, script, failed];
    try {
      this.#worker = connectWorker(tab.name, script);
    } catch (error) {
      this.#giveUp(`cannot be made (${error})`);
      return;
    }
    this.#worker.onerror = () => this.#giveUp("cannot be loaded");
    this.#port = this.#worker.port;
    this.#port.onmessage = ({ data }) => this.#receive(data);
    this.#send({ kind: "join", position: tab.position(), hasHeaders: tab.hasHeaders });
    this.#wait(STEPS);
  }

  /** Whether this page may use a worker. Chrome on Android has none. */
  static mayHaveWorker(script) {
    return typeof SharedWorker !== "undefined" && !givenUp.has(script);
  }

  leave() {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    clearTimeout(this.#timer);
    if (this.#worker) this.#worker.onerror = null;
    this.#send({ kind: "leave" });
    this.#port?.close();
  }

  #wait(steps) {
    this.#timer = setTimeout(() => {
      if (steps > 1) this.#wait(steps - 1);
      else this.#giveUp(`has not answered within ${WORKER_TIMEOUT / 1_000} s`);
    }, WORKER_TIMEOUT / STEPS);
  }

  #receive(message) {
    if (this.#hasLeft) return;
    if (!this.#hasAnswered) {
      clearTimeout(this.#timer);
      if (message.kind !== "hello" || message.protocol !== PROTOCOL) {
        this.#giveUp("is of another version of sse-actix than this page: build it again");
        return;
      }
      this.#hasAnswered = true;
    } else if (message.kind === "headers") this.#answer(message.inquiry);
    else this.#tab.receive(message);
  }

  #giveUp(why) {
    if (this.#hasLeft) return;
    this.leave();
    const isFirst = givenUp.size === 0;
    givenUp.add(this.#script);
    if (isFirst) {
      console.warn(
        `SharedEventSource: the shared worker ${this.#script ?? "of sse-actix"} ${why}. One of the tabs holds the ` +
          "connection instead. If a bundler made this page: bundle `sse-actix/worker` as a separate script, and " +
          "pass its URL, which must have the page's origin, as the option `worker`.",
      );
    }
    // Called later, because the constructor has not returned yet.
    queueMicrotask(this.#failed);
  }

  async #answer(inquiry) {
    this.#send({ kind: "asked", inquiry });
    const headers = await this.#tab.askHeaders().catch(() => undefined);
    this.#send({ kind: "answer", inquiry, headers });
  }

  #send(message) {
    this.#port?.postMessage({ ...message, tab: this.#tab.id });
  }
}

/** The event `close`: why a shared stream has ended permanently. */
class StreamCloseEvent extends Event {
  /**
   * `finished`: the server has answered 204 or has ended the stream permanently. `failed`: the server has answered with
   * a status or a type that no event stream has, or its stream has ended with a failure. `reset`:
   * `SharedEventSource.reset()`.
   */
  reason;
  /** The status of the last answer; absent after a reset. */
  status;
  /** The server's message about a failure, if it sent one. */
  message;

  constructor({ reason, status, message }) {
    super("close");
    [this.reason, this.status, this.message] = [reason, status, message];
  }
}

/** Ends the sources that were created before the time `at`. */
let endBefore;

/** Whether this page listens for resets. It begins with the first source, so that any code can import this module. */
let isListening = false;

/** An EventSource. All tabs of this origin with the same URL and options share it; `headers` may differ. */
const SharedEventSource = class SharedEventSource extends EventTarget {
  static #all = new Set();

  connection = new Connection();
  #url;
  #withCredentials;
  #name;
  #headers;
  #worker;
  #delivery;
  #gapEvent;
  #names;
  #readyState = CONNECTING;
  #link;
  #release;
  // Not the clock of `performance`: in some browsers it stands still while the machine sleeps.
  #createdAt = Date.now();

  /** This tab's copy of the shared connection's state, or its own position when it left the shared connection. */
  #state;
  #isFollowing = false;
  /** This tab's own connection, with which it catches up with the shared one. */
  #catchUpConnection;

  constructor(url, options = {}) {
    super();
    const { url: absolute, stream, headers, worker, delivery } = checked("SharedEventSource", url, options);
    this.#url = absolute;
    this.#withCredentials = stream.withCredentials;
    this.#headers = headers;
    this.#worker = worker;
    this.#delivery = new Delivery(this, delivery, ["open", "error", "close"]);
    this.#gapEvent = delivery.gapEvent;
    this.#names = delivery.events?.names ?? ["message"];
    this.#name = JSON.stringify({ protocol: PROTOCOL, url: absolute, ...stream });
    listenForResets();
    SharedEventSource.#all.add(this);
    this.#join();
    addEventListener("pagehide", this.#leaveOnHide);
    addEventListener("pageshow", this.#onPageShow);
    document.addEventListener("freeze", this.#leaveOnHide);
    document.addEventListener("resume", this.#rejoin);
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

  /** Leaves the stream. The connection ends when the last tab has left. As with EventSource, no event is fired. */
  close() {
    this.#close({ reason: "closed" });
  }

  #close(why) {
    this.#readyState = CLOSED;
    SharedEventSource.#all.delete(this);
    this.#leave();
    removeEventListener("pagehide", this.#leaveOnHide);
    removeEventListener("pageshow", this.#onPageShow);
    document.removeEventListener("freeze", this.#leaveOnHide);
    document.removeEventListener("resume", this.#rejoin);
    this.connection.closed(why);
  }

  events(options = {}) {
    return iterate(this, options.names ?? this.#names, options);
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  /**
   * At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. When the
   * promise resolves, this browser has ended every connection.
   */
  static async reset() {
    const at = Date.now();
    lastReset.note(at);
    const channel = new BroadcastChannel(NAME);
    channel.postMessage(at);
    endBefore(at);
    await navigator.locks?.request(NAME, () => {});
    channel.close();
    // A source that is opened in the millisecond of the reset would count as before it, so this waits for the next one.
    while (Date.now() === at) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  static {
    define(this, ["open", "message", "error", "close"]);
    endBefore = (at) => {
      for (const source of [...this.#all]) if (isBefore(source.#createdAt, at)) source.#end({ reason: "reset" });
    };
  }

  async #join() {
    const id = `${NAME}:${Date.now()}:${Math.random()}`;
    let present = true;
    const left = new Promise((resolve) => {
      this.#release = () => {
        present = false;
        resolve();
      };
    });
    // This tab has to hold its lock before the worker can request that lock.
    if (navigator.locks) await new Promise((held) => navigator.locks.request(id, () => (held(), left)));
    if (!present) return;
    const tab = {
      id,
      name: this.#name,
      receive: (message) => present && this.#receive(message),
      position: () => this.#position,
      followedState: () => (this.#isFollowing ? this.#state : undefined),
      hasHeaders: this.#headers !== undefined,
      askHeaders: this.#askHeaders,
    };
    const elect = () => {
      if (!present) return;
      this.#link?.leave();
      this.#link = new ElectionLink(tab);
    };
    if (WorkerLink.mayHaveWorker(this.#worker)) this.#link = new WorkerLink(tab, this.#worker, elect);
    else elect();
  }

  #leave() {
    this.#state = this.#position;
    this.#isFollowing = false;
    this.#stopCatchUp();
    this.#link?.leave();
    this.#link = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  /** How much of the stream this tab has received. */
  get #position() {
    return this.#catchUpConnection?.state ?? this.#state;
  }

  /** Lets go of everything that would keep the page out of the back/forward cache, or would stop the other tabs. */
  #leaveOnHide = () => this.#leave();

  #onPageShow = ({ persisted }) => persisted && this.#rejoin();

  /** A page that returns from the back/forward cache may get two events about it: `pageshow` and `resume`. */
  #rejoin = () => {
    if (this.#release) return;
    if (lastReset.isAfter(this.#createdAt)) {
      this.#end({ reason: "reset" });
      return;
    }
    this.#readyState = CONNECTING;
    this.connection.connecting();
    this.#join();
  };

  /** The headers as pairs, which can be sent to a worker. */
  #askHeaders = async () => {
    if (!this.#headers) return undefined;
    try {
      return [...new Headers(await this.#headers())];
    } catch (error) {
      console.error("SharedEventSource: `headers` failed, and is called again before the next connect:", error);
      throw error;
    }
  };

  #receive(message) {
    if (message.kind === "welcome") this.#welcomed(message.state);
    else if (message.kind === "lost") this.#isFollowing = false;
    else if (message.kind === "hello" || message.kind === "headers") return;
    else if (this.#isFollowing && this.#state && !this.#hasReceived(this.#state, message)) {
      applyChange(this.#state, message);
      if (this.#catchUpConnection) this.#switchToShared();
      else this.#dispatch(message);
    }
  }

  /** A new leader may resume before an event that this tab has already received from the old leader. */
  #hasReceived(state, change) {
    return change.kind === "event" && change.id !== "" && change.sequence <= state.sequence;
  }

  #welcomed(state) {
    const position = this.#position;
    const missed = missedEvents(state, position, this.#gapEvent);
    this.#stopCatchUp();
    this.#state = continuedState(state);
    if (position?.startedAt === state.startedAt) this.#state.sequence = Math.max(position.sequence, state.sequence);
    this.#isFollowing = true;
    if (missed) {
      this.#follow(missed);
      return;
    }
    const publish = (change) => {
      this.#dispatch(change);
      if (change.kind === "event" || change.kind === "position") this.#switchToShared();
    };
    this.#catchUpConnection = new SharedConnection(
      JSON.parse(this.#name),
      publish,
      this.#askHeaders,
      stateForNewConnection(position),
    );
    this.#catchUpConnection.start();
  }

  /** When both connections have received the same event, this tab closes its own and follows the shared one. */
  #switchToShared() {
    if (!this.#catchUpConnection || !this.#state) return;
    const received = lastReceivedSequence(this.#state, this.#catchUpConnection.state);
    if (received === undefined) return;
    this.#stopCatchUp();
    this.#follow(this.#state.recent.filter(({ sequence }) => sequence > received));
  }

  #stopCatchUp() {
    this.#catchUpConnection?.stop();
    this.#catchUpConnection = undefined;
  }

  #follow(missed) {
    const readyState = this.#state?.readyState;
    if (readyState === OPEN && this.#readyState !== OPEN) this.#dispatch({ kind: "open" });
    for (const event of missed) this.#dispatch(event);
    if (readyState === CONNECTING && this.#readyState === OPEN) this.#dispatch({ kind: "error" });
  }

  /** Passes a change on to the page. Any of the page's listeners may close this source. */
  #dispatch(change) {
    if (this.#readyState === CLOSED) return;
    switch (change.kind) {
      case "open":
        this.#readyState = OPEN;
        this.connection.opened();
        this.dispatchEvent(new Event("open"));
        break;
      case "event":
        this.#delivery.event(change, new URL(this.#url).origin);
        break;
      case "position":
        this.#delivery.position(change.id);
        break;
      case "error":
        this.#readyState = CONNECTING;
        this.connection.connecting();
        this.dispatchEvent(new Event("error"));
        break;
      case "close":
        this.#end(change);
    }
  }

  /** Closes the source permanently. As with EventSource it fires `error`, and then `close` with the reason. */
  #end(why) {
    const { reason, status, message } = why;
    this.#close({
      reason,
      ...(status !== undefined && { httpStatus: status }),
      ...(message !== undefined && { message }),
    });
    if (why.reason !== "reset") this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new StreamCloseEvent(why));
  }
};

/** Listens for resets while the page is shown. An open channel would keep the page out of the back/forward cache. */
function listenForResets() {
  if (isListening) return;
  isListening = true;
  let channel;
  const open = () => {
    channel = new BroadcastChannel(NAME);
    channel.onmessage = ({ data: at }) => endBefore(at);
  };
  open();
  addEventListener("pagehide", () => channel.close());
  addEventListener("pageshow", ({ persisted }) => persisted && open());
}

// The same file is the page's module and the shared worker's script.
if ("SharedWorkerGlobalScope" in globalThis) runWorker(globalThis);

export {
  EventSource,
  EventStreamParser,
  InvalidEventError,
  SharedEventSource,
  SlowLoopError,
  StreamCloseEvent,
  StreamClosedError,
};
