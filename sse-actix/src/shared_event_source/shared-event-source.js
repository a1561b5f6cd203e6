// One event stream for all tabs of an origin, with the interface of EventSource.
//
// The same file is the page's module and the shared worker's script. A *hub* holds the one connection and tells every
// tab what happens. It lives in a SharedWorker; where there is none, in one of the tabs, which the others follow: Web
// Locks elect it, a BroadcastChannel carries its messages.
//
// Every tab keeps a copy of the hub's *state*: what is needed to go on where the stream stopped. A tab leaves its hub
// when it is hidden for the back/forward cache or frozen. When it returns, it sends its copy to the hub that it finds.
// A new hub resumes there. An older one sends what the tab has missed; if it no longer has all of that, the tab reads
// the server by itself until it has caught up with the hub.

const NAME = "shared-event-source";
const [CONNECTING, OPEN, CLOSED] = [0, 1, 2];

/** What a tab that joins is told at most: the latest event of so many names, and of so many characters. */
const RETAINED_NAMES = 64;
const RETAINED_CHARS = 256 * 1024;

/** What a tab that returns can be sent at most: so many events, and so many characters. */
const RECENT_EVENTS = 1_000;
const RECENT_CHARS = 256 * 1024;

const DEFAULT_RETRY = 3_000;
const LONGEST_WAIT = 30_000;
const LONGEST_TIMER = 2 ** 31 - 1;

/** Silence of so many keep-alives is a lost connection, but never less than so many milliseconds. */
const MISSED_KEEP_ALIVES = 3;
const SHORTEST_SILENCE = 5_000;

/** The head of an answer may take so long at least, since a server may look things up first. */
const SHORTEST_HEAD_WAIT = 30_000;

/** A tab that is asked for headers and does not react for so long counts as frozen. */
const TAB_TIMEOUT = 5_000;

/** What ends a stream for good: https://docs.rs/sse-actix, `finite`. */
const END = "sse-end";

/** An event that only carries a position, which becomes the last event id. */
const POSITION = "sse-position";

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

/**
 * Ends a connection on which nothing arrives for too long. While the machine sleeps or the page is frozen this script
 * does not run; that time counts only after the socket had another step of time to deliver what it holds.
 */
class SilenceLimit {
  #exceeded;
  #limit = 0;
  #heardAt = 0;
  #wasLate = false;
  #timer;

  /** @param {() => void} exceeded called once the limit is exceeded */
  constructor(exceeded) {
    this.#exceeded = exceeded;
  }

  /** Begins to count. @param {number} limit in milliseconds; 0 is none */
  start(limit) {
    this.stop();
    this.#limit = Math.min(limit, LONGEST_TIMER);
    this.heard();
    if (limit > 0) this.#lookIn(this.#step);
  }

  heard() {
    this.#heardAt = performance.now();
    this.#wasLate = false;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  get #step() {
    return this.#limit / MISSED_KEEP_ALIVES;
  }

  #lookIn(wait) {
    const due = performance.now() + wait;
    this.#timer = setTimeout(() => this.#look(due), wait);
  }

  #look(due) {
    const now = performance.now();
    const isLate = now - due > this.#step;
    // Timers of hidden tabs are always late. Only the first late one means that the socket had no time.
    const hasSlept = isLate && !this.#wasLate;
    this.#wasLate = isLate;
    const remaining = this.#heardAt + this.#limit - now;
    if (hasSlept) this.#lookIn(this.#step);
    else if (remaining > 0) this.#lookIn(Math.min(this.#step, remaining));
    else this.#exceeded();
  }
}

/** The one connection. Numbers what happens, notes it in the state, and tells it. */
class Hub {
  #config;
  #tell;
  #askHeaders;
  #running;
  #hurry;
  #silenceLimit;
  #mayRefreshHeaders = true;

  /** What another hub has to know to go on. */
  state;

  /**
   * @param config what makes tabs share a stream
   * @param {(what: object) => void} tell
   * @param {() => Promise<[string, string][] | undefined>} askHeaders called at every connect; `undefined`: no tab has any
   * @param state where to begin: {@link newState}, {@link resumed} or {@link copied}
   */
  constructor(config, tell, askHeaders, state) {
    [this.#config, this.#tell, this.#askHeaders, this.state] = [config, tell, askHeaders, state];
    this.state.readyState = CONNECTING;
    this.#silenceLimit = config.heartbeatTimeout ?? 0;
    this.hurry = () => this.#hurry?.();
  }

  get isRunning() {
    return this.#running !== undefined;
  }

  start() {
    this.state.readyState = CONNECTING;
    this.#running = new AbortController();
    this.#run(this.#running.signal);
    globalThis.addEventListener("online", this.hurry);
  }

  /** Leaves the server. */
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
        end = await this.#connect(signal, () => (failures = 0));
      } catch {
        // Refused, reset, cut off, silent, or without permission; a browser does not tell most of these apart.
      }
      if (signal.aborted) return;
      if (end.again) continue;
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

  /** One request, to the end of its answer. */
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
      abort(); // What is left of the answer.
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
      return { again: true };
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
    this.#happened({ kind: "open" });
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
      silence.heard();
      for (const event of parser.feed(value)) {
        if (signal.aborted) return {};
        this.#received(event);
        if (event.name === END && event.id === END) return ended(event.data, response.status);
      }
      this.#moveTo(parser.lastEventId);
      // The standard sets no bounds; a server is not to be stormed, and a timer holds no more.
      this.state.retry = Math.min(Math.max(parser.retry ?? this.state.retry, 100), LONGEST_TIMER);
    }
  }

  #received({ name, data, id }) {
    if (name === this.#config.positionEvent) return this.#moveTo(id);
    const { sequence, lastEventId, repeat } = this.state;
    this.#happened({
      kind: "event",
      sequence: sequence + 1,
      name,
      data,
      id,
      repeat: id === lastEventId ? repeat + 1 : 0,
    });
  }

  /** Nothing to show, but what is sent as the last event id from now on. */
  #moveTo(id) {
    if (id !== this.state.lastEventId) this.#happened({ kind: "position", id });
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

/** How long a server may be silent, by the interval of keep-alives that it announces; 0 is without limit. */
function announcedSilence(headers) {
  const interval = headers.get("Sse-Keep-Alive") ?? "";
  if (!/^[0-9]+$/.test(interval) || Number(interval) === 0) return 0;
  return Math.max(Number(interval) * MISSED_KEEP_ALIVES, SHORTEST_SILENCE);
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

/**
 * What is known of a stream.
 *
 * - `born`: when the hub began, which also tells it from others. Events are numbered by their `sequence`.
 * - `before`: the hub whose state this one has begun with, and how far that one had counted.
 * - `lastEventId`, `repeat`: the last event's id, and how many events before it had the same. An event without an id
 *   has that of the event before.
 * - `retained`: the latest event of each name. `recent`: the last events without a hole, of `recentChars` characters.
 */
function newState() {
  return {
    born: Date.now(),
    before: undefined,
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

/** For the same hub in another place: it counts on. */
function copied(state) {
  return { ...state, recent: [...state.recent] };
}

/** For a new hub that begins where a tab has stopped, if there is one. */
function resumed(state) {
  if (!state) return newState();
  const { born, sequence } = state;
  return { ...copied(state), born: Date.now(), before: { born, sequence } };
}

/** Notes what has happened, in the hub and in every tab. */
function remember(state, what) {
  switch (what.kind) {
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
      Object.assign(state, { lastEventId: what.id, repeat: 0 });
      break;
    case "event": {
      const { sequence, id, repeat } = what;
      Object.assign(state, { sequence, lastEventId: id, repeat });
      retain(state, what);
      keepRecent(state, what);
    }
  }
}

function retain(state, event) {
  state.retained = [...state.retained.filter(({ name }) => name !== event.name), event];
  let chars = state.retained.reduce((sum, event) => sum + charsOf(event), 0);
  while (state.retained.length > RETAINED_NAMES || chars > RETAINED_CHARS) chars -= charsOf(state.retained.shift());
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
 * The last event that a tab has heard.
 *
 * @returns {number | undefined} as the hub counts; `undefined` if the hub does not know
 */
function lastHeard(hub, tab) {
  if (tab.born === hub.born) return tab.sequence;
  if (tab.born === hub.before?.born && tab.sequence <= hub.before.sequence) return tab.sequence;
  if (tab.lastEventId === "") return undefined;
  const isLast = ({ id, repeat }) => id === tab.lastEventId && repeat === tab.repeat;
  if (isLast({ id: hub.lastEventId, repeat: hub.repeat })) return hub.sequence;
  return hub.recent.findLast(isLast)?.sequence;
}

/**
 * What a hub tells a tab that joins.
 *
 * @param hub the hub's state
 * @param tab the tab's, if it has been there before
 * @returns {object[] | undefined} events; `undefined` if only the server has all that the tab has missed
 */
function missedEvents(hub, tab) {
  if (!tab) return hub.retained;
  const heard = lastHeard(hub, tab);
  const oldest = hub.recent[0]?.sequence ?? hub.sequence + 1;
  if (heard !== undefined && heard + 1 >= oldest) return hub.recent.filter(({ sequence }) => sequence > heard);
  if (tab.lastEventId === "") return hub.retained.filter(({ sequence }) => sequence > (heard ?? 0));
  return undefined;
}

/** Whether what began at `born` began before a reset at `at`. What the clock has been set back from began before, too. */
function isBefore(born, at) {
  return born <= at || born > Date.now();
}

/** When the last reset was. Pages that were in the back/forward cache, or frozen, look it up when they return. */
const lastReset = {
  note(at) {
    try {
      localStorage.setItem(NAME, at);
    } catch {
      // Storage is forbidden here.
    }
  },
  isAfter(born) {
    try {
      const at = Number(localStorage.getItem(NAME));
      return at > 0 && isBefore(born, at);
    } catch {
      return false;
    }
  },
};

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

/** Asks the tabs for a request's headers: first the one that has been there longest; the next if it is frozen or gone. */
class TabHeaders {
  #tabs;
  #inquiry;

  /** @param {Map<string, { port: MessagePort, hasHeaders: boolean }>} tabs those that are connected */
  constructor(tabs) {
    this.#tabs = tabs;
  }

  /** @returns {Promise<[string, string][] | undefined>} `undefined` if no tab has any */
  ask() {
    const unasked = [...this.#tabs].filter(([, { hasHeaders }]) => hasHeaders).map(([tab]) => tab);
    if (unasked.length === 0) return Promise.resolve();
    this.cancel();
    return new Promise((resolve, reject) => {
      this.#inquiry = { number: Math.random(), unasked, asked: new Set(), resolve, reject };
      this.#askNext();
    });
  }

  joined(tab) {
    if (!this.#inquiry || !this.#tabs.get(tab).hasHeaders) return;
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

  /** A tab says first that it was `asked`, which no frozen one does, and later which headers it wants. */
  answered(tab, { kind, inquiry, headers }) {
    if (inquiry !== this.#inquiry?.number) return;
    const { current, timer, resolve, reject } = this.#inquiry;
    if (kind === "asked") {
      if (tab === current) clearTimeout(timer);
      return;
    }
    this.cancel();
    if (headers) resolve(headers);
    else reject();
  }

  cancel() {
    clearTimeout(this.#inquiry?.timer);
    this.#inquiry = undefined;
  }

  #askNext() {
    const inquiry = this.#inquiry;
    clearTimeout(inquiry.timer);
    const tab = inquiry.unasked.shift();
    inquiry.current = tab;
    // All were asked: one of them may still answer, or another may join.
    inquiry.isWaiting = tab === undefined;
    if (inquiry.isWaiting) {
      if (inquiry.asked.size === 0) {
        this.#inquiry = undefined;
        inquiry.reject();
      }
      return;
    }
    inquiry.asked.add(tab);
    this.#tabs.get(tab).port.postMessage({ kind: "headers", inquiry: inquiry.number });
    inquiry.timer = setTimeout(() => {
      this.#putLast(tab);
      this.#askNext();
    }, TAB_TIMEOUT);
  }

  /** The next inquiry does not begin with a tab that was frozen. */
  #putLast(tab) {
    const entry = this.#tabs.get(tab);
    this.#tabs.delete(tab);
    this.#tabs.set(tab, entry);
  }
}

function work(scope) {
  const config = JSON.parse(scope.name);
  const tabs = new Map();
  const headers = new TabHeaders(tabs);
  let hub, ready, forget;

  const tell = (what) => tabs.forEach(({ port }) => port.postMessage(what));
  const end = () => {
    hub?.stop();
    hub = undefined;
    tabs.clear();
    headers.cancel();
    forget?.();
  };
  const leave = (tab) => {
    if (!tabs.delete(tab)) return;
    if (tabs.size === 0) end();
    else headers.left(tab);
  };
  const join = async ({ tab, known, hasHeaders }, port) => {
    tabs.set(tab, { port, hasHeaders });
    headers.joined(tab);
    // A tab holds a lock by its name for as long as it is there.
    navigator.locks?.request(tab, () => leave(tab));
    if (!hub) {
      hub = new Hub(config, tell, () => headers.ask(), resumed(known));
      ready = begun(new Promise((resolve) => (forget = resolve)));
    }
    const joined = hub;
    await ready;
    if (hub !== joined || !tabs.has(tab)) return;
    if (!hub.isRunning) {
      if (hub.state.readyState === CLOSED && known) hub.state = resumed(known);
      hub.start();
    }
    port.postMessage({ kind: "welcome", state: hub.state });
  };

  new BroadcastChannel(NAME).onmessage = ({ data: at }) => {
    if (hub && isBefore(hub.state.born, at)) end();
  };
  scope.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data: message }) => {
      if (message.kind === "join") join(message, port);
      else if (message.kind === "leave") leave(message.tab);
      else headers.answered(message.tab, message);
    };
  };
}

// ---------------------------------------------------------------- In a page

/** The way to a hub in the shared worker. */
class WorkerLink {
  #tab;
  #port;

  constructor(tab, failed) {
    const worker = new SharedWorker(import.meta.url, { type: "module", name: tab.name });
    worker.onerror = failed;
    this.#tab = tab;
    this.#port = worker.port;
    this.#port.onmessage = ({ data }) => (data.kind === "headers" ? this.#answer(data) : tab.hear(data));
    this.#send({ kind: "join", known: tab.known(), hasHeaders: tab.hasHeaders });
  }

  leave() {
    this.#send({ kind: "leave" });
    this.#port.close();
  }

  async #answer({ inquiry }) {
    this.#send({ kind: "asked", inquiry });
    const headers = await this.#tab.askHeaders().catch(() => undefined);
    this.#send({ kind: "answer", inquiry, headers });
  }

  #send(message) {
    this.#port.postMessage({ ...message, tab: this.#tab.id });
  }
}

/** The way to a hub in one of the tabs: this one, if it is elected. */
class ElectionLink {
  #tab;
  #channel;
  #candidacy = new AbortController();
  #hub;
  #resign;

  constructor(tab) {
    this.#tab = tab;
    if (!navigator.locks) {
      this.#lead();
      return;
    }
    this.#channel = new BroadcastChannel(tab.name);
    this.#channel.onmessage = ({ data }) => this.#heard(data);
    this.#channel.postMessage({ kind: "join", tab: tab.id });
    navigator.locks
      .request(`${NAME}:${tab.name}`, { signal: this.#candidacy.signal }, () => this.#lead())
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
      this.#tab.hear(what);
    };
    const followed = this.#tab.followed();
    const state = followed ? copied(followed) : resumed(this.#tab.known());
    this.#hub = new Hub(JSON.parse(this.#tab.name), tell, this.#tab.askHeaders, state);
    await begun(done);
    if (this.#candidacy.signal.aborted) return;
    if (!followed) this.#tab.hear({ kind: "welcome", state });
    this.#hub.start();
    this.#channel?.postMessage({ kind: "leader", born: state.born });
    return done;
  }

  #heard(what) {
    if (this.#hub) {
      if (what.kind === "join") this.#welcome(what.tab);
    } else if (what.kind === "welcome") {
      if (what.to === this.#tab.id && !this.#tab.followed()) this.#tab.hear(what);
    } else if (what.kind === "leader") {
      if (this.#tab.followed()?.born === what.born) return;
      // It knows nothing of what was before, and counts anew; or it was not there yet when this tab came.
      this.#tab.hear({ kind: "lost" });
      this.#channel.postMessage({ kind: "join", tab: this.#tab.id });
    } else if (what.kind !== "join") {
      this.#tab.hear(what);
    }
  }

  #welcome(tab) {
    this.#channel.postMessage({ kind: "welcome", to: tab, state: this.#hub.state });
  }
}

/** Why a stream is over for good; the type is `close`. */
class StreamCloseEvent extends Event {
  constructor({ reason, status, message }) {
    super("close");
    Object.assign(this, { reason, status, message });
  }
}

/** The constructor's options with their defaults. Throws a TypeError that says what to write instead. */
function checked(options) {
  const wrong = (what) => new TypeError(`SharedEventSource: ${what}`);
  if (typeof options !== "object") throw wrong("the second argument is an object of options");
  const { withCredentials = false, key = "", headers, heartbeatTimeout, positionEvent = POSITION } = options ?? {};
  if (typeof key !== "string") throw wrong("`key` is a string");
  if (headers !== undefined && typeof headers !== "function") {
    throw wrong("`headers` is a function, since it is called at every connect: headers: async () => ({ Authorization: .. })");
  }
  if (heartbeatTimeout !== undefined && !(Number.isFinite(heartbeatTimeout) && heartbeatTimeout >= 0)) {
    throw wrong("`heartbeatTimeout` is a number of milliseconds; 0 turns it off");
  }
  if (typeof positionEvent !== "string" || !/^[^\0\r\n]+$/.test(positionEvent)) {
    throw wrong("`positionEvent` is the name of an event: one line, and not empty");
  }
  if (["message", "open", "error", "close", END].includes(positionEvent)) {
    throw wrong(`\`positionEvent\` hides events, and \`${positionEvent}\` is not to be hidden`);
  }
  return { withCredentials: Boolean(withCredentials), key, headers, heartbeatTimeout, positionEvent };
}

const sources = new Set();

/** Ends those that were made before. */
let forget;

/** An EventSource that all tabs of this origin share that have the same URL and options, but for `headers`. */
export class SharedEventSource extends EventTarget {
  #url;
  #withCredentials;
  #name;
  #headers;
  #readyState = CONNECTING;
  #link;
  #release;
  // Not of `performance`, which in some browsers stands still while the machine sleeps.
  #born = Date.now();

  /** The hub's state as this tab has heard it, or where the tab was when it left its hub. */
  #state;
  #isFollowing = false;
  /** The connection of its own by which this tab catches up with its hub. */
  #ownHub;

  /**
   * @param {string | URL} url as for EventSource; relative to the page
   * @param {{
   *   withCredentials?: boolean,
   *   key?: string,
   *   headers?: () => HeadersInit | Promise<HeadersInit>,
   *   heartbeatTimeout?: number,
   *   positionEvent?: string,
   * }} [options] described in shared-event-source.d.ts
   */
  constructor(url, options = {}) {
    super();
    if (url === undefined) throw new TypeError("SharedEventSource: the first argument is the stream's URL");
    const { withCredentials, key, headers, heartbeatTimeout, positionEvent } = checked(options);
    try {
      this.#url = new URL(url, document.baseURI).href;
    } catch {
      throw new DOMException(`SharedEventSource: cannot parse the URL ${url}`, "SyntaxError");
    }
    this.#withCredentials = withCredentials;
    this.#headers = headers;
    this.#name = JSON.stringify({ url: this.#url, withCredentials, key, heartbeatTimeout, positionEvent });
    sources.add(this);
    this.#join();
    addEventListener("pagehide", this.#away);
    addEventListener("pageshow", this.#shown);
    document.addEventListener("freeze", this.#away);
    document.addEventListener("resume", this.#back);
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
    removeEventListener("pagehide", this.#away);
    removeEventListener("pageshow", this.#shown);
    document.removeEventListener("freeze", this.#away);
    document.removeEventListener("resume", this.#back);
  }

  /**
   * At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. When it
   * resolves, every connection has been ended by this browser.
   *
   * @returns {Promise<void>}
   */
  static async reset() {
    const at = Date.now();
    lastReset.note(at);
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
    const id = `${NAME}:${Date.now()}:${Math.random()}`;
    let present = true;
    const left = new Promise((resolve) => {
      this.#release = () => {
        present = false;
        resolve();
      };
    });
    // Held before the hub can ask for it.
    if (navigator.locks) await new Promise((held) => navigator.locks.request(id, () => (held(), left)));
    if (!present) return;
    const tab = {
      id,
      name: this.#name,
      hear: (what) => present && this.#hear(what),
      known: () => this.#position,
      followed: () => (this.#isFollowing ? this.#state : undefined),
      hasHeaders: this.#headers !== undefined,
      askHeaders: this.#askHeaders,
    };
    const elect = () => (this.#link = new ElectionLink(tab));
    try {
      this.#link = new WorkerLink(tab, () => present && elect());
    } catch {
      elect(); // No SharedWorker here, or not for a script of another origin.
    }
  }

  #leave() {
    this.#state = this.#position;
    this.#isFollowing = false;
    this.#dropOwnHub();
    this.#link?.leave();
    this.#link = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  /** How far this tab has heard the stream. */
  get #position() {
    return this.#ownHub?.state ?? this.#state;
  }

  /** Leaves everything that would keep the page out of the back/forward cache, or others from going on. */
  #away = () => this.#leave();

  #shown = ({ persisted }) => persisted && this.#back();

  /** A page that returns from the back/forward cache may be told so twice. */
  #back = () => {
    if (this.#release) return;
    if (lastReset.isAfter(this.#born)) {
      this.#end({ reason: "reset" });
      return;
    }
    this.#readyState = CONNECTING;
    this.#join();
  };

  /** As pairs, which can be sent to a worker. */
  #askHeaders = async () => {
    if (!this.#headers) return undefined;
    try {
      return [...new Headers(await this.#headers())];
    } catch (error) {
      console.error("SharedEventSource: `headers` failed, and is called again before the next connect:", error);
      throw error;
    }
  };

  #hear(what) {
    if (what.kind === "welcome") this.#welcomed(what.state);
    else if (what.kind === "lost") this.#isFollowing = false;
    else if (this.#isFollowing && !this.#hasHeard(what)) {
      remember(this.#state, what);
      if (this.#ownHub) this.#meetHub();
      else this.#dispatch(what);
    }
  }

  /** A new leader may resume behind an event that this tab has still heard of from the old one. */
  #hasHeard({ kind, sequence, id }) {
    return kind === "event" && id !== "" && sequence <= this.#state.sequence;
  }

  #welcomed(state) {
    const position = this.#position;
    const missed = missedEvents(state, position);
    this.#dropOwnHub();
    this.#state = copied(state);
    if (position?.born === state.born) this.#state.sequence = Math.max(position.sequence, state.sequence);
    this.#isFollowing = true;
    if (missed) {
      this.#follow(missed);
      return;
    }
    const hear = (what) => {
      this.#dispatch(what);
      if (what.kind === "event" || what.kind === "position") this.#meetHub();
    };
    this.#ownHub = new Hub(JSON.parse(this.#name), hear, this.#askHeaders, resumed(position));
    this.#ownHub.start();
  }

  /** Once both connections have had the same event, the hub's is enough. */
  #meetHub() {
    if (!this.#ownHub) return;
    const heard = lastHeard(this.#state, this.#ownHub.state);
    if (heard === undefined) return;
    this.#dropOwnHub();
    this.#follow(this.#state.recent.filter(({ sequence }) => sequence > heard));
  }

  #dropOwnHub() {
    this.#ownHub?.stop();
    this.#ownHub = undefined;
  }

  #follow(missed) {
    const { readyState } = this.#state;
    if (readyState === OPEN && this.#readyState !== OPEN) this.#dispatch({ kind: "open" });
    for (const event of missed) this.#dispatch(event);
    if (readyState === CONNECTING && this.#readyState === OPEN) this.#dispatch({ kind: "error" });
  }

  /** Tells the page. Any of its listeners may close this source. */
  #dispatch(what) {
    if (this.#readyState === CLOSED) return;
    switch (what.kind) {
      case "open":
        this.#readyState = OPEN;
        this.dispatchEvent(new Event("open"));
        break;
      case "event": {
        const { name, data, id } = what;
        const { origin } = new URL(this.#url);
        this.dispatchEvent(new MessageEvent(name, { data, lastEventId: id, origin }));
        break;
      }
      case "error":
        this.#readyState = CONNECTING;
        this.dispatchEvent(new Event("error"));
        break;
      case "close":
        this.#end(what);
    }
  }

  /** For good. As with EventSource an `error` says so, and then, with the reason, a `close`. */
  #end(why) {
    this.close();
    if (why.reason !== "reset") this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new StreamCloseEvent(why));
  }
}

/** Hears of resets while the page is shown. An open channel would keep it out of the back/forward cache. */
function listenForResets() {
  let channel;
  const open = () => {
    channel = new BroadcastChannel(NAME);
    channel.onmessage = ({ data: at }) => forget(at);
  };
  open();
  addEventListener("pagehide", () => channel.close());
  addEventListener("pageshow", ({ persisted }) => persisted && open());
}

if (globalThis.SharedWorkerGlobalScope && globalThis instanceof SharedWorkerGlobalScope) {
  work(globalThis);
} else {
  listenForResets();
}
