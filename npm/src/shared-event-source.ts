import { type ClosedState, Connection } from "./connection.js";
import { Delivery } from "./delivery.js";
import { define } from "./handlers.js";
import type { Closing } from "./hub/closing.js";
import type { Happening, StreamEvent } from "./hub/happening.js";
import { type HeaderPairs, Hub } from "./hub/hub.js";
import { NAME } from "./hub/names.js";
import { isBefore, lastReset } from "./hub/reset.js";
import {
  CLOSED,
  CONNECTING,
  type HubState,
  OPEN,
  type ReadyState,
  copied,
  lastHeard,
  missedEvents,
  remember,
  resumed,
} from "./hub/state.js";
import { iterate, type IterateOptions } from "./iterate.js";
import { type SharedEventSourceInit, type SharedOptions, checked } from "./options.js";
import { ElectionLink } from "./tabs/election-link.js";
import { PROTOCOL, type TabHandle, type ToTab } from "./tabs/messages.js";
import { WorkerLink } from "./tabs/worker-link.js";
import type {
  AnyEvent,
  AnySchema,
  EventMapOf,
  EventSchema,
  OwnEvents,
  TypedEventSource,
  UnionOf,
  UntypedEvent,
} from "./typed.js";

/** Why a shared stream is over for good; the type is `close`. */
export class StreamCloseEvent extends Event {
  /**
   * `finished`: the server has said so, by 204 or by the end of a `finite` stream. `failed`: it answered with a
   * status or a type that no event stream has, or its stream ended with a failure. `reset`: `SharedEventSource.reset()`.
   */
  readonly reason: "finished" | "failed" | "reset";
  /** The status of the last answer, unless it was reset. */
  readonly status: number | undefined;
  /** What the server chose to say of a failure. */
  readonly message: string | undefined;

  constructor({ reason, status, message }: Closing) {
    super("close");
    [this.reason, this.status, this.message] = [reason, status, message];
  }
}

interface SharedOwnEvents extends OwnEvents {
  close: StreamCloseEvent;
}

/** An EventSource that all tabs of this origin share that have the same URL and options, typed by the events `E`. */
export interface SharedEventSource<E extends AnyEvent = UntypedEvent> extends TypedEventSource<E, SharedOwnEvents> {
  onclose: ((event: StreamCloseEvent) => any) | null;
}

interface SharedEventSourceConstructor {
  /** Without a schema `event.data` is the text that has come. */
  new (url: string | URL, options?: SharedEventSourceInit): SharedEventSource;
  /** With the union of events named: `new SharedEventSource<Market>("/market", { events: market })`. */
  new <E extends AnyEvent = never>(
    url: string | URL,
    options: SharedEventSourceInit<EventMapOf<E>> & { events: EventSchema<EventMapOf<E>> },
  ): SharedEventSource<E>;
  // The last one, because the compiler explains wrong options by the last overload.
  /** With a schema, of the event map `M`, `event.data` is the parsed and checked value. */
  new <M extends object>(
    url: string | URL,
    options: SharedEventSourceInit<M> & { events: EventSchema<M> },
  ): SharedEventSource<UnionOf<M>>;
  readonly prototype: SharedEventSource;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSED: 2;
  /**
   * At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. When it
   * resolves, every connection has been ended by this browser.
   */
  reset(): Promise<void>;
}

/** Ends the sources that were made before. */
let forget: (at: number) => void;

/** Whether this page hears of resets. It begins with the first source, so that this module can be imported anywhere. */
let isListening = false;

/** An EventSource that all tabs of this origin share that have the same URL and options, but for `headers`. */
export const SharedEventSource = class SharedEventSource extends EventTarget {
  static readonly #all = new Set<SharedEventSource>();

  readonly connection = new Connection();
  #url: string;
  #withCredentials: boolean;
  #name: string;
  #headers: SharedOptions<AnySchema>["headers"];
  #worker: string | undefined;
  #delivery: Delivery;
  #names: readonly string[];
  #readyState: ReadyState = CONNECTING;
  #link: WorkerLink | ElectionLink | undefined;
  #release: (() => void) | undefined;
  // Not of `performance`, which in some browsers stands still while the machine sleeps.
  #born = Date.now();

  /** The hub's state as this tab has heard it, or where the tab was when it left its hub. */
  #state: HubState | undefined;
  #isFollowing = false;
  /** The connection of its own by which this tab catches up with its hub. */
  #ownHub: Hub | undefined;

  constructor(url: string | URL, options: SharedOptions<AnySchema> | null = {}) {
    super();
    const { url: absolute, stream, headers, worker, delivery } = checked("SharedEventSource", url, options);
    this.#url = absolute;
    this.#withCredentials = stream.withCredentials;
    this.#headers = headers;
    this.#worker = worker;
    this.#delivery = new Delivery(this, delivery);
    this.#names = delivery.events?.names ?? ["message"];
    this.#name = JSON.stringify({ protocol: PROTOCOL, url: absolute, ...stream });
    listenForResets();
    SharedEventSource.#all.add(this);
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
    this.#close({ reason: "closed" });
  }

  #close(why: Omit<ClosedState, "status">) {
    this.#readyState = CLOSED;
    SharedEventSource.#all.delete(this);
    this.#leave();
    removeEventListener("pagehide", this.#away);
    removeEventListener("pageshow", this.#shown);
    document.removeEventListener("freeze", this.#away);
    document.removeEventListener("resume", this.#back);
    this.connection.closed(why);
  }

  events(options: IterateOptions = {}) {
    return iterate(this, options.names ?? this.#names, options);
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  /**
   * At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. When it
   * resolves, every connection has been ended by this browser.
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
    define(this, ["open", "message", "error", "close"]);
    forget = (at) => {
      for (const source of [...this.#all]) if (isBefore(source.#born, at)) source.#end({ reason: "reset" });
    };
  }

  async #join() {
    const id = `${NAME}:${Date.now()}:${Math.random()}`;
    let present = true;
    const left = new Promise<void>((resolve) => {
      this.#release = () => {
        present = false;
        resolve();
      };
    });
    // Held before the hub can ask for it.
    if (navigator.locks) await new Promise<void>((held) => navigator.locks.request(id, () => (held(), left)));
    if (!present) return;
    const tab: TabHandle = {
      id,
      name: this.#name,
      hear: (what: ToTab | { kind: "lost" }) => present && this.#hear(what),
      known: () => this.#position,
      followed: () => (this.#isFollowing ? this.#state : undefined),
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
    this.#dropOwnHub();
    this.#link?.leave();
    this.#link = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  /** How far this tab has heard the stream. */
  get #position(): HubState | undefined {
    return this.#ownHub?.state ?? this.#state;
  }

  /** Leaves everything that would keep the page out of the back/forward cache, or others from going on. */
  #away = () => this.#leave();

  #shown = ({ persisted }: PageTransitionEvent) => persisted && this.#back();

  /** A page that returns from the back/forward cache may be told so twice. */
  #back = () => {
    if (this.#release) return;
    if (lastReset.isAfter(this.#born)) {
      this.#end({ reason: "reset" });
      return;
    }
    this.#readyState = CONNECTING;
    this.connection.connecting();
    this.#join();
  };

  /** As pairs, which can be sent to a worker. */
  #askHeaders = async (): Promise<HeaderPairs | undefined> => {
    if (!this.#headers) return undefined;
    try {
      return [...new Headers(await this.#headers())];
    } catch (error) {
      console.error("SharedEventSource: `headers` failed, and is called again before the next connect:", error);
      throw error;
    }
  };

  #hear(what: ToTab | { kind: "lost" }) {
    if (what.kind === "welcome") this.#welcomed(what.state);
    else if (what.kind === "lost") this.#isFollowing = false;
    else if (what.kind === "hello" || what.kind === "headers") return;
    else if (this.#isFollowing && this.#state && !this.#hasHeard(this.#state, what)) {
      remember(this.#state, what);
      if (this.#ownHub) this.#meetHub();
      else this.#dispatch(what);
    }
  }

  /** A new leader may resume behind an event that this tab has still heard of from the old one. */
  #hasHeard(state: HubState, what: Happening) {
    return what.kind === "event" && what.id !== "" && what.sequence <= state.sequence;
  }

  #welcomed(state: HubState) {
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
    const hear = (what: Happening) => {
      this.#dispatch(what);
      if (what.kind === "event" || what.kind === "position") this.#meetHub();
    };
    this.#ownHub = new Hub(JSON.parse(this.#name), hear, this.#askHeaders, resumed(position));
    this.#ownHub.start();
  }

  /** Once both connections have had the same event, the hub's is enough. */
  #meetHub() {
    if (!this.#ownHub || !this.#state) return;
    const heard = lastHeard(this.#state, this.#ownHub.state);
    if (heard === undefined) return;
    this.#dropOwnHub();
    this.#follow(this.#state.recent.filter(({ sequence }) => sequence > heard));
  }

  #dropOwnHub() {
    this.#ownHub?.stop();
    this.#ownHub = undefined;
  }

  #follow(missed: StreamEvent[]) {
    const readyState = this.#state?.readyState;
    if (readyState === OPEN && this.#readyState !== OPEN) this.#dispatch({ kind: "open" });
    for (const event of missed) this.#dispatch(event);
    if (readyState === CONNECTING && this.#readyState === OPEN) this.#dispatch({ kind: "error" });
  }

  /** Tells the page. Any of its listeners may close this source. */
  #dispatch(what: Happening) {
    if (this.#readyState === CLOSED) return;
    switch (what.kind) {
      case "open":
        this.#readyState = OPEN;
        this.connection.opened();
        this.dispatchEvent(new Event("open"));
        break;
      case "event":
        this.#delivery.event(what, new URL(this.#url).origin);
        break;
      case "position":
        this.#delivery.position(what.id);
        break;
      case "error":
        this.#readyState = CONNECTING;
        this.connection.connecting();
        this.dispatchEvent(new Event("error"));
        break;
      case "close":
        this.#end(what);
    }
  }

  /** For good. As with EventSource an `error` says so, and then, with the reason, a `close`. */
  #end(why: Closing) {
    const { reason, status, message } = why;
    this.#close({
      reason,
      ...(status !== undefined && { httpStatus: status }),
      ...(message !== undefined && { message }),
    });
    if (why.reason !== "reset") this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new StreamCloseEvent(why));
  }
} as unknown as SharedEventSourceConstructor;

/** Hears of resets while the page is shown. An open channel would keep it out of the back/forward cache. */
function listenForResets() {
  if (isListening) return;
  isListening = true;
  let channel: BroadcastChannel;
  const open = () => {
    channel = new BroadcastChannel(NAME);
    channel.onmessage = ({ data: at }) => forget(at);
  };
  open();
  addEventListener("pagehide", () => channel.close());
  addEventListener("pageshow", ({ persisted }) => persisted && open());
}
