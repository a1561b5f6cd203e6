/** The longest time that a timer can wait, in milliseconds. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** If as many keep-alives as this are missing, the connection counts as lost. */
export const MISSED_KEEP_ALIVES = 3;

/**
 * Ends a connection on which nothing arrives for too long. This script does not run while
 * the machine sleeps or the page is frozen. After that, the socket gets one more step of time to deliver what it holds.
 */
export class SilenceLimit {
  #exceeded: () => void;
  #limit = 0;
  #receivedAt = 0;
  #wasLate = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param exceeded called once the limit is exceeded */
  constructor(exceeded: () => void) {
    this.#exceeded = exceeded;
  }

  /** Begins to count. @param limit in milliseconds; 0 is no limit */
  start(limit: number) {
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

  #checkIn(wait: number) {
    const due = performance.now() + wait;
    this.#timer = setTimeout(() => this.#check(due), wait);
  }

  #check(due: number) {
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
