import { NAME } from "./names.js";

/**
 * Whether something that started at `startedAt` is older than a reset at `at`. A start in the future (the clock was set
 * back) counts as older.
 */
export function isBefore(startedAt: number, at: number) {
  return startedAt <= at || startedAt > Date.now();
}

/** Stores when the last reset was. Pages that were in the back/forward cache or frozen look it up when they return. */
export const lastReset = {
  note(at: number) {
    try {
      localStorage.setItem(NAME, String(at));
    } catch {
      // Storage is forbidden here.
    }
  },
  isAfter(startedAt: number) {
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
export function waitForReset(connectionEnded: Promise<void>): Promise<void> {
  if (!navigator.locks) return Promise.resolve();
  return new Promise((begin) => {
    navigator.locks.request(NAME, { mode: "shared" }, () => {
      begin();
      return connectionEnded;
    });
  });
}
