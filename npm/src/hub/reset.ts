import { NAME } from "./names.js";

/** Whether what began at `born` began before a reset at `at`. What the clock has been set back from began before, too. */
export function isBefore(born: number, at: number) {
  return born <= at || born > Date.now();
}

/** When the last reset was. Pages that were in the back/forward cache, or frozen, look it up when they return. */
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

/** Resolves once a hub may begin; `reset` waits until every one is `forgotten`. */
export function begun(forgotten: Promise<void>): Promise<void> {
  if (!navigator.locks) return Promise.resolve();
  return new Promise((begin) => {
    navigator.locks.request(NAME, { mode: "shared" }, () => {
      begin();
      return forgotten;
    });
  });
}
