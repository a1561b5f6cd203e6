import type { Happening } from "../hub/happening.js";
import { Hub } from "../hub/hub.js";
import { NAME } from "../hub/names.js";
import { begun } from "../hub/reset.js";
import { copied, resumed } from "../hub/state.js";
import type { BetweenTabs, TabHandle } from "./messages.js";

/** The link to a hub in one of the tabs. If this tab is elected, the hub is in this tab. */
export class ElectionLink {
  #tab: TabHandle;
  #channel: BroadcastChannel | undefined;
  #candidacy = new AbortController();
  #hub: Hub | undefined;
  #resign: (() => void) | undefined;

  constructor(tab: TabHandle) {
    this.#tab = tab;
    if (!navigator.locks) {
      this.#lead();
      return;
    }
    this.#channel = new BroadcastChannel(tab.name);
    this.#channel.onmessage = ({ data }) => this.#heard(data);
    this.#send({ kind: "join", tab: tab.id });
    navigator.locks
      .request(`${NAME}:${tab.name}`, { signal: this.#candidacy.signal }, () => this.#lead())
      .catch(() => {}); // This tab is no candidate any more.
  }

  leave() {
    this.#candidacy.abort();
    this.#hub?.stop();
    this.#resign?.();
    this.#channel?.close();
  }

  async #lead() {
    const done = new Promise<void>((resolve) => (this.#resign = resolve));
    const tell = (what: Happening) => {
      this.#send(what);
      this.#tab.hear(what);
    };
    const followed = this.#tab.followed();
    const state = followed ? copied(followed) : resumed(this.#tab.known());
    this.#hub = new Hub(JSON.parse(this.#tab.name), tell, this.#tab.askHeaders, state);
    await begun(done);
    if (this.#candidacy.signal.aborted) return;
    if (!followed) this.#tab.hear({ kind: "welcome", state });
    this.#hub.start();
    this.#send({ kind: "leader", born: state.born });
    return done;
  }

  #heard(what: BetweenTabs) {
    if (this.#hub) {
      if (what.kind === "join") this.#welcome(this.#hub, what.tab);
    } else if (what.kind === "welcome") {
      if (what.to === this.#tab.id && !this.#tab.followed()) this.#tab.hear(what);
    } else if (what.kind === "leader") {
      if (this.#tab.followed()?.born === what.born) return;
      // The new leader does not know the earlier events, and counts from its own start. Or there was no leader yet.
      this.#tab.hear({ kind: "lost" });
      this.#send({ kind: "join", tab: this.#tab.id });
    } else if (what.kind !== "join") {
      this.#tab.hear(what);
    }
  }

  #welcome(hub: Hub, tab: string) {
    this.#send({ kind: "welcome", to: tab, state: hub.state });
  }

  #send(what: BetweenTabs) {
    this.#channel?.postMessage(what);
  }
}
