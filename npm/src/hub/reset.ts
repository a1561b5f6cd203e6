import { NAME } from "./names.js";

/** Whether `born` is before a reset at `at`. A `born` in the future (the clock was set back) counts as before it. */
export function isBefore(born: number, at: number) {
  return born <= at || born > Date.now();
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
  isAfter(born: number) {
    try {
      const at = Number(localStorage.getItem(NAME));
      return at > 0 && isBefore(born, at);
    } catch {
      return false;
    }
  },
};

/** Resolves once a hub may begin. `reset` waits until the promise `forgotten` of every hub has resolved. */
export function begun(forgotten: Promise<void>): Promise<void> {
  if (!navigator.locks) return Promise.resolve();
  return new Promise((begin) => {
    navigator.locks.request(NAME, { mode: "shared" }, () => {
      begin();
      return forgotten;
    });
  });
}
