import { connectWorker } from "../worker-script.js";
import { type HeadersAnswer, PROTOCOL, type TabHandle, type ToTab, type ToWorker } from "./messages.js";

/** After this time, in milliseconds, without an answer the page gives up the worker. */
const WORKER_TIMEOUT = 2_000;

/** The timeout is counted in steps. If the page itself is busy for a long time, this counts as one step only. */
const STEPS = 4;

/** The scripts whose workers this page has given up. It does not try them again. */
const givenUp = new Set<string | undefined>();

/** The link to the shared connection in the shared worker. */
export class WorkerLink {
  #tab: TabHandle;
  #script: string | undefined;
  #failed: () => void;
  #worker: SharedWorker | undefined;
  #port: MessagePort | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasAnswered = false;
  #hasLeft = false;

  /**
   * @param script the worker's URL, if the page has named one
   * @param failed called when this link gives up the worker
   */
  constructor(tab: TabHandle, script: string | undefined, failed: () => void) {
    [this.#tab, this.#script, this.#failed] = [tab, script, failed];
    try {
      this.#worker = connectWorker(tab.name, script);
    } catch (error) {
      this.#giveUp(`cannot be made (${error})`);
      return;
    }
    this.#worker.onerror = () => this.#giveUp("cannot be loaded");
    this.#port = this.#worker.port;
    this.#port.onmessage = ({ data }: MessageEvent<ToTab>) => this.#receive(data);
    this.#send({ kind: "join", position: tab.position(), hasHeaders: tab.hasHeaders });
    this.#wait(STEPS);
  }

  /** Whether this page may use a worker. Chrome on Android has none. */
  static mayHaveWorker(script: string | undefined) {
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

  #wait(steps: number) {
    this.#timer = setTimeout(() => {
      if (steps > 1) this.#wait(steps - 1);
      else this.#giveUp(`has not answered within ${WORKER_TIMEOUT / 1_000} s`);
    }, WORKER_TIMEOUT / STEPS);
  }

  #receive(message: ToTab) {
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

  #giveUp(why: string) {
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

  async #answer(inquiry: number) {
    this.#send({ kind: "asked", inquiry });
    const headers = await this.#tab.askHeaders().catch(() => undefined);
    this.#send({ kind: "answer", inquiry, headers });
  }

  #send(message: Omit<Extract<ToWorker, { kind: "join" }>, "tab"> | { kind: "leave" } | HeadersAnswer) {
    this.#port?.postMessage({ ...message, tab: this.#tab.id } satisfies ToWorker);
  }
}
