import type { HeaderPairs } from "../shared-connection/shared-connection.js";
import type { HeadersAnswer, ToTab } from "./messages.js";

/** If a tab is asked for headers and does not react for this time, in milliseconds, it counts as frozen. */
const TAB_TIMEOUT = 5_000;

/** A tab that is connected to the worker. */
export interface Tab {
  port: MessagePort;
  hasHeaders: boolean;
}

/** A question for headers that no tab has answered yet. */
interface Inquiry {
  number: number;
  unasked: string[];
  asked: Set<string>;
  current?: string | undefined;
  timer?: ReturnType<typeof setTimeout>;
  /** All tabs were asked. One of them may still answer, or another tab may join. */
  isWaiting: boolean;
  resolve: (headers: HeaderPairs) => void;
  reject: () => void;
}

/** Asks the tabs for a request's headers: first the oldest tab, and the next one if that tab is frozen or gone. */
export class TabHeaders {
  #tabs: Map<string, Tab>;
  #inquiry: Inquiry | undefined;

  /** @param tabs the connected tabs, in the order in which they are asked */
  constructor(tabs: Map<string, Tab>) {
    this.#tabs = tabs;
  }

  /** Resolves to the headers, or to `undefined` if no tab has the option `headers`. */
  ask(): Promise<HeaderPairs | undefined> {
    const unasked = [...this.#tabs].filter(([, { hasHeaders }]) => hasHeaders).map(([tab]) => tab);
    if (unasked.length === 0) return Promise.resolve(undefined);
    this.cancel();
    return new Promise((resolve, reject) => {
      this.#inquiry = { number: Math.random(), unasked, asked: new Set(), isWaiting: false, resolve, reject };
      this.#askNext();
    });
  }

  joined(tab: string) {
    if (!this.#inquiry || !this.#tabs.get(tab)?.hasHeaders) return;
    this.#inquiry.unasked.push(tab);
    if (this.#inquiry.isWaiting) this.#askNext();
  }

  left(tab: string) {
    if (!this.#inquiry) return;
    const { asked, unasked, current } = this.#inquiry;
    asked.delete(tab);
    this.#inquiry.unasked = unasked.filter((other) => other !== tab);
    if (tab === current) this.#askNext();
  }

  /** A tab answers twice: first `asked`, which a frozen tab cannot send, and later with the headers. */
  answered(tab: string, answer: HeadersAnswer) {
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
    this.#tabs.get(tab)?.port.postMessage({ kind: "headers", inquiry: inquiry.number } satisfies ToTab);
    inquiry.timer = setTimeout(() => {
      this.#putLast(tab);
      this.#askNext();
    }, TAB_TIMEOUT);
  }

  /** The next inquiry does not begin with a tab that was frozen. */
  #putLast(tab: string) {
    const entry = this.#tabs.get(tab);
    if (!entry) return;
    this.#tabs.delete(tab);
    this.#tabs.set(tab, entry);
  }
}
