import type { StreamChange } from "../shared-connection/stream-change.js";
import { SharedConnection } from "../shared-connection/shared-connection.js";
import { NAME } from "../shared-connection/names.js";
import { waitForReset } from "../shared-connection/reset.js";
import { continuedState, stateForNewConnection } from "../shared-connection/state.js";
import type { BetweenTabs, TabHandle } from "./messages.js";

/** The link to the shared connection in one of the tabs. If this tab is elected, it holds the shared connection. */
export class ElectionLink {
  #tab: TabHandle;
  #channel: BroadcastChannel | undefined;
  #candidacy = new AbortController();
  #connection: SharedConnection | undefined;
  #resign: (() => void) | undefined;

  constructor(tab: TabHandle) {
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
    const done = new Promise<void>((resolve) => (this.#resign = resolve));
    const publish = (change: StreamChange) => {
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

  #receive(message: BetweenTabs) {
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

  #welcome({ state }: SharedConnection, tab: string) {
    this.#send({ kind: "welcome", to: tab, state });
  }

  #send(message: BetweenTabs) {
    this.#channel?.postMessage(message);
  }
}
