import { type ClosedState, Connection } from "./connection.js";
import { Delivery } from "./delivery.js";
import { define } from "./handlers.js";
import type { Closing } from "./shared-connection/closing.js";
import type { StreamChange, StreamEvent } from "./shared-connection/stream-change.js";
import { type HeaderPairs, SharedConnection } from "./shared-connection/shared-connection.js";
import { NAME } from "./shared-connection/names.js";
import { isBefore, lastReset } from "./shared-connection/reset.js";
import {
  CLOSED,
  CONNECTING,
  type StreamState,
  OPEN,
  type ReadyState,
  continuedState,
  lastReceivedSequence,
  missedEvents,
  applyChange,
  stateForNewConnection,
} from "./shared-connection/state.js";
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

/** The event `close`: why a shared stream has ended permanently. */
export class StreamCloseEvent extends Event {
  /**
   * `finished`: the server has answered 204 or has ended the stream permanently. `failed`: the server has answered with
   * a status or a type that no event stream has, or its stream has ended with a failure. `reset`:
   * `SharedEventSource.reset()`.
   */
  readonly reason: "finished" | "failed" | "reset";
  /** The status of the last answer; absent after a reset. */
  readonly status: number | undefined;
  /** The server's message about a failure, if it sent one. */
  readonly message: string | undefined;

  constructor({ reason, status, message }: Closing) {
    super("close");
    [this.reason, this.status, this.message] = [reason, status, message];
  }
}

interface SharedOwnEvents extends OwnEvents {
  close: StreamCloseEvent;
}

/** An EventSource, typed by the events `E`. All tabs of this origin with the same URL and options share it. */
export interface SharedEventSource<E extends AnyEvent = UntypedEvent> extends TypedEventSource<E, SharedOwnEvents> {
  onclose: ((event: StreamCloseEvent) => any) | null;
}

interface SharedEventSourceConstructor {
  /** Without a schema, `event.data` is the received text. */
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
   * At log-out: closes every shared stream of this origin, in all tabs, and forgets its events and ids. When the
   * promise resolves, this browser has ended every connection.
   */
  reset(): Promise<void>;
}

/** Ends the sources that were created before the time `at`. */
let endBefore: (at: number) => void;

/** Whether this page listens for resets. It begins with the first source, so that any code can import this module. */
let isListening = false;

/** An EventSource. All tabs of this origin with the same URL and options share it; `headers` may differ. */
export const SharedEventSource = class SharedEventSource extends EventTarget {
  static readonly #all = new Set<SharedEventSource>();

  readonly connection = new Connection();
  #url: string;
  #withCredentials: boolean;
  #name: string;
  #headers: SharedOptions<AnySchema>["headers"];
  #worker: string | undefined;
  #delivery: Delivery;
  #gapEvent: string;
  #names: readonly string[];
  #readyState: ReadyState = CONNECTING;
  #link: WorkerLink | ElectionLink | undefined;
  #release: (() => void) | undefined;
  // Not the clock of `performance`: in some browsers it stands still while the machine sleeps.
  #createdAt = Date.now();

  /** This tab's copy of the shared connection's state, or its own position when it left the shared connection. */
  #state: StreamState | undefined;
  #isFollowing = false;
  /** This tab's own connection, with which it catches up with the shared one. */
  #catchUpConnection: SharedConnection | undefined;

  constructor(url: string | URL, options: SharedOptions<AnySchema> | null = {}) {
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

  #close(why: Omit<ClosedState, "status">) {
    this.#readyState = CLOSED;
    SharedEventSource.#all.delete(this);
    this.#leave();
    removeEventListener("pagehide", this.#leaveOnHide);
    removeEventListener("pageshow", this.#onPageShow);
    document.removeEventListener("freeze", this.#leaveOnHide);
    document.removeEventListener("resume", this.#rejoin);
    this.connection.closed(why);
  }

  events(options: IterateOptions = {}) {
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
    const left = new Promise<void>((resolve) => {
      this.#release = () => {
        present = false;
        resolve();
      };
    });
    // This tab has to hold its lock before the worker can request that lock.
    if (navigator.locks) await new Promise<void>((held) => navigator.locks.request(id, () => (held(), left)));
    if (!present) return;
    const tab: TabHandle = {
      id,
      name: this.#name,
      receive: (message: ToTab | { kind: "lost" }) => present && this.#receive(message),
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
  get #position(): StreamState | undefined {
    return this.#catchUpConnection?.state ?? this.#state;
  }

  /** Lets go of everything that would keep the page out of the back/forward cache, or would stop the other tabs. */
  #leaveOnHide = () => this.#leave();

  #onPageShow = ({ persisted }: PageTransitionEvent) => persisted && this.#rejoin();

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
  #askHeaders = async (): Promise<HeaderPairs | undefined> => {
    if (!this.#headers) return undefined;
    try {
      return [...new Headers(await this.#headers())];
    } catch (error) {
      console.error("SharedEventSource: `headers` failed, and is called again before the next connect:", error);
      throw error;
    }
  };

  #receive(message: ToTab | { kind: "lost" }) {
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
  #hasReceived(state: StreamState, change: StreamChange) {
    return change.kind === "event" && change.id !== "" && change.sequence <= state.sequence;
  }

  #welcomed(state: StreamState) {
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
    const publish = (change: StreamChange) => {
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

  #follow(missed: StreamEvent[]) {
    const readyState = this.#state?.readyState;
    if (readyState === OPEN && this.#readyState !== OPEN) this.#dispatch({ kind: "open" });
    for (const event of missed) this.#dispatch(event);
    if (readyState === CONNECTING && this.#readyState === OPEN) this.#dispatch({ kind: "error" });
  }

  /** Passes a change on to the page. Any of the page's listeners may close this source. */
  #dispatch(change: StreamChange) {
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

/** Listens for resets while the page is shown. An open channel would keep the page out of the back/forward cache. */
function listenForResets() {
  if (isListening) return;
  isListening = true;
  let channel: BroadcastChannel;
  const open = () => {
    channel = new BroadcastChannel(NAME);
    channel.onmessage = ({ data: at }) => endBefore(at);
  };
  open();
  addEventListener("pagehide", () => channel.close());
  addEventListener("pageshow", ({ persisted }) => persisted && open());
}
